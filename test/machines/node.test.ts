import { describe, expect, it } from 'vitest';
import { createActor } from 'xstate';
import { STEPS, type Step } from '../../machines/domain.ts';
import type { FailureData } from '../../machines/errors.ts';
import { createNodeMachine } from '../../machines/node/machine.ts';
import type { NodeOutput, NodePorts, NodeReport, Start, StepOutcome } from '../../machines/node/setup.ts';
import { afterFailure, REGRESSIONS } from '../../machines/node/setup.ts';
import { VirtualTime } from '../support/world/time.ts';
import { FORWARD } from './observations.ts';

const failure = (next: FailureData['next'], reason: FailureData['reason'] = 'cloud_refused'): FailureData => ({
  reason,
  next,
  message: `it says ${next}`,
});
const DONE: StepOutcome = { kind: 'done' };
const failed = (next: FailureData['next']): StepOutcome => ({ kind: 'failed', failure: failure(next) });

interface Script {
  /** Called for each ensure in turn; undefined: never answers. */
  readonly ensure: (step: Step, turn: number) => StepOutcome | undefined | Error;
  readonly start?: (turn: number) => Start | undefined | Error;
  readonly attempts?: number;
  readonly turned?: boolean;
  readonly deadlineMs?: number;
}

interface Played {
  readonly output: NodeOutput | null;
  readonly steps: Step[];
  readonly reports: NodeReport[];
  readonly aborted: number;
  send(): void;
}

/** Runs one node machine in virtual time, to its end or until nothing happens any more. */
async function play(
  script: Script,
  during?: (actor: { send: (event: { type: 'TURN_BACK' }) => void }, time: VirtualTime) => void,
): Promise<Played> {
  const time = new VirtualTime(0);
  const steps: Step[] = [];
  const reports: NodeReport[] = [];
  let starts = 0;
  let aborted = 0;
  const answer = <T>(value: T | undefined | Error, signal: AbortSignal): Promise<T> => {
    signal.addEventListener('abort', () => {
      aborted += 1;
    });
    if (value instanceof Error) return Promise.reject(value);
    return value === undefined ? new Promise(() => undefined) : Promise.resolve(value);
  };
  const ports: NodePorts = {
    start: (_input, signal) => {
      starts += 1;
      return answer(script.start === undefined ? { kind: 'step', step: 'claim' } : script.start(starts), signal);
    },
    ensure: ({ step }, signal) => {
      steps.push(step);
      return answer(script.ensure(step, steps.length), signal);
    },
    report: (report) => void reports.push(report),
    policy: {
      attempts: script.attempts ?? 2,
      backoffMs: (attempt, afterMs) => Math.max(afterMs ?? 0, attempt * 100),
      deadlineMs: () => script.deadlineMs ?? 60_000,
    },
  };
  const actor = createActor(createNodeMachine(ports), {
    input: { move: FORWARD, turned: script.turned ?? false },
    clock: {
      setTimeout: (fn: () => void, ms: number) => time.after(ms, fn) as never,
      clearTimeout: (id: unknown) => (id as () => void)(),
    } as never,
  });
  let broken: unknown = null;
  actor.subscribe({
    error: (error) => {
      broken = error;
    },
  });
  actor.start();
  during?.(actor, time);
  await time.run(() => actor.getSnapshot().status !== 'active', 100_000_000);
  expect(broken).toBeNull();
  const { output } = actor.getSnapshot();
  return { output: output ?? null, steps, reports, aborted, send: () => actor.send({ type: 'TURN_BACK' }) };
}

