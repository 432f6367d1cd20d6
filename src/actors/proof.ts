import type { Move, NodeFacts } from '../../machines/domain.ts';
import { isMarkOf } from '../../machines/domain.ts';
import { Failure } from '../../machines/errors.ts';
import { OpenStackError, toFailure } from '../openstack/errors.ts';
import { MARKER_KEY, readMarker } from '../openstack/ironic/facts.ts';
import type { Ironic } from '../openstack/ironic/requests.ts';

/**
 * Before one of two definitions is deleted: the other one is there in this instant. A read may be answered by a replica that is
 * behind; a write is not. The format of our mark is written once more, which changes nothing, and which Ironic refuses where
 * the node or its mark is gone. Rejects with a `Failure`.
 *
 * @param there what a list has shown of it
 * @param due asked in the instant before it is sent
 * @param gone told when it is not there
 */
export async function proveOther(
  move: Move,
  there: NodeFacts | null,
  {
    ironic,
    due,
    gone,
  }: { readonly ironic: Pick<Ironic, 'patchNode'>; readonly due: () => boolean; readonly gone: () => void },
): Promise<void> {
  const isCopy = there?.provisionState === 'enroll';
  const stale = (now: string): Failure =>
    new Failure({
      reason: 'evidence_stale',
      next: 'retry',
      message: `${move.to} does not have ${move.name} ${isCopy ? 'as a copy' : 'running'}, although its list did (${now}).`,
    });
  const same = { op: 'replace', path: `/extra/${MARKER_KEY}/v`, value: 1 } as const;
  try {
    const now = await ironic.patchNode(move.uuid, [same], { due });
    const { provision_state: state } = now;
    if (isCopy ? state !== 'enroll' : state !== 'active' || !now.instance_uuid) throw stale(state);
    if (!isMarkOf(readMarker(now.extra), move.deployment)) throw stale('with another mark');
  } catch (error) {
    if (!(error instanceof OpenStackError)) throw error;
    if (error.kind === 'not_found') gone();
    if (error.kind === 'not_found' || error.kind === 'bad_request') throw stale(error.said);
    throw toFailure(error);
  }
}
