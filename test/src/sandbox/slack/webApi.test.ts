import { beforeEach, describe, expect, it } from 'vitest';
import { createSlack, type Slack, type SlackOptions } from '../../../../src/sandbox/slack/index.ts';
import { approveBlocks } from './boltApp.ts';
import { ManualClock } from './manualClock.ts';

let clock: ManualClock;
let slack: Slack;

beforeEach(() => start());

function start(options: SlackOptions = {}): void {
  clock = new ManualClock();
  slack = createSlack({ clock, ...options });
}

function call(method: string, args: Record<string, unknown> = {}, token: string | undefined = 'xoxb-sandbox') {
  return slack.api.call(method, token, args);
}

async function post(text: string, more: Record<string, unknown> = {}): Promise<string> {
  await clock.advance(1000);
  const { body } = call('chat.postMessage', { channel: 'C0OPSHADOOP', text, ...more });
  expect(body['ok']).toBe(true);
  return String(body['ts']);
}

describe('the Web API', () => {
  it('refuses calls without a token, with a wrong one, of the wrong kind, and unknown methods', () => {
    expect(slack.api.call('auth.test', undefined, {}).body).toEqual({ ok: false, error: 'not_authed' });
    expect(call('auth.test', {}, 'xoxb-other').body).toEqual({ ok: false, error: 'invalid_auth' });
    expect(call('apps.connections.open').body['error']).toBe('not_allowed_token_type');
    expect(call('chat.shout').body['error']).toBe('unknown_method');
  });

  it('tells who the token belongs to', () => {
    expect(call('auth.test').body).toMatchObject({
      ok: true,
      user_id: 'U0EPHYRA',
      bot_id: 'B0EPHYRA',
      team_id: 'T_SANDBOX',
    });
  });

  it('refuses a method whose scope was not granted, naming it', () => {
    start({ app: { scopes: ['chat:write'] } });
    expect(call('usergroups.users.list', { usergroup: 'S0OPERATIONS' }).body).toEqual({
      ok: false,
      error: 'missing_scope',
      needed: 'usergroups:read',
      provided: 'chat:write',
    });
    expect(call('chat.postMessage', { channel: 'C0OPSHADOOP', text: 'x' }).headers['x-oauth-scopes']).toBe(
      'chat:write',
    );
  });

  it('refuses what cannot be posted', () => {
    expect(call('chat.postMessage', { channel: 'C_NONE', text: 'x' }).body['error']).toBe('channel_not_found');
    expect(call('chat.postMessage', { channel: 'C0OPSHADOOP' }).body['error']).toBe('no_text');
    expect(call('chat.postMessage', { channel: 'C0OPSHADOOP', text: 'x', thread_ts: '1.0' }).body['error']).toBe(
      'thread_not_found',
    );
    expect(call('chat.postMessage', { channel: 'C0OPSHADOOP', blocks: '{' }).body['error']).toBe(
      'invalid_blocks_format',
    );
  });

  it('names every block that it refuses, in response_metadata', () => {
    const { body } = call('chat.postMessage', { channel: 'C0OPSHADOOP', blocks: JSON.stringify([{ type: 'header' }]) });
    expect(body).toEqual({
      ok: false,
      error: 'invalid_blocks',
      errors: ['missing required field: text [json-pointer:/blocks/0]'],
      response_metadata: { messages: ['[ERROR] missing required field: text [json-pointer:/blocks/0]'] },
    });
  });

  it('keeps the blocks of a message that is updated by text alone, and drops them for an empty list', async () => {
    const ts = await post('card', { blocks: approveBlocks() });
    const blocks = () => slack.core.workspace.message('C0OPSHADOOP', ts)?.blocks;
    call('chat.update', { channel: 'C0OPSHADOOP', ts, text: 'new' });
    expect(blocks()).toHaveLength(3);
    await clock.advance(1000);
    call('chat.update', { channel: 'C0OPSHADOOP', ts, text: 'new', blocks: '[]' });
    expect(blocks()).toEqual([]);
  });

  it('updates and deletes only what the app has written', async () => {
    const message = slack.core.workspace.post({ channel: 'C0OPSHADOOP', user: 'U0ALICE', text: 'mine' });
    expect(call('chat.update', { channel: 'C0OPSHADOOP', ts: message.ts, text: 'x' }).body['error']).toBe(
      'cant_update_message',
    );
    expect(call('chat.delete', { channel: 'C0OPSHADOOP', ts: message.ts }).body['error']).toBe('cant_delete_message');
    const own = await post('own');
    expect(call('chat.delete', { channel: 'C0OPSHADOOP', ts: own }).body['ok']).toBe(true);
    expect(call('chat.update', { channel: 'C0OPSHADOOP', ts: own, text: 'x' }).body['error']).toBe('message_not_found');
  });

  it('shows threads in replies and not in history, unless they were broadcast', async () => {
    const parent = await post('parent');
    await post('quiet', { thread_ts: parent });
    await post('loud', { thread_ts: parent, reply_broadcast: true });
    const texts = (body: Record<string, unknown>) => (body['messages'] as { text: string }[]).map((one) => one.text);
    expect(texts(call('conversations.history', { channel: 'C0OPSHADOOP' }).body)).toEqual(['loud', 'parent']);
    const replies = call('conversations.replies', { channel: 'C0OPSHADOOP', ts: parent }).body;
    expect(texts(replies)).toEqual(['parent', 'quiet', 'loud']);
    expect((replies['messages'] as object[])[0]).toMatchObject({ reply_count: 2, thread_ts: parent });
  });

  it('gives history in pages by cursor', async () => {
    for (const text of ['a', 'b', 'c']) await post(text);
    const first = call('conversations.history', { channel: 'C0OPSHADOOP', limit: 2 }).body;
    expect(first).toMatchObject({ has_more: true, messages: [{ text: 'c' }, { text: 'b' }] });
    const { next_cursor: cursor } = first['response_metadata'] as { next_cursor: string };
    const second = call('conversations.history', { channel: 'C0OPSHADOOP', limit: 2, cursor }).body;
    expect(second).toMatchObject({ has_more: false, messages: [{ text: 'a' }] });
  });

  it('knows who is in a user group', () => {
    expect(call('usergroups.users.list', { usergroup: 'S0OPERATIONS' }).body['users']).toEqual(['U0ALICE', 'U0BOB']);
    expect(call('usergroups.users.list', { usergroup: 'S_NONE' }).body['error']).toBe('no_such_subteam');
  });

  it('finds the message behind a permalink', async () => {
    const ts = await post('here');
    const { permalink } = call('chat.getPermalink', { channel: 'C0OPSHADOOP', message_ts: ts }).body;
    expect(permalink).toBe(`http://127.0.0.1/archives/C0OPSHADOOP/p${ts.replace('.', '')}`);
  });
});

