import type { Visit } from '../context.ts';
import { asBoolean, BOOLEAN_WORDS, isMap, isUuid, type JsonMap, pythonText, reply } from '../http.ts';
import type { NodeRecord } from '../records.ts';
import type { Answer, Routes } from '../router.ts';
import { additionalProperties, expectedUuid, IronicError, nodeNotFound, notAcceptable } from './errors.ts';
import {
  allFields,
  booleanOr,
  CREATE_FIELDS,
  INTERFACES,
  type Kind,
  PATCH_FIELDS,
  SINCE,
  visible,
} from './node-fields.ts';
import { findNode, readerOf } from './nodes-read.ts';
import { applyPatch, readPatch } from './patch.ts';

/** States in which a change is under way but PATCH is allowed (when nobody holds the lock). */
const PATCHABLE = new Set([
  'deploy failed',
  'inspecting',
  'inspect failed',
  'inspect wait',
  'clean failed',
  'error',
  'verifying',
  'adopt failed',
]);
const FREE = ['enroll', 'inspecting', 'inspect wait', 'manageable', 'available'];
const DELETABLE = new Set(['manageable', 'enroll', 'available', 'adopt failed']);

export const nodeWriteRoutes: Routes<Visit> = {
  'POST /v1/nodes': (call, _params, visit) => create(call.body, visit),
  'PATCH /v1/nodes/:node': (call, { node = '' }, visit) => patch(call.body, node, visit),
  'DELETE /v1/nodes/:node': (_call, { node = '' }, visit) => remove(node, visit),
  'POST /v1/nodes/:node': (_call, { node = '' }) => {
    throw new IronicError(400, `Schema error for node: ${pythonText(node)} is not of type 'object'`);
  },
  'DELETE /v1/nodes': () => {
    throw new IronicError(400, 'Missing mandatory parameter: node_ident');
  },
};

function create(body: unknown, visit: Visit): Answer {
  if (!isMap(body))
    throw new IronicError(400, `Schema error for node: ${pythonText(body ?? null)} is not of type 'object'`);
  const tooNew = Object.keys(body).find(
    (name) => CREATE_FIELDS[name] !== undefined && SINCE[name] !== undefined && !visible(name, visit.version),
  );
  if (tooNew !== undefined) throw notAcceptable();
  const unknown = Object.keys(body).filter((name) => CREATE_FIELDS[name] === undefined);
  if (unknown.length > 0) throw additionalProperties('node', unknown);
  if (body['driver'] === undefined)
    throw new IronicError(400, "Schema error for node: 'driver' is a required property");
  for (const [name, value] of Object.entries(body)) checkKind(name, value, CREATE_FIELDS[name] ?? 'text');
  const { name } = body;
  if (typeof name === 'string' && !isGoodName(name))
    throw new IronicError(400, `Cannot create node with invalid name '${name}'`);
  const owner = ownerOf(body['owner'], visit);
  checkPlaces(body, visit);

  const uuid = typeof body['uuid'] === 'string' ? body['uuid'].toLowerCase() : visit.ids();
  const numbers = Object.entries(isMap(body['properties']) ? body['properties'] : {}).filter(
    ([key, value]) => ['cpus', 'local_gb', 'memory_mb'].includes(key) && !/^\d+$/.test(String(value)),
  );
  if (numbers.length > 0) {
    const values = numbers.map(([key, value]) => `${key}=${String(value)}`).join(' ');
    throw new IronicError(
      400,
      `The following properties for node ${uuid} should be non-negative integers, but provided values are: ${values}`,
    );
  }
  if (visit.world.tables.nodes.has(uuid)) throw new IronicError(409, `A node with UUID ${uuid} already exists.`);
  checkNameFree(name, uuid, visit);

  const node = newNode({ ...body, uuid, owner }, visit.clock.now(), visit.world.nextSerial());
  visit.world.put('nodes', uuid, node);
  const base = visit.settings.endpoints.ironic;
  return reply(201, allFields(node, readerOf(visit), base), { Location: `${base}/v1/nodes/${uuid}` });
}

