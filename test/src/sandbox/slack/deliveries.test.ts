import { createHmac } from 'node:crypto';
import { beforeEach, describe, expect, it } from 'vitest';
import { createSlack, type Slack } from '../../../../src/sandbox/slack/index.ts';
import { ManualClock } from './manualClock.ts';

interface Sent {
  headers: Record<string, string>;
  body: string;
}

type Reply = { status: number; body?: string; headers?: Record<string, string> } | 'hang' | 'refused';

let clock: ManualClock;
let slack: Slack;
let sent: Sent[];
let answer: (request: Sent) => Reply;

beforeEach(() => {
  clock = new ManualClock();
  sent = [];
  answer = () => ({ status: 200 });
  slack = createSlack({
    clock,
    app: { requestUrl: 'http://127.0.0.1:9/slack/events' },
    post: async (_url, headers, body) => {
      const challenge = /"challenge":"([^"]+)"/.exec(body)?.[1];
      if (challenge !== undefined) return { status: 200, headers: {}, body: JSON.stringify({ challenge }) };
      sent.push({ headers, body });
      const reply = answer({ headers, body });
      if (reply === 'hang') return new Promise(() => undefined);
      if (reply === 'refused') throw new Error('ECONNREFUSED');
      return { status: reply.status, headers: reply.headers ?? {}, body: reply.body ?? '' };
    },
  });
});

function whispers(user: string): string[] {
  return slack.core.workspace.ephemerals('C0OPSHADOOP', user).map((one) => one.text);
}

function form(request: Sent | undefined): Record<string, string> {
  return Object.fromEntries(new URLSearchParams(request?.body));
}

describe('a slash command', () => {
  it('comes signed, escaped, with a trigger and a response_url', async () => {
    expect(await slack.people.command('U0ALICE', 'C0OPSHADOOP', '/ephyra deploy cp1->cp2 & more')).toEqual({
      ok: true,
    });
    const [request] = sent;
    const timestamp = request?.headers['x-slack-request-timestamp'];
    const base = `v0:${timestamp}:${request?.body}`;
    const signature = createHmac('sha256', 'sandbox-signing-secret').update(base).digest('hex');
    expect(request?.headers['x-slack-signature']).toBe(`v0=${signature}`);
    expect(timestamp).toBe(String(Math.floor(clock.now() / 1000)));
    expect(form(request)).toMatchObject({
      command: '/ephyra',
      text: 'deploy cp1-&gt;cp2 &amp; more',
      user_id: 'U0ALICE',
      channel_id: 'C0OPSHADOOP',
      channel_name: 'ops-hadoop',
    });
  });

  it('that is not acknowledged within three seconds tells its sender so, and is not sent again', async () => {
    answer = () => 'hang';
    const outcome = slack.people.command('U0ALICE', 'C0OPSHADOOP', '/ephyra status');
    await clock.advance(2999);
    expect(whispers('U0ALICE')).toEqual([]);
    await clock.advance(1);
    expect(await outcome).toEqual({ ok: false, error: 'operation_timeout' });
    expect(whispers('U0ALICE')).toEqual(['/ephyra failed with the error "operation_timeout"']);
    await clock.advance(600_000);
    expect(sent).toHaveLength(1);
  });

  it('fails at once when the app cannot be reached or answers with an error', async () => {
    answer = () => 'refused';
    expect(await slack.people.command('U0ALICE', 'C0OPSHADOOP', '/ephyra status')).toEqual({
      ok: false,
      error: 'dispatch_failed',
    });
    answer = () => ({ status: 500 });
    expect(await slack.people.command('U0ALICE', 'C0OPSHADOOP', '/ephyra status')).toEqual({
      ok: false,
      error: 'dispatch_failed',
    });
    slack.configure({ requestUrl: null });
    expect(await slack.people.command('U0ALICE', 'C0OPSHADOOP', '/ephyra status')).toEqual({
      ok: false,
      error: 'dispatch_failed',
    });
    expect(slack.core.deliveries.log.map((one) => one.via)).toEqual(['http', 'http', 'none']);
  });

  it('may be answered in the same breath, to its sender or to all', async () => {
    answer = () => ({ status: 200, body: 'Only you' });
    await slack.people.command('U0ALICE', 'C0OPSHADOOP', '/ephyra status');
    expect(whispers('U0ALICE')).toEqual(['Only you']);
    answer = () => ({ status: 200, body: JSON.stringify({ response_type: 'in_channel', text: 'All of you' }) });
    await slack.people.command('U0ALICE', 'C0OPSHADOOP', '/ephyra status');
    const shown = slack.core.workspace.messages('C0OPSHADOOP').map((one) => `${one.user}: ${one.text}`);
    expect(shown).toEqual(['U0ALICE: /ephyra status', 'U0EPHYRA: All of you']);
  });

  it('that is unknown, or typed in a thread, never reaches the app', async () => {
    expect(await slack.people.command('U0ALICE', 'C0OPSHADOOP', '/ephira deploy')).toMatchObject({
      error: 'unknown_command',
    });
    expect(await slack.people.command('U0ALICE', 'C0OPSHADOOP', '/ephyra deploy', '1.0')).toMatchObject({
      error: 'not_supported_in_threads',
    });
    expect(sent).toEqual([]);
    expect(whispers('U0ALICE')).toHaveLength(2);
  });

  it('is handed over twice, the same in every word, when deliveries are duplicated', async () => {
    slack.configure({ mean: { duplicateDeliveries: true, duplicateAfterMs: 150 } });
    await slack.people.command('U0ALICE', 'C0OPSHADOOP', '/ephyra deploy cp1 to cp2');
    await clock.advance(150);
    expect(sent).toHaveLength(2);
    expect(sent[1]?.body).toBe(sent[0]?.body);
  });

  it('leaves late when deliveries are slow', async () => {
    slack.configure({ mean: { deliveryDelayMs: 2000 } });
    const outcome = slack.people.command('U0ALICE', 'C0OPSHADOOP', '/ephyra status');
    await clock.advance(1999);
    expect(sent).toEqual([]);
    await clock.advance(1);
    expect(await outcome).toEqual({ ok: true });
  });
});

