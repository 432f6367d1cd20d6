import type { Visit } from '../context.ts';
import { asBoolean, type Call, isMap, isUuid, type JsonMap, pythonText, reply } from '../http.ts';
import type { FlavorRecord, InstanceRecord } from '../records.ts';
import type { Answer, Routes } from '../router.ts';
import { newAction } from './compute.ts';
import { invalidField, NovaError } from './errors.ts';
import { novaLinks } from './server-view.ts';
import { visibleInstance } from './servers-read.ts';

/** Minor version since which a field of a new server is known; 1 is always. */
const FIELDS: Readonly<Record<string, number>> = {
  name: 1,
  imageRef: 1,
  flavorRef: 1,
  adminPass: 1,
  metadata: 1,
  networks: 1,
  'OS-DCF:diskConfig': 1,
  accessIPv4: 1,
  accessIPv6: 1,
  availability_zone: 1,
  block_device_mapping: 1,
  block_device_mapping_v2: 1,
  config_drive: 1,
  key_name: 1,
  min_count: 1,
  max_count: 1,
  return_reservation_id: 1,
  security_groups: 1,
  user_data: 1,
  description: 19,
  tags: 52,
  trusted_image_certificates: 63,
  host: 74,
  hypervisor_hostname: 74,
  hostname: 90,
};

export const serverWriteRoutes: Routes<Visit> = {
  'POST /v2.1/servers': (call, _params, visit) => create(call, visit),
  'DELETE /v2.1/servers/:server': (_call, { server = '' }, visit) => {
    visit.compute.remove(visibleInstance(server, visit).id);
    return reply(204);
  },
  'POST /v2.1/servers/:server/action': (call, { server = '' }, visit) => act(call, server, visit),
  'POST /v2.1/servers/:server/metadata': (call, { server = '' }, visit) => setMetadata(call, server, visit, true),
  'PUT /v2.1/servers/:server/metadata': (call, { server = '' }, visit) => setMetadata(call, server, visit, false),
  'PUT /v2.1/servers/:server/metadata/:key': (call, { server = '', key = '' }, visit) => {
    const meta = isMap(call.body) ? call.body['meta'] : undefined;
    if (!isMap(meta)) throw new NovaError(400, "'meta' is a required property");
    checkMetadata(meta);
    if (!Object.hasOwn(meta, key)) throw new NovaError(400, 'Request body and URI mismatch');
    const instance = visibleInstance(server, visit);
    saveMetadata(instance, { ...instance.metadata, [key]: String(meta[key]) }, visit);
    return reply(200, { meta: { [key]: meta[key] } });
  },
  'DELETE /v2.1/servers/:server/metadata/:key': (_call, { server = '', key = '' }, visit) => {
    const instance = visibleInstance(server, visit);
    if (instance.metadata[key] === undefined) throw new NovaError(404, 'Metadata item was not found');
    const { [key]: _removed, ...left } = instance.metadata;
    saveMetadata(instance, left, visit);
    return reply(204);
  },
};

function setMetadata(call: Call, id: string, visit: Visit, keepOthers: boolean): Answer {
  const metadata = isMap(call.body) ? call.body['metadata'] : undefined;
  if (metadata === undefined) throw new NovaError(400, "'metadata' is a required property");
  const checked = checkMetadata(metadata);
  const instance = visibleInstance(id, visit);
  const result = keepOthers ? { ...instance.metadata, ...checked } : checked;
  saveMetadata(instance, result, visit);
  return reply(200, { metadata: result });
}

function saveMetadata(instance: InstanceRecord, metadata: Record<string, string>, visit: Visit): void {
  if (Object.keys(metadata).length > 128) throw new NovaError(403, 'Maximum number of metadata items exceeds 128');
  visit.world.change('instances', instance.id, { metadata, updatedAt: visit.clock.now() });
}

function checkMetadata(metadata: unknown): Record<string, string> {
  if (!isMap(metadata))
    throw invalidField('metadata', plainText(metadata), `${pythonText(metadata)} is not of type 'object'`);
  for (const [key, value] of Object.entries(metadata)) {
    if (!/^[a-zA-Z0-9\-_:. ]{1,255}$/.test(key)) {
      throw invalidField(
        'metadata',
        pythonText(metadata),
        `${pythonText(key)} does not match any of the regexes: '^[a-zA-Z0-9-_:. ]{1,255}$'`,
      );
    }
    if (typeof value !== 'string')
      throw invalidField(key, plainText(value), `${pythonText(value)} is not of type 'string'`);
    if (value.length > 255) throw invalidField(key, value, `${pythonText(value)} is too long`);
  }
  return metadata as Record<string, string>;
}

