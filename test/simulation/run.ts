import { isEnded } from '../../src/store/state.ts';
import { allInvariants } from '../support/invariants/index.ts';
import { Violation } from '../support/invariants/invariant.ts';
import type { Call } from '../support/world/calls.ts';
import { Meddler } from '../support/world/meddler.ts';
import type { Disturbance } from '../support/world/network.ts';
import { play as perform, Refusal } from '../support/world/people.ts';
import { World } from '../support/world/world.ts';
import { meddle } from './meddle.ts';
import { playRivals } from './rivals.ts';
import type { Meddling, Scenario } from './scenario.ts';

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
  /** Steps of nodes that came to their end. */
  readonly steps: number;
  readonly starts: number;
  /** It was played without Slack, too, and compared. */
  readonly compared: boolean;
  /** Equal for equal runs, and hardly ever for others: how much happened, and when it was over. */
  readonly digest: string;
}

/** A deployment that has not ended by then never will. */
const LIMIT_MS = 8 * 3_600_000;

/**
 * Plays a scenario. Where there is a Slack, the same is played without one, and what was written to the clouds must be the
 * same at the same instants: invariant 10. (Not where Ephyra is killed: it is at a point that is counted, and remembering
 * the thread is a point of its own.)
 */
export async function run(scenario: Scenario, whole = false): Promise<{ outcome: Outcome; world: World }> {
  if (scenario.rivals.length > 0) return playOfRivals(scenario, whole);
  const played = await play(scenario, whole);
  const { outcome, world } = played;
  if (scenario.options.slack === undefined || scenario.kills.length > 0 || outcome.failure !== null) return played;
  const { slack, ...options } = scenario.options;
  const plain = await play({ ...scenario, options }, false);
  const difference = firstDifference(writesOf(plain.world), writesOf(world));
  if (difference === null) return { world, outcome: { ...outcome, compared: true } };
  const message = `with a Slack that is ${slack}: ${difference}`;
  return { world, outcome: { ...outcome, compared: true, failure: { invariant: SLACK_WITHOUT_INFLUENCE, message } } };
}

/** Name of the tenth invariant. */
export const SLACK_WITHOUT_INFLUENCE = 'Slack without influence';

/** What was written to the clouds and when; in which order within one instant is nobody's business. */
const writesOf = (world: World): string[] =>
  world.writes.map(({ sentAt, at, method, path }) => `${sentAt} ${at} ${method} ${path}`).sort();

function firstDifference(plain: readonly string[], shown: readonly string[]): string | null {
  const at = plain.findIndex((line, index) => line !== shown[index]);
  if (at < 0 && plain.length === shown.length) return null;
  const [one, other] = at < 0 ? [undefined, shown[plain.length]] : [plain[at], shown[at]];
  return `"${other ?? 'nothing'}" in place of "${one ?? 'nothing'}"`;
}

type Count = (kind: string) => void;

function counting(): { readonly faults: Record<string, number>; readonly count: Count } {
  const faults: Record<string, number> = {};
  const count = (kind: string) => {
    faults[kind] = (faults[kind] ?? 0) + 1;
  };
  return { faults, count };
}

type Numbered = Scenario['disturbances'][number];

