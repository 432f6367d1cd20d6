import type { Visit } from '../context.ts';
import { type Call, isMap, pythonText, reply } from '../http.ts';
import type { NodeRecord } from '../records.ts';
import type { Answer, Routes } from '../router.ts';
import type { Reply } from '../types.ts';
import { IronicError, nodeLocked } from './errors.ts';
import { needs } from './nodes-read.ts';
import { currentNode } from './nodes-write.ts';

/** Verbs that lead somewhere from each state; every other verb is 400, also the one that is fulfilled already. */
const VERBS: Readonly<Record<string, readonly string[]>> = {
  enroll: ['manage'],
  manageable: ['provide', 'clean', 'inspect', 'adopt'],
  available: ['active', 'manage'],
  active: ['deleted', 'rebuild'],
  'deploy failed': ['deleted', 'active', 'rebuild'],
  'wait call-back': ['deleted'],
  error: ['deleted', 'rebuild'],
  'clean failed': ['manage'],
  'inspect failed': ['manage', 'inspect'],
  'adopt failed': ['manage', 'adopt'],
};

const STANDARD_TRAIT = /^(HW|COMPUTE|MISC|STORAGE|OWNER)_[A-Z0-9_]+$/;
const CUSTOM_TRAIT = /^CUSTOM_[A-Z0-9_]+$/;

export const nodeActionRoutes: Routes<Visit> = {
  'PUT /v1/nodes/:node/states/provision': (call, { node = '' }, visit) => provision(call, node, visit),
  'PUT /v1/nodes/:node/states/power': (call, { node = '' }, visit) => power(call, node, visit),
  'PUT /v1/nodes/:node/states/raid': (call, { node = '' }, visit) => {
    needs(visit, 12);
    if (!isMap(call.body)) throw new IronicError(400, 'Missing mandatory parameter: target_raid_config');
    return locked(node, visit, { target_raid_config: call.body }, reply(204));
  },
  'PUT /v1/nodes/:node/maintenance': (call, { node = '' }, visit) => {
    const reason = isMap(call.body) && typeof call.body['reason'] === 'string' ? call.body['reason'] : null;
    return locked(node, visit, { maintenance: true, maintenance_reason: reason }, reply(202));
  },
  'DELETE /v1/nodes/:node/maintenance': (_call, { node = '' }, visit) =>
    locked(node, visit, { maintenance: false, maintenance_reason: null }, reply(202)),
  'PUT /v1/nodes/:node/traits': (call, { node = '' }, visit) => {
    needs(visit, 37);
    currentNode(node, visit);
    return locked(node, visit, { traits: readTraits(call) }, reply(204));
  },
  'PUT /v1/nodes/:node/traits/:trait': (_call, { node = '', trait = '' }, visit) => {
    needs(visit, 37);
    checkTrait(trait);
    const { traits } = currentNode(node, visit);
    const location = `${visit.settings.endpoints.ironic}/v1/nodes/${node}/traits/${trait}`;
    return locked(
      node,
      visit,
      { traits: [...new Set([...traits, trait])] },
      reply(204, undefined, { Location: location }),
    );
  },
  'DELETE /v1/nodes/:node/traits/:trait': (_call, { node = '', trait = '' }, visit) => {
    needs(visit, 37);
    const { traits, uuid } = currentNode(node, visit);
    if (!traits.includes(trait)) throw new IronicError(404, `Node ${uuid} doesn't have a trait '${trait}'`);
    return locked(node, visit, { traits: traits.filter((other) => other !== trait) }, reply(204));
  },
  'DELETE /v1/nodes/:node/traits': (_call, { node = '' }, visit) => {
    needs(visit, 37);
    return locked(node, visit, { traits: [] }, reply(204));
  },
};

function locked(ident: string, visit: Visit, changes: Partial<NodeRecord>, answer: Reply): Answer {
  const { uuid } = currentNode(ident, visit);
  return visit.conductor.withLock(uuid, () => {
    visit.world.change('nodes', uuid, { ...changes, updated_at: visit.clock.now() });
    return answer;
  }) as Answer;
}

function readTarget(call: Call, known: readonly string[]): string {
  const body = isMap(call.body) ? call.body : {};
  const unknown = Object.keys(body).filter((key) => !known.includes(key));
  if (unknown.length > 0) throw new IronicError(400, `Unexpected arguments: ${unknown.join(', ')}`);
  if (body['target'] === undefined) throw new IronicError(400, 'Missing mandatory parameter: target');
  return String(body['target']);
}

