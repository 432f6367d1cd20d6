import type { Step } from '../domain.ts';
import type { FailureData } from '../errors.ts';
import { toFailureData } from '../errors.ts';
import type { nodeSetup, StepOutcome } from './setup.ts';
import { REGRESSIONS } from './setup.ts';

type NodeSetup = ReturnType<typeof nodeSetup>;

/**
 * One step of the runbook as a state: work; on failure pause and work again; all under one deadline. It is left by
 * success to `next`, by giving up to `#turning` or `#stuck`, by a world that went back to `#deciding`.
 */
export function stepState(machine: NodeSetup, step: Step, next: Step | 'arrived') {
  return machine.createStateConfig({
    entry: { type: 'begin', params: step },
    initial: 'working',
    after: { deadline: { target: '.judging', actions: { type: 'remember', params: pastDeadline(step) } } },
    states: {
      working: {
        entry: 'reportStarted',
        invoke: {
          src: 'ensure',
          input: ({ context }) => ({ move: context.move, step }),
          onDone: [
            { guard: ({ event }) => event.output.kind === 'done', target: `#${next}`, actions: 'reportDone' },
            {
              guard: ({ event, context }) => event.output.kind === 'regressed' && context.regressions < REGRESSIONS,
              target: '#deciding',
              actions: 'countRegression',
            },
            { target: 'judging', actions: { type: 'remember', params: ({ event }) => failureOf(step, event.output) } },
          ],
          // Ports give failures as data; what they throw all the same must not leave a node stuck without a reason.
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
      pausing: { after: { backoff: { target: 'working', actions: 'nextTry' } } },
    },
  });
}

const pastDeadline = (step: Step): FailureData => ({
  reason: 'deadline',
  next: 'stop',
  message: `Step ${step} did not finish within its deadline.`,
  remedy: `See what it waited for, or raise deployment.deadlines.${step}.`,
});

function failureOf(step: Step, outcome: StepOutcome): FailureData {
  if (outcome.kind === 'failed') return outcome.failure;
  const why = outcome.kind === 'regressed' ? outcome.why : outcome.kind;
  return { reason: 'evidence_stale', next: 'stop', message: `Step ${step} went back again and again: ${why}` };
}
