import type { Effect, FaultRule } from '../../src/sandbox/openstack/index.ts';
import type { Disturbance } from '../support/world/network.ts';
import type { Wish } from '../support/world/people.ts';
import { createRandom, type Random } from '../support/world/random.ts';
import { SLACK_MOODS } from '../support/world/slack.ts';
import type { WorldOptions } from '../support/world/world.ts';

import type { Rivalry } from './rivals.ts';
import { rivalryOf } from './rivals.ts';

/** What a person or bad luck does to one node, or to the application. */
export type Meddling =
  | { readonly do: 'maintenance'; readonly node: number; readonly at: string; readonly forMs: number }
  | { readonly do: 'delete instance' | 'stop instance'; readonly node: number }
  | { readonly do: 'foreign mark' | 'garbled mark' | 'newer epoch' | 'remove mark'; readonly node: number }
  | { readonly do: 'edit definition'; readonly node: number }
  /** Breaks the first invariant on purpose: never made up, for trying out what becomes of a violation. */
  | { readonly do: 'spoil definition'; readonly node: number }
  | { readonly do: 'hold lock'; readonly node: number; readonly forMs: number }
  | { readonly do: 'protect'; readonly node: number }
  | { readonly do: 'retire'; readonly node: number; readonly forMs: number }
  | { readonly do: 'lock'; readonly scope: 'cp1' | 'cp2' | 'all' }
  | { readonly do: 'application silent' | 'application unhealthy' | 'application throws'; readonly forMs: number }
  | { readonly do: 'application hangs'; readonly forMs: number }
  | { readonly do: 'drain hangs' | 'join hangs'; readonly node: number; readonly forMs: number }
  | { readonly do: 'crash machine'; readonly node: number }
  /** Somebody takes it in or out in the application itself. */
  | { readonly do: 'member in' | 'member out'; readonly node: number }
  /** The next time that the node is free somewhere, somebody boots on it. */
  | { readonly do: 'boot on node'; readonly node: number }
  /** What runs on it is deleted, and then somebody boots on it. */
  | { readonly do: 'replace instance'; readonly node: number }
  | { readonly do: 'application lies'; readonly node: number; readonly forMs: number }
  /** Only where the world keeps its past. `sparesLeases`: what is read of leases is not behind. */
  | {
      readonly do: 'replica behind';
      readonly at: string;
      readonly ms: number;
      readonly forMs: number;
      readonly sparesLeases?: boolean;
    }
  | { readonly do: 'disk full'; readonly forMs: number }
  /** A service is stopped and started: who waits for its answer gets none, and for a while nobody listens. */
  | { readonly do: 'restart service'; readonly at: string; readonly service: RestartedService; readonly forMs: number }
  | { readonly do: 'abort' | 'stop' | 'deploy beside' };

export const RESTARTED = ['keystone', 'ironic', 'nova', 'placement'] as const;
export type RestartedService = (typeof RESTARTED)[number];

/** Counted from when the first node turns back; else from the beginning. */
interface Since {
  readonly since?: 'way back';
}

/** A whole run as data: what can be shrunk, printed and played again. */
export interface Scenario {
  readonly seed: number;
  readonly options: Omit<WorldOptions, 'seed' | 'disturb' | 'kill' | 'skewMs' | 'invariants' | 'listener'>;
  readonly wishes: readonly Wish[];
  readonly skews: readonly number[];
  /** By number of the request. `times`: and so many more that ask for the same. */
  readonly disturbances: readonly ({
    readonly request: number;
    readonly what: Disturbance;
    readonly times?: number;
  } & Since)[];
  readonly faults: readonly {
    readonly atMs: number;
    readonly plane: string;
    readonly rule: FaultRule;
    readonly forMs?: number;
  }[];
  /** By number of the point. */
  readonly kills: readonly ({ readonly point: number; readonly downMs: number } & Since)[];
  /** `since`: or counted from each kill. */
  readonly meddling: readonly {
    readonly atMs: number;
    readonly what: Meddling;
    readonly since?: Since['since'] | 'kill';
  }[];
  /** What becomes of several Ephyras on the same clouds. Empty: there is one, as there should be. */
  readonly rivals: readonly Rivalry[];
}