describe('a mention', () => {
  it('is delivered as an event that names the mention by id', async () => {
    await slack.people.say('U0ALICE', 'C0OPSHADOOP', '@ephyra why is @bob waiting?');
    const payload = JSON.parse(sent[0]?.body ?? '{}') as { type: string; event: Record<string, unknown> };
    expect(payload.type).toBe('event_callback');
    expect(payload.event).toMatchObject({
      type: 'app_mention',
      user: 'U0ALICE',
      text: '<@U0EPHYRA> why is <@U0BOB> waiting?',
    });
  });

  it('is tried again at once, after a minute and after five, with the number and the reason', async () => {
    answer = () => ({ status: 500 });
    await slack.people.say('U0ALICE', 'C0OPSHADOOP', '@ephyra hello');
    await clock.advance(0);
    expect(sent).toHaveLength(2);
    await clock.advance(60_000);
    expect(sent).toHaveLength(3);
    await clock.advance(300_000);
    await clock.advance(3_600_000);
    const retries = sent.map(({ headers }) => [headers['x-slack-retry-num'], headers['x-slack-retry-reason']]);
    expect(retries).toEqual([
      [undefined, undefined],
      ['1', 'http_error'],
      ['2', 'http_error'],
      ['3', 'http_error'],
    ]);
  });

  it('is not tried again after it was taken, nor when the app asks for no retry', async () => {
    answer = () => ({ status: sent.length === 1 ? 500 : 200 });
    await slack.people.say('U0ALICE', 'C0OPSHADOOP', '@ephyra hello');
    await clock.advance(3_600_000);
    expect(sent).toHaveLength(2);
    answer = () => ({ status: 500, headers: { 'x-slack-no-retry': '1' } });
    await slack.people.say('U0ALICE', 'C0OPSHADOOP', '@ephyra hello');
    await clock.advance(3_600_000);
    expect(sent).toHaveLength(3);
  });

  it('of nobody is no event', async () => {
    await slack.people.say('U0ALICE', 'C0OPSHADOOP', 'hello all');
    expect(sent).toEqual([]);
  });

  it('cannot be smuggled in by typing its markup', async () => {
    await slack.people.say('U0EVE', 'C0OPSHADOOP', 'look: <!channel> <@U0EPHYRA>');
    expect(sent).toEqual([]);
    expect(slack.core.workspace.messages('C0OPSHADOOP')[0]?.text).toBe('look: &lt;!channel&gt; &lt;@U0EPHYRA&gt;');
  });
});

