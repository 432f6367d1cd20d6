import type { DoneActorEvent, ErrorActorEvent } from 'xstate';
import { assign, enqueueActions, fromPromise, setup } from 'xstate';
import type { NodeUuid } from '../domain.ts';
import type { FailureData } from '../errors.ts';
import { toFailureData } from '../errors.ts';
import { createNodeMachine } from '../node/machine.ts';
import type { NodeOutput, NodePorts } from '../node/setup.ts';
import type { Course, Fleet, Item, MigrationOptions, Place } from './items.ts';
import { backlog, canariesDone, forwardWindow, inLine, itemsAt, moveOf, place, running, settle } from './items.ts';

export interface MigrationInput {
  readonly course: Course;
  /** In the order of the plan, each where it is seen to be. */
  readonly items: readonly Item[];
  readonly options: MigrationOptions;
  readonly intent: 'forward' | 'stop' | 'abort';
}

export interface MigrationContext extends Fleet {
  readonly course: Course;
  readonly intent: MigrationInput['intent'];
  readonly soaked: boolean;
  readonly failures: number;
  /** Why it stands where it stands. */
  readonly note: string | null;
}

export type MigrationEvent =
  | { readonly type: 'STOP' }
  | { readonly type: 'ABORT' }
  | DoneActorEvent<NodeOutput>
  | ErrorActorEvent;

export type Phase = 'canary' | 'soaking' | 'rolling' | 'stopping' | 'rolling_back';
export interface MigrationOutput {
  readonly state: 'completed' | 'stopped' | 'rolled_back' | 'stuck';
  readonly note: string | null;
}

export type GateAnswer =
  | { readonly open: true; readonly next: NodeUuid }
  | { readonly open: false; readonly reason: string };
export interface GateInput {
  /** Of whom one would leave next, best first. */
  readonly line: readonly Item[];
  /** Nodes of ours that are out of service now. */
  readonly out: readonly Item[];
}

export type MigrationReport =
  | { readonly type: 'phase'; readonly phase: Phase; readonly note: string | null }
  | { readonly type: 'gate'; readonly open: boolean; readonly reason: string }
  | { readonly type: 'node_started'; readonly item: Item; readonly direction: 'forward' | 'back' }
  | { readonly type: 'node_settled'; readonly item: Item };

export interface MigrationPorts {
  readonly node: NodePorts;
  /** May one more node leave the application? Anything thrown counts as "not now". */
  readonly gate: (input: GateInput, signal: AbortSignal) => Promise<GateAnswer>;
  /** Resolves once the application has been healthy for the soak time; rejects when it gives up. */
  readonly soak: (signal: AbortSignal) => Promise<void>;
  readonly report: (report: MigrationReport) => void;
  readonly timing: {
    /** Milliseconds between two questions at a closed gate. */
    readonly gateRecheckMs: number;
    /** Milliseconds that a gate may stay closed before the migration gives up. */
    readonly gatePatienceMs: number;
  };
}

type Direction = 'forward' | 'back';

/** The window that holds now: canaries go alone, on the way back there are none. */
export const windowNow = (context: MigrationContext): number =>
  context.intent === 'abort' ? context.options.window : forwardWindow(context);

