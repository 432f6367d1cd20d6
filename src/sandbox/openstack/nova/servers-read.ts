import type { Visit } from '../context.ts';
import { asBoolean, BOOLEAN_WORDS, type Call, novaTime, pythonText, reply } from '../http.ts';
import type { InstanceRecord } from '../records.ts';
import type { Routes } from '../router.ts';
import { NovaError, serverNotFound } from './errors.ts';
import { briefServer, wholeServer } from './server-view.ts';

const STATUSES = new Set([
  'ACTIVE',
  'BUILD',
  'DELETED',
  'ERROR',
  'HARD_REBOOT',
  'MIGRATING',
  'PASSWORD',
  'PAUSED',
  'REBOOT',
  'REBUILD',
  'RESCUE',
  'RESIZE',
  'REVERT_RESIZE',
  'SHELVED',
  'SHELVED_OFFLOADED',
  'SHUTOFF',
  'SOFT_DELETED',
  'SUSPENDED',
  'UNKNOWN',
  'VERIFY_RESIZE',
]);
const FILTERS = new Set([
  'all_tenants',
  'deleted',
  'name',
  'status',
  'host',
  'node',
  'image',
  'flavor',
  'ip',
  'uuid',
  'project_id',
  'tenant_id',
  'user_id',
  'changes-since',
  'changes-before',
  'limit',
  'marker',
  'sort_key',
  'sort_dir',
  'vm_state',
  'task_state',
  'availability_zone',
  'tags',
  'not-tags',
  'locked',
  'key_name',
  'description',
  'reservation_id',
  'power_state',
  'launched_at',
  'terminated_at',
  'created_at',
  'hostname',
]);
const LONGEST = 1000;

export const serverReadRoutes: Routes<Visit> = {
  'GET /v2.1/servers': (call, _params, visit) => list(call, visit, false),
  'GET /v2.1/servers/detail': (call, _params, visit) => list(call, visit, true),
  'GET /v2.1/servers/:server': (_call, { server = '' }, visit) =>
    reply(200, { server: wholeServer(visibleInstance(server, visit), visit, true) }),
  'GET /v2.1/servers/:server/metadata': (_call, { server = '' }, visit) =>
    reply(200, { metadata: visibleInstance(server, visit).metadata }),
  'GET /v2.1/servers/:server/metadata/:key': (_call, { server = '', key = '' }, visit) => {
    const value = visibleInstance(server, visit).metadata[key];
    if (value === undefined) throw new NovaError(404, 'Metadata item was not found');
    return reply(200, { meta: { [key]: value } });
  },
  'GET /v2.1/servers/:server/ips': (_call, { server = '' }, visit) => {
    const { addresses } = visibleInstance(server, visit);
    const brief = Object.entries(addresses).map(([network, all]) => [
      network,
      all.map(({ version, addr }) => ({ version, addr })),
    ]);
    return reply(200, { addresses: Object.fromEntries(brief) });
  },
  'GET /v2.1/servers/:server/os-interface': (_call, { server = '' }, visit) => {
    const { id } = visibleInstance(server, visit);
    const ports = [...visit.tables.neutronPorts.values()].filter((port) => port.deviceId === id);
    const interfaceAttachments = ports.map((port) => ({
      net_id: port.networkId,
      port_id: port.id,
      mac_addr: port.macAddress,
      port_state: 'DOWN',
      fixed_ips: [{ subnet_id: port.subnetId, ip_address: port.ipAddress }],
      tag: null,
    }));
    return reply(200, { interfaceAttachments });
  },
  'GET /v2.1/servers/:server/os-instance-actions': (_call, { server = '' }, visit) => {
    // Of a deleted server they can still be read.
    const instance = visit.tables.instances.get(server);
    if (instance === undefined) throw serverNotFound(server);
    const instanceActions = instance.actions.map((action) => ({
      action: action.action,
      instance_uuid: instance.id,
      request_id: action.request_id,
      user_id: instance.userId,
      project_id: instance.projectId,
      start_time: novaTime(action.start_time),
      message: null,
      updated_at: novaTime(action.updated_at),
    }));
    return reply(200, { instanceActions });
  },
};

/** The instance, unless it is 404. Others' instances are seen by an admin only. */
export function visibleInstance(id: string, visit: Visit): InstanceRecord {
  const instance = visit.tables.instances.get(id);
  if (instance === undefined || instance.purged) throw serverNotFound(id);
  if (!visit.token.roles.includes('admin') && !ownProject(instance, visit)) throw serverNotFound(id);
  return instance;
}

function ownProject(instance: InstanceRecord, { token }: Visit): boolean {
  return token.scope.kind === 'project' && token.scope.project.id === instance.projectId;
}

