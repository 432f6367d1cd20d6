import type { Visit } from '../context.ts';
import { asBoolean, type Call, ironicTime, isMap, isUuid, type JsonMap, pythonText, reply } from '../http.ts';
import type { PortgroupRecord } from '../records.ts';
import type { Answer, Routes } from '../router.ts';
import { additionalProperties, expectedUuid, IronicError } from './errors.ts';
import { nextLink, page } from './lists.ts';
import { links } from './node-fields.ts';
import { findNode, needs } from './nodes-read.ts';
import { checkAddress, pick } from './ports.ts';

const GROUP_FIELDS = [
  'uuid',
  'node_uuid',
  'address',
  'name',
  'mode',
  'properties',
  'extra',
  'standalone_ports_supported',
];

export const portgroupRoutes: Routes<Visit> = {
  'GET /v1/portgroups': (call, _params, visit) => listGroups(call, visit, false),
  'GET /v1/portgroups/detail': (call, _params, visit) => listGroups(call, visit, true),
  'POST /v1/portgroups': (call, _params, visit) => createGroup(call.body, visit),
  'GET /v1/portgroups/:group': (_call, { group = '' }, visit) => reply(200, groupView(groupOf(group, visit), visit)),
  'DELETE /v1/portgroups/:group': (_call, { group = '' }, visit) => {
    const found = groupOf(group, visit);
    return visit.conductor.withLock(found.node_uuid, () => {
      if ([...visit.world.tables.ports.values()].some((port) => port.portgroup_uuid === found.uuid)) {
        throw new IronicError(
          400,
          `Portgroup ${found.uuid} cannot be deleted because there are ports associated with it.`,
        );
      }
      visit.world.remove('portgroups', found.uuid);
      return reply(204);
    }) as Answer;
  },
  'GET /v1/nodes/:node/portgroups': (call, { node = '' }, visit) =>
    listGroups(call, visit, asBoolean(call.query.get('detail') ?? 'no') === true, findNode(node, visit).uuid),
};

/** As POST /v1/portgroups makes it; `body` has been checked. */
export function newPortgroup(body: JsonMap, uuid: string, now: number): PortgroupRecord {
  return {
    uuid,
    address: typeof body['address'] === 'string' ? body['address'].toLowerCase() : null,
    name: typeof body['name'] === 'string' ? body['name'] : null,
    node_uuid: String(body['node_uuid']),
    mode: typeof body['mode'] === 'string' ? body['mode'] : 'active-backup',
    properties: isMap(body['properties']) ? body['properties'] : {},
    extra: isMap(body['extra']) ? body['extra'] : {},
    standalone_ports_supported: asBoolean(body['standalone_ports_supported'] ?? 'yes') ?? true,
    created_at: now,
    updated_at: null,
  };
}

function groupOf(ident: string, visit: Visit): PortgroupRecord {
  needs(visit, 23);
  const found =
    visit.tables.portgroups.get(ident) ?? [...visit.tables.portgroups.values()].find((group) => group.name === ident);
  if (found === undefined) throw new IronicError(404, `Portgroup ${ident} could not be found.`);
  return found;
}

function groupView(group: PortgroupRecord, visit: Visit): JsonMap {
  const base = visit.settings.endpoints.ironic;
  return {
    uuid: group.uuid,
    created_at: ironicTime(group.created_at),
    updated_at: ironicTime(group.updated_at),
    address: group.address,
    extra: group.extra,
    internal_info: {},
    mode: group.mode,
    name: group.name,
    properties: group.properties,
    standalone_ports_supported: group.standalone_ports_supported,
    node_uuid: group.node_uuid,
    links: links(base, 'portgroups', group.uuid),
    ports: links(base, 'portgroups', `${group.uuid}/ports`),
  };
}

function listGroups(call: Call, visit: Visit, detail: boolean, onlyNode?: string): Answer {
  needs(visit, 23);
  const ident = call.query.get('node');
  const node = onlyNode ?? (ident === null ? null : findNode(ident, visit).uuid);
  const groups = [...visit.tables.portgroups.values()].filter((group) => node === null || group.node_uuid === node);
  const found = page(
    groups,
    (group) => group.uuid,
    call,
    (marker) => new IronicError(404, `Portgroup ${marker} could not be found.`),
  );
  const whole = detail || asBoolean(call.query.get('detail') ?? 'no') === true;
  const views = found.items.map((group) =>
    whole ? groupView(group, visit) : pick(groupView(group, visit), ['uuid', 'address', 'name', 'links']),
  );
  return reply(200, { portgroups: views, ...nextLink(visit.settings.endpoints.ironic, '/v1/portgroups', {}, found) });
}

function createGroup(body: unknown, visit: Visit): Answer {
  needs(visit, 23);
  if (!isMap(body))
    throw new IronicError(400, `Schema error for portgroup: ${pythonText(body ?? null)} is not of type 'object'`);
  const unknown = Object.keys(body).filter((key) => !GROUP_FIELDS.includes(key));
  if (unknown.length > 0) throw additionalProperties('portgroup', unknown);
  const { node_uuid: node, uuid: wanted, name } = body;
  if (node === undefined) throw new IronicError(400, "Schema error for portgroup: 'node_uuid' is a required property");
  if (!isUuid(node)) throw expectedUuid('node_uuid', node);
  if (!visit.world.tables.nodes.has(node)) throw new IronicError(400, `Node ${node} could not be found.`);
  if (wanted !== undefined && wanted !== null && !isUuid(wanted)) throw expectedUuid('uuid', wanted);
  if (body['address'] !== undefined && body['address'] !== null) checkAddress(body['address']);
  const uuid = typeof wanted === 'string' ? wanted : visit.ids();
  const group = newPortgroup(body, uuid, visit.clock.now());
  return visit.conductor.withLock(node, () => {
    const others = [...visit.world.tables.portgroups.values()];
    if (others.some((other) => other.uuid === uuid))
      throw new IronicError(409, `A portgroup with UUID ${uuid} already exists.`);
    if (typeof name === 'string' && others.some((other) => other.name === name)) {
      throw new IronicError(409, `A portgroup with name ${name} already exists.`);
    }
    const { address } = group;
    if (address !== null && others.some((other) => other.address === address)) {
      throw new IronicError(409, `A portgroup with MAC address ${address} already exists.`);
    }
    visit.world.put('portgroups', uuid, group);
    return reply(201, groupView(group, visit), {
      Location: `${visit.settings.endpoints.ironic}/v1/portgroups/${uuid}`,
    });
  }) as Answer;
}