describe('rate limits', () => {
  it('let a burst through, then one call a second for each method and channel', async () => {
    const statuses = Array.from(
      { length: 5 },
      () => call('chat.postMessage', { channel: 'C0OPSHADOOP', text: 'x' }).status,
    );
    expect(statuses).toEqual([200, 200, 200, 200, 429]);
    const refused = call('chat.postMessage', { channel: 'C0OPSHADOOP', text: 'x' });
    expect(refused).toEqual({
      status: 429,
      headers: { 'retry-after': '1' },
      body: { ok: false, error: 'ratelimited' },
    });
    expect(call('chat.postEphemeral', { channel: 'C0OPSHADOOP', user: 'U0BOB', text: 'x' }).status).toBe(200);
    await clock.advance(1000);
    expect(call('chat.postMessage', { channel: 'C0OPSHADOOP', text: 'x' }).status).toBe(200);
    expect(call('chat.postMessage', { channel: 'C0OPSHADOOP', text: 'x' }).status).toBe(429);
    expect(slack.counts().find((one) => one.method === 'chat.postMessage')).toMatchObject({ calls: 8, rateLimited: 3 });
  });
});

describe('a Slack with a bad day', () => {
  it('answers 503 to everything when it is down', () => {
    slack.configure({ mean: { down: '503' } });
    expect(call('auth.test').status).toBe(503);
  });

  it('carries a write out and loses its answer', () => {
    slack.configure({ mean: { loseAnswers: true } });
    expect(call('chat.postMessage', { channel: 'C0OPSHADOOP', text: 'done' }).status).toBe(500);
    expect(slack.core.workspace.messages('C0OPSHADOOP').map((one) => one.text)).toEqual(['done']);
    expect(call('auth.test').status).toBe(200);
  });

  it('refuses everything for a while when told to limit', () => {
    slack.configure({ mean: { rateLimitAllSeconds: 7 } });
    expect(call('auth.test')).toMatchObject({ status: 429, headers: { 'retry-after': '7' } });
  });
});

describe('views', () => {
  const view = { type: 'modal', title: { type: 'plain_text', text: 'Lock' }, blocks: [{ type: 'divider' }] };

  it('open once for each trigger, within three seconds', async () => {
    const trigger = slack.core.triggers.give('U0ALICE');
    expect(call('views.open', { trigger_id: trigger, view }).body['ok']).toBe(true);
    expect(call('views.open', { trigger_id: trigger, view }).body['error']).toBe('exchanged_trigger_id');
    const late = slack.core.triggers.give('U0ALICE');
    await clock.advance(3001);
    expect(call('views.open', { trigger_id: late, view }).body['error']).toBe('expired_trigger_id');
    expect(slack.core.workspace.viewsOf('U0ALICE')).toHaveLength(1);
  });

  it('are not updated over a newer version', () => {
    const trigger_id = slack.core.triggers.give('U0ALICE');
    const opened = call('views.open', { trigger_id, view }).body['view'] as { id: string; hash: string };
    const change = { view_id: opened.id, hash: opened.hash, view };
    expect(call('views.update', change).body['ok']).toBe(true);
    expect(call('views.update', change).body['error']).toBe('hash_conflict');
  });
});
