import { bootedByUs } from '../../../machines/decide/nodes.ts';
import type { InstanceFacts, InstanceRecipe, Marker, Move } from '../../../machines/domain.ts';
import { Failure } from '../../../machines/errors.ts';
import { OpenStackError } from '../../openstack/errors.ts';
import { MARKER_KEY, toNodeFacts } from '../../openstack/ironic/facts.ts';
import { ranBefore, withoutOwn } from '../../openstack/nova/ran.ts';
import { askByWrite, proveGone, proveRunning } from '../proof.ts';
import type { Perform } from './deps.ts';
import { cloudAt, telling } from './deps.ts';

/** Claims the node: the first write, and from then on the record of whose move this is and of what ran here. */
export const stamp: Perform = async ({ action, move, from, due, shows }, deps) => {
  const instance = from.instances.find(({ id }) => id === action.instanceId);
  const home = instance !== undefined && bootedByUs(instance, move) ? ranBefore(instance) : null;
  const marker: Marker = {
    v: 1,
    deployment: move.deployment,
    epoch: move.epoch,
    source: move.source,
    target: move.target,
    role: move.role,
    instance: instance === undefined ? null : recipeOf(instance, move),
    ...(home === null ? {} : { home }),
  };
  const claim = { op: 'add', path: `/extra/${MARKER_KEY}`, value: marker } as const;
  const { ironic } = cloudAt(deps, action.at);
  const patched = await telling(
    () => shows('perhaps marked'),
    () => ironic.patchNode(move.uuid, [claim], { due }),
  );
  const facts = toNodeFacts(patched);
  const read = facts.marker;
  if (read === null || read === 'invalid' || read.deployment !== move.deployment) {
    throw new Failure({
      reason: 'node_foreign',
      next: 'ask',
      message: `Ironic of ${action.at} did not keep the mark on ${move.name}.`,
    });
  }
  return facts;
};

/**
 * The claim is let go: what is left of the move is what Nova's metadata says of the instance. Nobody looks after this, least of all
 * for a copy that an earlier process has left where the node comes from.
 */
export const letGo: Perform = async (doing, deps) => {
  const { action, move, due } = doing;
  await proveGone(doing, deps);
  const path = `/extra/${MARKER_KEY}`;
  try {
    if (deps.begun.has(move.uuid)) await proveRunning(doing, deps);
    return toNodeFacts(await cloudAt(deps, action.at).ironic.patchNode(move.uuid, [{ op: 'remove', path }], { due }));
  } catch (error) {
    // It is not there any more, by an earlier try of ours or by hand. No reason to take the node back.
    if (error instanceof OpenStackError && error.detail === 'patch_refused') return undefined;
    throw error;
  }
};

/**
 * Whether the node, which a list shows without a mark, has none. Our mark is written once more where there is one, which changes
 * nothing and shows the node as it is; Ironic refuses that where there is none. A node that is locked, or about to change, says nothing
 * and is asked again.
 */
export const confirm: Perform = async ({ action, move, due, shows }, deps) => {
  const { ironic } = cloudAt(deps, action.at);
  const answer = await askByWrite(move.uuid, { ironic, due });
  if (answer === 'gone') return null;
  if (answer === 'unmarked') shows('unmarked');
  return typeof answer === 'string' ? undefined : toNodeFacts(answer);
};

export function recipeOf(instance: InstanceFacts, move: Pick<Move, 'from'>): InstanceRecipe {
  return {
    at: move.from,
    id: instance.id,
    name: instance.name,
    flavor: instance.flavorName,
    image: instance.imageId,
    networks: instance.networks,
    keyName: instance.keyName,
    configDrive: instance.configDrive,
    metadata: withoutOwn(instance.metadata),
    addresses: instance.addresses,
  };
}