describe('a node machine', () => {
  it('walks the steps in order and ends in the target', async () => {
    const { output, steps } = await play({ ensure: () => DONE });
    expect(steps).toEqual([...STEPS]);
    expect(output).toEqual({ place: 'target', turned: false, failure: null });
  });

  it('begins where the node is found', async () => {
    for (const [index, step] of STEPS.entries()) {
      const { steps } = await play({ start: () => ({ kind: 'step', step }), ensure: () => DONE });
      expect(steps).toEqual(STEPS.slice(index));
    }
  });

  it('has nothing to do where everything is done', async () => {
    const { output, steps } = await play({ start: () => ({ kind: 'done' }), ensure: () => DONE });
    expect(steps).toEqual([]);
    expect(output?.place).toBe('target');
  });

  it('tries a step again after a pause, as often as it may, then goes back', async () => {
    for (const attempts of [1, 2, 5]) {
      const { output, steps, reports } = await play({
        attempts,
        start: (turn) => ({ kind: 'step', step: turn === 1 ? 'boot' : 'verify' }),
        ensure: (step) => (step === 'boot' ? failed('retry') : DONE),
      });
      expect(steps.filter((step) => step === 'boot')).toHaveLength(attempts);
      expect(output).toMatchObject({ place: 'source', turned: true, failure: { message: 'it says retry' } });
      const retries = reports.filter((report) => report.type === 'step_failed' && report.willRetry);
      expect(retries).toHaveLength(attempts - 1);
    }
  });

  it('goes on when a later try succeeds', async () => {
    const { output, steps } = await play({
      ensure: (step, turn) => (step === 'copy' && turn === 5 ? failed('retry') : DONE),
    });
    expect(output?.place).toBe('target');
    expect(steps).toHaveLength(STEPS.length + 1);
  });

  it('goes back at once when trying again is of no use', async () => {
    const { output, steps } = await play({
      attempts: 9,
      start: (turn) => ({ kind: 'step', step: turn === 1 ? 'enroll' : 'verify' }),
      ensure: (step) => (step === 'enroll' ? failed('stop') : DONE),
    });
    expect(steps).toEqual(['enroll', 'verify']);
    expect(output).toMatchObject({ place: 'source', turned: true });
  });

  it('calls a person and does nothing more when a person has to look', async () => {
    const { output, steps } = await play({ ensure: (step) => (step === 'release' ? failed('ask') : DONE) });
    expect(steps.at(-1)).toBe('release');
    expect(output).toMatchObject({ place: 'stuck', failure: { next: 'ask' } });
  });

  it('is stuck when the way back fails, too', async () => {
    const { output } = await play({ ensure: () => failed('stop') });
    expect(output).toMatchObject({ place: 'stuck', turned: true, failure: { message: 'it says stop' } });
  });

  it('on its way back when it begins does not turn again', async () => {
    const { output, steps } = await play({ turned: true, ensure: () => failed('stop') });
    expect(steps).toHaveLength(1);
    expect(output).toMatchObject({ place: 'stuck' });
  });

  it('starts anew from what is seen when the world has gone back, but not for ever', async () => {
    const regressed: StepOutcome = { kind: 'regressed', to: 'remove', why: 'it is in service again' };
    const once = await play({ ensure: (step, turn) => (step === 'stop' && turn === 3 ? regressed : DONE) });
    expect(once.output?.place).toBe('target');
    const always = await play({
      attempts: 1,
      start: () => ({ kind: 'step', step: 'stop' }),
      ensure: (step) => (step === 'stop' ? regressed : DONE),
    });
    expect(always.output).toMatchObject({ place: 'stuck' });
    expect(always.steps.filter((step) => step === 'stop').length).toBeLessThanOrEqual(2 * (REGRESSIONS + 2));
  });

  it('leaves a step that never ends at its deadline, and goes back', async () => {
    const { output, aborted } = await play({
      start: (turn) => ({ kind: 'step', step: turn === 1 ? 'remove' : 'verify' }),
      ensure: (step) => (step === 'remove' ? undefined : DONE),
    });
    expect(aborted).toBeGreaterThan(0);
    expect(output).toMatchObject({ place: 'source', failure: { reason: 'deadline' } });
  });

  it('does not look for a start for ever', async () => {
    const { output } = await play({ start: () => undefined, ensure: () => DONE });
    expect(output).toMatchObject({ place: 'stuck', failure: { reason: 'deadline' } });
  });

  it('counts its deadline over all tries of a step', async () => {
    const { output, steps } = await play({
      attempts: 1_000,
      deadlineMs: 1_000,
      start: (turn) => ({ kind: 'step', step: turn === 1 ? 'boot' : 'verify' }),
      ensure: (step) => (step === 'boot' ? failed('retry') : DONE),
    });
    expect(steps.length).toBeLessThan(10);
    expect(output?.failure?.reason).toBe('deadline');
  });

  it('takes what an actor throws for a failure, not for its own end', async () => {
    const { output } = await play({ ensure: () => new Error('a bug'), start: () => new Error('another') });
    expect(output).toMatchObject({ place: 'stuck', failure: { reason: 'bug' } });
  });

  it('turns back when it is told to, wherever it is', async () => {
    for (const step of STEPS) {
      const { output, reports } = await play(
        {
          start: (turn) => ({ kind: 'step', step: turn === 1 ? step : 'verify' }),
          ensure: (now, turn) => (turn === 1 && now === step ? undefined : DONE),
        },
        (actor, time) => void time.after(500, () => actor.send({ type: 'TURN_BACK' })),
      );
      expect(output).toMatchObject({ place: 'source', turned: true, failure: null });
      expect(reports.filter(({ type }) => type === 'turned')).toHaveLength(1);
    }
  });

  it('told twice to turn back, it turns once', async () => {
    const { output } = await play(
      {
        start: () => ({ kind: 'step', step: 'boot' }),
        ensure: (_, turn) => (turn <= 2 ? undefined : DONE),
        deadlineMs: 5_000,
      },
      (actor, time) => {
        time.after(100, () => actor.send({ type: 'TURN_BACK' }));
        time.after(200, () => actor.send({ type: 'TURN_BACK' }));
      },
    );
    expect(output?.place).toBe('stuck');
  });
});

