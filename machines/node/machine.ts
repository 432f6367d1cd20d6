import { STEPS } from '../domain.ts';
import type { FailureData } from '../errors.ts';
import { toFailureData } from '../errors.ts';
import type { NodePorts, Start } from './setup.ts';
import { nodeSetup } from './setup.ts';
import { stepState } from './step.ts';

const NOWHERE: FailureData = {
  reason: 'deadline',
  next: 'stop',
  message: 'For longer than any step may take it could not be told how to go on with the node.',
  remedy: 'See what it waited for: a cloud that does not answer, or a node in maintenance.',
};

/**
 * One node migration. It reads like the runbook: where it starts is decided from what is seen, then the steps follow in
 * order; a step that fails for good turns the node round, and the same steps lead back.
 */
export function createNodeMachine(ports: NodePorts) {
  const machine = nodeSetup(ports);
  return machine.createMachine({
    id: 'node',
    context: ({ input }) => ({
      move: input.move,
      turned: input.turned ?? false,
      step: null,
      attempt: 1,
      tries: {},
      regressions: 0,
      failure: null,
      turnedBy: null,
      stuck: false,
    }),
    initial: 'deciding',
    on: { TURN_BACK: [{ guard: 'turned' }, { target: '#turning', actions: 'forget' }] },
    states: {
      deciding: {
        id: 'deciding',
        initial: 'looking',
        after: { longest: { target: '.judging', actions: { type: 'remember', params: NOWHERE } } },
        states: {
          looking: {
            invoke: {
              src: 'start',
              input: ({ context }) => ({ move: context.move }),
              onDone: [
                { guard: ({ event }) => event.output.kind === 'done', target: '#arrived' },
                ...STEPS.map((step) => ({
                  guard: ({ event }: { event: { output: Start } }) =>
                    event.output.kind === 'step' && event.output.step === step,
                  target: `#${step}` as const,
                })),
                {
                  target: 'judging',
                  actions: {
                    type: 'remember',
                    params: ({ event }) =>
                      event.output.kind === 'failed'
                        ? event.output.failure
                        : { reason: 'bug', next: 'ask', message: `Cannot start: ${JSON.stringify(event.output)}` },
                  },
                },
              ],
              onError: {
                target: '#stuck',
                actions: { type: 'remember', params: ({ event }) => toFailureData(event.error) },
              },
            },
          },
          judging: {
            always: [
              { guard: 'mayRetry', target: 'pausing', actions: { type: 'reportFailed', params: { willRetry: true } } },
              { guard: 'mayTurn', target: '#turning', actions: { type: 'reportFailed', params: { willRetry: false } } },
              { target: '#stuck', actions: { type: 'reportFailed', params: { willRetry: false } } },
            ],
          },
          pausing: { after: { backoff: { target: 'looking', actions: 'nextTry' } } },
        },
      },

      claim: { id: 'claim', ...stepState(machine, 'claim', 'remove') },
      remove: { id: 'remove', ...stepState(machine, 'remove', 'stop') },
      stop: { id: 'stop', ...stepState(machine, 'stop', 'release') },
      release: { id: 'release', ...stepState(machine, 'release', 'copy') },
      copy: { id: 'copy', ...stepState(machine, 'copy', 'unenroll') },
      unenroll: { id: 'unenroll', ...stepState(machine, 'unenroll', 'enroll') },
      enroll: { id: 'enroll', ...stepState(machine, 'enroll', 'boot') },
      boot: { id: 'boot', ...stepState(machine, 'boot', 'add') },
      add: { id: 'add', ...stepState(machine, 'add', 'verify') },
      verify: { id: 'verify', ...stepState(machine, 'verify', 'arrived') },

      turning: {
        id: 'turning',
        entry: ['turn', 'reportTurned'],
        always: 'deciding',
      },
      arrived: { id: 'arrived', type: 'final' },
      stuck: { id: 'stuck', type: 'final', entry: 'giveUp' },
    },
    output: ({ context: { move, turned, turnedBy, failure, stuck } }) => ({
      place: stuck ? 'stuck' : move.to === move.target ? 'target' : 'source',
      turned,
      failure: stuck ? failure : turnedBy,
    }),
  });
}