/** A node in `enroll` with the fields of an accepted body. */
export function newNode(body: JsonMap, now: number, serial: number): NodeRecord {
  const text = (name: string) => (typeof body[name] === 'string' ? body[name] : null);
  const map = (name: string) => (isMap(body[name]) ? body[name] : {});
  return {
    uuid: text('uuid') ?? '',
    name: text('name'),
    driver: text('driver') ?? '',
    driver_info: map('driver_info'),
    driver_internal_info: {},
    properties: map('properties'),
    extra: map('extra'),
    instance_info: map('instance_info'),
    network_data: map('network_data'),
    resource_class: text('resource_class'),
    description: text('description'),
    automated_clean: body['automated_clean'] === undefined ? null : (asBoolean(body['automated_clean']) ?? null),
    chassis_uuid: text('chassis_uuid'),
    conductor_group: (text('conductor_group') ?? '').toLowerCase(),
    owner: text('owner'),
    lessee: text('lessee'),
    retired: booleanOr(body['retired'], false),
    retired_reason: text('retired_reason'),
    protected: false,
    protected_reason: null,
    maintenance: booleanOr(body['maintenance'], false),
    maintenance_reason: null,
    instance_uuid: text('instance_uuid'),
    console_enabled: booleanOr(body['console_enabled'], false),
    boot_mode: text('boot_mode'),
    secure_boot: asBoolean(body['secure_boot'] ?? '') ?? null,
    shard: text('shard'),
    interfaces: interfacesOf(body),
    traits: [],
    provision_state: 'enroll',
    target_provision_state: null,
    power_state: null,
    target_power_state: null,
    reservation: null,
    last_error: null,
    target_raid_config: {},
    clean_step: {},
    deploy_step: {},
    created_at: now,
    updated_at: null,
    provision_updated_at: null,
    serial,
  };
}

function interfacesOf(document: JsonMap): Record<string, string> {
  const chosen: Record<string, string> = {};
  for (const name of Object.keys(INTERFACES)) {
    const value = document[`${name}_interface`];
    if (typeof value === 'string') chosen[name] = value;
  }
  return chosen;
}

function checkKind(name: string, value: unknown, kind: Kind): void {
  if (value === null) return;
  if (kind === 'map' && !isMap(value))
    throw new IronicError(400, `Schema error for node: ${pythonText(value)} is not of type 'object', 'null'`);
  if (kind === 'text' && typeof value !== 'string')
    throw new IronicError(400, `Schema error for node: ${pythonText(value)} is not of type 'string', 'null'`);
  if (kind === 'uuid' && !isUuid(value)) throw expectedUuid(name, value);
  if (kind === 'boolean' && asBoolean(value) === undefined) {
    throw new IronicError(
      400,
      `Invalid ${name}: Unrecognized value ${pythonText(value)}, acceptable values are: ${BOOLEAN_WORDS}`,
    );
  }
  if (name === 'resource_class' && String(value).length > 80)
    throw new IronicError(400, `Schema error for node: ${pythonText(value)} is too long`);
  if (name === 'network_data' && Object.keys(value as JsonMap).length > 0 && !('links' in (value as JsonMap))) {
    throw new IronicError(
      400,
      `Schema error for node: ${pythonText(value)} is not valid under any of the given schemas. Possible root cause: ${pythonText(value)} is not of type 'null'`,
    );
  }
}

function isGoodName(name: string): boolean {
  return /^[A-Za-z0-9][A-Za-z0-9._~-]*$/.test(name) && name.length <= 255 && !isUuid(name);
}

function checkNameFree(name: unknown, uuid: string, visit: Visit): void {
  if (typeof name !== 'string') return;
  for (const node of visit.world.tables.nodes.values()) {
    if (node.name === name && node.uuid !== uuid)
      throw new IronicError(409, `A node with name ${name} already exists.`);
  }
}

/** A project-scoped admin owns what he makes, and may make nothing for others. */
function ownerOf(wanted: unknown, visit: Visit): string | null {
  const { scope } = visit.token;
  const own = scope.kind === 'project' ? scope.project.id : null;
  if (wanted === undefined || wanted === null) return own;
  if (own !== null && wanted !== own) {
    throw new IronicError(
      400,
      'Cannot create a node as a project scoped admin with an owner other than your own project.',
    );
  }
  return String(wanted);
}