export function migrationSetup(ports: MigrationPorts) {
  const { report, timing } = ports;
  return setup({
    types: {
      context: {} as MigrationContext,
      input: {} as MigrationInput,
      events: {} as MigrationEvent,
      output: {} as MigrationOutput,
    },
    actors: {
      node: createNodeMachine(ports.node),
      gate: fromPromise<GateAnswer, GateInput>(({ input, signal }) =>
        ports.gate(input, signal).catch((error) => ({ open: false, reason: toFailureData(error).message })),
      ),
      soak: fromPromise<{ failure: FailureData | null }>(({ signal }) =>
        ports.soak(signal).then(
          () => ({ failure: null }),
          (error) => ({ failure: toFailureData(error) }),
        ),
      ),
    },
    delays: { gateRecheck: timing.gateRecheckMs, gatePatience: timing.gatePatienceMs },
    guards: {
      idle: ({ context }) => running(context).length === 0,
      drained: ({ context }) => running(context).length === 0 && context.queue.length === 0,
      soakAhead: ({ context }) => !context.soaked && canariesDone(context) && context.queue.length > 0,
      room: ({ context }) => inLine(context, windowNow(context)).length > 0,
      overBudget: ({ context }) => context.failures > context.options.failureBudget,
      anyStuck: ({ context }) => itemsAt(context, 'stuck').length > 0,
      wantsStop: ({ context }) => context.intent === 'stop',
      wantsAbort: ({ context }) => context.intent === 'abort',
    },
    actions: {
      want: assign({ intent: (_, intent: MigrationContext['intent']) => intent }),
      note: assign({ note: (_, note: string) => note }),
      markSoaked: assign({ soaked: true }),
      emptyQueue: assign({ queue: [] }),
      reportPhase: ({ context }, phase: Phase) => report({ type: 'phase', phase, note: context.note }),
      reportForward: ({ context }) => {
        const phase = canariesDone(context) || context.options.canary === 0 ? 'rolling' : 'canary';
        report({ type: 'phase', phase, note: context.note });
      },
      reportGate: (_, answer: GateAnswer) =>
        report({ type: 'gate', open: answer.open, reason: answer.open ? '' : answer.reason }),

      /** Starts whom the gate lets go. */
      launch: enqueueActions(({ context, enqueue }, answer: GateAnswer) => {
        const item = answer.open ? context.items[answer.next] : undefined;
        if (item === undefined) return;
        const direction: Direction = context.intent === 'abort' ? 'back' : 'forward';
        const started: Item =
          direction === 'forward'
            ? { ...item, place: 'moving', tries: item.tries + 1 }
            : { ...item, place: 'going_back', failure: null };
        enqueue.assign({
          queue: context.queue.filter((uuid) => uuid !== item.uuid),
          items: place(context, item.uuid, started),
        });
        enqueue.spawnChild('node', {
          id: item.uuid,
          input: { move: moveOf(context.course, item, direction), turned: direction === 'back' },
        });
        enqueue(() => report({ type: 'node_started', item: started, direction }));
      }),

      /** Nodes found on the way at start go on at once: they are out of service already, no gate can keep them in. */
      resume: enqueueActions(({ context, enqueue }) => {
        for (const item of running(context)) {
          const direction: Direction = item.place === 'moving' ? 'forward' : 'back';
          enqueue.spawnChild('node', {
            id: item.uuid,
            input: { move: moveOf(context.course, item, direction), turned: direction === 'back' },
          });
          enqueue(() => report({ type: 'node_started', item, direction }));
        }
      }),

      settle: enqueueActions(({ context, event, enqueue }) => {
        if (!('actorId' in event)) return;
        const uuid = event.actorId;
        if (context.items[uuid] === undefined) return;
        const output: Pick<NodeOutput, 'place' | 'failure'> =
          'output' in event ? event.output : { place: 'stuck', failure: toFailureData(event.error) };
        const { failed, ...change } = settle(context, uuid, output, context.intent === 'forward');
        enqueue.assign({
          ...change,
          ...(context.intent === 'abort' ? { queue: backlog(change) } : {}),
          failures: context.failures + (failed ? 1 : 0),
        });
        // Finished children stay in the snapshot until they are stopped.
        enqueue.stopChild(uuid);
        const item = change.items[uuid];
        if (item !== undefined) enqueue(() => report({ type: 'node_settled', item }));
      }),

      /** Turns what is on its way and lines up what has arrived; what has not started stays where it is. */
      turnBack: enqueueActions(({ context, enqueue }) => {
        let items: Record<string, Item> = { ...context.items };
        for (const item of itemsAt(context, 'moving')) {
          enqueue.sendTo(item.uuid, { type: 'TURN_BACK' });
          items = place({ ...context, items }, item.uuid, { place: 'going_back' as Place });
        }
        enqueue.assign({ items, queue: backlog({ ...context, items }) });
      }),
    },
  });
}