describe('every path of a node machine', () => {
  /** What an actor can come to, one letter each. */
  const OUTCOMES: readonly (StepOutcome | undefined | Error)[] = [
    DONE,
    failed('retry'),
    failed('stop'),
    failed('ask'),
    failed('cancelled'),
    { kind: 'regressed', to: 'remove', why: 'it went back' },
    undefined,
    new Error('a bug'),
  ];
  const STARTS: readonly (Start | undefined | Error)[] = [
    { kind: 'step', step: 'copy' },
    { kind: 'step', step: 'verify' },
    { kind: 'done' },
    { kind: 'failed', failure: failure('retry') },
    { kind: 'failed', failure: failure('ask') },
    undefined,
    new Error('a bug'),
  ];

  it('with bounded tries ends settled, with a reason when it failed', { timeout: 60_000 }, async () => {
    const places = new Map<string, number>();
    let paths = 0;
    // The first four answers of the actors in all combinations; after them everything goes well.
    for (const first of STARTS) {
      for (const second of STARTS) {
        for (const one of OUTCOMES) {
          for (const two of OUTCOMES) {
            const starts = [first, second];
            const outcomes = [one, two];
            const { output } = await play({
              start: (turn) => (turn <= 2 ? starts[turn - 1] : { kind: 'step', step: 'verify' }),
              ensure: (_, turn) => (turn <= 2 ? outcomes[turn - 1] : DONE),
              deadlineMs: 10_000,
            });
            paths += 1;
            expect(output).not.toBeNull();
            places.set(output?.place ?? '', (places.get(output?.place ?? '') ?? 0) + 1);
            if (output?.place === 'stuck') expect(output.failure?.message).toBeTruthy();
            if (output?.place === 'source') expect(output.turned).toBe(true);
          }
        }
      }
    }
    expect(paths).toBe(49 * 64);
    expect([...places.keys()].sort()).toEqual(['source', 'stuck', 'target']);
  });

  it('reaches every state of the machine, and every delay and target has its name', () => {
    const ports = {
      start: async () => ({ kind: 'done' }),
      ensure: async () => DONE,
      report: () => undefined,
      policy: { attempts: 1, backoffMs: () => 1, deadlineMs: () => 1 },
    } as unknown as NodePorts;
    const machine = createNodeMachine(ports);
    const delays = new Set(Object.keys(machine.implementations.delays));
    const states: string[] = [];
    const walk = (state: (typeof machine)['root']): void => {
      states.push(state.id);
      for (const transition of state.after) {
        const { delay } = transition as unknown as { delay: string | number };
        expect(typeof delay === 'number' || delays.has(delay), `${state.id}: ${delay}`).toBe(true);
      }
      for (const list of state.transitions.values()) {
        for (const { target } of list) for (const node of target ?? []) expect(node.id).toBeTruthy();
      }
      for (const child of Object.values(state.states)) walk(child as typeof state);
    };
    walk(machine.root);
    for (const step of STEPS) {
      expect(states).toEqual(
        expect.arrayContaining([step, `node.${step}.working`, `node.${step}.judging`, `node.${step}.pausing`]),
      );
    }
  });
});

describe('after a failure', () => {
  it('the next move follows from the failure, the tries and the direction alone', () => {
    const cases = [
      ['retry', 1, false, 'retry'],
      ['retry', 3, false, 'turn'],
      ['retry', 3, true, 'stuck'],
      ['cancelled', 1, false, 'retry'],
      ['stop', 1, false, 'turn'],
      ['stop', 1, true, 'stuck'],
      ['ask', 1, false, 'stuck'],
      ['ask', 1, true, 'stuck'],
    ] as const;
    for (const [next, attempt, turned, expected] of cases) {
      expect(afterFailure({ attempt, turned, failure: failure(next) }, 3), `${next} ${attempt} ${turned}`).toBe(
        expected,
      );
    }
  });
});
