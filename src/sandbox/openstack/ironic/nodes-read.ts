import type { Visit } from '../context.ts';
import { asBoolean, BOOLEAN_WORDS, type Call, isUuid, reply } from '../http.ts';
import type { NodeRecord } from '../records.ts';
import type { Routes } from '../router.ts';
import { IronicError, nodeNotFound, notAcceptable } from './errors.ts';
import { checkArguments, nextLink, page } from './lists.ts';
import {
  allFields,
  BRIEF_FIELDS,
  columnsOf,
  FIELDS,
  listed,
  type Reader,
  SINCE,
  someFields,
  visible,
} from './node-fields.ts';

const STATES = new Set([
  'enroll',
  'verifying',
  'manageable',
  'available',
  'deploying',
  'wait call-back',
  'deploy failed',
  'active',
  'deleting',
  'deleted',
  'cleaning',
  'clean wait',
  'clean failed',
  'error',
  'rebuild',
  'inspecting',
  'inspect wait',
  'inspect failed',
  'adopting',
  'adopt failed',
  'rescue',
  'rescue failed',
  'rescue wait',
  'rescuing',
  'unrescue failed',
  'unrescuing',
]);

const FILTERS = [
  'chassis_uuid',
  'instance_uuid',
  'associated',
  'maintenance',
  'retired',
  'provision_state',
  'driver',
  'resource_class',
  'fault',
  'conductor_group',
  'conductor',
  'owner',
  'description_contains',
  'lessee',
  'project',
  'shard',
] as const;
const BOOLEAN_FILTERS = new Set<string>(['associated', 'maintenance', 'retired']);
const PAGING = ['limit', 'marker', 'sort_key', 'sort_dir'];

export const nodeReadRoutes: Routes<Visit> = {
  'GET /v1/nodes': (call, _params, visit) => {
    checkArguments(call, [...FILTERS, ...PAGING, 'fields', 'detail']);
    const detail = call.query.get('detail') !== null && asBoolean(call.query.get('detail')) === true;
    if (call.query.get('detail') !== null && visit.version < 43) throw notAcceptable();
    if (detail && call.query.get('fields') !== null)
      throw new IronicError(400, "Can't fetch a subset of fields with 'detail' set");
    return list(call, visit, detail, '/v1/nodes');
  },
  'GET /v1/nodes/detail': (call, _params, visit) => {
    checkArguments(call, [...FILTERS, ...PAGING]);
    return list(call, visit, true, '/v1/nodes/detail');
  },
  'GET /v1/nodes/:node': (call, { node: ident = '' }, visit) => {
    checkArguments(call, ['fields']);
    const fields = requestedFields(call, visit);
    const unknown = fields?.find((field) => FIELDS[field] === undefined);
    if (unknown !== undefined) throw new IronicError(400, `Field ${unknown} is not a valid field.`);
    const node = findNode(ident, visit);
    const base = visit.settings.endpoints.ironic;
    const reader = readerOf(visit);
    if (fields === null) return reply(200, allFields(node, reader, base));
    return reply(200, someFields(node, columnsOf(fields, visit.version), reader, base));
  },
  'GET /v1/nodes/:node/states': (_call, { node: ident = '' }, visit) => {
    const node = findNode(ident, visit);
    const names = [
      'console_enabled',
      'last_error',
      'power_state',
      'provision_state',
      'target_power_state',
      'target_provision_state',
      'provision_updated_at',
      'raid_config',
      'target_raid_config',
      'boot_mode',
      'secure_boot',
    ];
    const { links: _links, ...states } = someFields(node, columnsOf(names, visit.version), readerOf(visit), '');
    return reply(200, states);
  },
  'GET /v1/nodes/:node/traits': (_call, { node: ident = '' }, visit) => {
    needs(visit, SINCE['traits'] ?? 37);
    return reply(200, { traits: findNode(ident, visit).traits });
  },
  'GET /v1/nodes/:node/vifs': (_call, { node: ident = '' }, visit) => {
    needs(visit, 28);
    const node = findNode(ident, visit);
    const vifs = [...visit.tables.ports.values()]
      .filter((port) => port.node_uuid === node.uuid && typeof port.internal_info['tenant_vif_port_id'] === 'string')
      .map((port) => ({ id: port.internal_info['tenant_vif_port_id'] }));
    return reply(200, { vifs });
  },
  'GET /v1/nodes/:node/management/boot_device': (_call, { node: ident = '' }, visit) =>
    visit.conductor.withLock(findNode(ident, visit).uuid, ({ uuid, driver_info: driverInfo }) => {
      if (!visit.settings.bmcAccepts(uuid, driverInfo)) {
        throw new IronicError(500, 'IPMI call failed: chassis bootparam get 5.');
      }
      return reply(200, { boot_device: 'pxe', persistent: false });
    }),
  'GET /v1/nodes/:node/validate': (_call, { node: ident = '' }, visit) => {
    findNode(ident, visit);
    const console = {
      result: false,
      reason: 'Driver fake-hardware does not support console (disabled or not implemented).',
    };
    const good = ['boot', 'deploy', 'management', 'network', 'power', 'bios', 'inspect', 'raid', 'rescue', 'storage'];
    return reply(200, { ...Object.fromEntries(good.map((name) => [name, { result: true }])), console });
  },
};

export function needs(visit: Visit, version: number): void {
  if (visit.version < version) throw notAcceptable();
}