/** What the node names must be there in this control plane: conductor group, driver, interfaces, chassis. */
function checkPlaces(document: JsonMap, visit: Visit): void {
  const { driver, conductor_group: group, chassis_uuid: chassis } = document;
  if (driver !== 'fake-hardware' || (typeof group === 'string' && group !== '')) {
    const wanted = typeof group === 'string' ? group : '';
    throw new IronicError(
      400,
      `No valid host was found. Reason: No conductor service registered which supports driver ${String(driver)} for conductor group "${wanted}".`,
    );
  }
  for (const [name, { enabled }] of Object.entries(INTERFACES)) {
    const value = document[`${name}_interface`];
    if (value === undefined || value === null || enabled.includes(String(value))) continue;
    const valid = pythonText([...enabled].sort());
    throw new IronicError(
      400,
      `Could not find the following interface in the 'ironic.hardware.interfaces.${name}' entrypoint: ${String(value)}. Valid interfaces are ${valid}.`,
    );
  }
  if (typeof chassis === 'string' && !visit.world.tables.chassis.has(chassis)) {
    throw new IronicError(400, `Chassis ${chassis} could not be found.`);
  }
}

function patch(body: unknown, ident: string, visit: Visit): Answer {
  const steps = readPatch(body, PATCH_FIELDS);
  const node = findNode(ident, { tables: visit.world.tables, version: visit.version });
  const freesInstance =
    node.maintenance && steps.length === 1 && steps[0]?.op === 'remove' && steps[0].path === '/instance_uuid';
  const moving = node.target_provision_state !== null && !PATCHABLE.has(node.provision_state);
  if (moving && !freesInstance)
    throw new IronicError(409, `Node ${ident} can not be updated while a state transition is in progress.`);
  for (const step of steps) {
    if (step.path === '/name' && step.op !== 'remove' && typeof step.value === 'string' && !isGoodName(step.value)) {
      throw new IronicError(400, `Node ${ident}: Cannot change name to invalid name '${step.value}'`);
    }
  }
  const before = patchable(node);
  const after = applyPatch(before, steps, (root) => (CREATE_FIELDS[root] === 'map' ? {} : undefined));
  if (after['driver'] === undefined)
    throw new IronicError(400, "Schema error for patch: 'driver' is a required property");
  for (const { path } of steps) {
    const root = path.split('/')[1] ?? '';
    if (after[root] !== undefined)
      checkKind(root, after[root], CREATE_FIELDS[root] ?? (root === 'protected' ? 'boolean' : 'text'));
  }
  checkPlaces(
    { ...after, chassis_uuid: steps.some(({ path }) => path === '/chassis_uuid') ? after['chassis_uuid'] : null },
    visit,
  );
  checkChange(node, before, after);

  const save = (current: NodeRecord): Answer => {
    // Written as a whole on top of what is there now: the last of two writers wins, unseen.
    const changed = patched(
      current,
      steps.map(({ path }) => path.split('/')[1] ?? ''),
      after,
    );
    checkNameFree(changed.name, current.uuid, visit);
    visit.world.put('nodes', current.uuid, { ...changed, updated_at: visit.clock.now() });
    return reply(
      200,
      allFields(
        visit.world.tables.nodes.get(current.uuid) ?? changed,
        readerOf(visit),
        visit.settings.endpoints.ironic,
      ),
    );
  };
  return visit.conductor.withLock(node.uuid, save) as Answer;
}

function patchable(node: NodeRecord): JsonMap {
  const document: JsonMap = {};
  for (const field of PATCH_FIELDS) {
    if (!field.endsWith('_interface')) document[field] = node[field as keyof NodeRecord];
  }
  for (const [name, { default: otherwise }] of Object.entries(INTERFACES))
    document[`${name}_interface`] = node.interfaces[name] ?? otherwise;
  return document;
}

