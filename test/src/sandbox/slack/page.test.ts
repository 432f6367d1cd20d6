import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createPageHandler } from '../../../../src/sandbox/page/index.ts';
import { createSlack, type Slack } from '../../../../src/sandbox/slack/index.ts';
import { approveBlocks } from './boltApp.ts';
import { FakeFleet } from './fakeFleet.ts';

let server: Server;
let url: string;
let slack: Slack;
let fleet: FakeFleet;

beforeEach(async () => {
  slack = createSlack();
  fleet = new FakeFleet(2);
  const handle = createPageHandler({
    slack,
    fleet: () => structuredClone(fleet.view),
    scenarios: fleet,
    fleetEveryMs: 10,
  });
  server = createServer((request, response) => {
    void handle(request, response).then((handled) => {
      if (!handled) response.writeHead(418).end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

async function post(
  path: string,
  body: object,
  type = 'application/json',
): Promise<Record<string, unknown> & { status: number }> {
  const reply = await fetch(url + path, {
    method: 'POST',
    headers: { 'content-type': type },
    body: JSON.stringify(body),
  });
  return { ...((await reply.json()) as object), status: reply.status };
}

/** The data of the first `count` events of a name. */
async function events(path: string, name: string, count: number): Promise<unknown[]> {
  const abort = new AbortController();
  const reply = await fetch(url + path, { signal: abort.signal });
  const seen: unknown[] = [];
  let text = '';
  for await (const chunk of reply.body as unknown as AsyncIterable<Uint8Array>) {
    text += new TextDecoder().decode(chunk);
    const parts = text.split('\n\n');
    text = parts.pop() ?? '';
    for (const part of parts) {
      const [, event, data = '{}'] = /^event: (\w+)\ndata: (.*)$/s.exec(part) ?? [];
      if (event === name) seen.push(JSON.parse(data));
    }
    if (seen.length >= count) break;
  }
  abort.abort();
  return seen;
}

describe('the page', () => {
  it('comes with everything it names, and with nothing from elsewhere', async () => {
    const page = await fetch(`${url}/`);
    expect(page.headers.get('content-security-policy')).toContain("default-src 'self'");
    const html = await page.text();
    const named = [...html.matchAll(/(?:src|href)="(\/page\/[^"]+)"/g)].map(([, path]) => path ?? '');
    expect(named.length).toBeGreaterThan(4);
    const modules = new Set(named);
    for (const path of modules) {
      const reply = await fetch(url + path);
      expect(`${path} ${reply.status}`).toBe(`${path} 200`);
      if (!path.endsWith('.js')) continue;
      expect(reply.headers.get('content-type')).toContain('text/javascript');
      for (const [, name] of (await reply.text()).matchAll(/from '\.\/([^']+)'/g)) modules.add(`/page/${name}`);
    }
    expect(modules).toContain('/page/fleet.js');
    expect(html).not.toMatch(/https?:\/\//);
  });

  it('gives no file from outside its folder', async () => {
    for (const path of ['/page/..%2fhandler.ts', '/page/%2e%2e/handler.ts', '/page/handler.ts', '/page/none.js']) {
      expect((await fetch(url + path)).status).not.toBe(200);
    }
  });

  it('leaves other paths to others', async () => {
    expect((await fetch(`${url}/v3/auth/tokens`)).status).toBe(418);
  });
});

describe('the fleet', () => {
  it('is there as JSON and as events, one for each change', async () => {
    const view = (await (await fetch(`${url}/_sandbox/fleet`)).json()) as FakeFleet['view'];
    expect(view.controlPlanes.map((plane) => [plane.name, plane.nodes.length])).toEqual([
      ['cp1', 3],
      ['cp2', 0],
    ]);
    const coming = events('/_sandbox/events', 'fleet', 2) as Promise<FakeFleet['view'][]>;
    await new Promise((resolve) => setTimeout(resolve, 60));
    fleet.step();
    const [before, after] = await coming;
    const claimed = (one: FakeFleet['view'] | undefined) =>
      one?.controlPlanes[0]?.nodes.filter((node) => node.claimed).length;
    expect([claimed(before), claimed(after)]).toEqual([0, 1]);
  });

  it('has scenarios that are switched on and off by name', async () => {
    expect(await post('/_sandbox/scenario', { name: 'cp2-down' })).toEqual({ ok: true, status: 200 });
    expect(fleet.view.scenario.active).toBe('cp2-down');
    expect(await post('/_sandbox/scenario', { name: 'none-such' })).toMatchObject({ status: 400 });
    await post('/_sandbox/scenario', { name: null });
    expect(fleet.view.scenario.active).toBeNull();
  });

  it('takes no orders from a form of another page', async () => {
    expect((await post('/_sandbox/scenario', { name: 'cp2-down' }, 'text/plain')).status).toBe(400);
    expect((await post('/_slack/mean', { down: '503' }, 'text/plain')).status).toBe(400);
    expect(slack.core.mean.down).toBe('no');
  });
});

describe('the driver', () => {
  const state = async (user: string) =>
    (await (await fetch(`${url}/_slack/state?user=${user}`)).json()) as Record<string, object[]>;

  it('shows a person what they see, in plain words, and whom it rings for', async () => {
    const { workspace } = slack.core;
    workspace.post({
      channel: 'C0OPSHADOOP',
      user: 'U0EPHYRA',
      byApp: true,
      text: 'Hi <@U0BOB>, `a &lt; b` <!channel>',
    });
    workspace.whisper({ channel: 'C0OPSHADOOP', to: 'U0EVE', from: 'U0EPHYRA', text: 'No rights' });
    const alice = await state('U0ALICE');
    expect(alice['messages']).toMatchObject([{ plain: 'Hi @bob, `a < b` @channel', notifies: ['U0BOB', 'channel'] }]);
    expect(alice['ephemerals']).toEqual([]);
    expect((await state('U0EVE'))['ephemerals']).toMatchObject([{ plain: 'No rights', to: 'U0EVE' }]);
  });

  it('presses the newest button with a label, and says when there is none', async () => {
    slack.core.workspace.post({
      channel: 'C0OPSHADOOP',
      user: 'U0EPHYRA',
      byApp: true,
      text: 'card',
      blocks: [...approveBlocks()] as never,
    });
    expect(await post('/_slack/press', { user: 'U0BOB', text: 'Approve' })).toMatchObject({ error: 'dispatch_failed' });
    expect(await post('/_slack/press', { user: 'U0BOB', text: 'Refuse' })).toMatchObject({ error: 'action_not_found' });
    const { deliveries } = (await (await fetch(`${url}/_slack/deliveries`)).json()) as { deliveries: object[] };
    expect(deliveries).toMatchObject([
      { kind: 'interactive', what: 'button approve', user: 'U0BOB', outcome: 'dispatch_failed' },
    ]);
  });

  it('names the field that is missing or wrong', async () => {
    expect(await post('/_slack/type', { user: 'U0ALICE' })).toEqual({ ok: false, error: 'text: missing', status: 400 });
    expect(await post('/_slack/type', { user: 'U_NONE', text: 'x' })).toMatchObject({
      status: 400,
      error: 'user: "U_NONE" is no person of this workspace',
    });
    expect(await post('/_slack/press', { user: 'U0BOB' })).toMatchObject({ status: 400 });
  });

  it('changes how Slack behaves, in known ways only', async () => {
    expect(await post('/_slack/mean', { duplicateDeliveries: true, rateLimitAllSeconds: 2 })).toMatchObject({
      ok: true,
    });
    expect(slack.core.mean).toMatchObject({ duplicateDeliveries: true, rateLimitAllSeconds: 2 });
    expect(await post('/_slack/mean', { slow: true })).toMatchObject({ status: 400 });
    expect(await post('/_slack/mean', { down: 'perhaps' })).toMatchObject({ status: 400 });
    expect(await post('/_slack/mean', { apiDelayMs: 'long' })).toMatchObject({ status: 400 });
  });

  it('tells a watcher of each change, but not of what is for another person', async () => {
    const coming = events('/_slack/events?user=U0ALICE', 'ephemeral', 1) as Promise<{ text: string }[]>;
    await new Promise((resolve) => setTimeout(resolve, 60));
    const draft = { channel: 'C0OPSHADOOP', from: 'U0EPHYRA' };
    slack.core.workspace.whisper({ ...draft, to: 'U0EVE', text: 'for eve' });
    slack.core.workspace.whisper({ ...draft, to: 'U0ALICE', text: 'for alice' });
    expect((await coming).map((one) => one.text)).toEqual(['for alice']);
  });
});

describe('the Web API over HTTP', () => {
  it('takes forms and JSON alike', async () => {
    const headers = { authorization: 'Bearer xoxb-sandbox' };
    const form = new URLSearchParams({
      channel: 'C0OPSHADOOP',
      text: 'form',
      blocks: JSON.stringify([{ type: 'divider' }]),
    });
    expect((await fetch(`${url}/api/chat.postMessage`, { method: 'POST', headers, body: form })).status).toBe(200);
    const json = { method: 'POST', headers: { ...headers, 'content-type': 'application/json' } };
    await fetch(`${url}/api/chat.postMessage`, {
      ...json,
      body: JSON.stringify({ channel: 'C0OPSHADOOP', text: 'json', blocks: [{ type: 'divider' }] }),
    });
    expect(slack.core.workspace.messages('C0OPSHADOOP').map((one) => [one.text, one.blocks?.length])).toEqual([
      ['form', 1],
      ['json', 1],
    ]);
  });

  it('never answers when it hangs', async () => {
    slack.configure({ mean: { down: 'hang' } });
    const call = fetch(`${url}/api/auth.test`, { method: 'POST', signal: AbortSignal.timeout(150) });
    await expect(call).rejects.toThrow(/timeout|aborted/i);
  });
});
