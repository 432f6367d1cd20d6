import { assign, fromPromise, setup } from 'xstate';
import type { Move, NodeUuid, Step } from '../domain.ts';
import { reversed, STEPS } from '../domain.ts';
import type { FailureData } from '../errors.ts';
import { toFailureData } from '../errors.ts';

/** How a step ended. A closed set; an actor that throws instead is a bug and counts as a failure to retry. */
export type StepOutcome =
  /** The node is past this step. */
  | { readonly kind: 'done' }
  /** The world is behind this step again (e.g. the node is back in service): start anew from what is seen. */
  | { readonly kind: 'regressed'; readonly to: Step; readonly why: string }
  | { readonly kind: 'failed'; readonly failure: FailureData };

/** Where a node migration starts, from what is seen. */
export type Start =
  | { readonly kind: 'step'; readonly step: Step }
  | { readonly kind: 'done' }
  | { readonly kind: 'failed'; readonly failure: FailureData };

export interface EnsureInput {
  readonly move: Move;
  readonly step: Step;
}

export interface NodePolicy {
  /** Tries per step, the first one included. */
  readonly attempts: number;
  /** Milliseconds before try `attempt + 1`; jitter included. `afterMs` is what the failure asked for. */
  readonly backoffMs: (attempt: number, afterMs: number | undefined) => number;
  /** Milliseconds that a step may take, retries included. */
  readonly deadlineMs: (step: Step) => number;
}

export interface NodeInput {
  readonly move: Move;
  /** Already on the way back: a failure now needs a person. */
  readonly turned?: boolean;
}

export interface NodeContext {
  readonly move: Move;
  readonly turned: boolean;
  readonly step: Step | null;
  /** Of the step under way, from 1. */
  readonly attempt: number;
  /** Tries of every step so far in this direction: a step that is come back to goes on counting. */
  readonly tries: Readonly<Partial<Record<Step, number>>>;
  /** How often a step found the world behind it again. */
  readonly regressions: number;
  /** The latest failure of the step under way. */
  readonly failure: FailureData | null;
  /** What turned the node round; null when somebody asked for it. */
  readonly turnedBy: FailureData | null;
  readonly stuck: boolean;
}

/** How a node migration ended: `there` = where its last direction led; `stuck` = a person is needed. */
export interface NodeOutput {
  readonly place: 'target' | 'source' | 'stuck';
  readonly turned: boolean;
  readonly failure: FailureData | null;
}

/** Sent by the migration: give up this direction and go back. */
export type NodeEvent = { readonly type: 'TURN_BACK' };

/** Told to whoever shows or counts it. */
export type NodeReport =
  | { readonly type: 'step_started'; readonly move: Move; readonly step: Step; readonly attempt: number }
  | { readonly type: 'step_done'; readonly move: Move; readonly step: Step }
  | {
      readonly type: 'step_failed';
      readonly move: Move;
      readonly step: Step | null;
      readonly failure: FailureData;
      readonly willRetry: boolean;
    }
  | { readonly type: 'turned'; readonly move: Move; readonly failure: FailureData | null };

/** Everything the machine needs from outside; all of it is required, so an unwired machine does not compile. */
export interface NodePorts {
  readonly start: (input: { move: Move }, signal: AbortSignal) => Promise<Start>;
  readonly ensure: (input: EnsureInput, signal: AbortSignal) => Promise<StepOutcome>;
  readonly report: (report: NodeReport) => void;
  readonly policy: NodePolicy;
  /** What the node waits for in this instant, for a person; null for nothing. Told when a deadline has passed over it. */
  readonly awaited?: (uuid: NodeUuid) => string | null;
}

/** A world that flips to and fro must not hold a node for ever. */
export const REGRESSIONS = 10;

/** What happens after a failure: pure, so that it can be tested by itself. */
export function afterFailure(
  context: Pick<NodeContext, 'attempt' | 'turned' | 'failure'>,
  attempts: number,
): 'retry' | 'turn' | 'stuck' {
  const next = context.failure?.next ?? 'retry';
  if ((next === 'retry' || next === 'cancelled') && context.attempt < attempts) return 'retry';
  if (next === 'ask' || context.turned) return 'stuck';
  return 'turn';
}

export function nodeSetup(ports: NodePorts) {
  const { policy } = ports;
  return setup({
    types: {
      context: {} as NodeContext,
      input: {} as NodeInput,
      events: {} as NodeEvent,
      output: {} as NodeOutput,
    },
    actors: {
      // A failure is data. Nothing may be thrown into the machine: an unhandled error would stop every sibling.
      start: fromPromise<Start, { move: Move }>(({ input, signal }) =>
        ports.start(input, signal).catch((error) => ({ kind: 'failed', failure: toFailureData(error) })),
      ),
      ensure: fromPromise<StepOutcome, EnsureInput>(({ input, signal }) =>
        ports.ensure(input, signal).catch((error) => ({ kind: 'failed', failure: toFailureData(error) })),
      ),
    },
    delays: {
      backoff: ({ context }) => policy.backoffMs(context.attempt, context.failure?.afterMs),
      deadline: ({ context }) => policy.deadlineMs(context.step ?? 'claim'),
      longest: () => Math.max(...STEPS.map((step) => policy.deadlineMs(step))),
    },
    guards: {
      mayRetry: ({ context }) => afterFailure(context, policy.attempts) === 'retry',
      mayTurn: ({ context }) => afterFailure(context, policy.attempts) === 'turn',
      turned: ({ context }) => context.turned,
    },
    actions: {
      reportStarted: ({ context: { move, step, attempt } }) => {
        if (step !== null) ports.report({ type: 'step_started', move, step, attempt });
      },
      reportDone: ({ context: { move, step } }) => {
        if (step !== null) ports.report({ type: 'step_done', move, step });
      },
      reportFailed: ({ context: { move, step, failure } }, params: { willRetry: boolean }) => {
        if (failure !== null) ports.report({ type: 'step_failed', move, step, failure, ...params });
      },
      reportTurned: ({ context: { move, turnedBy } }) => ports.report({ type: 'turned', move, failure: turnedBy }),
      remember: assign({
        failure: ({ context }, failure: FailureData) => {
          const awaited = failure.reason === 'deadline' ? (ports.awaited?.(context.move.uuid) ?? null) : null;
          return awaited === null ? failure : { ...failure, message: `${failure.message} It waited: ${awaited}` };
        },
      }),
      nextTry: assign(({ context: { step, attempt, tries } }) => ({
        attempt: attempt + 1,
        tries: step === null ? tries : { ...tries, [step]: attempt + 1 },
      })),
      countRegression: assign({ regressions: ({ context }) => context.regressions + 1 }),
      begin: assign(({ context }, step: Step) => ({ step, attempt: context.tries[step] ?? 1, failure: null })),
      forget: assign({ failure: null }),
      giveUp: assign({ stuck: true }),
      turn: assign(({ context }) => ({
        move: reversed(context.move),
        turned: true,
        turnedBy: context.failure,
        failure: null,
        step: null,
        attempt: 1,
        tries: {},
        regressions: 0,
      })),
    },
  });
}
