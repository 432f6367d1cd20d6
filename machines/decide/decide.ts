import type { Move, Observation, SideObservation } from '../domain.ts';
import { UNLOOKED } from '../domain.ts';
import { arrive } from './arrive.ts';
import { copy, inBoth } from './copy.ts';
import type { Decision } from './decision.ts';
import { bothNodes, fail, known, nodesAt } from './decision.ts';
import { leave } from './leave.ts';
import type { Memory } from './memory.ts';
import { refuseForeign } from './refusals.ts';

/**
 * The heart of Ephyra: what one node needs next, from what is seen and where it should be. Pure and total.
 *
 * There is one table for both directions: `move.from` is where the node is, `move.to` where it should be; a rollback
 * is the same move with the two swapped. It has three parts, in the order of a move: the node is only in `from`
 * (leave.ts), in both (copy.ts), only in `to` (arrive.ts).
 */
export function decide(seen: Observation, move: Move, memory: Memory = {}): Decision {
  const from = seen.sides[move.from] ?? UNSEEN;
  const to = seen.sides[move.to] ?? UNSEEN;
  if (from.node.is === 'unlooked' && to.node.is === 'unlooked') return { kind: 'look', wants: bothNodes(move) };
  const here = known(from.node, nodesAt(move.from), null, `Ironic of ${move.from} does not answer`);
  if (!here.ok) return here.decision;
  const there = known(to.node, nodesAt(move.to), null, `Ironic of ${move.to} does not answer`);
  if (!there.ok) return there.decision;

  const refusal =
    (here.value && refuseForeign(here.value, move.from, move)) ||
    (there.value && refuseForeign(there.value, move.to, move));
  if (refusal) return refusal;

  if (here.value !== null && there.value !== null) {
    return inBoth(seen, move, from, to, here.value, there.value, memory);
  }
  if (here.value !== null) return leave(seen, move, from, here.value, memory) ?? copy(move, to);
  if (there.value !== null) return arrive(seen, move, to, there.value, memory);
  return fail(
    'claim',
    'node_missing',
    'retry',
    `${move.name} is in neither ${move.from} nor ${move.to}.`,
    `Nothing was changed. Look in both: openstack baremetal node show ${move.uuid}`,
  );
}

const UNSEEN: SideObservation = { node: UNLOOKED, instances: UNLOOKED, provider: UNLOOKED, schedulable: UNLOOKED };
