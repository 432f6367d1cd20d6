import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { App, LogLevel } from '@slack/bolt';
import type { KnownBlock } from '@slack/types';
import { createPageHandler } from '../../../../src/sandbox/page/index.ts';
import { attachSocketMode, createSlack } from '../../../../src/sandbox/slack/index.ts';
import { FakeFleet } from './fakeFleet.ts';

/** The page with a fleet that only pretends and an app that only looks like Ephyra, to look at by eye. */
export async function startPageTrial(port: number, workers = 11): Promise<{ url: string; close(): Promise<void> }> {
  const slack = createSlack();
  const fleet = new FakeFleet(workers);
  const handle = createPageHandler({ slack, fleet: () => structuredClone(fleet.view), scenarios: fleet });
  const server = createServer((request, response) => {
    void handle(request, response).then((handled) => {
      if (!handled) response.writeHead(404).end();
    });
  });
  const endSockets = attachSocketMode(server, slack);
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  slack.core.baseUrl = url;
  const app = await startApp(url, slack.core.app, fleet);
  return {
    url,
    close: async () => {
      await app.stop();
      endSockets();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function startApp(url: string, tokens: { botToken: string; appToken: string }, fleet: FakeFleet): Promise<App> {
  const app = new App({
    token: tokens.botToken,
    appToken: tokens.appToken,
    socketMode: true,
    clientOptions: { slackApiUrl: `${url}/api/` },
    logLevel: LogLevel.ERROR,
  });
  const timers = new Set<NodeJS.Timeout>();
  app.command('/ephyra', async ({ ack, command, client, respond }) => {
    await ack();
    if (command.text.startsWith('deploy')) {
      const by = command.user_id;
      const posted = await client.chat.postMessage({
        channel: command.channel_id,
        text: 'Deployment',
        blocks: card(by, 'awaiting approval'),
      });
      const thread = { channel: command.channel_id, thread_ts: posted.ts ?? '' };
      await client.chat.postMessage({
        ...thread,
        text: `Plan: 12 nodes, 3 at a time. Digest \`7f3a\`. Asked by <@${by}>.`,
      });
      await client.chat.postMessage({ ...thread, text: 'Order', blocks: plan() });
    } else if (command.text.startsWith('lock')) {
      await client.views.open({ trigger_id: command.trigger_id, view: lockView() });
    } else {
      await respond({
        response_type: 'ephemeral',
        text: `*Commands*\n• \`/ephyra deploy cp1→cp2\`\n• \`/ephyra status\`\nI do not know \`${command.text}\`, <@${command.user_id}>.`,
      });
    }
  });
  app.action('approve', async ({ ack, body, client, respond }) => {
    await ack();
    if (body.type !== 'block_actions' || body.message === undefined) return;
    if (body.user.id !== 'U0BOB') {
      await respond({
        response_type: 'ephemeral',
        replace_original: false,
        text: ':no_entry: Who asked for a deployment cannot approve it.',
      });
      return;
    }
    const channel = body.channel?.id ?? '';
    const { ts } = body.message;
    let moved = 0;
    const timer = setInterval(() => {
      fleet.step();
      moved = (fleet.view.controlPlanes[1]?.nodes ?? []).filter((one) => one.provisionState === 'active').length;
    }, 260);
    const shown = setInterval(() => {
      const state = moved >= 12 ? 'completed' : 'rolling';
      void client.chat.update({ channel, ts, text: 'Deployment', blocks: card('U0ALICE', state, moved) });
      if (state === 'completed') for (const one of timers) clearInterval(one);
    }, 1100);
    timers.add(timer).add(shown);
  });
  app.action('abort', async ({ ack }) => ack());
  app.view('lock', async ({ ack, view, client, body }) => {
    const reason = view.state.values['reason']?.['text']?.value ?? '';
    if (reason.length < 5) {
      await ack({
        response_action: 'errors',
        errors: { reason: 'Say in a few words why, so that others know whom to ask.' },
      });
      return;
    }
    await ack();
    await client.chat.postMessage({
      channel: 'C0OPSHADOOP',
      text: `:lock: <@${body.user.id}> locked *cp1*: ${escaped(reason)}`,
    });
  });
  app.event('app_mention', async ({ event, client }) => {
    await client.chat.postMessage({
      channel: event.channel,
      thread_ts: event.thread_ts ?? event.ts,
      text: 'Waiting for approval since two minutes. <@U0BOB> or anyone in <!subteam^S0OPERATIONS> can act.',
    });
  });
  const stop = app.stop.bind(app);
  app.stop = () => {
    for (const one of timers) clearInterval(one);
    return stop();
  };
  await app.start();
  return app;
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

function card(by: string, state: string, moved = 0): KnownBlock[] {
  const bar = '█'.repeat(moved) + '░'.repeat(12 - moved);
  const blocks: KnownBlock[] = [
    { type: 'header', text: { type: 'plain_text', text: 'cp1 → cp2' } },
    {
      type: 'section',
      fields: [
        { type: 'mrkdwn', text: `*State*\n${state}` },
        { type: 'mrkdwn', text: `*Asked by*\n<@${by}>` },
        { type: 'mrkdwn', text: '*Nodes*\n12 (1 master, 11 workers)' },
        { type: 'mrkdwn', text: '*Window*\n3 at a time' },
      ],
    },
    { type: 'section', text: { type: 'mrkdwn', text: `\`${bar}\` ${moved} of 12` } },
    {
      type: 'context',
      elements: [
        { type: 'mrkdwn', text: ':large_green_circle: Hadoop healthy · about 6 min left · deployment `d-7f3a`' },
      ],
    },
  ];
  if (state === 'completed') return blocks;
  const danger = {
    type: 'button' as const,
    action_id: 'abort',
    value: 'd-7f3a',
    style: 'danger' as const,
    text: { type: 'plain_text' as const, text: 'Abort' },
    confirm: {
      title: { type: 'plain_text' as const, text: 'Abort the deployment?' },
      text: { type: 'mrkdwn' as const, text: 'Every node that was moved goes back to *cp1*.' },
      confirm: { type: 'plain_text' as const, text: 'Abort' },
      deny: { type: 'plain_text' as const, text: 'Keep going' },
      style: 'danger' as const,
    },
  };
  const approve = {
    type: 'button' as const,
    action_id: 'approve',
    value: 'd-7f3a',
    style: 'primary' as const,
    text: { type: 'plain_text' as const, text: 'Approve' },
  };
  return [...blocks, { type: 'actions', elements: state === 'awaiting approval' ? [approve, danger] : [danger] }];
}

function plan(): KnownBlock[] {
  const cell = (text: string) => ({ type: 'raw_text' as const, text });
  const rows = [
    ['Node', 'Role', 'Domain'],
    ['worker-11', 'worker', 'rack-1'],
    ['worker-10', 'worker', 'rack-2'],
    ['master-1', 'master', 'rack-1'],
  ];
  return [
    { type: 'section', text: { type: 'mrkdwn', text: 'Order of the nodes, canary first:' } },
    { type: 'table', rows: rows.map((row) => row.map(cell)) },
    {
      type: 'plan',
      title: 'worker-11',
      tasks: [
        { type: 'task_card', task_id: 't1', title: 'claim', status: 'complete' },
        { type: 'task_card', task_id: 't2', title: 'remove from Hadoop', status: 'in_progress' },
        { type: 'task_card', task_id: 't3', title: 'stop', status: 'pending' },
      ],
    },
  ];
}

function lockView() {
  return {
    type: 'modal' as const,
    callback_id: 'lock',
    title: { type: 'plain_text' as const, text: 'Lock deployments' },
    submit: { type: 'plain_text' as const, text: 'Lock' },
    close: { type: 'plain_text' as const, text: 'Cancel' },
    blocks: [
      {
        type: 'alert' as const,
        level: 'warning' as const,
        text: { type: 'plain_text' as const, text: 'A running deployment pauses at its next step.' },
      },
      {
        type: 'input' as const,
        block_id: 'reason',
        label: { type: 'plain_text' as const, text: 'Reason' },
        hint: { type: 'plain_text' as const, text: 'Everyone who asks for a deployment will read it.' },
        element: { type: 'plain_text_input' as const, action_id: 'text' },
      },
    ],
  };
}
