import type { Move } from '../../machines/domain.ts';
import { isMarkOf } from '../../machines/domain.ts';
import { Failure } from '../../machines/errors.ts';
import { OpenStackError, toFailure } from '../openstack/errors.ts';
import { MARKER_KEY, readMarker, toNodeFacts } from '../openstack/ironic/facts.ts';
import type { Ironic } from '../openstack/ironic/requests.ts';
import type { NodeDetail } from '../openstack/ironic/schema.ts';
import { COPIED_MS, createParts } from './actions/copy.ts';
import type { ActionDeps, Doing } from './actions/deps.ts';
import { cloudAt } from './actions/deps.ts';
import type { EnsureDeps } from './ensure.ts';
import type { Shown } from './session.ts';

/**
 * Proofs that no read gives: a read may be answered by a replica that is behind, a write is not. The format of our mark is
 * written once more, which changes nothing, and which Ironic refuses where the node or its mark is gone. A format that is
 * not 1 needs a key of its own, therefore.
 */
const SAME = [{ op: 'replace', path: `/extra/${MARKER_KEY}/v`, value: 1 }] as const;

/** Milliseconds after which a replica that is behind has mostly caught up. */
const BEHIND_MS = 60_000;

interface Proving {
  readonly ironic: Pick<Ironic, 'patchNode'>;
  /** Asked in the instant before it is sent. */
  readonly due: () => boolean;
}

/**
 * Before one of two definitions is deleted: the other one, in `to`, is there in this instant, and when it is a copy that somebody
 * else has made - an earlier process - whole. What it has shown is told to the session. Rejects with a `Failure`.
 */
export function createProof({
  controlPlanes,
  definitions,
  clock,
}: Pick<ActionDeps, 'controlPlanes' | 'definitions' | 'clock'>): EnsureDeps['proveOther'] {
  return async (move, session, due) => {
    const { ironic } = cloudAt({ controlPlanes }, move.to);
    const there = session.observe(move).sides[move.to]?.node;
    const isCopy = there?.is === 'present' && there.value.provisionState === 'enroll';
    const shows = (as: Shown, inert: boolean) => void session.shows(move.to, as, inert);
    await proveNode(move, isCopy, { ironic, due, shows });
    if (!isCopy || session.isWhole(move.to)) return;
    const original = await definitions.of(move.uuid, move.from, clock.now() - COPIED_MS);
    // Without it nothing is deleted: there is nothing that the copy could be compared with.
    if (original === null) return;
    try {
      await createParts(ironic, original);
      session.completed(move.to);
    } finally {
      session.wroteTo(move.to);
    }
  };
}

/** `shows` is told what it has shown; `inert`: it is in `enroll`. */
async function proveNode(
  move: Move,
  isCopy: boolean,
  { ironic, due, shows }: Proving & { readonly shows: (as: Shown, inert: boolean) => void },
): Promise<void> {
  const stale = (now: string): Failure =>
    new Failure({
      reason: 'evidence_stale',
      next: 'retry',
      message: `${move.to} does not have ${move.name} ${isCopy ? 'as a copy' : 'running'}, although its list did (${now}).`,
    });
  let now: NodeDetail;
  try {
    now = await ironic.patchNode(move.uuid, SAME, { due });
  } catch (error) {
    if (!(error instanceof OpenStackError)) throw error;
    if (error.kind === 'not_found') shows('gone', false);
    if (error.kind === 'not_found' || error.kind === 'bad_request') throw stale(error.said);
    throw toFailure(error);
  }
  const { provision_state: state, instance_uuid: instance, extra } = now;
  if (isCopy ? state !== 'enroll' : state !== 'active' || !instance) throw stale(state);
  const mark = readMarker(extra);
  if (!isMarkOf(mark, move.deployment) || mark.epoch > move.epoch) throw stale('with another mark');
  shows('marked', isCopy);
}

/**
 * Before a second Ironic gets power over the machine, and before the node is let go of: where it comes from there is no such node.
 * That is taken from no list: one that lacks an entry looks like any other. It is asked for this very node, and must answer a write
 * with there being none. Rejects with a `Failure` when it has one.
 */
export async function proveGone(
  { move, tookAway, due, shows, foundGone }: Pick<Doing, 'move' | 'tookAway' | 'due' | 'shows' | 'foundGone'>,
  deps: Pick<ActionDeps, 'controlPlanes' | 'clock'>,
): Promise<void> {
  if (tookAway) return;
  const { ironic } = cloudAt(deps, move.from);
  const still = await ironic.getNode(move.uuid);
  // Nothing is written to somebody else's. What is ours, by this read, may have gone since.
  const isWritten = still === null || isMarkOf(readMarker(still.extra), move.deployment);
  if (isWritten) {
    const asked = deps.clock.now();
    if ((await askByWrite(move.uuid, { ironic, due })) === 'gone') return foundGone(asked);
    shows('there', move.from);
  }
  throw new Failure({
    reason: 'evidence_stale',
    next: 'retry',
    message: `${move.from} still has ${move.name}${still === null ? '' : ` (${still.provision_state})`}, although its list did not show it.`,
  });
}

/**
 * Before a node is let go of with which an earlier process has begun: it is as the lists show it running. They may be from before it was
 * told to stop, of which nobody knows any more, and an application that lies says the same. Rejects with a `Failure` when it is not.
 */
export async function proveRunning(
  { move, to, due }: Pick<Doing, 'move' | 'to' | 'due'>,
  deps: Pick<ActionDeps, 'controlPlanes'>,
): Promise<void> {
  const now = toNodeFacts(await cloudAt(deps, move.to).ironic.patchNode(move.uuid, SAME, { due }));
  const seen = to.node;
  const isAsSeen =
    now.provisionState === seen?.provisionState &&
    now.powerState === seen.powerState &&
    now.instanceUuid === seen.instanceUuid &&
    isMarkOf(now.marker, move.deployment);
  if (isAsSeen) return;
  const what = `${now.provisionState}, ${now.powerState ?? 'no power state'}`;
  throw new Failure({
    reason: 'evidence_stale',
    next: 'retry',
    // Until lists have caught up: they would lead here again.
    afterMs: BEHIND_MS,
    message: `${move.name} is not in ${move.to} as its lists showed it running (${what}).`,
    remedy: 'If that lasts, look whether its instance runs; Ephyra goes on from there.',
  });
}

/**
 * How a node is by the answer to a write: marked, and then as it is; there without a mark; locked or about to change, which says no
 * more; or not there. Rejects with any other refusal.
 */
export async function askByWrite(
  uuid: string,
  { ironic, due }: Proving,
): Promise<NodeDetail | 'unmarked' | 'busy' | 'gone'> {
  try {
    return await ironic.patchNode(uuid, SAME, { due });
  } catch (error) {
    if (!(error instanceof OpenStackError)) throw error;
    if (error.kind === 'not_found') return 'gone';
    if (error.detail === 'patch_refused') return 'unmarked';
    if (error.kind === 'locked' || error.detail === 'in_transition') return 'busy';
    throw error;
  }
}