function plainText(value: unknown): string {
  return typeof value === 'string' ? value : pythonText(value);
}

function create(call: Call, visit: Visit): Answer {
  const body = isMap(call.body) ? call.body : {};
  if (!('server' in body)) throw new NovaError(400, "'server' is a required property");
  const { server } = body;
  if (!isMap(server)) throw invalidField('server', plainText(server), `${pythonText(server)} is not of type 'object'`);
  checkShape(server, visit);
  const { world, settings, token } = visit;
  const { flavors, images, keypairs, networks } = world.catalogue;

  const metadata = checkMetadata(server['metadata'] ?? {});
  const { imageRef, availability_zone: zone } = server;
  if (imageRef === undefined || imageRef === '') throw new NovaError(400, 'Missing imageRef attribute');
  if (!isUuid(imageRef))
    throw invalidField(
      'imageRef',
      plainText(imageRef),
      `${pythonText(imageRef)} is not valid under any of the given schemas`,
    );
  const place = readZone(zone, visit);
  if (!images.has(imageRef)) throw new NovaError(400, 'Can not find requested image');
  const flavor = flavors.get(String(server['flavorRef']));
  if (flavor === undefined) throw new NovaError(400, `Flavor ${plainText(server['flavorRef'])} could not be found.`);
  const networkIds = readNetworks(server['networks'], visit);
  const missing = networkIds.find((id) => !networks.has(id));
  if (missing !== undefined) throw new NovaError(400, `Network ${missing} could not be found.`);
  const group = Array.isArray(server['security_groups'])
    ? server['security_groups'].filter(isMap).find(({ name }) => name !== 'default')
    : undefined;
  if (group !== undefined)
    throw new NovaError(400, `Unable to find security_group with name or id '${String(group['name'])}'`);
  const { key_name: keyName } = server;
  if (typeof keyName === 'string' && !keypairs.has(keyName)) throw new NovaError(400, 'Invalid key_name provided.');
  checkQuota(flavor, metadata, visit);
  const pinned = readPin(server, place, visit);

  const { scope } = token;
  if (scope.kind === 'none')
    throw new NovaError(403, "Policy doesn't allow os_compute_api:servers:create to be performed.");
  const now = visit.clock.now();
  const id = visit.ids();
  const instance: InstanceRecord = {
    id,
    name: String(server['name']),
    projectId: scope.kind === 'project' ? scope.project.id : '',
    userId: token.userId,
    imageId: imageRef,
    flavor,
    networkIds,
    keyName: typeof keyName === 'string' ? keyName : null,
    metadata,
    userData: typeof server['user_data'] === 'string' ? server['user_data'] : null,
    configDrive: asBoolean(server['config_drive'] ?? 'no') ?? false,
    description: typeof server['description'] === 'string' ? server['description'] : null,
    tags: Array.isArray(server['tags']) ? server['tags'].map(String) : [],
    status: 'BUILD',
    vmState: 'building',
    taskState: 'scheduling',
    powerState: 0,
    node: null,
    pinned,
    fault: null,
    number: world.nextSerial(),
    createdAt: now,
    updatedAt: now,
    launchedAt: null,
    terminatedAt: null,
    addresses: {},
    actions: [newAction('create', visit)],
    purged: false,
  };
  world.put('instances', id, instance);
  visit.compute.build(id);
  const links = novaLinks(settings.endpoints.nova, `servers/${id}`);
  const accepted = {
    id,
    links,
    'OS-DCF:diskConfig': 'MANUAL',
    security_groups: [{ name: 'default' }],
    adminPass: visit.ids().replaceAll('-', '').slice(0, 12),
  };
  return reply(202, { server: accepted }, { Location: `${settings.endpoints.nova}/v2.1/servers/${id}` });
}

function checkShape(server: JsonMap, visit: Visit): void {
  const refuse = (reason: string) => invalidField('server', pythonText(server), reason);
  const unknown = Object.keys(server).filter((key) => visit.version < (FIELDS[key] ?? Number.POSITIVE_INFINITY));
  if (unknown.length > 0) {
    const names = unknown.map((key) => `'${key}'`).join(', ');
    throw refuse(
      `Additional properties are not allowed (${names} ${unknown.length === 1 ? 'was' : 'were'} unexpected)`,
    );
  }
  const required = visit.version >= 37 ? ['name', 'flavorRef', 'networks'] : ['name', 'flavorRef'];
  for (const key of required) if (server[key] === undefined) throw refuse(`'${key}' is a required property`);
  const { name } = server;
  if (typeof name !== 'string')
    throw invalidField('name', plainText(name), `${pythonText(name)} is not of type 'string'`);
  if (name === '') throw invalidField('name', name, "'' is too short");
  if (name.trim() !== name) {
    throw new NovaError(
      400,
      "An invalid 'name' value was provided. The name must be: printable characters. Can not start or end with whitespace.",
    );
  }
}

