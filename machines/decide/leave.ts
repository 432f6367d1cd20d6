import type { InstanceFacts, Move, NodeFacts, Observation, SideObservation } from '../domain.ts';
import type { Decision } from './decision.ts';
import { act, bothNodes, confirm, fail, instancesAt, look, MEMBERSHIP, nodesAt, wait } from './decision.ts';
import type { Memory } from './memory.ts';
import {
  bootedByUs,
  brokenDeploy,
  deletable,
  goingAway,
  instancesOn,
  theInstance,
  transitional,
  unlessOutdated,
  unlessOutOfService,
} from './nodes.ts';
import {
  cleanFailed,
  deployFailed,
  foreign,
  inMaintenance,
  instanceFailed,
  instanceGone,
  isProtected,
  isRetired,
  lockedBy,
  maintenanceReason,
  markGone,
  notMovable,
  onlyNova,
  retiredReason,
  tooManyInstances,
  unlessOwn,
  unmarkedBoot,
} from './refusals.ts';

/** Claim, remove, stop, release: until the node is at rest in `from` without an instance. Null when it is. */
export function leave(
  seen: Observation,
  move: Move,
  from: SideObservation,
  here: NodeFacts,
  memory: Memory,
): Decision | null {
  const found = instancesOn(from, here, move.from);
  if (!found.ok) return found.decision;
  const instance = theInstance(found.value, here);

  if (here.marker === null) return claim(move, from, here, instance, memory);
  if (here.maintenance) return wait(null, maintenanceReason(here, move.from), nodesAt(move.from));
  if (instance !== undefined) {
    return unlessOwn('stop', instance, here, move.from, move) ?? leaveInstance(seen, move, here, instance, memory);
  }
  if (found.value.length > 1) {
    return tooManyInstances(
      'release',
      found.value.map((i) => i.name),
      move,
      move.from,
    );
  }
  return unlessOutdated(from, move.from) ?? leaveNode(seen, move, here);
}

function claim(
  move: Move,
  from: SideObservation,
  here: NodeFacts,
  instance: InstanceFacts | undefined,
  memory: Memory,
): Decision {
  const ours = instance !== undefined && bootedByUs(instance, move);
  if (move.from !== move.source && !ours) {
    return foreign('claim', here, move.from, `it carries no mark of ${move.deployment}`);
  }
  // What a list from before the claim shows is not judged, nor claimed once more: it may be in the middle of its way.
  if (memory.perhapsMarked === true) return confirm('claim', move, move.from);
  if (here.maintenance) return inMaintenance(here, move.from);
  if (here.protected) return isProtected(here, move.from);
  if (here.retired) return isRetired(here, move.from);
  if (here.provisionState !== 'active' || instance === undefined) {
    // Somebody took its mark off while it booted there.
    if (instance !== undefined && move.from !== move.source) {
      return unmarkedBoot(instance, here, from, move.from, move);
    }
    if (memory.removed === true) return markGone('claim', here, move.from);
    return fail(
      'claim',
      'node_not_movable',
      'stop',
      `${move.name} is ${here.provisionState} in ${move.from}, ${instance ? 'with' : 'without'} an instance; only active nodes with an instance are moved.`,
    );
  }
  const other = ours ? null : notThePlanned(instance, move);
  if (other !== null) return memory.removed === true ? markGone('claim', here, move.from) : other;
  // With this instance it is claimed: only what both say is true.
  if (here.instanceUuid !== instance.id) {
    return wait('claim', onlyNova(instance, here, move.from), instancesAt(move.from), nodesAt(move.from));
  }
  if (here.reservation !== null) return wait('claim', lockedBy(here, move.from), nodesAt(move.from));
  return act('claim', {
    name: 'stamp',
    at: move.from,
    instanceId: instance.id,
    evidence: [...bothNodes(move), instancesAt(move.from)],
  });
}

/** What was not approved is not ended: an instance that has taken the place of the one that ran there at the plan. */
function notThePlanned(instance: InstanceFacts, move: Move): Decision | null {
  const what = `${move.name} runs ${instance.name} (${instance.id}) in ${move.from}, created ${instance.createdAt}`;
  const remedy = 'If that is what it is to run, plan and deploy again.';
  if (move.instanceId !== null) {
    if (instance.id === move.instanceId) return null;
    return fail('claim', 'node_not_movable', 'stop', `${what}, instead of the planned ${move.instanceId}.`, remedy);
  }
  // Planned by an Ephyra that did not write down which it was; but an epoch begins with the plan.
  if (Date.parse(instance.createdAt) <= move.epoch * 1000) return null;
  return fail(
    'claim',
    'node_not_movable',
    'stop',
    `${what}, after the node was planned.`,
    `${remedy} If it is not that new, compare the clocks of Ephyra and Nova.`,
  );
}