/** One world of seven has lists that are behind much and often: see {@link behind}. */
const BEHIND = 0.15;

/**
 * Makes up the run of a seed. Some seeds are calm, most have a few things go wrong, some have nearly everything. `isBehind`:
 * whether lists are to be behind; by the seed when it is left out.
 */
export function scenarioOf(seed: number, isBehind?: boolean): Scenario {
  const scenario = usualOf(seed);
  // Of its own chance, so that all else in a seed is as it was without it.
  const random = createRandom(seed).fork('behind');
  const chosen = random.chance(BEHIND);
  return (isBehind ?? chosen) && scenario.rivals.length === 0 ? behind(scenario, random) : scenario;
}

function usualOf(seed: number): Scenario {
  const random = createRandom(seed);
  const nodes = random.pick([3, 3, 4, 5, 6, 10]);
  const masters = random.pick([0, 1, 2]);
  const trouble = random.pick([0, 1, 1, 2, 2, 3]);
  const window = random.between(1, 3);
  const lastsMs = 60_000 + (nodes * 60_000) / window;
  const span = () => random.between(0, Math.round(lastsMs));
  const some = (most: number) => (trouble === 0 ? 0 : random.between(0, Math.round((most * trouble) / 2)));
  const latency = random.pick([0, 20, 300, 3_000]);
  const meddling = list(some(2), () => ({ atMs: span(), what: meddlingOf(random, nodes) }));
  const racks = racksOf(random.fork('racks'), nodes);
  if (racks.lost !== null && racks.crashes !== null) {
    meddling.push({ atMs: Math.round(racks.crashes * lastsMs), what: { do: 'crash machine', node: racks.lost } });
  }
  // Of its own chance, so that all else in a seed is as it was without it.
  const retiring = random.fork('retired');
  if (trouble > 0 && retiring.chance(0.1)) {
    const what = { do: 'retire', node: retiring.between(1, nodes), forMs: retiring.pick([60_000, 3_600_000]) } as const;
    meddling.push({ atMs: retiring.between(0, Math.round(lastsMs)), what });
  }
  const replaced = random.fork('replaced');
  if (trouble > 0 && replaced.chance(0.1)) {
    const atMs = Math.round(replaced.next() * lastsMs);
    meddling.push({ atMs, what: { do: 'replace instance', node: replaced.between(1, nodes) } });
  }
  const whole = wholeOf(random.fork('whole'), nodes, lastsMs, trouble);
  return {
    seed,
    options: {
      nodes,
      masters,
      ...(racks.lost === null ? {} : { rackless: [racks.lost] }),
      ...partsOf(random.fork('bonds'), nodes),
      deployment: {
        maxUnavailable: window,
        ...(racks.limited ? { failureDomain: { extra: 'rack', maxUnavailable: 1 } } : {}),
        canary: random.between(0, 2),
        failureBudget: random.between(0, 2),
        nodeAttempts: random.between(1, 3),
        retries: { attempts: random.between(1, 4), backoffMs: 1_000, maxBackoffMs: 15_000 },
      },
      ...(random.chance(0.3) ? { roleMax: { 'hadoop-master': 1 } } : {}),
      latencyMs: [0, latency],
      drainMs: [500, random.pick([2_000, 20_000])],
      applicationMs: [0, random.pick([0, 0, 200, 3_000])],
      ...(random.fork('names').chance(0.15) ? { namesNobody: true } : {}),
      ...(random.chance(0.2) ? { tokenLifetimeMs: random.between(15_000, 120_000) } : {}),
      shuffle: random.chance(0.7),
      history: (trouble > 0 && random.chance(0.4)) || meddling.some(({ what }) => what.do === 'replica behind'),
      ownMetrics: random.chance(0.2),
      logLevel: random.chance(0.15) ? 'debug' : 'warn',
      ...(random.chance(0.15) ? { pageLimit: random.between(1, 4) } : {}),
      ...(random.chance(0.2) ? { slack: random.pick(SLACK_MOODS) } : {}),
    },
    wishes: wishesOf(random, nodes).map((wish) => without(wish, racks.lost, nodes)),
    skews: list(3, () => (random.chance(0.2) ? skewOf(random) : 0)),
    disturbances: [
      ...list(some(6), () => ({ request: random.between(1, 25 * nodes), what: disturbanceOf(random) })),
      ...whole.disturbances,
    ],
    faults: list(some(3), () => faultOf(random, nodes, span())),
    kills: [
      ...list(random.chance(0.6) ? some(3) : 0, () => ({
        point: random.between(1, 60 * nodes),
        downMs: random.pick(DOWN_MS),
      })).sort((a, b) => a.point - b.point),
      ...whole.kills,
    ],
    meddling: [...meddling, ...whole.meddling],
    rivals: random.chance(0.03) ? rivalryOf(random.fork('rivals')) : [],
  };
}

