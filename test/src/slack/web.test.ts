import { type Logger, LogLevel, WebClient } from '@slack/web-api';
import { afterEach, describe, expect, it } from 'vitest';
import { type ListeningSlack, listenSlack, type SlackOptions } from '../../../src/sandbox/slack/index.ts';
import { message } from '../../../src/slack/blocks.ts';
import { createSlackWeb, SlackProblem, type SlackWeb, toProblem } from '../../../src/slack/web.ts';

const SILENT: Logger = {
  debug() {},
  info() {},
  warn() {},
  error() {},
  setLevel() {},
  getLevel: () => LogLevel.ERROR,
  setName() {},
};

let slack: ListeningSlack | undefined;
afterEach(() => slack?.close());

/** Only where no answer is to come is it waited for briefly: the first call on a busy machine takes its time. */
async function connected(
  options: SlackOptions = {},
  timeout = options.mean?.down === 'hang' ? 300 : 30_000,
): Promise<{ web: SlackWeb; channel: string; calls: string[] }> {
  slack = await listenSlack(options);
  const client = new WebClient(slack.slack.core.app.botToken, {
    slackApiUrl: `${slack.url}/api/`,
    retryConfig: { retries: 0 },
    rejectRateLimitedCalls: true,
    timeout,
    logger: SILENT,
  });
  const calls: string[] = [];
  const web = createSlackWeb(client, (call) => calls.push(`${call.method} ${call.outcome}`), Date.now);
  const [channel = ''] = slack.slack.core.workspace.channels.keys();
  return { web, channel, calls };
}

async function problemOf(work: Promise<unknown>): Promise<SlackProblem> {
  const error = await work.then(
    () => new Error('nothing went wrong'),
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof SlackProblem)) throw error;
  return error;
}

describe('what Slack answers', () => {
  it('is counted by method and outcome', async () => {
    const { web, channel, calls } = await connected();
    const place = await web.post({ channel, message: message('hello') });
    await web.update(place, message('changed'));
    await problemOf(web.members('S0NOBODY'));
    expect(calls).toEqual(['chat.postMessage ok', 'chat.update ok', 'usergroups.users.list no_such_subteam']);
  });

  it('with 429 says when to come back', async () => {
    const { web, channel } = await connected({ mean: { rateLimitAllSeconds: 7 } });
    const problem = await problemOf(web.post({ channel, message: message('hello') }));
    expect(problem).toMatchObject({ kind: 'rate_limited', afterMs: 7000, maybeDone: false });
  });

  it('with 500 may have been done', async () => {
    const { web, channel } = await connected({ mean: { loseAnswers: true } });
    const problem = await problemOf(web.post({ channel, message: message('hello') }));
    expect(problem).toMatchObject({ kind: 'unavailable', code: 'http_500', maybeDone: true });
    expect(slack?.slack.core.workspace.messages(channel)).toHaveLength(1);
  });

  it('not at all is unavailable, and may have been done', async () => {
    const { web, channel } = await connected({ mean: { down: 'hang' } });
    const problem = await problemOf(web.post({ channel, message: message('hello') }));
    expect(problem).toMatchObject({ kind: 'unavailable', code: 'unreachable', maybeDone: true });
  });

  it('about a message that was deleted is "gone"', async () => {
    const { web, channel } = await connected();
    const problem = await problemOf(web.update({ channel, ts: '1.000001' }, message('hello')));
    expect(problem).toMatchObject({ kind: 'gone', code: 'message_not_found' });
    const reply = await problemOf(web.post({ channel, threadTs: '1.000001', message: message('hello') }));
    expect(reply).toMatchObject({ kind: 'gone', code: 'thread_not_found' });
  });

  it('about blocks that are too much asks for less', async () => {
    const { web, channel } = await connected();
    const long = {
      text: 'x',
      blocks: [{ type: 'section' as const, text: { type: 'mrkdwn' as const, text: 'x'.repeat(3001) } }],
    };
    expect(await problemOf(web.post({ channel, message: long }))).toMatchObject({
      kind: 'too_much',
      code: 'invalid_blocks',
    });
  });

  it('to an app without the right is for a person to mend', async () => {
    const { web, channel } = await connected({ app: { scopes: [] } });
    const problem = await problemOf(web.post({ channel, message: message('hello') }));
    expect(problem).toMatchObject({ kind: 'refused', code: 'missing_scope', maybeDone: false });
  });
});

describe('looking for a message', () => {
  it('finds it by its block among many, in the channel and in a thread', async () => {
    const { web, channel } = await connected({ rateLimit: { burst: 1000, perSecond: 1000 } });
    const since = Date.now();
    const marked = (id: string) => {
      const plain = message('marked');
      return { text: plain.text, blocks: plain.blocks.map((block) => ({ ...block, block_id: id })) };
    };
    const card = await web.post({ channel, message: marked('card') });
    const line = await web.post({ channel, threadTs: card.ts, message: marked('line') });
    for (let i = 0; i < 250; i += 1) slack?.slack.core.workspace.post({ channel, user: 'U0ALICE', text: `chat ${i}` });
    expect(await web.find({ channel, since, blockId: 'card' })).toEqual({ channel, ts: card.ts });
    expect(await web.find({ channel, threadTs: card.ts, since, blockId: 'line' })).toEqual({ channel, ts: line.ts });
    expect(await web.find({ channel, since, blockId: 'other' })).toBeUndefined();
  });
});

describe('anything thrown', () => {
  it.each([
    [new TypeError('fetch failed')],
    ['text'],
    [undefined],
    [{ code: 'slack_webapi_platform_error', data: { error: '<html>…' } }],
  ])('is sorted without passing on what it holds: %s', (thrown) => {
    const problem = toProblem(thrown);
    expect(problem.kind).toBe('unavailable');
    expect(problem.message).toMatch(/^Slack: [a-z_0-9]+$/);
  });
});