/** What comes in the way of requests, by their number; `turned`: of the first one that left after a node had turned back. */
function disturbing(scenario: Scenario, count: Count, turned: () => number | null): (call: Call) => Disturbance | null {
  const known = (since: Numbered['since']) =>
    new Map(scenario.disturbances.filter((one) => one.since === since).map((one) => [one.request, one]));
  const [fromStart, fromTurn] = [known(undefined), known('way back')];
  const gaps = new Set<string>();
  /** What is still to come of what lasts, by what is asked for. */
  const lasting = new Map<string, { readonly one: Numbered; left: number }>();
  const next = (call: Call): Numbered | undefined => {
    const asked = `${call.at} ${call.method} ${call.path}`;
    const begun = turned();
    const onWayBack = begun === null ? undefined : fromTurn.get(call.id - begun);
    if (onWayBack !== undefined) count('on the way back');
    const one = onWayBack ?? fromStart.get(call.id);
    if (one !== undefined) {
      if (one.times !== undefined) lasting.set(asked, { one, left: one.times });
      return one;
    }
    const last = lasting.get(asked);
    if (last === undefined || last.left === 0) return undefined;
    last.left -= 1;
    count('again and again');
    return last.one;
  };
  return (call) => {
    const one = next(call);
    // The same list of parts with a gap twice in a row: that nobody can tell from the truth.
    const again = gaps.delete(`${call.at} ${call.path}`);
    const all = one === undefined ? [] : [one.what, one.what.also];
    const [what, also] = all.filter((each) => {
      return each !== undefined && applies(each, call, scenario) && !(again && each.do === 'partial');
    });
    if (what === undefined) return null;
    if ((what.do === 'partial' || also?.do === 'partial') && PARTS.test(call.path)) gaps.add(`${call.at} ${call.path}`);
    count(what.do);
    if (also !== undefined) count('together');
    const { also: _, ...first } = { also: undefined, ...what };
    return also === undefined ? first : { ...first, also };
  };
}

/** Lists of what belongs to a node, of which Ironic tells nowhere else. */
const PARTS = /^\/v1\/(ports|portgroups)/;

/** A node has turned back, or all are to: from then on the way back counts. */
const isTurned = ({ record }: World): boolean =>
  record?.intent === 'abort' || record?.results.some(({ place }) => place === 'going_back') === true;

function breakClouds(world: World, { faults }: Scenario, count: Count): void {
  for (const { atMs, plane, rule, forMs } of faults) {
    world.time.after(atMs, () => {
      const needsNode = rule.effect.kind === 'node-locked';
      const there = [...world.mirror(plane).nodes.values()].some(({ name }) => name === rule.match?.node);
      if (needsNode && !there) return;
      const away = rule.effect.kind === 'service-down' && rule.match?.service === undefined;
      count(away ? 'cloud away for an hour' : rule.effect.kind);
      world.note(`${plane}: ${rule.effect.kind} ${rule.match?.node ?? rule.match?.service ?? ''}`);
      const id = world.plane(plane).faults.add(rule);
      if (forMs !== undefined) world.time.after(forMs, () => void world.plane(plane).faults.remove(id));
    });
  }
}

function meddleLater(world: World, meddling: Scenario['meddling'], count: (kind: string) => void): void {
  const meddler = new Meddler(world);
  for (const { atMs, what } of meddling) {
    world.time.after(atMs, () => {
      count(what.do);
      meddle(world, meddler, what);
    });
  }
}

/** What is done to the one Ephyra of a world, and to its disk. */
const ITS_OWN: ReadonlySet<Meddling['do']> = new Set(['lock', 'abort', 'stop', 'deploy beside', 'disk full']);

/** Several Ephyras where one should be: nothing has to come to an end, but nothing may be broken. */
async function playOfRivals(scenario: Scenario, whole: boolean): Promise<{ outcome: Outcome; world: World }> {
  const { faults, count } = counting();
  const disturb = disturbing(scenario, count, () => null);
  const options = { ...scenario.options, seed: scenario.seed, wholeTrace: whole, disturb };
  const { world, play } = playRivals(options, scenario.rivals, count);
  if (scenario.options.history === true) await world.pass(90_000);
  breakClouds(world, scenario, count);
  meddleLater(
    world,
    scenario.meddling.filter(({ what }) => !ITS_OWN.has(what.do)),
    count,
  );
  return outcomeOf(
    scenario,
    world,
    faults,
    () => 0,
    async (ends) => void ends.push(await play()),
  );
}

