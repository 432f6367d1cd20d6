import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { attachSocketMode, createSlackHandler } from './handler.ts';
import { sendJson } from './http.ts';
import { createSlack, type Slack, type SlackOptions } from './slack.ts';

export interface ListeningSlack {
  slack: Slack;
  /** `http://127.0.0.1:PORT`; the app's `slackApiUrl` is this plus `/api/`. */
  url: string;
  close(): Promise<void>;
}

/** Starts the emulator on a loopback port of its own; port 0 picks a free one. */
export async function listenSlack(
  options: SlackOptions & { port?: number; host?: string } = {},
): Promise<ListeningSlack> {
  const slack = createSlack(options);
  const handle = createSlackHandler(slack);
  const server = createServer((request, response) => {
    void handle(request, response).then((handled) => {
      if (!handled) sendJson(response, 404, { ok: false, error: 'not_found' });
    });
  });
  const endSockets = attachSocketMode(server, slack);
  const host = options.host ?? '127.0.0.1';
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port ?? 0, host, resolve);
  });
  const url = `http://${host}:${(server.address() as AddressInfo).port}`;
  slack.core.baseUrl = url;
  const close = () =>
    new Promise<void>((resolve) => {
      endSockets();
      server.close(() => resolve());
      server.closeAllConnections();
    });
  return { slack, url, close };
}
