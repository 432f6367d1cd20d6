import type { InstanceFacts, Move, NodeFacts, Observation, SideObservation, Step } from '../domain.ts';
import { isMarkOf, METADATA } from '../domain.ts';
import type { Decision } from './decision.ts';
import { fail, instancesAt, known, look, MEMBERSHIP } from './decision.ts';

/** Ironic takes no power action and Nova has no use for it; the node is only a record. */
export const inert = (node: NodeFacts): boolean => node.provisionState === 'enroll';

/** At rest, and Ironic allows its deletion. */
export const deletable = (node: NodeFacts): boolean =>
  node.provisionState === 'available' || node.provisionState === 'manageable' || node.provisionState === 'enroll';

/** A deploy that Ironic gave up; only an undeploy leads out. */
export const brokenDeploy = (node: NodeFacts): boolean =>
  node.provisionState === 'deploy failed' || node.provisionState === 'error';

const TRANSITIONAL: ReadonlySet<string> = new Set([
  'verifying',
  'cleaning',
  'clean wait',
  'deploying',
  'deploy wait',
  'wait call-back',
  'deleting',
  'deleted',
  'inspecting',
  'adopting',
]);
/** Passes by itself, or ends in a failed state. */
export const transitional = (node: NodeFacts): boolean => TRANSITIONAL.has(node.provisionState);

/** Nova has been asked to delete it, or shows it for a last moment (seen: 200 with DELETED before the 404). */
export const goingAway = (instance: InstanceFacts): boolean =>
  instance.taskState === 'deleting' || instance.status === 'DELETED' || instance.status === 'SOFT_DELETED';

/** Nova is not about to do anything with it: its node says something final, too. */
export const atRest = (instance: InstanceFacts): boolean =>
  instance.status !== 'BUILD' && instance.taskState === null && !goingAway(instance);

/** Stamped by this very deployment. */
export const ours = (node: NodeFacts, move: Move): boolean => isMarkOf(node.marker, move.deployment);

export const nameOf = (node: NodeFacts): string => node.name ?? node.uuid;

/** All instances on the node or meant for it; empty is a positive answer. */
export function instancesOn(
  side: SideObservation,
  node: NodeFacts,
  at: string,
): { ok: true; value: readonly InstanceFacts[] } | { ok: false; decision: Decision } {
  const found = known(side.instances, instancesAt(at), null, `Nova of ${at} does not say what runs on ${nameOf(node)}`);
  return found.ok ? { ok: true, value: found.value ?? [] } : found;
}

/**
 * Null when the node was looked at no earlier than its instances; else the look that makes it so. What an old look at
 * the node and a new one at its instances say together was never true.
 */
export function unlessOutdated(side: SideObservation, at: string): Decision | null {
  const { node, instances } = side;
  if (node.is !== 'present' || (instances.is !== 'present' && instances.is !== 'absent')) return null;
  return node.at < instances.at ? look({ of: 'nodes', at, since: instances.at }) : null;
}

/** The instance that is on the node; with none on it, the only one meant for it; undefined when that is not clear. */
export function theInstance(instances: readonly InstanceFacts[], node: NodeFacts): InstanceFacts | undefined {
  const onIt = instances.find((instance) => instance.id === node.instanceUuid);
  if (onIt !== undefined) return onIt;
  return instances.length === 1 ? instances[0] : undefined;
}

/** Booted by this deployment, for this very node. */
export const bootedByUs = ({ metadata }: InstanceFacts, move: Move): boolean =>
  metadata[METADATA.deployment] === move.deployment && metadata[METADATA.node] === move.uuid;

/** What the deployment may stop, delete and bring into the application: what the node was claimed with, and what it has booted. */
export const isOwn = (instance: InstanceFacts, node: NodeFacts, at: string, move: Move): boolean =>
  bootedByUs(instance, move) || isClaimed(instance, node, at);

/** The instance that was on the node when it was claimed. */
function isClaimed(instance: InstanceFacts, { marker }: NodeFacts, at: string): boolean {
  const claimed = marker === null || marker === 'invalid' ? null : marker.instance;
  if (claimed === null || claimed.at !== at) return false;
  if (claimed.id !== undefined) return claimed.id === instance.id;
  // A mark without an id, of an older Ephyra: nobody else's has the same name, image, flavor and addresses.
  const { name, flavor, image, addresses } = claimed;
  const same = name === instance.name && flavor === instance.flavorName && image === instance.imageId;
  return (
    same && addresses.length === instance.addresses.length && addresses.every((it) => instance.addresses.includes(it))
  );
}

/** Null when the application positively does not count on the node; else the decision that finds out or gives up. */
export function unlessOutOfService(seen: Observation, move: Move, step: Step): Decision | null {
  const question = `The application does not say whether ${move.name} is in service`;
  const membership = known(seen.membership, MEMBERSHIP, step, question);
  if (!membership.ok) return membership.decision;
  return membership.value === 'out' ? null : countedOn(move, step);
}

/**
 * The same for a node that positively has no instance in either cloud: there is nothing on it that could be in service,
 * so an application that cannot tell (it may know the machine only as dead) holds nothing up; one that counts on it does.
 */
export function unlessCountedOn(seen: Observation, move: Move, step: Step): Decision | null {
  if (seen.membership.is === 'unlooked') return look(MEMBERSHIP);
  return seen.membership.is === 'present' && seen.membership.value === 'in' ? countedOn(move, step) : null;
}

function countedOn(move: Move, step: Step): Decision {
  return fail(
    step,
    'instance_unexpected',
    'ask',
    `The application counts ${move.name} as in service although its machine is not running properly.`,
    'Take it out of the application by hand or repair its instance; Ephyra goes on from there.',
  );
}
