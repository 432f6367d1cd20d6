import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { type WebSocket, WebSocketServer } from 'ws';
import { drive } from './driver.ts';
import { BadRequest, parseJson, readBody, sendJson } from './http.ts';
import type { Json } from './model.ts';
import type { Slack } from './slack.ts';

/** Answers a request when it is for the emulator; false when the path is somebody else's. */
export type Handler = (request: IncomingMessage, response: ServerResponse) => Promise<boolean>;

/** The emulator's HTTP side: `/api/…`, response_urls and the driver under `/_slack/`. */
export function createSlackHandler(slack: Slack): Handler {
  return async (request, response) => {
    const url = new URL(request.url ?? '/', 'http://sandbox');
    const path = url.pathname;
    try {
      if (path.startsWith('/api/')) await answerApi(slack, request, response, path.slice('/api/'.length));
      else if (path.startsWith('/commands/') || path.startsWith('/actions/'))
        await answerResponse(slack, request, response, path);
      else if (path.startsWith('/_slack/')) await drive(slack, request, response, url);
      else return false;
    } catch (error) {
      if (response.headersSent) response.destroy();
      else if (error instanceof BadRequest || error instanceof RangeError) {
        sendJson(response, 400, { ok: false, error: error.message });
      } else sendJson(response, 500, { ok: false, error: 'internal_error' });
    }
    return true;
  };
}

async function answerApi(
  slack: Slack,
  request: IncomingMessage,
  response: ServerResponse,
  method: string,
): Promise<void> {
  const body = await readBody(request);
  if (slack.core.mean.down === 'hang') return;
  const values = parseArguments(request, body);
  const bearer = /^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1];
  const token = bearer ?? (typeof values['token'] === 'string' ? values['token'] : undefined);
  const reply = slack.api.call(method, token, values);
  await pause(slack, slack.core.mean.apiDelayMs);
  sendJson(response, reply.status, reply.body, reply.headers);
}

function parseArguments(request: IncomingMessage, body: string): Json {
  const type = request.headers['content-type'] ?? '';
  if (type.startsWith('application/json')) return parseJson(body);
  const query = new URL(request.url ?? '/', 'http://sandbox').searchParams;
  return Object.fromEntries([...query, ...new URLSearchParams(body)]);
}

async function answerResponse(
  slack: Slack,
  request: IncomingMessage,
  response: ServerResponse,
  path: string,
): Promise<void> {
  const body = await readBody(request);
  const { down, apiDelayMs } = slack.core.mean;
  if (down === 'hang') return;
  await pause(slack, apiDelayMs);
  if (down === '503') {
    sendJson(response, 503, { ok: false, error: 'service_unavailable' });
    return;
  }
  const reply = slack.core.responses.use(path, parseJson(body));
  response.writeHead(reply.status, { 'content-type': reply.body === 'ok' ? 'text/plain' : 'application/json' });
  response.end(reply.body);
}

function pause({ core }: Slack, ms: number): Promise<void> {
  return ms <= 0 ? Promise.resolve() : new Promise((resolve) => void core.clock.after(ms, resolve));
}

const PING_EVERY_MS = 10_000;

/** Takes Socket Mode connections on `/link/` of this server. Answers the way to end them all. */
export function attachSocketMode(server: Server, slack: Slack): () => void {
  const sockets = new WebSocketServer({ noServer: true });
  const upgrade = (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
    const url = new URL(request.url ?? '/', 'http://sandbox');
    if (url.pathname !== '/link/') return;
    sockets.handleUpgrade(request, socket, head, (client) =>
      connect(slack, client, url.searchParams.get('ticket') ?? ''),
    );
  };
  server.on('upgrade', upgrade);
  return () => {
    server.off('upgrade', upgrade);
    for (const client of sockets.clients) client.close(1001, 'the sandbox ends');
    sockets.close();
  };
}

function connect(slack: Slack, client: WebSocket, ticket: string): void {
  const link = { send: (text: string) => client.send(text), close: () => client.terminate() };
  const session = slack.core.sockets.open(ticket, link);
  if (session === undefined) {
    client.close(4001, 'invalid ticket');
    return;
  }
  // The client gives up on a server that does not ping (30 s), so this is part of the protocol.
  const ping = setInterval(() => client.ping(), PING_EVERY_MS);
  client.on('message', (data) => session.received(String(data)));
  client.on('error', () => client.terminate());
  client.on('close', () => {
    clearInterval(ping);
    session.closed();
  });
}
