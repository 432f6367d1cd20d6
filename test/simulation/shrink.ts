import type { Outcome } from './run.ts';
import { run } from './run.ts';
import type { Scenario } from './scenario.ts';

/** Lists of a scenario from which something can be left out. */
const LISTS = ['disturbances', 'faults', 'kills', 'meddling', 'rivals', 'wishes'] as const;

/**
 * The least that still breaks the same invariant: leaves out one thing after the other, and what is simpler is tried, too.
 * Seeds stay what they are, so that what is left replays identically.
 */
export async function shrink(scenario: Scenario, invariant: string, tries = 300): Promise<Scenario> {
  let best = scenario;
  let left = tries;
  const stillBreaks = async (candidate: Scenario): Promise<boolean> => {
    left -= 1;
    const { outcome } = await run(candidate);
    return outcome.failure?.invariant === invariant;
  };
  for (let smaller = true; smaller && left > 0; ) {
    smaller = false;
    for (const candidate of candidates(best)) {
      if (left <= 0) break;
      if (!(await stillBreaks(candidate))) continue;
      best = candidate;
      smaller = true;
      break;
    }
  }
  return best;
}

/** Everything that is one thing less. */
function* candidates(scenario: Scenario): Generator<Scenario> {
  for (const list of LISTS) {
    const items: readonly unknown[] = scenario[list];
    if (items.length > 1 && list !== 'wishes') yield { ...scenario, [list]: [] };
    for (const [index] of items.entries()) {
      if (list === 'wishes' && items.length === 1) continue;
      yield { ...scenario, [list]: items.filter((_, at) => at !== index) };
    }
  }
  const { options } = scenario;
  if (scenario.skews.some((skew) => skew !== 0)) yield { ...scenario, skews: [] };
  if (options.shuffle === true) yield { ...scenario, options: { ...options, shuffle: false } };
  if ((options.latencyMs?.[1] ?? 0) > 0) yield { ...scenario, options: { ...options, latencyMs: [0, 0] } };
  const nodes = options.nodes ?? 3;
  if (nodes > 1) yield { ...scenario, options: { ...options, nodes: nodes - 1 } };
  if (options.tokenLifetimeMs !== undefined) {
    const { tokenLifetimeMs: _, ...rest } = options;
    yield { ...scenario, options: rest };
  }
}

/** How much there is in a scenario that is out of the ordinary. */
export const sizeOf = (scenario: Scenario): number =>
  LISTS.reduce((sum, list) => sum + scenario[list].length, 0) + (scenario.options.nodes ?? 3);

/** Plays it again with the whole trace: the same run, told to the end. */
export async function replay(scenario: Scenario): Promise<{ outcome: Outcome; story: string[] }> {
  const { outcome, world } = await run(scenario, true);
  return { outcome, story: world.trace.last(Number.POSITIVE_INFINITY) };
}
