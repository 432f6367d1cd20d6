import { describe, expect, it } from 'vitest';
import type { SnapshotFrom } from 'xstate';
import { getAdjacencyMap, getSimplePaths } from 'xstate/graph';
import { STEPS, type Step } from '../../machines/domain.ts';
import type { FailureData } from '../../machines/errors.ts';
import { createNodeMachine } from '../../machines/node/machine.ts';
import type { NodePorts, Start, StepOutcome } from '../../machines/node/setup.ts';
import { FORWARD } from './observations.ts';

/** The real machine. Its actors are never run here: what they come to are events, and all of them are tried. */
const machine = createNodeMachine({
  start: () => new Promise<never>(() => undefined),
  ensure: () => new Promise<never>(() => undefined),
  report: () => undefined,
  policy: { attempts: 2, backoffMs: () => 1_000, deadlineMs: () => 60_000 },
} satisfies NodePorts);

type Snapshot = SnapshotFrom<typeof machine>;
interface Event {
  readonly type: string;
  readonly output?: Start | StepOutcome;
  readonly error?: unknown;
  readonly actorId?: string;
}

const failed = (next: FailureData['next']): { kind: 'failed'; failure: FailureData } => ({
  kind: 'failed',
  failure: { reason: 'cloud_refused', next, message: `it says ${next}` },
});
const FAILURES = (['retry', 'stop', 'ask', 'cancelled'] as const).map(failed);

/** Where a node may be found to stand, and how often a step may find the world behind it; the machine itself bears more. */
interface Walk {
  readonly steps: readonly Step[];
  readonly regressions: number;
}

/** Everything that can happen to the machine now: what its actors come to, its delays, and being told to turn back. */
function events({ steps, regressions }: Walk) {
  const starts: readonly Start[] = [
    ...steps.map((step) => ({ kind: 'step' as const, step })),
    { kind: 'done' },
    ...FAILURES,
  ];
  return (snapshot: Snapshot): Event[] => {
    // Who has ended hears nothing more.
    if (snapshot.status !== 'active') return [];
    const found: Event[] = [{ type: 'TURN_BACK' }];
    for (const node of snapshot._nodes) {
      for (const { id, src } of node.invoke) {
        const step = snapshot.context.step ?? 'claim';
        const outcomes: readonly StepOutcome[] = [
          { kind: 'done' },
          ...(snapshot.context.regressions < regressions ? [{ kind: 'regressed' as const, to: step, why: 'so' }] : []),
          ...FAILURES,
        ];
        for (const output of src === 'start' ? starts : outcomes) {
          found.push({ type: `xstate.done.actor.${id}`, output, actorId: id });
        }
        found.push({ type: `xstate.error.actor.${id}`, error: new Error('a bug'), actorId: id });
      }
      for (const { eventType } of node.after) found.push({ type: eventType });
    }
    return found;
  };
}

const options = (walk: Walk) => ({
  // The library wants events of the machine's own; those of its actors are none, and are all that moves it.
  events: events(walk) as never,
  input: { move: FORWARD },
  serializeState: (snapshot: Snapshot) => serialize(snapshot) as never,
  serializeEvent: ({ type, output, error }: Event) => JSON.stringify([type, output, error === undefined]),
});

/** What tells two states apart for what follows from them. */
const serialize = ({ value, context, status }: Snapshot): string => {
  const { move, turned, step, attempt, tries, regressions, failure, turnedBy, stuck } = context;
  const shown = [failure?.next, failure?.reason, turnedBy === null];
  return JSON.stringify([value, status, move.to, turned, step, attempt, tries, regressions, shown, stuck]);
};

const leafOf = (snapshot: Snapshot): string => [...snapshot._nodes].find(({ type }) => type !== 'compound')?.id ?? '';

/** From every step on, straight; and where a few steps are left, to and fro. */
const WALKS: readonly (Walk & { readonly name: string })[] = [
  { name: 'from every step', steps: STEPS, regressions: 0 },
  { name: 'to and fro between the last steps', steps: ['add', 'verify'], regressions: 2 },
];

