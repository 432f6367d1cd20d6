import type { DeploymentService } from '../../../src/deployments/service.ts';
import { createBoard } from '../../../src/slack/board.ts';
import { createOutbox } from '../../../src/slack/outbox.ts';
import type { SlackWeb } from '../../../src/slack/web.ts';
import { SlackProblem } from '../../../src/slack/web.ts';

/** How Slack behaves, all the time. */
export const SLACK_MOODS = ['well', 'down', 'slow', 'rate limited', 'silent', 'losing answers'] as const;
export type SlackMood = (typeof SLACK_MOODS)[number];

/** What the real board and outbox are put in front of. */
export interface SlackSetup {
  readonly deployments: DeploymentService;
  readonly mood: SlackMood;
  /** Milliseconds since the epoch, as the process has it. */
  readonly now: () => number;
  /** Runs `fn` after `ms`, as long as the process lives; the result calls it off. */
  readonly after: (ms: number, fn: () => void) => () => void;
  /** Told of everything that is sent to Slack, as text. */
  readonly sent: (text: string) => void;
}

const SLOW_MS = 45_000;
const PAUSE_MS = 30_000;

/** Puts the real board in front of a Slack with a mood, as the face does at its start. */
export function attachSlack({ deployments, mood, now, after, sent }: SlackSetup): void {
  let calls = 0;
  const answer = async <T>(value: T, shown?: unknown): Promise<T> => {
    calls += 1;
    if (shown !== undefined) sent(JSON.stringify(shown));
    const turn = calls;
    if (mood === 'silent') return new Promise<T>(() => undefined);
    if (mood === 'down') throw new SlackProblem('unavailable', 'unreachable');
    if (mood === 'slow') await new Promise<void>((resolve) => void after(SLOW_MS, resolve));
    if (mood === 'rate limited' && turn % 2 === 0) {
      throw new SlackProblem('rate_limited', 'ratelimited', { afterMs: PAUSE_MS });
    }
    if (mood === 'losing answers' && turn % 3 === 0) {
      throw new SlackProblem('unavailable', 'timeout', { maybeDone: true });
    }
    return value;
  };
  let posted = 0;
  const web: Pick<SlackWeb, 'post' | 'update' | 'find'> = {
    post: ({ channel, message }) => {
      posted += 1;
      return answer({ channel, ts: `${posted}.1` }, message);
    },
    update: (_place, message) => answer(undefined, message),
    find: () => answer(undefined),
  };
  const clock = { now, after };
  const silent = () => undefined;
  const log = { debug: silent, info: silent, warn: silent, error: silent };
  const board = createBoard({
    deployments,
    channel: 'C1',
    web: web as SlackWeb,
    outbox: createOutbox({ clock, log }),
    clock,
    log,
  });
  deployments.onChange((change) => board.onChange(change));
  board.resume();
}
