import type { InstanceFacts, Move, NodeFacts, SideObservation, Step } from '../domain.ts';
import { METADATA } from '../domain.ts';
import type { Decision, Trouble } from './decision.ts';
import { fail, instancesAt, nodesAt, wait } from './decision.ts';
import { atRest, goingAway, isOwn, nameOf, ours, transitional, unlessOutdated } from './nodes.ts';

/** Null when the node is unmarked or ours; else the refusal (invariant 5). */
export function refuseForeign(node: NodeFacts, at: string, move: Move): Decision | null {
  if (node.marker === null) return null;
  if (node.marker === 'invalid') return foreign('claim', node, at, 'its extra.ephyra cannot be read');
  if (!ours(node, move)) return foreign('claim', node, at, `it belongs to deployment ${node.marker.deployment}`);
  if (node.marker.epoch > move.epoch) {
    return foreign('claim', node, at, `a newer Ephyra (epoch ${node.marker.epoch}) has claimed it`);
  }
  return null;
}

export function foreign(step: Step, node: NodeFacts, at: string, why: string): Decision {
  return fail(
    step,
    'node_foreign',
    'ask',
    `${nameOf(node)} in ${at} is not touched: ${why}.`,
    'Finish or abort the deployment that it belongs to, or remove extra.ephyra by hand when that deployment is dead.',
  );
}

/** Null when the instance is the deployment's own. One of somebody else is never touched, and holds the node where it is. */
export function unlessOwn(
  step: Step,
  instance: InstanceFacts,
  node: NodeFacts,
  at: string,
  move: Move,
): Decision | null {
  if (isOwn(instance, node, at, move)) return null;
  const watch = [instancesAt(at), nodesAt(at)];
  if (goingAway(instance)) return wait(null, `Nova deletes instance ${instance.name} in ${at}`, ...watch);
  // One of the two lists may be behind. What is in ERROR stays so.
  if (node.instanceUuid !== instance.id && instance.status !== 'ERROR')
    return wait(null, onlyNova(instance, node, at), ...watch);
  return foreignInstance(step, instance, node, at, move);
}

export const onlyNova = (instance: InstanceFacts, node: NodeFacts, at: string): string =>
  `Nova of ${at} says that ${instance.name} is on ${nameOf(node)}, Ironic does not`;

/** An instance that was not there when the node was claimed, and that this deployment has not booted. */
export function foreignInstance(
  step: Step,
  instance: InstanceFacts,
  node: NodeFacts,
  at: string,
  move: Move,
): Decision {
  const own = { [METADATA.deployment]: move.deployment, [METADATA.node]: node.uuid, [METADATA.role]: move.role };
  const properties = Object.entries(own).map(([key, value]) => `--property ${key}=${value}`);
  return fail(
    step,
    'node_foreign',
    'ask',
    `${nameOf(node)} in ${at} is not touched: instance ${instance.name} (${instance.id}) is on it, which was not there ` +
      `when the node was claimed and was not booted by ${move.deployment}.`,
    `If it is somebody else's, have them delete it. If it is to be the node's own, say so in ${at}: ` +
      `openstack server set ${properties.join(' ')} ${instance.id}. Ephyra goes on from there.`,
  );
}

/** The application has let go of it in this run, and now it is unmarked: somebody took the mark off half-way. */
export function markGone(step: Step, node: NodeFacts, at: string): Decision {
  return fail(
    step,
    'node_foreign',
    'ask',
    `${nameOf(node)} (${node.provisionState} in ${at}) has lost its mark in the middle of its move; it is out of the application.`,
    'Boot its instance where it is missing and take the node into the application by hand.',
  );
}

/** What the deployment has booted does not run, and nobody says that it may be touched: what starts is waited for. */
export function unmarkedBoot(
  instance: InstanceFacts,
  node: NodeFacts,
  side: SideObservation,
  at: string,
  move: Move,
): Decision {
  const { id, name, status } = instance;
  if (transitional(node) || !atRest(instance) || status === 'REBOOT') {
    return wait('boot', `instance ${name} is ${status}, and its node bears no mark`, nodesAt(at), instancesAt(at));
  }
  return (
    unlessOutdated(side, at) ??
    fail(
      'boot',
      'node_foreign',
      'ask',
      `${nameOf(node)} in ${at} is not touched: it bears no mark, and instance ${name}, which ${move.deployment} booted there, is ${status}.`,
      `Bring instance ${id} to ACTIVE first, its machine running: openstack server rebuild ${id} (setting the state alone mends ` +
        'nothing). To leave the node there, take it into the application by hand. To bring it back, once the deployment has ' +
        `ended: /ephyra abort ${move.deployment}`,
    )
  );
}

