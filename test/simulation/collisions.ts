import type { Call } from '../support/world/calls.ts';
import { isWrite } from '../support/world/calls.ts';
import type { Point } from '../support/world/installation.ts';
import type { Disturbance } from '../support/world/network.ts';
import { play } from '../support/world/people.ts';
import { createRandom } from '../support/world/random.ts';
import { World } from '../support/world/world.ts';
import type { Meddling, Scenario } from './scenario.ts';
import { nodeName } from './scenario.ts';

/**
 * Somebody interferes with a node within seconds of a write to this very node, and that write is held up, lost, or the end of
 * the process: what chance brings together once in a million worlds, all of it, one after the other.
 */

const PLAIN = {
  seed: 1,
  options: {
    nodes: 4,
    masters: 1,
    bonded: [2],
    deployment: { maxUnavailable: 2, canary: 0, failureBudget: 2 },
    latencyMs: [1, 40],
    logLevel: 'warn',
  },
  wishes: [{ key: 'first' }],
  skews: [],
  disturbances: [],
  faults: [],
  kills: [],
  meddling: [],
  rivals: [],
} as const satisfies Scenario;

const once = { ...PLAIN.options.deployment, nodeAttempts: 1 };

/** Deployments whose writes are collided with, and what is done to the node that is written to. */
const STORIES: readonly {
  readonly story: Scenario;
  readonly meddlings: (node: number, at: string) => readonly Meddling[];
}[] = [
  { story: PLAIN, meddlings: deedsOn },
  { story: { ...PLAIN, wishes: [{ key: 'first', abortAfter: 2 }] }, meddlings: deedsOn },
  {
    story: {
      ...PLAIN,
      options: { ...PLAIN.options, deployment: once },
      faults: [
        { atMs: 0, plane: 'cp2', rule: { match: { node: nodeName(2) }, times: 0, effect: { kind: 'deploy-fails' } } },
      ],
    },
    meddlings: deedsOn,
  },
  // What fails turns back at once, by lists that do not show yet what it has done.
  {
    story: {
      ...PLAIN,
      options: {
        ...PLAIN.options,
        history: true,
        deployment: { ...once, retries: { attempts: 1, backoffMs: 1_000, maxBackoffMs: 1_000 } },
      },
    },
    meddlings: () => ['cp1', 'cp2'].map((at) => ({ do: 'replica behind', at, ms: 25_000, forMs: 60_000 })),
  },
];

/** Whose writes: a worker that has another one beside it, and the master. */
const COLLIDED = [2, 4] as const;

/** What becomes of the write itself. */
type Fate =
  | (Disturbance & { readonly times?: number })
  | { readonly do: 'nothing' | 'killed before' | 'killed after' | 'application unhealthy' };
const FATES: readonly Fate[] = [
  { do: 'nothing' },
  { do: 'refuse', status: 429, retryAfter: 15 },
  // Longer than evidence may be old.
  { do: 'refuse', status: 429, retryAfter: 20, times: 3 },
  { do: 'refuse', status: 401 },
  { do: 'refuse', status: 503 },
  { do: 'drop' },
  { do: 'lose answer' },
  { do: 'half answer' },
  { do: 'late request', ms: 20_000 },
  { do: 'late request', ms: 55_000 },
  { do: 'late answer', ms: 20_000 },
  { do: 'twice', ms: 5_000 },
  { do: 'killed before' },
  { do: 'killed after' },
  // What comes after the write has to wait.
  { do: 'application unhealthy' },
];
const DOWN_MS = 5_000;
/** Longer than what is known of a node may be believed, shorter than the deadline of a step. */
const UNHEALTHY_MS = 260_000;

/** Milliseconds from when the write leaves until somebody interferes. */
const OFFSETS = [-500, 1_000, 6_000] as const;
const offsetsOf = (fate: Fate): readonly number[] =>
  fate.do === 'application unhealthy' ? [...OFFSETS, 50_000] : OFFSETS;

