import type { WebClient } from '@slack/web-api';
import { ErrorCode } from '@slack/web-api';
import { z } from 'zod';
import type { OnSlackCall, SlackMessage } from './types.ts';

/**
 * What can go wrong with a call, by what helps:
 * - `rate_limited`: again after `afterMs`;
 * - `unavailable`: Slack or the way to it is down, again later;
 * - `gone`: the message is no longer there;
 * - `too_much`: Slack does not take these blocks, less must be sent;
 * - `refused`: a person has to change something in Slack or in the configuration.
 */
export type SlackProblemKind = 'rate_limited' | 'unavailable' | 'gone' | 'too_much' | 'refused';

export class SlackProblem extends Error {
  override readonly name = 'SlackProblem';
  readonly kind: SlackProblemKind;
  /** Slack's own error code, `http_503`, or `unreachable`. */
  readonly code: string;
  readonly afterMs: number;
  /** The call may have been carried out although the answer says otherwise, or never came. */
  readonly maybeDone: boolean;

  constructor(kind: SlackProblemKind, code: string, options: { afterMs?: number; maybeDone?: boolean } = {}) {
    super(`Slack: ${code}`);
    this.kind = kind;
    this.code = code;
    this.afterMs = options.afterMs ?? 0;
    this.maybeDone = options.maybeDone ?? false;
  }
}

export interface Place {
  readonly channel: string;
  readonly ts: string;
}

/** The part of Slack's Web API that this face uses. Every method rejects with {@link SlackProblem} only. */
export interface SlackWeb {
  post(to: {
    readonly channel: string;
    readonly threadTs?: string;
    /** A reply that the channel sees, too. */
    readonly broadcast?: boolean;
    readonly message: SlackMessage;
  }): Promise<Place>;
  update(at: Place, message: SlackMessage): Promise<void>;
  postEphemeral(to: {
    readonly channel: string;
    readonly user: string;
    readonly threadTs?: string | undefined;
    readonly message: SlackMessage;
  }): Promise<void>;
  /** The message with a block of this id, posted since then; undefined when there is none. */
  find(where: {
    readonly channel: string;
    readonly threadTs?: string | undefined;
    readonly since: number;
    readonly blockId: string;
  }): Promise<Place | undefined>;
  /** User ids of a user group. */
  members(group: string): Promise<readonly string[]>;
  userName(user: string): Promise<string>;
  whoAmI(): Promise<{ readonly userId: string; readonly team: string }>;
}

const TOO_MUCH = new Set([
  'invalid_blocks',
  'invalid_blocks_format',
  'msg_too_long',
  'msg_blocks_too_long',
  'invalid_arguments',
]);
const GONE = new Set(['message_not_found', 'thread_not_found', 'cant_update_message', 'edit_window_closed']);
const BUSY = new Set([
  'internal_error',
  'fatal_error',
  'service_unavailable',
  'request_timeout',
  'team_added_to_org',
  'accesslimited',
]);
/** Slack says of these that the call may have had its effect. */
const MAYBE_DONE = new Set(['internal_error', 'fatal_error', 'request_timeout']);

const historySchema = z.object({
  messages: z
    .array(z.object({ ts: z.string(), blocks: z.array(z.object({ block_id: z.string().optional() })).optional() }))
    .default([]),
  response_metadata: z.object({ next_cursor: z.string().optional() }).optional(),
});
const userSchema = z.object({
  user: z.object({ name: z.string(), profile: z.object({ display_name: z.string().optional() }).optional() }),
});
/** Clocks differ: a message may bear a time a little before ours. */
const CLOCK_MARGIN_MS = 60_000;
const MAX_PAGES = 10;