/**
 * The same world with lists that are behind much and often, with applications that lie, with an abort in every other one: what
 * has been written is not seen, on the way there and on the way back, and least of all by a process that has not written it.
 */
function behind(scenario: Scenario, random: Random): Scenario {
  const { nodes = 1 } = scenario.options;
  const atMs = () => random.between(0, 60_000 + nodes * 40_000);
  const replicas = list(random.between(2, 6), () => {
    const what = {
      do: 'replica behind' as const,
      at: random.pick(['cp1', 'cp2']),
      ms: random.between(2_000, 60_000),
      forMs: random.between(2_000, 60_000),
      // Else a process that has just been started waits for them until nothing is behind any more.
      sparesLeases: random.chance(0.7),
    };
    if (random.chance(0.4)) return { atMs: atMs(), what, since: 'way back' as const };
    return random.chance(0.5)
      ? { atMs: atMs(), what }
      : { atMs: random.between(0, 5_000), what, since: 'kill' as const };
  });
  const lies = list(random.between(0, 3), () => ({
    atMs: atMs(),
    what: {
      do: 'application lies' as const,
      node: random.between(1, nodes),
      forMs: random.pick([10_000, 60_000, 400_000]),
    },
  }));
  const aborts = random.chance(0.5) ? [{ atMs: atMs(), what: { do: 'abort' as const } }] : [];
  return {
    ...scenario,
    options: { ...scenario.options, history: true },
    meddling: [...(random.chance(0.5) ? scenario.meddling : []), ...replicas, ...lies, ...aborts],
    // A process that is killed often does not get far enough to be misled, and what is down for long misses it.
    kills: random.pick([
      () => [],
      () => scenario.kills.map((kill) => ({ ...kill, downMs: Math.min(kill.downMs, 5_000) })),
      () => [killOf(random, nodes)],
    ])(),
  };
}

/** Once, and started again while lists are as they were then. */
const killOf = (random: Random, nodes: number): Scenario['kills'][number] => {
  const downMs = random.pick([0, 500, 5_000]);
  if (random.chance(0.5)) return { point: random.between(1, 60 * nodes), downMs };
  return { point: random.between(1, 30 * nodes), downMs, since: 'way back' };
};

const list = <T>(count: number, make: () => T): T[] => Array.from({ length: count }, make);

const DOWN_MS = [0, 500, 5_000, 60_000, 600_000] as const;

/**
 * What comes over the whole of a run, however long it gets, and what comes on the way back: the way there alone is as far as
 * trouble that is made up from the number of nodes reaches in most runs.
 */
