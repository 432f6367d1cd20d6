import type { Visit } from '../context.ts';
import { asBoolean, type Call, ironicTime, isMap, isUuid, type JsonMap, pythonText, reply } from '../http.ts';
import type { PortRecord } from '../records.ts';
import type { Answer, Routes } from '../router.ts';
import { additionalProperties, expectedUuid, IronicError } from './errors.ts';
import { checkArguments, nextLink, page } from './lists.ts';
import { links } from './node-fields.ts';
import { findNode } from './nodes-read.ts';
import { applyPatch, readPatch } from './patch.ts';

const PATCHABLE = [
  'address',
  'extra',
  'is_smartnic',
  'local_link_connection',
  'node_uuid',
  'physical_network',
  'portgroup_uuid',
  'pxe_enabled',
];
const CREATABLE = new Set([...PATCHABLE, 'uuid']);
const LIST_ARGUMENTS = [
  'node',
  'node_uuid',
  'address',
  'portgroup',
  'fields',
  'detail',
  'limit',
  'marker',
  'sort_key',
  'sort_dir',
  'shard',
];
const MAC = /^([0-9a-f]{2}:){5}[0-9a-f]{2}$/;

export const portRoutes: Routes<Visit> = {
  'GET /v1/ports': (call, _params, visit) =>
    list(call, visit, asBoolean(call.query.get('detail') ?? 'no') === true, '/v1/ports'),
  'GET /v1/ports/detail': (call, _params, visit) => list(call, visit, true, '/v1/ports/detail'),
  'POST /v1/ports': (call, _params, visit) => create(call.body, visit),
  'GET /v1/ports/:port': (call, { port = '' }, visit) => {
    const found = portOf(port, visit);
    const fields = call.query.get('fields')?.split(',') ?? null;
    return reply(200, fields === null ? view(found, visit) : pick(view(found, visit), [...fields, 'links']));
  },
  'PATCH /v1/ports/:port': (call, { port = '' }, visit) => patch(call.body, port, visit),
  'DELETE /v1/ports/:port': (_call, { port = '' }, visit) => {
    const found = portOf(port, visit);
    return visit.conductor.withLock(found.node_uuid, () => {
      visit.world.remove('ports', found.uuid);
      return reply(204);
    }) as Answer;
  },
  'GET /v1/nodes/:node/ports': (call, { node: ident = '' }, visit) => {
    // The text is Ironic's own: it asks for a port group that nobody named.
    if (isUuid(ident) && !visit.tables.nodes.has(ident))
      throw new IronicError(404, 'Portgroup None could not be found.');
    const { uuid } = findNode(ident, visit);
    return list(call, visit, asBoolean(call.query.get('detail') ?? 'no') === true, `/v1/nodes/${ident}/ports`, uuid);
  },
};

/** As POST /v1/ports makes it; `body` has been checked. */
export function newPort(body: JsonMap, uuid: string, now: number): PortRecord {
  return {
    uuid,
    address: String(body['address']).toLowerCase(),
    node_uuid: String(body['node_uuid']),
    portgroup_uuid: typeof body['portgroup_uuid'] === 'string' ? body['portgroup_uuid'] : null,
    extra: isMap(body['extra']) ? body['extra'] : {},
    internal_info: {},
    is_smartnic: asBoolean(body['is_smartnic'] ?? 'no') ?? false,
    local_link_connection: isMap(body['local_link_connection']) ? body['local_link_connection'] : {},
    physical_network: typeof body['physical_network'] === 'string' ? body['physical_network'] : null,
    pxe_enabled: asBoolean(body['pxe_enabled'] ?? 'yes') ?? true,
    created_at: now,
    updated_at: null,
  };
}

function portOf(ident: string, visit: Visit): PortRecord {
  const byAddress = MAC.test(ident.toLowerCase())
    ? [...visit.tables.ports.values()].find((port) => port.address === ident.toLowerCase())
    : undefined;
  if (byAddress !== undefined) return byAddress;
  if (!isUuid(ident)) throw expectedUuid('port_uuid', ident);
  const port = visit.tables.ports.get(ident);
  if (port === undefined) throw portNotFound(ident);
  return port;
}

function portNotFound(ident: string): IronicError {
  return new IronicError(404, `Port ${ident} could not be found.`);
}

function view(port: PortRecord, visit: Visit): JsonMap {
  return {
    uuid: port.uuid,
    created_at: ironicTime(port.created_at),
    updated_at: ironicTime(port.updated_at),
    address: port.address,
    extra: port.extra,
    internal_info: port.internal_info,
    is_smartnic: port.is_smartnic,
    local_link_connection: port.local_link_connection,
    physical_network: port.physical_network,
    pxe_enabled: port.pxe_enabled,
    node_uuid: port.node_uuid,
    links: links(visit.settings.endpoints.ironic, 'ports', port.uuid),
    portgroup_uuid: port.portgroup_uuid,
  };
}

export function pick(whole: JsonMap, names: readonly string[]): JsonMap {
  return Object.fromEntries(names.filter((name) => name in whole).map((name) => [name, whole[name]]));
}

