import { App, HTTPReceiver, LogLevel, SocketModeReceiver } from '@slack/bolt';
import type { KnownBlock } from '@slack/types';
import type { ListeningSlack } from '../../../../src/sandbox/slack/index.ts';

/** What the trial app did, for tests to look at. */
export interface Seen {
  commands: { text: string; user: string }[];
  clicks: { user: string; value: string }[];
  mentions: { text: string; retryNum: number | undefined }[];
}

export interface TrialApp {
  app: App;
  seen: Seen;
  stop(): Promise<void>;
}

export function approveBlocks(): KnownBlock[] {
  return [
    { type: 'header', text: { type: 'plain_text', text: 'Deployment d-1' } },
    { type: 'section', text: { type: 'mrkdwn', text: '*cp1 → cp2*, 12 nodes' } },
    {
      type: 'actions',
      block_id: 'decide',
      elements: [
        {
          type: 'button',
          action_id: 'approve',
          value: 'd-1',
          style: 'primary',
          text: { type: 'plain_text', text: 'Approve' },
        },
      ],
    },
  ];
}

/** A small real Bolt app: a command that posts a card, a button that changes it, a mention that is answered. */
export async function startTrialApp(slack: ListeningSlack, mode: 'http' | 'socket'): Promise<TrialApp> {
  const { botToken, appToken, signingSecret } = slack.slack.core.app;
  const clientOptions = { slackApiUrl: `${slack.url}/api/`, retryConfig: { retries: 0 } };
  const http = new HTTPReceiver({ signingSecret, logLevel: LogLevel.ERROR });
  const receiver =
    mode === 'http'
      ? http
      : new SocketModeReceiver({
          appToken,
          logLevel: LogLevel.ERROR,
          installerOptions: { clientOptions },
          clientPingTimeout: 300,
        });
  const app = new App({
    token: botToken,
    receiver,
    clientOptions,
    logLevel: LogLevel.ERROR,
    deferInitialization: true,
  });
  const seen: Seen = { commands: [], clicks: [], mentions: [] };

  app.command('/ephyra', async ({ ack, command, client, respond }) => {
    await ack();
    seen.commands.push({ text: command.text, user: command.user_id });
    if (command.text === 'help') await respond({ response_type: 'ephemeral', text: 'Only for you' });
    else
      await client.chat.postMessage({ channel: command.channel_id, text: 'Deployment d-1', blocks: approveBlocks() });
  });
  app.action('approve', async ({ ack, body, client, action }) => {
    await ack();
    if (body.type !== 'block_actions' || action.type !== 'button' || body.message === undefined) return;
    seen.clicks.push({ user: body.user.id, value: action.value ?? '' });
    const channel = body.channel?.id ?? '';
    await client.chat.update({ channel, ts: body.message.ts, text: `Approved by <@${body.user.id}>`, blocks: [] });
  });
  app.event('app_mention', async ({ event, client, context }) => {
    seen.mentions.push({ text: event.text, retryNum: context.retryNum });
    const thread_ts = event.thread_ts ?? event.ts;
    await client.chat.postMessage({ channel: event.channel, thread_ts, text: 'At your service' });
  });

  await app.init();
  if (mode === 'http') {
    const server = await http.start({ port: 0, host: '127.0.0.1' } as never);
    const address = server.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    slack.slack.configure({ requestUrl: `http://127.0.0.1:${port}/slack/events` });
  } else await app.start();
  const stop = async () => {
    await app.stop();
    // The receiver does not wait for its connection to end.
    await until('the end of the connection', () => slack.slack.core.sockets.count === 0);
  };
  return { app, seen, stop };
}

/** Looks again every 20 ms until it is so, for at most five seconds. */
export async function until(what: string, isSo: () => boolean): Promise<void> {
  for (let tries = 0; tries < 250; tries += 1) {
    if (isSo()) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`never came: ${what}`);
}
