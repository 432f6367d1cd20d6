import type { Clock, Log, OnSlackCall, SlackMessage } from './types.ts';
import { SlackProblem, type SlackWeb } from './web.ts';

/** Answers for one person's eyes. They are tried a few times and then given up: nothing waits for them. */
export type Answerer = (message: SlackMessage) => Promise<void>;

/** Posts to the `response_url` of a command or click. Bolt throws on any status but 2xx. */
export type Respond = (body: {
  response_type: 'ephemeral';
  replace_original: false;
  text: string;
  blocks: SlackMessage['blocks'];
}) => Promise<unknown>;

interface Target {
  readonly channel: string;
  readonly user: string;
  readonly threadTs?: string | undefined;
}

const TRIES = 3;
const LONGEST_WAIT_MS = 30_000;

/**
 * @param respond works in every channel, even where the app is not a member, but only five times in half an hour;
 *   null for mentions, which have none
 */
export function createAnswerer(setup: {
  readonly respond: Respond | null;
  readonly target: Target;
  readonly web: Pick<SlackWeb, 'postEphemeral'>;
  readonly clock: Clock;
  readonly log: Log;
  readonly onSlackCall: OnSlackCall;
}): Answerer {
  const { respond, target, web, clock, log, onSlackCall } = setup;

  async function viaResponseUrl(message: SlackMessage): Promise<boolean> {
    if (respond === null) return false;
    const began = clock.now();
    try {
      await respond({
        response_type: 'ephemeral',
        replace_original: false,
        text: message.text,
        blocks: message.blocks,
      });
      onSlackCall({ method: 'response_url', outcome: 'ok', ms: clock.now() - began });
      return true;
    } catch (error) {
      const status = (error as { statusCode?: unknown; status?: unknown } | undefined)?.statusCode;
      const outcome = typeof status === 'number' ? `http_${status}` : 'unreachable';
      onSlackCall({ method: 'response_url', outcome, ms: clock.now() - began });
      return false;
    }
  }

  return async (message) => {
    if (await viaResponseUrl(message)) return;
    for (let n = 1; n <= TRIES; n += 1) {
      try {
        await web.postEphemeral({ ...target, message });
        return;
      } catch (error) {
        const problem = error instanceof SlackProblem ? error : new SlackProblem('refused', 'bug');
        const again = problem.kind === 'unavailable' || problem.kind === 'rate_limited';
        if (!again || n === TRIES) {
          log.warn({ code: problem.code, channel: target.channel }, 'An answer could not be given in Slack');
          return;
        }
        const pause = problem.kind === 'rate_limited' ? Math.min(LONGEST_WAIT_MS, problem.afterMs) : 1000 * n;
        await new Promise<void>((resolve) => clock.after(pause, resolve));
      }
    }
  };
}
