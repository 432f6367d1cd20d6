import { Failure } from '../../../machines/errors.ts';
import { OpenStackError } from '../../openstack/errors.ts';
import type { Perform } from './deps.ts';
import { cloudAt } from './deps.ts';

/**
 * From here on this Ironic has the machine. That the other has not is taken from no list: one that lacks an entry looks
 * like any other. It is asked for this very node, and must answer that there is none.
 */
export const manage: Perform = async ({ action, move, tookAway, to, due }, deps) => {
  if (action.at === move.to && to.node?.provisionState === 'enroll' && !tookAway) {
    const still = await cloudAt(deps, move.from).ironic.getNode(move.uuid);
    if (still !== null) {
      throw new Failure({
        reason: 'evidence_stale',
        next: 'retry',
        message: `${move.from} still has ${move.name} (${still.provision_state}), although its list did not show it.`,
      });
    }
  }
  return verb(cloudAt(deps, action.at).ironic.provision(move.uuid, 'manage', { due }));
};

export const provide: Perform = ({ action, move, due }, deps) =>
  verb(cloudAt(deps, action.at).ironic.provision(move.uuid, 'provide', { due }));

/** Frees a node that a failed deploy has left behind with no instance to delete. */
export const undeploy: Perform = ({ action, move, due }, deps) =>
  verb(cloudAt(deps, action.at).ironic.provision(move.uuid, 'deleted', { due }));

/** Makes Ironic learn the power state of a node that is available and has no instance. */
export const powerOn: Perform = ({ action, move, due }, deps) =>
  verb(cloudAt(deps, action.at).ironic.setPower(move.uuid, 'power on', { due }));

/**
 * Ironic deletes ports, portgroups and traits with the node. Already gone counts as done. A copy that is not needed any more,
 * because the node runs where it is going, may be all that is left of it if that was a list that is behind: so the
 * node itself is asked.
 */
export const unenroll: Perform = async ({ action, move, due, to }, deps) => {
  if (to.node !== null && to.node.provisionState !== 'enroll') {
    const other = await cloudAt(deps, move.to).ironic.getNode(move.uuid);
    if (other === null || other.provision_state !== 'active' || !other.instance_uuid) {
      throw new Failure({
        reason: 'evidence_stale',
        next: 'retry',
        message: `${move.to} does not show ${move.name} as running, although its list did (${other?.provision_state ?? 'not there'}).`,
      });
    }
  }
  if (to.node?.provisionState === 'enroll') await deps.definitions.proveSecrets(move);
  await cloudAt(deps, action.at).ironic.deleteNode(move.uuid, { due });
  return null;
};

/** A verb that does not fit the state, mostly because it is already fulfilled, is 400: the next look shows it. */
async function verb(call: Promise<void>): Promise<undefined> {
  try {
    await call;
    return undefined;
  } catch (error) {
    if (error instanceof OpenStackError && error.detail === 'wrong_state') return undefined;
    throw error;
  }
}