export function maintenanceReason(node: NodeFacts, at: string): string {
  const why = node.maintenanceReason ? ` (${node.maintenanceReason})` : '';
  return `${nameOf(node)} is in maintenance in ${at}${why}; Ephyra does not touch it until a person ends that`;
}

export function inMaintenance(node: NodeFacts, at: string): Decision {
  return fail(
    'claim',
    'node_maintenance',
    'stop',
    `${maintenanceReason(node, at)}.`,
    `When the work is done: openstack baremetal node maintenance unset ${node.uuid}`,
  );
}

export function isProtected(node: NodeFacts, at: string): Decision {
  return fail(
    'claim',
    'node_protected',
    'stop',
    `${nameOf(node)} is protected in ${at}.`,
    `openstack baremetal node unset --protected ${node.uuid}`,
  );
}

/** It runs something, and is left to: once that is gone, neither Ironic would provide it. */
export function isRetired(node: NodeFacts, at: string): Decision {
  return fail(
    'claim',
    'node_retired',
    'stop',
    `${nameOf(node)} is retired in ${at}.`,
    `If it is to be moved all the same: openstack baremetal node unset --retired ${node.uuid}`,
  );
}

/** With nothing on it there is no way left for it, in neither cloud, before a person opens one: where it is, it waits. */
export function retiredReason(node: NodeFacts, at: string): string {
  return (
    `${nameOf(node)} is retired in ${at} and has no instance; Ironic provides no retired node, so that none can be booted on it. ` +
    `To let it go on: openstack baremetal node unset --retired ${node.uuid}`
  );
}

export function notMovable(step: Step, node: NodeFacts, at: string): Decision {
  return fail(
    step,
    'node_not_movable',
    'ask',
    `${nameOf(node)} is ${node.provisionState} in ${at}${node.lastError ? `: ${node.lastError}` : ''}.`,
    'Bring it to manageable or available by hand; Ephyra goes on from there.',
  );
}

export function instanceGone(step: Step, node: NodeFacts, at: string): Decision {
  return fail(
    step,
    'instance_gone',
    'ask',
    `${nameOf(node)} is active in ${at} for instance ${node.instanceUuid ?? 'unknown'}, which Nova does not have.`,
    `Find out who removed the instance; then undeploy by hand: openstack baremetal node undeploy ${node.uuid}`,
  );
}

export function tooManyInstances(step: Step, names: readonly string[], move: Move, at: string): Decision {
  return fail(
    step,
    'instance_unexpected',
    'ask',
    `${names.length} instances claim ${move.name} in ${at}: ${names.join(', ')}.`,
    'Delete those that do not belong there; Ephyra goes on from there.',
  );
}

/** What Ironic says of its failure is in `last_error`; what it looked at, a person has to look at. */
export function cleanFailed(node: NodeFacts, at: string): Trouble {
  return {
    reason: 'clean_failed',
    message: node.lastError ?? `${nameOf(node)} is clean failed`,
    remedy:
      `Mend what keeps Ironic of ${at} from cleaning it: the cleaning network, the deploy images, the machine itself ` +
      `(its console; openstack baremetal node show ${node.uuid}).`,
  };
}

export function deployFailed(node: NodeFacts, at: string): Trouble {
  return {
    reason: 'deploy_failed',
    message: node.lastError ?? `${nameOf(node)} is ${node.provisionState}`,
    remedy:
      `Mend what kept Ironic of ${at} from deploying it: its conductor, the provisioning network, the images, the ` +
      `machine itself (its console; openstack baremetal node show ${node.uuid}).`,
  };
}

export function bmcFailed(lastError: string, node: NodeFacts, at: string): Trouble {
  return {
    reason: 'verify_failed_bmc',
    message: lastError,
    remedy: `Is the BMC of ${nameOf(node)} reachable from the conductors of ${at}, with the address, user and password in its driver_info?`,
  };
}

export function instanceFailed(message: string, at: string): Trouble {
  return {
    reason: 'instance_error',
    message,
    remedy: `Mend what Nova of ${at} complains of: flavor, traits and resource class against the node; the logs of nova-compute and Ironic.`,
  };
}

export const lockedBy = (node: NodeFacts, at: string): string =>
  `${nameOf(node)} is locked by conductor ${node.reservation ?? '?'} in ${at}`;