function list(call: Call, visit: Visit, detail: boolean) {
  const { query } = call;
  for (const key of query.keys()) {
    if (key === 'metadata') throw new NovaError(400, 'Invalid filter field: metadata.');
    if (!FILTERS.has(key) && !key.startsWith('_'))
      throw new NovaError(400, `${pythonText(key)} does not match any of the regexes: '^_'`);
  }
  const limit = readLimit(query.get('limit'));
  const keep = filterOf(call, visit);
  // Newest first.
  const all = [...visit.tables.instances.values()].filter(keep).reverse();
  const marker = query.get('marker');
  let start = 0;
  if (marker !== null) {
    start = all.findIndex((instance) => instance.id === marker) + 1;
    if (start === 0) throw new NovaError(400, `marker [${marker}] not found`);
  }
  const page = all.slice(start, start + limit);
  const base = visit.settings.endpoints.nova;
  const servers = page.map((instance) => (detail ? wholeServer(instance, visit, false) : briefServer(instance, base)));
  const last = page.at(-1);
  if (last === undefined || page.length < limit) return reply(200, { servers });
  return reply(200, { servers, servers_links: [{ rel: 'next', href: nextPage(base, call, last.id) }] });
}

/** The address of the next page: given whenever a page is full, all parameters in the order of the alphabet. */
export function nextPage(base: string, call: Call, last: string): string {
  const query = new URLSearchParams([...call.query].filter(([key]) => key !== 'marker'));
  query.sort();
  query.append('marker', last);
  return `${base}${call.path}?${query}`;
}

export function readLimit(text: string | null): number {
  if (text === null) return LONGEST;
  if (!/^\d*$/.test(text))
    throw new NovaError(
      400,
      `Invalid input for query parameters limit. Value: ${text}. ${pythonText(text)} does not match '^[0-9]*$'`,
    );
  return Math.min(Number(text), LONGEST);
}

function filterOf(call: Call, visit: Visit): (instance: InstanceRecord) => boolean {
  const { query } = call;
  const flag = (name: string) => {
    const value = query.get(name);
    const read = value === null ? false : value === '' ? true : asBoolean(value);
    if (read === undefined)
      throw new NovaError(400, `Unrecognized value '${value}', acceptable values are: ${BOOLEAN_WORDS}`);
    return read;
  };
  const admin = visit.token.roles.includes('admin');
  const all = flag('all_tenants') && admin;
  const { scope } = visit.token;
  const deleted = flag('deleted') && admin;
  const status = query.get('status')?.toUpperCase() ?? null;
  if (status !== null && !STATUSES.has(status)) throw new NovaError(400, 'Invalid status value');
  const since = query.get('changes-since') === null ? null : Date.parse(query.get('changes-since') ?? '');
  if (since !== null && Number.isNaN(since)) {
    throw new NovaError(
      400,
      `Invalid input for query parameters changes-since. Value: ${query.get('changes-since')}. ${pythonText(query.get('changes-since'))} is not a 'date-time'`,
    );
  }
  const name = query.get('name');
  const pattern = name === null ? null : safePattern(name);
  const exact: [string | null, (instance: InstanceRecord) => string | null][] = [
    [query.get('host'), (instance) => (instance.node === null ? null : visit.compute.host)],
    [query.get('node'), (instance) => instance.node],
    [query.get('uuid'), (instance) => instance.id],
    [query.get('project_id') ?? query.get('tenant_id'), (instance) => instance.projectId],
    [query.get('vm_state'), (instance) => instance.vmState],
    [query.get('task_state'), (instance) => instance.taskState],
    [query.get('flavor'), (instance) => instance.flavor.id],
    [query.get('image'), (instance) => instance.imageId],
    [query.get('key_name'), (instance) => instance.keyName],
  ];
  return (instance) => {
    const isDeleted = instance.status === 'DELETED';
    if (since === null && isDeleted !== deleted) return false;
    if (since !== null && instance.updatedAt < since) return false;
    // A token without project sees an empty list: neither 401 nor 403.
    if (!all && scope.kind === 'none') return false;
    if (!all && scope.kind === 'project' && instance.projectId !== scope.project.id) return false;
    if (status !== null && instance.status !== status) return false;
    if (pattern !== null && !pattern.test(instance.name)) return false;
    return exact.every(([wanted, read]) => wanted === null || read(instance) === wanted);
  };
}

/** `name` is a regular expression to the database: `node-03` finds `hadoop-worker-node-03`. */
function safePattern(text: string): RegExp {
  try {
    return new RegExp(text, 'i');
  } catch {
    return new RegExp(text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&'), 'i');
  }
}
