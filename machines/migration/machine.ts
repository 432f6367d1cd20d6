import { failuresOf, inLine, itemsAt, running } from './items.ts';
import type { GateAnswer, MigrationContext, MigrationOutput, MigrationPorts } from './setup.ts';
import { migrationSetup, windowNow } from './setup.ts';

/** Carries one deployment out: a sliding window of node migrations, gates, canary and soak, stop and abort. */
export function createMigrationMachine(ports: MigrationPorts) {
  const machine = migrationSetup(ports);

  /** Asks whether one more node may leave the application, and launches it; `patience` bounds a closed gate. */
  const gate = (back: string, patience: { target: string; note: string }) =>
    machine.createStateConfig({
      initial: 'asking',
      // While nodes of ours are out, their coming back may be what opens it; they have deadlines of their own.
      after: {
        gatePatience: [
          { guard: 'idle', target: patience.target, actions: { type: 'note', params: patience.note } },
          { target: back },
        ],
      },
      states: {
        asking: {
          invoke: {
            src: 'gate',
            input: ({ context }) => {
              const line = inLine(context, windowNow(context));
              if (line.length === 0) throw new Error('the gate is asked only when somebody is in line');
              return { line, out: running(context) };
            },
            onDone: [
              {
                guard: ({ event }) => event.output.open,
                target: back,
                actions: [gateSays('reportGate'), gateSays('launch')],
              },
              { target: 'shut', actions: gateSays('reportGate') },
            ],
            onError: 'shut',
          },
        },
        shut: { after: { gateRecheck: 'asking' } },
      },
    });
  const gateSays = <Action extends 'reportGate' | 'launch'>(type: Action) => ({
    type,
    params: ({ event }: { event: { output: GateAnswer } }) => event.output,
  });

  return machine.createMachine({
    id: 'migration',
    context: ({ input }) => ({
      course: input.course,
      items: Object.fromEntries(input.items.map((item) => [item.uuid, item])),
      queue: input.items.filter((item) => item.place === 'waiting').map((item) => item.uuid),
      arrived: input.items.filter((item) => item.place === 'moved').map((item) => item.uuid),
      options: input.options,
      intent: input.intent,
      soaked: false,
      // The failure budget counts over the whole deployment, restarts or not.
      failures: input.items.reduce((sum, item) => sum + failuresOf(item), 0),
      note: null,
    }),
    initial: 'starting',
    states: {
      starting: {
        entry: 'resume',
        always: [
          { guard: 'wantsAbort', target: 'rollingBack' },
          { guard: 'wantsStop', target: 'stopping' },
          { target: 'forward' },
        ],
      },

      forward: {
        // A process that died between the end of a node and what follows from it leaves that to the next start.
        initial: 'settled',
        entry: 'reportForward',
        on: {
          STOP: 'stopping',
          ABORT: 'rollingBack',
          'xstate.done.actor.*': { target: '.settled', actions: 'settle' },
          'xstate.error.actor.*': { target: '.settled', actions: 'settle' },
        },
        states: {
          choosing: {
            id: 'choosing',
            always: [
              { guard: 'drained', target: '#ended' },
              { guard: 'soakAhead', target: 'soaking' },
              { guard: 'room', target: 'gate' },
              { target: 'holding' },
            ],
          },
          gate: gate('#choosing', {
            target: '#stopping',
            note: 'The application could not spare one more node in time; no more nodes are started.',
          }),
          holding: {},
          soaking: {
            entry: { type: 'reportPhase', params: 'soaking' },
            invoke: {
              src: 'soak',
              onDone: [
                {
                  guard: ({ event }) => event.output.failure === null,
                  target: 'choosing',
                  actions: ['markSoaked', 'reportForward'],
                },
                {
                  target: '#stopping',
                  actions: { type: 'note', params: ({ event }) => event.output.failure?.message ?? 'The soak failed.' },
                },
              ],
              onError: '#stopping',
            },
          },
          settled: {
            always: [
              {
                guard: 'anyStuck',
                target: '#stopping',
                actions: { type: 'note', params: 'A node is stuck and needs a person; no more nodes are started.' },
              },
              {
                guard: 'overBudget',
                target: '#rollingBack',
                actions: { type: 'note', params: 'More nodes failed than the failure budget allows.' },
              },
              { target: 'choosing' },
            ],
          },
        },
      },

      stopping: {
        id: 'stopping',
        entry: [{ type: 'want', params: 'stop' }, 'emptyQueue', { type: 'reportPhase', params: 'stopping' }],
        on: {
          ABORT: 'rollingBack',
          'xstate.done.actor.*': { actions: 'settle' },
          'xstate.error.actor.*': { actions: 'settle' },
        },
        always: { guard: 'idle', target: 'ended' },
      },

      rollingBack: {
        id: 'rollingBack',
        initial: 'backChoosing',
        entry: [{ type: 'want', params: 'abort' }, 'turnBack', { type: 'reportPhase', params: 'rolling_back' }],
        on: {
          'xstate.done.actor.*': { target: '.backChoosing', actions: 'settle' },
          'xstate.error.actor.*': { target: '.backChoosing', actions: 'settle' },
        },
        states: {
          backChoosing: {
            id: 'backChoosing',
            always: [
              { guard: 'drained', target: '#ended' },
              { guard: 'room', target: 'backGate' },
              { target: 'backHolding' },
            ],
          },
          backGate: gate('#backChoosing', {
            target: '#stranded',
            note: 'The application could not spare one more node in time.',
          }),
          backHolding: {},
        },
      },

      /** The way back is barred by the application: what is under way ends, the rest needs a person. */
      stranded: {
        id: 'stranded',
        entry: 'emptyQueue',
        on: {
          'xstate.done.actor.*': { actions: ['settle', 'emptyQueue'] },
          'xstate.error.actor.*': { actions: ['settle', 'emptyQueue'] },
        },
        always: { guard: 'idle', target: 'ended' },
      },
      ended: { id: 'ended', type: 'final' },
    },
    output: ({ context }) => outcome(context),
  });
}

/** What a drained migration has come to. Completed means: every node that was meant to move has moved. */
export function outcome(context: MigrationContext): MigrationOutput {
  const { note, intent } = context;
  const stuck = itemsAt(context, 'stuck');
  const left = intent === 'abort' ? itemsAt(context, 'moved').map((item) => item.name) : [];
  // What an abort did not take back is named where it is said why; without a reason nobody is told that there is one.
  const why = note === null || left.length === 0 ? note : `${note} In the target still: ${left.join(', ')}.`;
  if (stuck.length > 0) {
    const look = `A person has to look at ${stuck.map((item) => item.name).join(', ')}.`;
    return { state: 'stuck', note: left.length === 0 || why === null ? look : `${look} ${why}` };
  }
  if (intent === 'abort') return { state: left.length === 0 ? 'rolled_back' : 'stuck', note: why };
  const home = itemsAt(context, 'waiting', 'back').length;
  if (home === 0) return { state: 'completed', note };
  return {
    state: 'stopped',
    note: note ?? `${home} of ${Object.keys(context.items).length} nodes stayed in the source.`,
  };
}