async function play(scenario: Scenario, whole: boolean): Promise<{ outcome: Outcome; world: World }> {
  const { faults, count } = counting();
  /** So many requests and points there were when the first node turned back; null: none has. */
  let turned = null as { readonly requests: number; readonly points: number } | null;
  const disturb = disturbing(scenario, count, () => turned?.requests ?? null);
  const killsOf = (since?: 'way back') =>
    new Map(scenario.kills.filter((kill) => kill.since === since).map(({ point, downMs }) => [point, downMs]));
  const [kills, killsBack] = [killsOf(), killsOf('way back')];
  const { slack, pageLimit, namesNobody } = scenario.options;
  if (slack !== undefined && slack !== 'well') count(`slack ${slack}`);
  if (pageLimit !== undefined) count('small pages');
  if (namesNobody === true) count('application names nobody');
  let downMs = 500;
  let steps = 0;
  const world = new World({
    ...scenario.options,
    seed: scenario.seed,
    wholeTrace: whole,
    listener: (change) => {
      if (change.kind === 'deployment' && change.event.type === 'step_done') steps += 1;
    },
    skewMs: (process) => {
      const skew = scenario.skews[process - 1] ?? 0;
      if (skew !== 0) count('clock ahead or behind');
      return skew;
    },
    disturb,
    invariants: [...allInvariants, () => ({ name: 'way back', stored: () => turnsPerhaps() })],
    kill: ({ index }) => {
      const down = (turned === null ? undefined : killsBack.get(index - turned.points)) ?? kills.get(index);
      if (down === undefined) return false;
      downMs = down;
      count('kill');
      meddleSince('kill');
      return true;
    },
  });
  world.keepRunning(() => downMs);
  if (scenario.options.ownMetrics === true) scrape(world);
  // So that what was a minute ago is known when the first deployment begins.
  if (scenario.options.history === true) await world.pass(90_000);
  breakClouds(world, scenario, count);
  const meddleSince = (since?: Scenario['meddling'][number]['since']) =>
    meddleLater(
      world,
      scenario.meddling.filter((one) => one.since === since),
      count,
    );
  meddleSince();
  const turnsPerhaps = () => {
    if (turned !== null || !isTurned(world)) return;
    turned = { requests: world.network.requests, points: world.points };
    meddleSince('way back');
  };

  return outcomeOf(
    scenario,
    world,
    faults,
    () => steps,
    async (ends) => {
      await world.start();
      for (const wish of scenario.wishes) {
        try {
          ends.push(await perform(world, wish, LIMIT_MS));
        } catch (error) {
          if (!(error instanceof Refusal)) throw error;
          ends.push(`refused: ${error.code}`);
        }
        settled(world);
      }
    },
  );
}

/** Now and then, as Prometheus does: what a process has counted is gone with it. */
const SCRAPE_MS = 60_000;

function scrape(world: World): void {
  world.time.aside(SCRAPE_MS, () => {
    void world.metricsText();
    scrape(world);
  });
}

/** Plays to the end, or until something is broken. `play` tells how things end as they do. */
async function outcomeOf(
  { seed }: Scenario,
  world: World,
  faults: Readonly<Record<string, number>>,
  steps: () => number,
  play: (ends: string[]) => Promise<void>,
): Promise<{ outcome: Outcome; world: World }> {
  const ends: string[] = [];
  let failure: Outcome['failure'] = null;
  try {
    await play(ends);
    await world.metricsText();
    // What was broken last, nobody has waited for anything after it.
    if (world.violation !== null) throw world.violation;
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
  const { starts } = world;
  return {
    world,
    outcome: { seed, ends, failure, faults, requests, steps: steps(), starts, compared: false, digest },
  };
}

/** Reads alone can be behind or incomplete; that a write comes twice is worse than that a read does. */
function applies(what: Disturbance, { write, path }: Call, { options }: Scenario): boolean {
  if (what.do === 'stale') return write === null && options.history === true;
  if (what.do === 'partial') return write === null && LISTS.test(path);
  if (what.do === 'twice') return write !== null && write !== 'token';
  return true;
}

/** Lists of nodes, instances, providers and ports. */
const LISTS = /^\/(v1\/nodes\?|v1\/chassis\/|v1\/ports|v1\/portgroups|v2\.1\/servers|resource_providers)/;

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
