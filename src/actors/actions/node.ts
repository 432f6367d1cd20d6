import { OpenStackError } from '../../openstack/errors.ts';
import { proveGone } from '../proof.ts';
import type { Doing, Perform } from './deps.ts';
import { cloudAt } from './deps.ts';

/** From here on this Ironic has the machine: the other one must not. */
export const manage: Perform = async (doing, deps) => {
  const { action, move, to, due, refused } = doing;
  if (action.at === move.to && to.node?.provisionState === 'enroll') await proveGone(doing, deps);
  return verb(cloudAt(deps, action.at).ironic.provision(move.uuid, 'manage', { due }), refused);
};

export const provide: Perform = ({ action, move, due, refused }, deps) =>
  verb(cloudAt(deps, action.at).ironic.provision(move.uuid, 'provide', { due }), refused);

/** Frees a node that a failed deploy has left behind with no instance to delete. */
export const undeploy: Perform = ({ action, move, due, refused }, deps) =>
  verb(cloudAt(deps, action.at).ironic.provision(move.uuid, 'deleted', { due }), refused);

/** Makes Ironic learn the power state of a node that is available and has no instance. */
export const powerOn: Perform = ({ action, move, due, refused }, deps) =>
  verb(cloudAt(deps, action.at).ironic.setPower(move.uuid, 'power on', { due }), refused);

/** Ironic deletes ports, portgroups and traits with the node. Already gone counts as done. */
export const unenroll: Perform = async ({ action, move, due, to }, deps) => {
  if (to.node?.provisionState === 'enroll') await deps.definitions.proveSecrets(move);
  await cloudAt(deps, action.at).ironic.deleteNode(move.uuid, { due });
  return null;
};

/**
 * A verb that does not fit the state, mostly because it is already fulfilled, is 400: the next look shows it. If that shows
 * the state in which it was asked for, it was no misunderstanding, and a person has to read why.
 */
async function verb(call: Promise<void>, refused: Doing['refused']): Promise<undefined> {
  try {
    await call;
  } catch (error) {
    if (!(error instanceof OpenStackError && error.detail === 'wrong_state')) throw error;
    refused(error.message);
  }
  return undefined;
}