function deedsOn(node: number, at: string): readonly Meddling[] {
  return [
    { do: 'maintenance', node, at, forMs: 60_000 },
    { do: 'delete instance', node },
    { do: 'stop instance', node },
    { do: 'foreign mark', node },
    { do: 'newer epoch', node },
    { do: 'remove mark', node },
    { do: 'edit definition', node },
    { do: 'hold lock', node, forMs: 20_000 },
    { do: 'protect', node },
    { do: 'crash machine', node },
    { do: 'boot on node', node },
    { do: 'replace instance', node },
    { do: 'application silent', forMs: 20_000 },
    { do: 'application unhealthy', forMs: 20_000 },
    { do: 'restart service', at, service: 'ironic', forMs: 3_000 },
    { do: 'restart service', at, service: 'nova', forMs: 3_000 },
    { do: 'abort' },
    { do: 'stop' },
  ];
}

/** A write of a story: when it leaves, from the beginning of the world, and at which points its process can be killed. */
interface Collided {
  readonly node: number;
  readonly call: Call;
  readonly sentMs: number;
  readonly before: number | null;
  readonly after: number | null;
}

/** The writes of a story to the nodes that are collided with, in order. */
async function writesOf(story: Scenario): Promise<Collided[]> {
  const points: Point[] = [];
  const world = new World({
    ...story.options,
    seed: story.seed,
    kill: (point) => {
      points.push(point);
      return false;
    },
  });
  // As it is played: what was a minute ago is known when it begins.
  if (story.options.history === true) await world.pass(90_000);
  const beganAt = world.time.now();
  for (const { plane, rule } of story.faults) world.plane(plane).faults.add(rule);
  await world.start();
  for (const wish of story.wishes) await play(world, wish);
  // The requests of a world are numbered as they come by the point right before they leave.
  const requests = points.filter(({ kind }) => kind === 'request');
  const numberOf = new Map(COLLIDED.map((node) => [uuidOf(world, node), node]));
  return world.writes.flatMap((call): Collided[] => {
    const node = numberOf.get(call.node ?? '');
    if (node === undefined || !isWrite(call)) return [];
    const before = requests[call.id - 1];
    const after = points.find(
      ({ kind, what, index }) => kind === 'answer' && what === before?.what && index > before.index,
    );
    return [{ node, call, sentMs: call.sentAt - beganAt, before: before?.index ?? null, after: after?.index ?? null }];
  });
}

const uuidOf = (world: World, node: number): string => world.uuid(nodeName(node));

function collision(
  story: Scenario,
  { call, sentMs, before, after }: Collided,
  fate: Fate,
  what: Meddling,
  offset: number,
) {
  const scenario: Scenario = { ...story, meddling: [{ atMs: Math.max(0, sentMs + offset), what }] };
  switch (fate.do) {
    case 'nothing':
      return scenario;
    case 'killed before':
    case 'killed after': {
      const point = fate.do === 'killed before' ? before : after;
      return point === null ? null : { ...scenario, kills: [{ point, downMs: DOWN_MS }] };
    }
    case 'application unhealthy': {
      const unhealthy = { atMs: sentMs + 1, what: { do: fate.do, forMs: UNHEALTHY_MS } } as const;
      return { ...scenario, meddling: [unhealthy, ...scenario.meddling] };
    }
    default: {
      const { times = 0, ...what } = fate;
      return { ...scenario, disturbances: [{ request: call.id, what, ...(times === 0 ? {} : { times }) }] };
    }
  }
}

/** All of them, always in the same order, which mixes them: any part of them has something of everything. */
export async function collisions(): Promise<Scenario[]> {
  const all: Scenario[] = [];
  for (const { story, meddlings } of STORIES) {
    for (const write of await writesOf(story)) {
      for (const fate of FATES) {
        for (const what of meddlings(write.node, write.call.at)) {
          for (const offset of offsetsOf(fate)) {
            const scenario = collision(story, write, fate, what, offset);
            if (scenario !== null) all.push(scenario);
          }
        }
      }
    }
  }
  const order = createRandom(1);
  return all
    .map((scenario) => ({ scenario, rank: order.next() }))
    .sort((one, other) => one.rank - other.rank)
    .map(({ scenario }) => scenario);
}
