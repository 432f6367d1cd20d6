import type { InstanceFacts, Move, NodeFacts, Observation, SideObservation, Want } from '../domain.ts';
import type { Decision } from './decision.ts';
import { act, bothNodes, confirm, fail, instancesAt, known, MEMBERSHIP, nodesAt, wait } from './decision.ts';
import type { Memory } from './memory.ts';
import {
  atRest,
  bootedByUs,
  brokenDeploy,
  goingAway,
  inert,
  instancesOn,
  isOwn,
  ours,
  theInstance,
  transitional,
  unlessOutdated,
  unlessOutOfService,
} from './nodes.ts';
import {
  bmcFailed,
  cleanFailed,
  deployFailed,
  foreign,
  foreignInstance,
  instanceFailed,
  instanceGone,
  lockedBy,
  maintenanceReason,
  markGone,
  notMovable,
  retiredReason,
  tooManyInstances,
  unlessOwn,
  unmarkedBoot,
} from './refusals.ts';

/** Enroll, boot, add, verify: the node is only in `to`. */
export function arrive(seen: Observation, move: Move, to: SideObservation, there: NodeFacts, memory: Memory): Decision {
  if (inert(there)) return enroll(move, there);
  const found = instancesOn(to, there, move.to);
  if (!found.ok) return found.decision;
  const instance = theInstance(found.value, there);
  const running = there.provisionState === 'active' && instance?.status === 'ACTIVE' && instance.taskState === null;

  if (there.marker === null) {
    // Unmarked: we let go of it, or never had it. At home that is all there is to know.
    const isOurs = instance !== undefined && bootedByUs(instance, move);
    if (move.to === move.source || (running && isOurs)) {
      // Taken out of the application and not asked back into it: that was not we.
      if (memory.removed === true) return markGone('verify', there, move.to);
      // So was a node at home before it was claimed, which a list that is behind still shows to who has not claimed it. If it runs,
      // it may have been taken out of the application since.
      if (move.to === move.source && memory.perhapsMarked === true) return confirm('add', move, move.to);
      return { kind: 'done' };
    }
    if (instance !== undefined && !isOurs) return foreignInstance('verify', instance, there, move.to, move);
    if (instance !== undefined) return unmarkedBoot(instance, there, to, move.to, move);
    return foreign('verify', there, move.to, `it is not marked for ${move.deployment}`);
  }
  if (there.maintenance) return wait(null, maintenanceReason(there, move.to), nodesAt(move.to));
  const refusal = instance === undefined ? null : unlessOwn('boot', instance, there, move.to, move);
  if (refusal !== null) return refusal;
  if (running) return serve(move, there, instance, memory);
  if (instance === undefined || atRest(instance)) {
    const outdated = unlessOutdated(to, move.to);
    if (outdated !== null) return outdated;
  }
  if (found.value.length > 0) return bootInstance(seen, move, there, found.value, instance);
  return prepareNode(seen, move, to, there);
}

function enroll(move: Move, there: NodeFacts): Decision {
  if (!ours(there, move)) return foreign('enroll', there, move.to, `it is not marked for ${move.deployment}`);
  if (there.maintenance) return wait(null, maintenanceReason(there, move.to), nodesAt(move.to));
  if (there.reservation !== null) return wait('enroll', lockedBy(there, move.to), nodesAt(move.to));
  return act('enroll', {
    name: 'manage',
    at: move.to,
    evidence: [],
    basis: bothNodes(move),
    // Ironic falls back to `enroll` when it cannot talk to the BMC.
    ...(there.lastError ? { trouble: bmcFailed(there.lastError, there, move.to) } : {}),
  });
}

function serve(move: Move, there: NodeFacts, instance: InstanceFacts, memory: Memory): Decision {
  if (instance.addresses.length === 0) {
    return wait('boot', `instance ${instance.name} has no address yet`, instancesAt(move.to));
  }
  if (memory.added !== true) {
    return act('add', {
      name: 'addMember',
      at: move.to,
      instanceId: instance.id,
      evidence: [],
      basis: bothNodes(move),
    });
  }
  if (there.reservation !== null) return wait('verify', lockedBy(there, move.to), nodesAt(move.to));
  if (memory.verified !== true) {
    return act('verify', {
      name: 'settle',
      at: move.to,
      instanceId: instance.id,
      evidence: [],
      basis: bothNodes(move),
    });
  }
  // Verifying takes its time: whose mark it is that is taken off is looked at again, whether the instance still runs, and whether a
  // copy has been left where it came from. A list that was behind when it turned did not show it, and after this nobody looks.
  return act('verify', { name: 'letGo', at: move.to, evidence: [...bothNodes(move), instancesAt(move.to)] });
}