function wholeOf(
  random: Random,
  nodes: number,
  lastsMs: number,
  trouble: number,
): Pick<Scenario, 'disturbances' | 'kills' | 'meddling'> {
  const some = (most: number) => (trouble === 0 ? 0 : random.between(0, most));
  const part = (most: number, requests: number, points: number, ms: number, since: Since) => ({
    disturbances: list(some(2 * most), () => ({
      request: random.between(1, requests),
      ...lastingOf(random),
      ...since,
    })),
    kills: list(random.chance(0.3) ? some(most) : 0, () => ({
      point: random.between(1, points),
      downMs: random.pick(DOWN_MS),
      ...since,
    })).sort((a, b) => a.point - b.point),
    meddling: list(random.chance(0.4) ? some(most) : 0, () => {
      const member = random.chance(0.2);
      const what: Meddling = member
        ? { do: random.pick(['member in', 'member out'] as const), node: random.between(1, nodes) }
        : meddlingOf(random, nodes);
      return { atMs: random.between(0, Math.round(ms)), what, ...since };
    }),
  });
  const all = part(1, 70 * nodes, 150 * nodes, 3 * lastsMs, {});
  if (!random.chance(0.4)) return all;
  const back = part(3, 25 * nodes, 60 * nodes, lastsMs, { since: 'way back' });
  return {
    disturbances: [...all.disturbances, ...back.disturbances],
    kills: [...all.kills, ...back.kills],
    meddling: [...all.meddling, ...back.meddling],
  };
}

/** What may last, and what may come together. */
function lastingOf(random: Random): Pick<Scenario['disturbances'][number], 'what' | 'times'> {
  const what = disturbanceOf(random);
  const times = random.chance(0.2) ? random.between(1, 5) : 0;
  const also = random.chance(0.15) ? disturbanceOf(random) : null;
  return {
    what: also === null || also.do === what.do ? what : { ...what, also },
    ...(times === 0 ? {} : { times }),
  };
}

/**
 * Whether one node of a rack at most may be out; a node that tells no rack, which such a limit keeps from being moved; and
 * when its machine crashes, as a share of the time.
 */
function racksOf(random: Random, nodes: number): { limited: boolean; lost: number | null; crashes: number | null } {
  const limited = random.chance(0.3);
  const lost = limited && nodes > 3 && random.chance(0.4) ? random.between(1, nodes) : null;
  return { limited, lost, crashes: random.chance(0.7) ? random.next() : null };
}

/** In one world of three a node or two have portgroups, in another third a chassis and a RAID. */
function partsOf(random: Random, nodes: number): Pick<WorldOptions, 'bonded' | 'housed'> {
  const some = (): readonly number[] => [random.between(1, nodes), random.between(1, nodes)];
  const bonded = random.chance(0.33) ? { bonded: some() } : {};
  return random.chance(0.33) ? { ...bonded, housed: some() } : bonded;
}

/** Moves all but one. */
function without(wish: Wish, lost: number | null, nodes: number): Wish {
  if (lost === null || wish.direction !== undefined) return wish;
  const names = Array.from({ length: nodes }, (_, index) => nodeName(index + 1));
  return { ...wish, options: { nodes: names.filter((name) => name !== nodeName(lost)) } };
}

/** Seconds are usual between computers; an hour is a time zone that somebody got wrong. */
function skewOf(random: Random): number {
  const most = random.pick([30_000, 3_600_000]);
  return random.between(-most, most);
}

function wishesOf(random: Random, nodes: number): Wish[] {
  const first: Wish = random.chance(0.55)
    ? { key: 'first' }
    : random.chance(0.7)
      ? { key: 'first', abortAfter: random.between(0, nodes) }
      : { key: 'first', stopAfter: random.between(0, nodes) };
  if (!random.chance(0.2)) return [first];
  return [first, random.chance(0.5) ? { key: 'second' } : { key: 'second', direction: ['cp2', 'cp1'] }];
}