function leaveInstance(
  seen: Observation,
  move: Move,
  here: NodeFacts,
  instance: InstanceFacts,
  memory: Memory,
): Decision {
  const watchInstances = instancesAt(move.from);
  if (goingAway(instance)) {
    return wait('release', `Nova deletes instance ${instance.name} in ${move.from}`, watchInstances);
  }
  if (here.protected) return isProtected(here, move.from);
  if (here.retired) return isRetired(here, move.from);

  if (seen.membership.is === 'unlooked') return look(MEMBERSHIP);
  const isOut = seen.membership.is === 'present' && seen.membership.value === 'out';
  // Out is not enough: an earlier "add", broken off or of a process that was killed, may still be on its way to the
  // application and bring the node in right before it is stopped. A removal of this run comes after it. And of a member whose
  // machine is dead the application may not say whether it is in service until it is asked to let go of it.
  if (memory.removed !== true || (seen.membership.is === 'present' && !isOut)) {
    return act('remove', {
      name: 'removeMember',
      at: move.from,
      evidence: [],
      basis: [...bothNodes(move), MEMBERSHIP],
    });
  }
  if (!isOut) {
    const why = seen.membership.is === 'unknown' ? `: ${seen.membership.why}` : '';
    return wait('remove', `The application does not say whether ${move.name} is in service${why}`, MEMBERSHIP);
  }

  const evidence = [...bothNodes(move), watchInstances, MEMBERSHIP];
  switch (instance.status) {
    case 'ACTIVE':
    case 'SHUTOFF':
      // Each of the two lists may be behind: only what both say is true.
      if (here.instanceUuid !== instance.id) {
        return wait('release', onlyNova(instance, here, move.from), watchInstances, nodesAt(move.from));
      }
      if (instance.taskState !== null) {
        return wait('stop', `instance ${instance.name} is ${instance.status}, ${instance.taskState}`, watchInstances);
      }
      if (instance.status === 'ACTIVE') {
        return act('stop', { name: 'stopInstance', at: move.from, instanceId: instance.id, evidence });
      }
      if (here.reservation !== null) return wait('release', lockedBy(here, move.from), nodesAt(move.from));
      return act('release', { name: 'deleteInstance', at: move.from, instanceId: instance.id, evidence });
    case 'ERROR':
      return act('release', {
        name: 'deleteInstance',
        at: move.from,
        instanceId: instance.id,
        evidence,
        trouble: instanceFailed(`Instance ${instance.name}: ${instance.fault ?? 'ERROR'}`, move.from),
      });
    case 'BUILD':
      // Met here only on the way back: a boot that hangs must not hold the node for ever.
      return act('release', { name: 'deleteInstance', at: move.from, instanceId: instance.id, evidence });
    default:
      return fail(
        'stop',
        'instance_unexpected',
        'ask',
        `Instance ${instance.name} is ${instance.status} in ${move.from}.`,
        'Bring it to ACTIVE or SHUTOFF; Ephyra goes on from there.',
      );
  }
}

/** No instance: what is left of the node's former life? A server that is gone says nothing about its node. */
function leaveNode(seen: Observation, move: Move, here: NodeFacts): Decision | null {
  if (brokenDeploy(here)) {
    return (
      unlessOutOfService(seen, move, 'release') ??
      act('release', {
        name: 'undeploy',
        at: move.from,
        evidence: [...bothNodes(move), instancesAt(move.from), MEMBERSHIP],
        trouble: deployFailed(here, move.from),
      })
    );
  }
  if (here.provisionState === 'clean failed') {
    return act('release', {
      name: 'manage',
      at: move.from,
      evidence: [...bothNodes(move), instancesAt(move.from)],
      trouble: cleanFailed(here, move.from),
    });
  }
  if (transitional(here))
    return wait('release', `${move.name} is ${here.provisionState} in ${move.from}`, nodesAt(move.from));
  if (here.instanceUuid !== null) return instanceGone('release', here, move.from);
  if (!deletable(here)) return notMovable('release', here, move.from);
  if (here.reservation !== null) return wait('release', lockedBy(here, move.from), nodesAt(move.from));
  if (here.retired) return wait('release', retiredReason(here, move.from), nodesAt(move.from));
  return null;
}