describe.each(WALKS)('the graph of the node machine, $name', (walk) => {
  const graph = getAdjacencyMap(machine, options(walk) as never) as unknown as Record<
    string,
    {
      readonly state: Snapshot;
      readonly transitions: Record<string, { readonly event: Event; readonly state: Snapshot }>;
    }
  >;
  const nodes = Object.values(graph);

  it('has every state of the machine in it', () => {
    const reached = new Set(nodes.map(({ state }) => leafOf(state)));
    const all: string[] = [];
    const visit = (node: (typeof machine)['root']): void => {
      // What is passed in the same instant is never stood in.
      const passing = node.always !== undefined && node.always.length > 0;
      if (node.type !== 'compound' && !passing) all.push(node.id);
      for (const child of Object.values(node.states)) visit(child as typeof node);
    };
    visit(machine.root);
    const others = STEPS.filter((step) => !walk.steps.includes(step));
    const begun = all.filter((id) => !others.some((step) => id.startsWith(`node.${step}.`)));
    expect([...reached]).toEqual(expect.arrayContaining(walk.steps.length === STEPS.length ? all : begun));
    expect(all).toEqual(expect.arrayContaining([...reached]));
    expect(nodes.length).toBeGreaterThan(100);
  });

  it('leads from everywhere to an end', () => {
    const before = new Map<string, string[]>();
    const ends: string[] = [];
    for (const { state, transitions } of nodes) {
      const from = serialize(state);
      if (state.status !== 'active') ends.push(from);
      for (const { state: next } of Object.values(transitions)) {
        const to = serialize(next);
        before.set(to, [...(before.get(to) ?? []), from]);
      }
    }
    const settled = new Set(ends);
    for (let at = ends.pop(); at !== undefined; at = ends.pop()) {
      for (const earlier of before.get(at) ?? []) {
        if (settled.has(earlier)) continue;
        settled.add(earlier);
        ends.push(earlier);
      }
    }
    expect(nodes.filter(({ state }) => !settled.has(serialize(state)))).toEqual([]);
  });

  it('ends done, rolled back, or stuck with a reason', () => {
    const places = new Set<string>();
    for (const { state } of nodes) {
      if (state.status === 'active') continue;
      expect(state.status).toBe('done');
      const { output } = state;
      places.add(output?.place ?? 'nowhere');
      if (output?.place === 'stuck') expect(output.failure?.message).toBeTruthy();
      if (output?.place === 'source') expect(output.turned).toBe(true);
      if (output?.place === 'target') expect(output.turned).toBe(false);
    }
    expect([...places].sort()).toEqual(['source', 'stuck', 'target']);
  });

  it('waits for nothing without a deadline, and past it there is a reason', () => {
    let waits = 0;
    for (const { state, transitions } of nodes) {
      if (state.status !== 'active') continue;
      waits += 1;
      const late = Object.values(transitions).filter(({ event }) => event.type.startsWith('xstate.after.'));
      expect(late.length, leafOf(state)).toBeGreaterThan(0);
      const isAtWork = [...state._nodes].some(({ invoke }) => invoke.length > 0);
      const judged = late.filter(({ event }) => !event.type.includes('backoff'));
      expect(judged.length, leafOf(state)).toBeGreaterThan(0);
      if (!isAtWork) continue;
      for (const { state: next } of judged) {
        const { failure, turnedBy } = next.context;
        const why = next.status === 'done' ? next.output?.failure : (turnedBy ?? failure);
        expect(why?.message, leafOf(state)).toBeTruthy();
        expect(serialize(next)).not.toBe(serialize(state));
      }
    }
    expect(waits).toBeGreaterThan(50);
  });
});

describe('all paths of the node machine that visit nothing twice', () => {
  it('end settled', { timeout: 60_000 }, () => {
    const paths = getSimplePaths(machine, {
      ...options({ steps: ['verify'], regressions: 0 }),
      toState: (state: Snapshot) => state.status !== 'active',
    } as never);
    expect(paths.length).toBeGreaterThan(100);
    for (const { state } of paths) {
      const { output } = state as unknown as Snapshot;
      expect(['target', 'source', 'stuck']).toContain(output?.place);
      if (output?.place === 'stuck') expect(output.failure?.message).toBeTruthy();
    }
  });
});