function bootInstance(
  seen: Observation,
  move: Move,
  there: NodeFacts,
  instances: readonly InstanceFacts[],
  instance: InstanceFacts | undefined,
): Decision {
  const failed = instances.find((i) => i.status === 'ERROR' && !goingAway(i) && isOwn(i, there, move.to, move));
  if (failed !== undefined) return failedBoot(seen, move, failed);
  if (instance === undefined) {
    return tooManyInstances(
      'boot',
      instances.map((i) => i.name),
      move,
      move.to,
    );
  }
  const what = `instance ${instance.name} is ${instance.status}${instance.taskState ? ` (${instance.taskState})` : ''}`;
  // The node is looked at again only once its instance is at rest: nothing is said of it before.
  if (!atRest(instance)) return wait('boot', what, instancesAt(move.to));
  const now = `${what}, node ${there.provisionState}`;
  if (instance.status === 'SHUTOFF' && there.provisionState === 'active') {
    if (there.reservation !== null) return wait('boot', lockedBy(there, move.to), nodesAt(move.to));
    return act('boot', {
      name: 'startInstance',
      at: move.to,
      instanceId: instance.id,
      evidence: [nodesAt(move.to), instancesAt(move.to)],
      basis: [nodesAt(move.from)],
    });
  }
  if (instance.status === 'ACTIVE' || transitional(there)) {
    return wait('boot', now, instancesAt(move.to), nodesAt(move.to));
  }
  return fail('boot', 'instance_unexpected', 'ask', `In ${move.to}: ${now}.`, 'Repair or delete the instance by hand.');
}

function failedBoot(seen: Observation, move: Move, failed: InstanceFacts): Decision {
  const message = `Instance ${failed.name} in ${move.to}: ${failed.fault?.trim() || 'ERROR without a reason'}`;
  if (!bootedByUs(failed, move)) {
    return fail(
      'boot',
      'instance_error',
      'ask',
      message,
      `Ephyra did not boot it. Repair it (openstack server set --state active ${failed.id}) or delete it.`,
    );
  }
  return (
    unlessOutOfService(seen, move, 'boot') ??
    act('boot', {
      name: 'deleteInstance',
      at: move.to,
      instanceId: failed.id,
      evidence: [...bothNodes(move), instancesAt(move.to), MEMBERSHIP],
      trouble: instanceFailed(message, move.to),
      endsTry: true,
    })
  );
}

/** No instance yet: from `manageable` to where Nova can be asked for one. */
function prepareNode(seen: Observation, move: Move, to: SideObservation, there: NodeFacts): Decision {
  const watch = nodesAt(move.to);
  const evidence = [...bothNodes(move), instancesAt(move.to)];
  if (brokenDeploy(there)) {
    return (
      unlessOutOfService(seen, move, 'boot') ??
      act('boot', {
        name: 'undeploy',
        at: move.to,
        evidence: [...evidence, MEMBERSHIP],
        trouble: deployFailed(there, move.to),
        endsTry: true,
      })
    );
  }
  if (transitional(there)) return wait('enroll', `${move.name} is ${there.provisionState} in ${move.to}`, watch);
  if (there.instanceUuid !== null || there.provisionState === 'active') return instanceGone('boot', there, move.to);
  if (there.reservation !== null) return wait('enroll', lockedBy(there, move.to), watch);
  if (there.provisionState === 'clean failed') {
    return act('enroll', {
      name: 'manage',
      at: move.to,
      evidence: [],
      basis: bothNodes(move),
      trouble: cleanFailed(there, move.to),
      endsTry: true,
    });
  }
  if (there.provisionState !== 'manageable' && there.provisionState !== 'available') {
    return notMovable('enroll', there, move.to);
  }
  if (there.retired) return wait('enroll', retiredReason(there, move.to), watch);
  if (there.provisionState === 'manageable') {
    return act('enroll', { name: 'provide', at: move.to, evidence: [], basis: bothNodes(move) });
  }
  // Without a power state Nova keeps the node reserved for ever. A real BMC reports it at `manage`; where none does, it
  // is told - on, since Nova stops an instance whose node it takes for off, and only now, when the disks are clean.
  if (there.powerState === null) {
    return act('enroll', {
      name: 'powerOn',
      at: move.to,
      evidence: [watch],
      basis: [nodesAt(move.from), instancesAt(move.to)],
    });
  }
  const schedulable: Want = { of: 'schedulable', at: move.to };
  const offered = known(to.schedulable, schedulable, 'enroll', `Placement of ${move.to} does not answer`);
  if (!offered.ok) return offered.decision;
  if (offered.value === null) {
    const why = `Nova of ${move.to} does not offer ${move.name} yet; it looks at its nodes once a minute by default`;
    // The node as well: somebody else may have been quicker.
    return wait('enroll', why, schedulable, watch);
  }
  return act('boot', {
    name: 'bootInstance',
    at: move.to,
    evidence: [watch, schedulable],
    basis: [nodesAt(move.from), instancesAt(move.to)],
  });
}
