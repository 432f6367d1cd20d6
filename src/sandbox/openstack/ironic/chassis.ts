import type { Visit } from '../context.ts';
import { type Call, ironicTime, isMap, isUuid, type JsonMap, pythonText, reply } from '../http.ts';
import type { ChassisRecord } from '../records.ts';
import type { Answer, Routes } from '../router.ts';
import { additionalProperties, expectedUuid, IronicError } from './errors.ts';
import { nextLink, page } from './lists.ts';
import { links } from './node-fields.ts';
import { applyPatch, readPatch } from './patch.ts';
import { pick } from './ports.ts';

/** Chassis: the one thing in Ironic that can be claimed atomically, by making it with a fixed uuid. */
export const chassisRoutes: Routes<Visit> = {
  'GET /v1/chassis': (call, _params, visit) => list(call, visit, false),
  'GET /v1/chassis/detail': (call, _params, visit) => list(call, visit, true),
  'POST /v1/chassis': (call, _params, visit) => create(call.body, visit),
  'GET /v1/chassis/:chassis': (call, { chassis = '' }, visit) => {
    const fields = call.query.get('fields')?.split(',') ?? null;
    const whole = view(chassisOf(chassis, visit), visit);
    return reply(200, fields === null ? whole : pick(whole, [...fields, 'links']));
  },
  'PATCH /v1/chassis/:chassis': (call, { chassis = '' }, visit) => {
    const found = chassisOf(chassis, visit);
    // The uuid may be "changed" to what it is.
    const steps = readPatch(call.body, ['description', 'extra', 'uuid']);
    const after = applyPatch({ ...found }, steps, (root) => (root === 'extra' ? {} : null));
    if (after['uuid'] !== found.uuid) throw new IronicError(400, `Cannot overwrite UUID for an existing Chassis.`);
    const changed: ChassisRecord = { ...found, ...read(after), updated_at: visit.clock.now() };
    visit.world.put('chassis', found.uuid, changed);
    return reply(200, view(changed, visit));
  },
  'DELETE /v1/chassis/:chassis': (_call, { chassis = '' }, visit) => {
    const { uuid } = chassisOf(chassis, visit);
    if ([...visit.world.tables.nodes.values()].some((node) => node.chassis_uuid === uuid)) {
      throw new IronicError(400, `Chassis ${uuid} can't be deleted because there are nodes associated to it`);
    }
    visit.world.remove('chassis', uuid);
    return reply(204);
  },
};

function read(body: JsonMap): Pick<ChassisRecord, 'description' | 'extra'> {
  return {
    description: typeof body['description'] === 'string' ? body['description'] : null,
    extra: isMap(body['extra']) ? body['extra'] : {},
  };
}

function create(body: unknown, visit: Visit): Answer {
  const given = body ?? {};
  if (!isMap(given))
    throw new IronicError(400, `Schema error for chassis: ${pythonText(given)} is not of type 'object'`);
  const unknown = Object.keys(given).filter((key) => !['uuid', 'description', 'extra'].includes(key));
  if (unknown.length > 0) throw additionalProperties('chassis', unknown);
  const { uuid: wanted } = given;
  if (wanted !== undefined && wanted !== null && !isUuid(wanted)) throw expectedUuid('uuid', wanted);
  const uuid = typeof wanted === 'string' ? wanted : visit.ids();
  if (visit.world.tables.chassis.has(uuid)) throw new IronicError(409, `A chassis with UUID ${uuid} already exists.`);
  const chassis: ChassisRecord = { uuid, ...read(given), created_at: visit.clock.now(), updated_at: null };
  visit.world.put('chassis', uuid, chassis);
  return reply(201, view(chassis, visit), { Location: `${visit.settings.endpoints.ironic}/v1/chassis/${uuid}` });
}

function chassisOf(ident: string, visit: Visit): ChassisRecord {
  if (!isUuid(ident)) throw expectedUuid('chassis_uuid', ident);
  const found = visit.tables.chassis.get(ident);
  if (found === undefined) throw notFound(ident);
  return found;
}

function notFound(uuid: string): IronicError {
  return new IronicError(404, `Chassis ${uuid} could not be found.`);
}

function view(chassis: ChassisRecord, visit: Visit): JsonMap {
  const base = visit.settings.endpoints.ironic;
  return {
    uuid: chassis.uuid,
    created_at: ironicTime(chassis.created_at),
    updated_at: ironicTime(chassis.updated_at),
    description: chassis.description,
    extra: chassis.extra,
    links: links(base, 'chassis', chassis.uuid),
    // A list in a list: so it is.
    nodes: [links(base, 'chassis', `${chassis.uuid}/nodes`)],
  };
}

function list(call: Call, visit: Visit, detail: boolean): Answer {
  const found = page([...visit.tables.chassis.values()], (chassis) => chassis.uuid, call, notFound);
  const fields = call.query.get('fields')?.split(',') ?? ['uuid', 'description'];
  const views = found.items.map((chassis) =>
    detail ? view(chassis, visit) : pick(view(chassis, visit), [...fields, 'links']),
  );
  const path = detail ? '/v1/chassis/detail' : '/v1/chassis';
  return reply(200, { chassis: views, ...nextLink(visit.settings.endpoints.ironic, path, {}, found) });
}