function list(call: Call, visit: Visit, detail: boolean, path: string, onlyNode?: string): Answer {
  checkArguments(call, LIST_ARGUMENTS);
  const ident = call.query.get('node') ?? call.query.get('node_uuid');
  const node = onlyNode ?? (ident === null ? null : findNode(ident, visit).uuid);
  const address = call.query.get('address')?.toLowerCase() ?? null;
  const group = call.query.get('portgroup');
  const ports = [...visit.tables.ports.values()].filter(
    (port) =>
      (node === null || port.node_uuid === node) &&
      (address === null || port.address === address) &&
      (group === null || port.portgroup_uuid === group),
  );
  const found = page(ports, (port) => port.uuid, call, portNotFound);
  const fields = call.query.get('fields')?.split(',') ?? ['uuid', 'address'];
  const views = found.items.map((port) => (detail ? view(port, visit) : pick(view(port, visit), [...fields, 'links'])));
  // For which node, the real one does not say either.
  const asked = detail ? {} : { fields: fields.join(',') };
  return reply(200, { ports: views, ...nextLink(visit.settings.endpoints.ironic, path, asked, found) });
}

function create(body: unknown, visit: Visit): Answer {
  if (!isMap(body))
    throw new IronicError(400, `Schema error for port: ${pythonText(body ?? null)} is not of type 'object'`);
  const unknown = Object.keys(body).filter((key) => !CREATABLE.has(key));
  if (unknown.length > 0) throw additionalProperties('port', unknown);
  for (const name of ['address', 'node_uuid']) {
    if (body[name] === undefined) throw new IronicError(400, `Schema error for port: '${name}' is a required property`);
  }
  const { uuid: wanted, node_uuid: node, portgroup_uuid: group } = body;
  if (wanted !== undefined && wanted !== null && !isUuid(wanted)) throw expectedUuid('uuid', wanted);
  checkAddress(body['address']);
  if (!isUuid(node)) throw expectedUuid('node_uuid', node);
  checkLink(body['local_link_connection']);
  // The node named in a body that is not there is a fault of the body: 400, not 404.
  if (!visit.world.tables.nodes.has(node)) throw new IronicError(400, `Node ${node} could not be found.`);
  checkGroup(group, visit);
  const uuid = typeof wanted === 'string' ? wanted : visit.ids();
  const port = newPort(body, uuid, visit.clock.now());
  return visit.conductor.withLock(node, () => {
    checkAddressFree(port.address, uuid, visit);
    if (visit.world.tables.ports.has(uuid)) throw new IronicError(409, `A port with UUID ${uuid} already exists.`);
    visit.world.put('ports', uuid, port);
    return reply(201, view(port, visit), { Location: `${visit.settings.endpoints.ironic}/v1/ports/${uuid}` });
  }) as Answer;
}

export function checkAddress(address: unknown): void {
  if (typeof address !== 'string' || !MAC.test(address.toLowerCase())) {
    throw new IronicError(400, `Expected valid MAC address for address: ${String(address)}`);
  }
}

function checkAddressFree(address: string, uuid: string, visit: Visit): void {
  for (const other of visit.world.tables.ports.values()) {
    if (other.address === address && other.uuid !== uuid)
      throw new IronicError(409, `A port with MAC address ${address} already exists.`);
  }
}

function checkLink(link: unknown): void {
  if (link === undefined || link === null) return;
  const known = ['switch_id', 'port_id', 'switch_info', 'network_type', 'hostname'];
  const unknown = isMap(link) ? Object.keys(link).filter((key) => !known.includes(key)) : [];
  if (!isMap(link) || unknown.length > 0) {
    const cause = `Additional properties are not allowed (${unknown.map((key) => `'${key}'`).join(', ')} ${unknown.length === 1 ? 'was' : 'were'} unexpected)`;
    throw new IronicError(
      400,
      `Schema error for local_link_connection: ${pythonText(link)} is not valid under any of the given schemas. Possible root cause: ${cause}`,
    );
  }
  const { switch_id: id } = link;
  if (typeof id === 'string' && !/^([0-9a-f]{2}:?){6,8}$/i.test(id)) {
    throw new IronicError(400, `Expected a MAC address or OpenFlow datapath ID but received ${id}.`);
  }
}

function checkGroup(group: unknown, visit: Visit): void {
  if (typeof group === 'string' && !visit.world.tables.portgroups.has(group))
    throw new IronicError(400, `Portgroup ${group} could not be found.`);
}

function patch(body: unknown, ident: string, visit: Visit): Answer {
  const steps = readPatch(body, PATCHABLE);
  const port = portOf(ident, visit);
  const before: JsonMap = Object.fromEntries(PATCHABLE.map((name) => [name, port[name as keyof PortRecord]]));
  const after = applyPatch(before, steps, (root) => (root === 'extra' || root === 'local_link_connection' ? {} : null));
  checkAddress(after['address']);
  checkLink(after['local_link_connection']);
  checkGroup(after['portgroup_uuid'], visit);
  return visit.conductor.withLock(port.node_uuid, () => {
    const changed = {
      ...newPort(after, port.uuid, port.created_at),
      internal_info: port.internal_info,
      updated_at: visit.clock.now(),
    };
    checkAddressFree(changed.address, port.uuid, visit);
    visit.world.put('ports', port.uuid, changed);
    return reply(200, view(changed, visit));
  }) as Answer;
}