function provision(call: Call, ident: string, visit: Visit): Answer {
  const { uuid, provision_state: state, reservation } = currentNode(ident, visit);
  const known = ['target', 'configdrive', 'clean_steps', 'deploy_steps', 'rescue_password', 'disable_ramdisk'];
  const target = readTarget(call, known);
  if (!(VERBS[state] ?? []).includes(target)) {
    // Only a wrong verb is looked at before the lock; a right one waits for it.
    if (reservation !== null) throw nodeLocked(uuid, reservation);
    throw notPossible(target, uuid, state);
  }
  const steps = isMap(call.body) ? call.body['clean_steps'] : undefined;
  if (steps !== undefined && target !== 'clean') {
    throw new IronicError(400, '"clean_steps" is only valid when setting target provision state to clean');
  }
  if (target === 'clean' && !Array.isArray(steps)) {
    throw new IronicError(400, '"clean_steps" is required when setting target provision state to clean');
  }
  return visit.conductor.withLock(uuid, (node) => {
    const { conductor } = visit;
    if (!(VERBS[node.provision_state] ?? []).includes(target)) throw notPossible(target, uuid, node.provision_state);
    if (node.protected && (target === 'deleted' || target === 'rebuild')) {
      throw new IronicError(403, `Node ${uuid} is protected and cannot be undeployed, rebuilt or deleted`);
    }
    switch (target) {
      case 'manage':
        conductor.manage(uuid);
        break;
      case 'provide':
        if (node.retired)
          throw new IronicError(
            400,
            `The providing operation can't be performed on node ${uuid} because it is retired.`,
          );
        conductor.provide(uuid);
        break;
      case 'clean':
        conductor.clean(uuid, (steps as unknown[]).filter(isMap));
        break;
      case 'inspect':
        conductor.inspect(uuid);
        break;
      case 'adopt':
        conductor.adopt(uuid);
        break;
      case 'deleted':
        conductor.undeploy(uuid);
        break;
      default:
        if (node.maintenance)
          throw new IronicError(
            400,
            `The ${target} operation can't be performed on node ${uuid} because it's in maintenance mode.`,
          );
        conductor.deploy(uuid);
    }
    return reply(202, undefined, { Location: `${visit.settings.endpoints.ironic}/v1/nodes/${ident}/states` });
  }) as Answer;
}

function notPossible(action: string, uuid: string, state: string): IronicError {
  return new IronicError(
    400,
    `The requested action "${action}" can not be performed on node "${uuid}" while it is in state "${state}".`,
  );
}

const POWER = new Map<string, 'power on' | 'power off' | 'rebooting'>([
  ['power on', 'power on'],
  ['power off', 'power off'],
  ['rebooting', 'rebooting'],
  ['soft power off', 'power off'],
  ['soft rebooting', 'rebooting'],
]);

function power(call: Call, ident: string, visit: Visit): Answer {
  const { uuid, power_state } = currentNode(ident, visit);
  const wanted = readTarget(call, ['target', 'timeout']);
  const target = POWER.get(wanted);
  if (target === undefined) throw notPossible(wanted, uuid, power_state ?? 'None');
  return visit.conductor.withLock(uuid, () => {
    visit.conductor.power(uuid, target);
    return reply(202, undefined, { Location: `${visit.settings.endpoints.ironic}/v1/nodes/${ident}/states` });
  }) as Answer;
}

function readTraits(call: Call): string[] {
  const traits = isMap(call.body) ? call.body['traits'] : undefined;
  if (traits === undefined) {
    throw new IronicError(
      400,
      'A single node trait may be added via PUT /v1/nodes/<node identifier>/traits/<trait> with no body, or all node traits may be replaced via PUT /v1/nodes/<node identifier>/traits with the list of traits specified in the request body.',
    );
  }
  if (!Array.isArray(traits))
    throw new IronicError(400, `Schema error for body: ${pythonText(traits)} is not of type 'array'`);
  for (const trait of traits) {
    if (typeof trait !== 'string')
      throw new IronicError(400, `Schema error for body: ${pythonText(trait)} is not of type 'string'`);
    checkTrait(trait);
  }
  return [...new Set(traits as string[])];
}

function checkTrait(trait: string): void {
  if (CUSTOM_TRAIT.test(trait) || STANDARD_TRAIT.test(trait)) return;
  const text = pythonText(trait);
  throw new IronicError(
    400,
    `Schema error for body: ${text} is not valid under any of the given schemas. Possible root cause: ${text} does not match '^CUSTOM_[A-Z0-9_]+$'`,
  );
}
