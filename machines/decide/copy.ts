import type { Move, NodeFacts, Observation, SideObservation, Want } from '../domain.ts';
import { arrive } from './arrive.ts';
import type { Decision } from './decision.ts';
import {
  act,
  bothNodes,
  confirm,
  DEFINITIONS,
  fail,
  instancesAt,
  known,
  MEMBERSHIP,
  nodesAt,
  wait,
} from './decision.ts';
import { leave } from './leave.ts';
import type { Memory } from './memory.ts';
import { inert, ours, unlessCountedOn } from './nodes.ts';
import { foreign, lockedBy, maintenanceReason } from './refusals.ts';

/** At rest in `from`, absent in `to`: the definition is copied. */
export function copy(move: Move, to: SideObservation): Decision {
  // A node re-created before Nova noticed that it was gone meets its own stale provider, and its boot fails.
  const stale: Want = { of: 'providers', at: move.to };
  const provider = known(to.provider, stale, 'copy', `Placement of ${move.to} does not answer`);
  if (!provider.ok) return provider.decision;
  if (provider.value !== null) {
    const why = `${move.to} still has a resource provider of an earlier ${move.name}; Nova drops it at its next pass`;
    return wait('copy', why, stale);
  }
  return act('copy', { name: 'copyDefinition', at: move.to, evidence: [], basis: [...bothNodes(move), stale] });
}

/** In both Ironics: the copy is completed and compared, then the node leaves `from`. */
export function inBoth(
  seen: Observation,
  move: Move,
  from: SideObservation,
  to: SideObservation,
  here: NodeFacts,
  there: NodeFacts,
  memory: Memory,
): Decision {
  if (!inert(here) && !inert(there)) {
    return fail(
      'unenroll',
      'node_in_both',
      'ask',
      `${move.name} is managed by both: ${here.provisionState} in ${move.from}, ${there.provisionState} in ${move.to}.`,
      'Two Ironics can power it. Decide by hand which one keeps it and delete it from the other.',
    );
  }
  for (const [node, at] of [
    [here, move.from],
    [there, move.to],
  ] as const) {
    if (!ours(node, move)) {
      if (node.marker === null && memory.perhapsMarked === true) return confirm('copy', move, at);
      return foreign(
        'copy',
        node,
        at,
        `a node of this uuid is in both and this one is not marked for ${move.deployment}`,
      );
    }
    if (node.maintenance) return wait(null, maintenanceReason(node, at), nodesAt(at));
  }
  if (!inert(there)) {
    // Only on the way back: `there` has always been whole, `here` is our own inert and perhaps unfinished copy. It stays
    // until the node runs again. A delete of `there` that was given up may still be on its way, and then the copy is all
    // that is left of the node; one that runs an instance cannot be deleted.
    const arriving = arrive(seen, move, to, there, memory);
    const runs = arriving.kind === 'act' && (arriving.step === 'add' || arriving.step === 'verify');
    if (!runs) return arriving;
    if (here.reservation !== null) return wait('unenroll', lockedBy(here, move.from), nodesAt(move.from));
    if (there.reservation !== null) return wait('unenroll', lockedBy(there, move.to), nodesAt(move.to));
    return act('unenroll', { name: 'unenroll', at: move.from, evidence: bothNodes(move) });
  }
  const leaving = leave(seen, move, from, here, memory);
  if (leaving !== null) return leaving;
  if (there.reservation !== null) return wait('copy', lockedBy(there, move.to), nodesAt(move.to));

  const equal = known(seen.definitionsEqual, DEFINITIONS, 'copy', 'The two definitions cannot be compared');
  if (!equal.ok) return equal.decision;
  if (equal.value !== true) {
    return act('copy', { name: 'copyDefinition', at: move.to, evidence: [], basis: bothNodes(move) });
  }
  return (
    unlessCountedOn(seen, move, 'unenroll') ??
    act('unenroll', {
      name: 'unenroll',
      at: move.from,
      evidence: [...bothNodes(move), instancesAt(move.from), DEFINITIONS, MEMBERSHIP],
    })
  );
}
