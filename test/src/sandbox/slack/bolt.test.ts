import { afterEach, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { type ListeningSlack, listenSlack } from '../../../../src/sandbox/slack/index.ts';
import { plainMessage } from '../../../../src/sandbox/slack/plain.ts';
import { startTrialApp, type TrialApp, until } from './boltApp.ts';

let slack: ListeningSlack;
let trial: TrialApp;

async function start(mode: 'http' | 'socket'): Promise<void> {
  slack = await listenSlack();
  trial = await startTrialApp(slack, mode);
}

afterEach(async () => {
  await trial.stop();
  await slack.close();
});

function texts(): string[] {
  const { workspace } = slack.slack.core;
  return workspace.messages('C0OPSHADOOP').map((message) => plainMessage(workspace, message));
}

describe.each(['http', 'socket'] as const)('a real Bolt app over %s', (mode) => {
  it('takes a slash command, posts a card and changes it when the button is pressed', async () => {
    await start(mode);
    const { people, core } = slack.slack;

    expect(await people.type('U0ALICE', 'C0OPSHADOOP', '/ephyra deploy cp1->cp2')).toEqual({ ok: true });
    await until('the card', () => texts().length === 1);
    expect(texts()[0]).toContain('cp1 → cp2');
    expect(trial.seen.commands).toEqual([{ text: 'deploy cp1-&gt;cp2', user: 'U0ALICE' }]);

    const [card] = core.workspace.messages('C0OPSHADOOP');
    const pressed = await people.press({
      user: 'U0BOB',
      channel: 'C0OPSHADOOP',
      ts: card?.ts ?? '',
      actionId: 'approve',
    });
    expect(pressed).toEqual({ ok: true });
    await until('the changed card', () => texts()[0] === 'Approved by @bob');
    expect(trial.seen.clicks).toEqual([{ user: 'U0BOB', value: 'd-1' }]);
    expect(core.deliveries.log.map(({ via, outcome }) => `${via} ${outcome}`)).toEqual([`${mode} ok`, `${mode} ok`]);
  });

  it('answers a person alone through the response_url', async () => {
    await start(mode);
    await slack.slack.people.type('U0EVE', 'C0OPSHADOOP', '/ephyra help');
    const { workspace } = slack.slack.core;
    await until('the answer', () => workspace.ephemerals('C0OPSHADOOP', 'U0EVE').length === 1);
    expect(workspace.ephemerals('C0OPSHADOOP', 'U0EVE')[0]?.text).toBe('Only for you');
    expect(workspace.ephemerals('C0OPSHADOOP', 'U0ALICE')).toEqual([]);
    expect(texts()).toEqual([]);
  });

  it('hears a mention and answers in its thread', async () => {
    await start(mode);
    expect(await slack.slack.people.type('U0ALICE', 'C0OPSHADOOP', '@ephyra why?')).toEqual({ ok: true });
    await until('the reply', () => texts().length === 2);
    const [asked, reply] = slack.slack.core.workspace.messages('C0OPSHADOOP');
    expect(trial.seen.mentions[0]?.text).toBe('<@U0EPHYRA> why?');
    expect(reply?.threadTs).toBe(asked?.ts);
  });

  it('gets every delivery twice when Slack duplicates them, the event marked as a retry', async () => {
    await start(mode);
    slack.slack.configure({ mean: { duplicateDeliveries: true, duplicateAfterMs: 20 } });
    await slack.slack.people.type('U0ALICE', 'C0OPSHADOOP', '/ephyra help');
    await slack.slack.people.type('U0ALICE', 'C0OPSHADOOP', '@ephyra hello');
    await until('both twice', () => trial.seen.commands.length === 2 && trial.seen.mentions.length === 2);
    expect(trial.seen.mentions.map((one) => one.retryNum ?? 0)).toEqual([0, 1]);
  });
});

describe('Socket Mode', () => {
  it('is refused to a connection without a ticket that was given out', async () => {
    await start('socket');
    const code = await new Promise((resolve) => {
      new WebSocket(`${slack.url.replace('http', 'ws')}/link/?ticket=made-up`).on('close', resolve);
    });
    expect(code).toBe(4001);
    expect(slack.slack.core.sockets.count).toBe(1);
  });

  it('lets the app come back after Slack asked it to go', async () => {
    await start('socket');
    slack.slack.core.sockets.disconnect('refresh_requested');
    await until('the going', () => slack.slack.core.sockets.count === 0);
    expect(await slack.slack.people.type('U0ALICE', 'C0OPSHADOOP', '/ephyra help')).toEqual({
      ok: false,
      error: 'dispatch_failed',
    });
    await until('the coming back', () => slack.slack.core.sockets.count === 1);
    expect(await slack.slack.people.type('U0ALICE', 'C0OPSHADOOP', '/ephyra help')).toEqual({ ok: true });
    const { workspace } = slack.slack.core;
    await until('the answer', () => workspace.ephemerals('C0OPSHADOOP').some((one) => one.text === 'Only for you'));
  });
});
