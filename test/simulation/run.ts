import { isEnded } from '../../src/store/state.ts';
import { Violation } from '../support/invariants/invariant.ts';
import { Meddler } from '../support/world/meddler.ts';
import { play, Refusal } from '../support/world/people.ts';
import { World } from '../support/world/world.ts';
import { meddle } from './meddle.ts';
import type { Scenario } from './scenario.ts';

/** What came of a scenario. */
export interface Outcome {
  readonly seed: number;
  /** States in which its deployments ended, or why they did not begin. */
  readonly ends: readonly string[];
  /** Null: all invariants held, and everything came to an end. */
  readonly failure: { readonly invariant: string; readonly message: string } | null;
  /** What really happened, by kind. */
  readonly faults: Readonly<Record<string, number>>;
  readonly requests: number;
  readonly starts: number;
  /** Equal for equal runs: what happened, in order. */
  readonly digest: string;
  readonly virtualMs: number;
}

/** A deployment that has not ended by then never will. */
const LIMIT_MS = 8 * 3_600_000;

export async function run(scenario: Scenario, whole = false): Promise<{ outcome: Outcome; world: World }> {
  const faults: Record<string, number> = {};
  const count = (kind: string) => {
    faults[kind] = (faults[kind] ?? 0) + 1;
  };
  const byRequest = new Map(scenario.disturbances.map(({ request, what }) => [request, what]));
  const kills = new Map(scenario.kills.map(({ point, downMs }) => [point, downMs]));
  let downMs = 500;
  const world = new World({
    ...scenario.options,
    seed: scenario.seed,
    wholeTrace: whole,
    skewMs: (process) => scenario.skews[process - 1] ?? 0,
    disturb: (call) => {
      const what = byRequest.get(call.id);
      if (what === undefined || (what.do === 'stale' && (call.write !== null || scenario.options.history !== true))) {
        return null;
      }
      count(what.do);
      return what;
    },
    kill: ({ index }) => {
      const down = kills.get(index);
      if (down === undefined) return false;
      downMs = down;
      count('kill');
      return true;
    },
  });
  world.keepRunning(() => downMs);
  const meddler = new Meddler(world);
  // So that what was a minute ago is known when the first deployment begins.
  if (scenario.options.history === true) await world.pass(90_000);
  for (const { atMs, plane, rule, forMs } of scenario.faults) {
    world.time.after(atMs, () => {
      const needsNode = rule.effect.kind === 'node-locked';
      const there = [...world.mirror(plane).nodes.values()].some(({ name }) => name === rule.match?.node);
      if (needsNode && !there) return;
      count(rule.effect.kind);
      world.note(`${plane}: ${rule.effect.kind} ${rule.match?.node ?? rule.match?.service ?? ''}`);
      const id = world.plane(plane).faults.add(rule);
      if (forMs !== undefined) world.time.after(forMs, () => void world.plane(plane).faults.remove(id));
    });
  }
  for (const { atMs, what } of scenario.meddling) {
    world.time.after(atMs, () => {
      count(what.do);
      meddle(world, meddler, what);
    });
  }

  const ends: string[] = [];
  let failure: Outcome['failure'] = null;
  try {
    await world.start();
    for (const wish of scenario.wishes) {
      try {
        ends.push(await play(world, wish, LIMIT_MS));
      } catch (error) {
        if (!(error instanceof Refusal)) throw error;
        ends.push(`refused: ${error.code}`);
      }
      settled(world);
    }
    await world.metricsText();
  } catch (error) {
    failure =
      error instanceof Violation
        ? { invariant: error.invariant, message: error.message }
        : {
            invariant: 'comes to an end',
            message: error instanceof Error ? (error.stack ?? error.message) : String(error),
          };
  }
  const { requests } = world.network;
  const digest = `${world.trace.total} ${requests} ${world.points} ${world.time.now()}`;
  const virtualMs = world.time.now();
  return {
    outcome: { seed: scenario.seed, ends, failure, faults, requests, starts: world.starts, digest, virtualMs },
    world,
  };
}

/** Ended is ended with a reason: nothing is left in between, and what is stuck says why. */
function settled(world: World): void {
  const { record } = world;
  if (record === undefined || !isEnded(record)) return;
  for (const { uuid, place, failure } of record.results) {
    if (place === 'moving' || place === 'going_back') {
      world.violate('ended is settled', `${record.id} is ${record.state}, ${uuid} is ${place}`);
    }
    if (place === 'stuck' && (failure === null || failure.message === '')) {
      world.violate('ended is settled', `${uuid} is stuck without a reason`);
    }
  }
  if (record.state === 'stuck' && !record.note)
    world.violate('ended is settled', `${record.id} is stuck without a note`);
  if (world.violation !== null) throw world.violation;
}