export function createSlackWeb(client: WebClient, onCall: OnSlackCall, now: () => number): SlackWeb {
  async function call(method: string, args: Record<string, unknown>): Promise<Record<string, unknown>> {
    const began = now();
    try {
      const result = await client.apiCall(method, args);
      onCall({ method, outcome: 'ok', ms: now() - began });
      return { ...result };
    } catch (error) {
      const problem = toProblem(error);
      onCall({ method, outcome: problem.code, ms: now() - began });
      throw problem;
    }
  }

  function body(message: SlackMessage): Record<string, unknown> {
    return { text: message.text, blocks: message.blocks, parse: 'none', link_names: false };
  }

  return {
    async post({ channel, threadTs, broadcast, message }) {
      const result = await call('chat.postMessage', {
        channel,
        ...body(message),
        unfurl_links: false,
        unfurl_media: false,
        ...(threadTs === undefined ? {} : { thread_ts: threadTs }),
        ...(broadcast === true ? { reply_broadcast: true } : {}),
      });
      const ts = result['ts'];
      if (typeof ts !== 'string') throw new SlackProblem('unavailable', 'no_ts_in_answer', { maybeDone: true });
      return { channel: typeof result['channel'] === 'string' ? result['channel'] : channel, ts };
    },
    async update(at, message) {
      await call('chat.update', { channel: at.channel, ts: at.ts, ...body(message) });
    },
    async postEphemeral({ channel, user, threadTs, message }) {
      await call('chat.postEphemeral', {
        channel,
        user,
        ...body(message),
        ...(threadTs === undefined ? {} : { thread_ts: threadTs }),
      });
    },
    async find({ channel, threadTs, since, blockId }) {
      const method = threadTs === undefined ? 'conversations.history' : 'conversations.replies';
      let cursor: string | undefined;
      for (let page = 0; page < MAX_PAGES; page += 1) {
        const answer = read(
          historySchema,
          await call(method, {
            channel,
            oldest: String(Math.max(0, since - CLOCK_MARGIN_MS) / 1000),
            limit: 200,
            ...(threadTs === undefined ? {} : { ts: threadTs }),
            ...(cursor === undefined ? {} : { cursor }),
          }),
        );
        const found = answer.messages.find((one) => one.blocks?.some((block) => block.block_id === blockId) === true);
        if (found !== undefined) return { channel, ts: found.ts };
        cursor = answer.response_metadata?.next_cursor;
        if (cursor === undefined || cursor === '') return undefined;
      }
      return undefined;
    },
    async members(group) {
      const result = await call('usergroups.users.list', { usergroup: group });
      return read(z.object({ users: z.array(z.string()) }), result).users;
    },
    async userName(user) {
      const result = await call('users.info', { user });
      const { name, profile } = read(userSchema, result).user;
      return profile?.display_name === undefined || profile.display_name === '' ? name : profile.display_name;
    },
    async whoAmI() {
      const result = await call('auth.test', {});
      return { userId: String(result['user_id'] ?? ''), team: String(result['team'] ?? '') };
    },
  };
}

function read<T>(schema: z.ZodType<T>, answer: unknown): T {
  const result = schema.safeParse(answer);
  if (!result.success) throw new SlackProblem('unavailable', 'unreadable_answer');
  return result.data;
}

/** Sorts what the client throws. Only codes are looked at and passed on: bodies and headers may hold secrets. */
export function toProblem(error: unknown): SlackProblem {
  if (error instanceof SlackProblem) return error;
  const thrown = (typeof error === 'object' && error !== null ? error : {}) as Record<string, unknown>;
  if (thrown['code'] === ErrorCode.RateLimitedError) {
    const seconds = Number(thrown['retryAfter']);
    return new SlackProblem('rate_limited', 'ratelimited', {
      afterMs: Number.isFinite(seconds) ? seconds * 1000 : 30_000,
    });
  }
  if (thrown['code'] === ErrorCode.PlatformError) {
    const data = thrown['data'] as { error?: unknown; response_metadata?: { retryAfter?: number } } | undefined;
    const code =
      typeof data?.error === 'string' && /^[a-z0-9_]{1,60}$/.test(data.error) ? data.error : 'unreadable_answer';
    if (code === 'ratelimited' || code === 'rate_limited' || code === 'message_limit_exceeded') {
      return new SlackProblem('rate_limited', code, { afterMs: (data?.response_metadata?.retryAfter ?? 30) * 1000 });
    }
    if (code === 'unreadable_answer') return new SlackProblem('unavailable', code, { maybeDone: true });
    if (GONE.has(code)) return new SlackProblem('gone', code);
    if (TOO_MUCH.has(code)) return new SlackProblem('too_much', code);
    if (BUSY.has(code)) return new SlackProblem('unavailable', code, { maybeDone: MAYBE_DONE.has(code) });
    return new SlackProblem('refused', code);
  }
  if (thrown['code'] === ErrorCode.HTTPError) {
    return new SlackProblem('unavailable', `http_${Number(thrown['statusCode'])}`, { maybeDone: true });
  }
  return new SlackProblem('unavailable', 'unreachable', { maybeDone: true });
}