function readNetworks(networks: unknown, visit: Visit): string[] {
  const first = () => [...visit.world.catalogue.networks.keys()].slice(0, 1);
  if (networks === undefined || networks === 'auto') return first();
  if (networks === 'none') return [];
  const invalid = () =>
    invalidField(
      'networks',
      plainText(networks),
      `${pythonText(networks)} is not valid under any of the given schemas`,
    );
  if (!Array.isArray(networks)) throw invalid();
  if (networks.length === 0) return first();
  return networks.map((entry: unknown) => {
    if (!isMap(entry) || !isUuid(entry['uuid'])) throw invalid();
    return entry['uuid'];
  });
}

function readZone(zone: unknown, visit: Visit): string | null {
  if (zone === undefined || zone === null) return null;
  const [name, host, node] = String(zone).split(':');
  if (name !== 'nova') throw new NovaError(400, 'The requested availability zone is not available');
  if (host !== undefined && host !== '' && host !== visit.compute.host)
    throw new NovaError(400, `Compute host ${host} could not be found.`);
  return node ?? null;
}

/** The node asked for must be a hypervisor by now; whether it is free is found out later. */
function readPin(server: JsonMap, place: string | null, visit: Visit): string | null {
  const { host, hypervisor_hostname: hypervisor } = server;
  if (typeof host === 'string' && host !== visit.compute.host)
    throw new NovaError(400, `Compute host ${host} could not be found.`);
  if (typeof hypervisor === 'string') {
    if (!visit.world.tables.providers.has(hypervisor))
      throw new NovaError(400, `Compute host ${hypervisor} could not be found.`);
    return hypervisor;
  }
  return place;
}

function checkQuota(flavor: FlavorRecord, metadata: JsonMap, visit: Visit): void {
  if (Object.keys(metadata).length > 128) throw new NovaError(403, 'Maximum number of metadata items exceeds 128');
  const used = usage(visit);
  // Counted by the flavor's numbers, although its resources are overridden to none.
  const wanted = { instances: 1, cores: flavor.vcpus, ram: flavor.ram };
  for (const name of ['instances', 'cores', 'ram'] as const) {
    const limit = visit.settings.quotas[name];
    if (limit >= 0 && used[name] + wanted[name] > limit) {
      throw new NovaError(
        403,
        `Quota exceeded for ${name}: Requested ${wanted[name]}, but already used ${used[name]} of ${limit} ${name}`,
      );
    }
  }
}

/** What the instances of the asker's project count against its quotas. */
export function usage(visit: Visit): { instances: number; cores: number; ram: number } {
  const sum = { instances: 0, cores: 0, ram: 0 };
  const { scope } = visit.token;
  for (const instance of visit.world.tables.instances.values()) {
    if (instance.status === 'DELETED' || (scope.kind === 'project' && instance.projectId !== scope.project.id))
      continue;
    sum.instances += 1;
    sum.cores += instance.flavor.vcpus;
    sum.ram += instance.flavor.ram;
  }
  return sum;
}

function act(call: Call, id: string, visit: Visit): Answer {
  if (!isMap(call.body) || Object.keys(call.body).length !== 1) throw new NovaError(400, 'Malformed request body');
  const [action = ''] = Object.keys(call.body);
  const verbs: Readonly<Record<string, 'stop' | 'start'>> = { 'os-stop': 'stop', 'os-start': 'start' };
  const verb = verbs[action];
  if (verb === undefined) throw new NovaError(400, `There is no such action: ${action}`);
  const instance = visit.tables.instances.get(id);
  if (instance === undefined) throw new NovaError(404, `Instance ${id} has no mapping to a cell.`);
  const { vmState, taskState } = visibleInstance(id, visit);
  const from = verb === 'stop' ? ['active', 'error'] : ['stopped'];
  if (!from.includes(vmState))
    throw new NovaError(409, `Cannot '${verb}' instance ${id} while it is in vm_state ${vmState}`);
  if (taskState !== null)
    throw new NovaError(409, `Cannot '${verb}' instance ${id} while it is in task_state ${taskState}`);
  visit.compute[verb](id);
  return reply(202, undefined, { 'Content-Type': 'application/json' });
}