function disturbanceOf(random: Random): Disturbance {
  return random.pick<() => Disturbance>([
    () => ({ do: 'drop' }),
    () => ({ do: 'lose answer' }),
    () => ({ do: 'lose answer' }),
    () => ({ do: 'half answer' }),
    () => ({ do: 'refuse', status: random.pick([500, 502, 503, 504]) }),
    () => ({ do: 'refuse', status: 429, retryAfter: random.between(1, 30) }),
    () => ({ do: 'refuse', status: 401 }),
    () => ({ do: 'hang' }),
    () => ({ do: 'late request', ms: random.between(1_000, 120_000) }),
    () => ({ do: 'late answer', ms: random.between(1_000, 70_000) }),
    () => ({ do: 'stale', ms: random.between(1_000, 60_000) }),
    () => ({ do: 'twice', ms: random.pick([0, 500, 5_000]) }),
    () => ({ do: 'partial', which: random.between(0, 9) }),
  ])();
}

function faultOf(random: Random, nodes: number, atMs: number): Scenario['faults'][number] {
  const plane = random.pick(['cp1', 'cp2', 'cp2']);
  const node = nodeName(random.between(1, nodes));
  const times = random.pick([1, 1, 2, 4]);
  const onNode = (kind: Effect['kind']): Scenario['faults'][number] => ({
    atMs,
    plane,
    rule: { match: { node }, times, effect: { kind } as Effect },
  });
  return random.pick<() => Scenario['faults'][number]>([
    () => onNode('clean-fails'),
    () => onNode('deploy-fails'),
    () => onNode('deploy-hangs'),
    () => onNode('deploy-lost'),
    () => onNode('no-valid-host'),
    () => onNode('verify-fails'),
    () => onNode('power-never-reported'),
    () => ({
      atMs,
      plane,
      rule: { match: { node }, effect: { kind: 'node-locked', ms: random.between(1_000, 60_000) } },
    }),
    () => ({
      atMs,
      plane,
      rule: {
        match: { service: random.pick(['keystone', 'ironic', 'nova', 'placement'] as const) },
        effect: { kind: 'service-down', answer: random.pick(['refused', 'reset', 503] as const) },
      },
      forMs: random.pick([5_000, 60_000, 600_000]),
    }),
    () => ({ atMs, plane, rule: { effect: { kind: 'tokens-revoked' } } }),
    () => ({
      atMs,
      plane,
      rule: { effect: { kind: 'service-down', answer: random.pick(['refused', 'reset', 503] as const) } },
      forMs: 3_600_000,
    }),
  ])();
}

function meddlingOf(random: Random, nodes: number): Meddling {
  const node = random.between(1, nodes);
  const forMs = random.pick([10_000, 60_000, 400_000]);
  return random.pick<() => Meddling>([
    () => ({ do: 'maintenance', node, at: random.pick(['cp1', 'cp2']), forMs }),
    () => ({ do: random.pick(['delete instance', 'stop instance'] as const), node }),
    () => ({ do: random.pick(['foreign mark', 'garbled mark', 'newer epoch', 'remove mark'] as const), node }),
    () => ({ do: 'edit definition', node }),
    () => ({ do: 'hold lock', node, forMs }),
    () => ({ do: 'protect', node }),
    () => ({ do: 'lock', scope: random.pick(['cp1', 'cp2', 'all'] as const) }),
    () => ({ do: random.pick(['application silent', 'application unhealthy', 'application throws'] as const), forMs }),
    () => ({ do: 'application hangs', forMs }),
    () => ({ do: random.pick(['drain hangs', 'join hangs'] as const), node, forMs }),
    () => ({ do: 'crash machine', node }),
    () => ({ do: 'boot on node', node }),
    () => ({ do: 'application lies', node, forMs }),
    () => ({ do: 'disk full', forMs }),
    () => ({
      do: 'replica behind',
      at: random.pick(['cp1', 'cp2']),
      ms: random.between(2_000, 30_000),
      forMs: random.between(2_000, 40_000),
    }),
    () => ({
      do: 'restart service',
      at: random.pick(['cp1', 'cp2']),
      service: random.pick(RESTARTED),
      forMs: random.between(0, 8_000),
    }),
    () => ({ do: random.pick(['abort', 'stop', 'deploy beside'] as const) }),
  ])();
}

export const nodeName = (number: number): string => `node-${String(number).padStart(2, '0')}`;