/** The current record with the roots that were patched taken from `after`. */
function patched(current: NodeRecord, roots: readonly string[], after: JsonMap): NodeRecord {
  const fresh = newNode({ ...after, uuid: current.uuid }, current.created_at, current.serial);
  const changes: Record<string, unknown> = {};
  for (const root of roots) {
    if (root.endsWith('_interface'))
      changes['interfaces'] = {
        ...current.interfaces,
        ...interfacesOf({ [root]: after[root] ?? INTERFACES[root.slice(0, -10)]?.default }),
      };
    else if (root === 'protected') changes[root] = booleanOr(after[root], false);
    else if (root === 'protected_reason') changes[root] = after[root] ?? null;
    else changes[root] = fresh[root as keyof NodeRecord];
  }
  if (changes['maintenance'] === false) changes['maintenance_reason'] = null;
  return { ...current, ...changes };
}

function checkChange(node: NodeRecord, before: JsonMap, after: JsonMap): void {
  const state = node.provision_state;
  if (booleanOr(after['protected'], false) && !node.protected && state !== 'active' && state !== 'rescue') {
    throw new IronicError(
      409,
      `Node ${node.uuid} can only be made protected in provision states 'active' or 'rescue', the current state is '${state}'`,
    );
  }
  if (booleanOr(after['retired'], false) && !node.retired && state === 'available') {
    throw new IronicError(
      409,
      `Node ${node.uuid} can not have 'retired' set in provision state 'available', the current state is 'available'`,
    );
  }
  if (
    after['instance_uuid'] !== undefined &&
    after['instance_uuid'] !== null &&
    node.instance_uuid !== null &&
    after['instance_uuid'] !== node.instance_uuid
  ) {
    throw new IronicError(409, `Node ${node.uuid} is associated with instance ${node.instance_uuid}.`);
  }
  const iface = Object.keys(INTERFACES).find((name) => after[`${name}_interface`] !== before[`${name}_interface`]);
  if (iface !== undefined && !FREE.includes(state) && !node.maintenance) {
    throw new IronicError(
      409,
      `Node ${node.uuid} can not have ${iface}_interface updated unless it is in one of allowed (${FREE.join(', ')}) states or in maintenance mode.`,
    );
  }
  if (after['resource_class'] !== before['resource_class'] && node.resource_class !== null && !FREE.includes(state)) {
    throw new IronicError(
      409,
      `Node ${node.uuid} can not have resource_class updated unless it is in one of allowed (${FREE.join(', ')}) states.`,
    );
  }
}

function remove(ident: string, visit: Visit): Answer {
  const { uuid } = findNode(ident, { tables: visit.world.tables, version: visit.version });
  const answer = visit.conductor.withLock(uuid, (node) => {
    // In maintenance both checks are off: this is how a running instance loses its node.
    if (!node.maintenance && node.instance_uuid !== null) {
      throw new IronicError(409, `Node ${uuid} is associated with instance ${node.instance_uuid}.`);
    }
    if (node.protected)
      throw new IronicError(403, `Node ${uuid} is protected and cannot be undeployed, rebuilt or deleted`);
    if (!node.maintenance && !DELETABLE.has(node.provision_state)) {
      throw new IronicError(
        409,
        `Can not delete node "${uuid}" while it is in provision state "${node.provision_state}". Valid provision states to perform deletion are: "('manageable', 'enroll', 'adopt failed', 'available')", or set the node into maintenance mode`,
      );
    }
    for (const port of visit.world.tables.ports.values())
      if (port.node_uuid === uuid) visit.world.remove('ports', port.uuid);
    for (const group of visit.world.tables.portgroups.values())
      if (group.node_uuid === uuid) visit.world.remove('portgroups', group.uuid);
    visit.world.remove('nodes', uuid);
    return reply(204);
  });
  return answer as Answer;
}

/** For routes below a node: the node as it is now, or 404. */
export function currentNode(ident: string, visit: Visit): NodeRecord {
  const node = findNode(ident, { tables: visit.world.tables, version: visit.version });
  if (node === undefined) throw nodeNotFound(ident);
  return node;
}