describe('a button', () => {
  function card(): string {
    const element = { type: 'button', action_id: 'go', value: 'd-1', text: { type: 'plain_text', text: 'Go' } };
    const blocks = [{ type: 'actions', block_id: 'decide', elements: [element] }];
    return slack.core.workspace.post({ channel: 'C0OPSHADOOP', user: 'U0EPHYRA', byApp: true, text: 'card', blocks })
      .ts;
  }

  it('tells the app who pressed what in which message', async () => {
    const ts = card();
    await slack.people.press({ user: 'U0BOB', channel: 'C0OPSHADOOP', ts, actionId: 'go' });
    const payload = JSON.parse(form(sent[0])['payload'] ?? '{}') as Record<string, unknown>;
    expect(payload).toMatchObject({
      type: 'block_actions',
      user: { id: 'U0BOB' },
      container: { type: 'message', message_ts: ts, channel_id: 'C0OPSHADOOP', is_ephemeral: false },
      message: { ts, text: 'card' },
      actions: [{ action_id: 'go', block_id: 'decide', value: 'd-1', type: 'button' }],
    });
  });

  it('is not there for whoever cannot see the message', async () => {
    const element = { type: 'button', action_id: 'go', text: { type: 'plain_text', text: 'Go' } };
    const draft = {
      channel: 'C0OPSHADOOP',
      to: 'U0ALICE',
      from: 'U0EPHYRA',
      text: '',
      blocks: [{ type: 'actions', elements: [element] }],
    };
    const { ts } = slack.core.workspace.whisper(draft);
    const press = { channel: 'C0OPSHADOOP', ts, actionId: 'go' };
    expect(await slack.people.press({ ...press, user: 'U0EVE' })).toEqual({ ok: false, error: 'message_not_found' });
    expect(await slack.people.press({ ...press, user: 'U0ALICE' })).toEqual({ ok: true });
    const payload = JSON.parse(form(sent[0])['payload'] ?? '{}') as Record<string, unknown>;
    expect(payload).not.toHaveProperty('message');
  });

  it('that is gone answers so', async () => {
    expect(await slack.people.press({ user: 'U0BOB', channel: 'C0OPSHADOOP', ts: card(), actionId: 'other' })).toEqual({
      ok: false,
      error: 'action_not_found',
    });
  });

  it('gives a response_url that replaces its message, whispers beside it, or deletes it', async () => {
    const ts = card();
    await slack.people.press({ user: 'U0BOB', channel: 'C0OPSHADOOP', ts, actionId: 'go' });
    const { response_url: url } = JSON.parse(form(sent[0])['payload'] ?? '{}') as { response_url: string };
    const path = new URL(url).pathname;
    const use = (body: object) => slack.core.responses.use(path, body).status;
    expect(use({ replace_original: true, text: 'done' })).toBe(200);
    expect(slack.core.workspace.message('C0OPSHADOOP', ts)).toMatchObject({ text: 'done', blocks: [] });
    expect(use({ replace_original: false, response_type: 'ephemeral', text: 'psst' })).toBe(200);
    expect(whispers('U0BOB')).toEqual(['psst']);
    expect(use({ delete_original: true })).toBe(200);
    expect(slack.core.workspace.message('C0OPSHADOOP', ts)).toBeUndefined();
  });
});

describe('a response_url', () => {
  async function urlOfCommand(): Promise<string> {
    await slack.people.command('U0ALICE', 'C0OPSHADOOP', '/ephyra status');
    return new URL(form(sent.at(-1))['response_url'] ?? '').pathname;
  }

  it('works five times', async () => {
    const path = await urlOfCommand();
    const statuses = Array.from({ length: 6 }, () => slack.core.responses.use(path, { text: 'x' }).status);
    expect(statuses).toEqual([200, 200, 200, 200, 200, 404]);
    expect(slack.core.responses.use(path, { text: 'x' }).body).toContain('used_url');
  });

  it('works for thirty minutes', async () => {
    const path = await urlOfCommand();
    await clock.advance(30 * 60_000);
    expect(slack.core.responses.use(path, { text: 'x' }).status).toBe(200);
    await clock.advance(1);
    expect(slack.core.responses.use(path, { text: 'x' }).body).toContain('expired_url');
  });

  it('takes no blocks that Slack would not take', async () => {
    const path = await urlOfCommand();
    expect(slack.core.responses.use(path, { blocks: [{ type: 'header' }] })).toEqual({
      status: 400,
      body: JSON.stringify({ ok: false, error: 'invalid_blocks' }),
    });
  });
});

describe('a modal', () => {
  const view = {
    type: 'modal',
    callback_id: 'lock',
    title: { type: 'plain_text', text: 'Lock' },
    blocks: [{ type: 'divider' }],
  };

  function open(): string {
    const trigger_id = slack.core.triggers.give('U0ALICE');
    return (slack.api.call('views.open', 'xoxb-sandbox', { trigger_id, view }).body['view'] as { id: string }).id;
  }

  it('stays open with the errors that the app answers, and closes when it takes the values', async () => {
    const id = open();
    const values = { reason: { text: { type: 'plain_text_input', value: 'x' } } };
    answer = () => ({
      status: 200,
      body: JSON.stringify({ response_action: 'errors', errors: { reason: 'Too short' } }),
    });
    await slack.people.submit('U0ALICE', id, values);
    expect(slack.core.workspace.views.get(id)?.errors).toEqual({ reason: 'Too short' });
    answer = () => ({ status: 200 });
    await slack.people.submit('U0ALICE', id, values);
    expect(slack.core.workspace.views.size).toBe(0);
    const payload = JSON.parse(form(sent[1])['payload'] ?? '{}') as Record<string, unknown>;
    expect(payload).toMatchObject({ type: 'view_submission', view: { callback_id: 'lock', state: { values } } });
  });

  it('belongs to one person', async () => {
    const id = open();
    expect(await slack.people.submit('U0EVE', id, {})).toEqual({ ok: false, error: 'view_not_found' });
  });
});