/** The policy decides who reads secrets; the scope of an admin does not matter. */
export function readerOf(visit: Visit): Reader {
  return {
    version: visit.version,
    showPassword: visit.settings.showPassword && visit.token.roles.includes('admin'),
    conductor: visit.conductor.host,
  };
}

/** By uuid, or by name from 1.5 on. */
export function findNode(ident: string, visit: Pick<Visit, 'tables' | 'version'>): NodeRecord {
  const found =
    visit.tables.nodes.get(ident) ?? (visit.version >= 5 && !isUuid(ident) ? byName(ident, visit) : undefined);
  if (found === undefined) throw nodeNotFound(ident);
  return found;
}

function byName(name: string, visit: Pick<Visit, 'tables'>): NodeRecord | undefined {
  for (const node of visit.tables.nodes.values()) if (node.name === name) return node;
  return undefined;
}

function requestedFields(call: Call, visit: Visit): string[] | null {
  const text = call.query.get('fields');
  if (text === null) return null;
  needs(visit, 8);
  const fields = text.split(',');
  const time = fields.find((field) => field === 'created_at' || field === 'updated_at');
  if (time !== undefined) throw new IronicError(400, `Field ${time} is not a valid field.`);
  if (fields.some((field) => FIELDS[field] !== undefined && !visible(field, visit.version))) throw notAcceptable();
  return fields;
}

function list(call: Call, visit: Visit, detail: boolean, path: string) {
  const fields = detail ? null : requestedFields(call, visit);
  const unknown = fields?.find((field) => FIELDS[field] === undefined);
  // Ironic does not catch this one in lists.
  if (unknown !== undefined) throw new IronicError(500, `type object 'Node' has no attribute '${unknown}'`);
  const { keep, asked } = readFilters(call, visit);
  const nodes = sorted([...visit.tables.nodes.values()].filter(keep), call);
  const found = page(nodes, (node) => node.uuid, call, nodeNotFound);
  const base = visit.settings.endpoints.ironic;
  const reader = readerOf(visit);
  const columns = columnsOf(fields ?? BRIEF_FIELDS, visit.version);
  const named = fields?.join(',') ?? 'instance_uuid,maintenance,power_state,provision_state,uuid,name';
  const view = found.items.map((node) =>
    detail ? allFields(node, reader, base) : listed(node, named, columns, reader, base),
  );
  const order = { sort_key: call.query.get('sort_key') ?? 'id', sort_dir: call.query.get('sort_dir') ?? 'asc' };
  return reply(200, {
    nodes: view,
    ...nextLink(base, path, { ...order, ...asked, fields: detail ? null : named }, found),
  });
}

function sorted(nodes: readonly NodeRecord[], call: Call): readonly NodeRecord[] {
  const key = call.query.get('sort_key') ?? 'id';
  const direction = call.query.get('sort_dir') ?? 'asc';
  if (direction !== 'asc' && direction !== 'desc') {
    throw new IronicError(400, `Invalid sort direction: ${direction}. Acceptable values are 'asc' or 'desc'`);
  }
  const read = FIELDS[key];
  if (
    key !== 'id' &&
    (read === undefined || ['driver_info', 'extra', 'properties', 'instance_info', 'traits'].includes(key))
  ) {
    throw new IronicError(400, `The sort_key value "${key}" is an invalid field for sorting`);
  }
  const reader: Reader = { version: 99, showPassword: false, conductor: '' };
  const by = (node: NodeRecord) => String(read?.(node, reader) ?? '');
  const result =
    read === undefined ? [...nodes] : nodes.toSorted((a, b) => (by(a) < by(b) ? -1 : by(a) > by(b) ? 1 : 0));
  return direction === 'asc' ? result : result.reverse();
}

function readFilters(call: Call, visit: Visit): { keep: (node: NodeRecord) => boolean; asked: Record<string, string> } {
  const asked: Record<string, string> = {};
  const tests: ((node: NodeRecord) => boolean)[] = [];
  for (const name of FILTERS) {
    const value = call.query.get(name);
    if (value === null) continue;
    if (SINCE[name] !== undefined && !visible(name, visit.version)) throw notAcceptable();
    if (BOOLEAN_FILTERS.has(name)) {
      const wanted = asBoolean(value);
      if (wanted === undefined)
        throw new IronicError(
          400,
          `Invalid ${name}: Unrecognized value '${value}', acceptable values are: ${BOOLEAN_WORDS}`,
        );
      asked[name] = wanted ? 'True' : 'False';
      tests.push(
        name === 'associated'
          ? (node) => (node.instance_uuid !== null) === wanted
          : (node) => node[name as 'maintenance' | 'retired'] === wanted,
      );
      continue;
    }
    asked[name] = value;
    tests.push(textFilter(name, value, visit));
  }
  return { asked, keep: (node) => tests.every((test) => test(node)) };
}

function textFilter(name: string, value: string, visit: Visit): (node: NodeRecord) => boolean {
  switch (name) {
    case 'provision_state':
      if (!STATES.has(value)) throw new IronicError(400, `Provision state "${value}" is not valid`);
      return (node) => node.provision_state === value;
    case 'description_contains':
      return (node) => node.description?.includes(value) ?? false;
    case 'conductor':
      return () => value === visit.conductor.host;
    case 'project':
      return (node) => node.owner === value || node.lessee === value;
    case 'fault':
      return () => false;
    default: {
      const field = name as
        | 'driver'
        | 'owner'
        | 'lessee'
        | 'resource_class'
        | 'instance_uuid'
        | 'chassis_uuid'
        | 'conductor_group'
        | 'shard';
      return (node) => node[field] === value;
    }
  }
}
