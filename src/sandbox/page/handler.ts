import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { dirname, extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createSlackHandler, type Handler } from '../slack/handler.ts';
import { BadRequest, openEvents, parseJson, readBody, sendJson } from '../slack/http.ts';
import type { Slack } from '../slack/slack.ts';
import type { FleetView } from './fleetView.ts';

export interface PageParts {
  slack: Slack;
  /** The fleet as it is now; asked about twice a second while a page is open. */
  fleet: () => FleetView | Promise<FleetView>;
  scenarios: {
    /** Switches a named fault scenario on, or with null all of them off. Throws RangeError for an unknown name. */
    activate(name: string | null): void | Promise<void>;
  };
  /** Milliseconds between two looks at the fleet. */
  fleetEveryMs?: number;
}

const TYPES: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
};

const SECURITY = {
  // Nothing on the page comes from elsewhere, and nothing of it goes elsewhere.
  'content-security-policy':
    "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
};

/**
 * Answers everything that the page needs, and the Slack emulator itself: `/`, `/page/…`, `/_sandbox/fleet`,
 * `/_sandbox/events` (server-sent: `fleet` whenever it changed), `POST /_sandbox/scenario {name}`, `/api/…`,
 * response_urls and `/_slack/…`. False for any other path.
 */
export function createPageHandler(parts: PageParts): Handler {
  const slack = createSlackHandler(parts.slack);
  return async (request, response) => {
    const path = new URL(request.url ?? '/', 'http://sandbox').pathname;
    try {
      if (path === '/') await sendFile(response, 'index.html');
      else if (path.startsWith('/archives/')) redirectToMessage(response, path);
      else if (path.startsWith('/page/')) await sendFile(response, path.slice('/page/'.length));
      else if (path.startsWith('/_sandbox/')) await answerSandbox(parts, request, response, path);
      else return await slack(request, response);
    } catch (error) {
      if (response.headersSent) response.destroy();
      else if (error instanceof BadRequest || error instanceof RangeError) {
        sendJson(response, 400, { ok: false, error: error.message });
      } else sendJson(response, 500, { ok: false, error: 'internal_error' });
    }
    return true;
  };
}

async function answerSandbox(
  parts: PageParts,
  request: IncomingMessage,
  response: ServerResponse,
  path: string,
): Promise<void> {
  const call = `${request.method} ${path}`;
  if (call === 'GET /_sandbox/fleet') sendJson(response, 200, await parts.fleet());
  else if (call === 'GET /_sandbox/events') streamFleet(parts, response);
  else if (call === 'POST /_sandbox/scenario') await switchScenario(parts, request, response);
  else sendJson(response, 404, { ok: false, error: `unknown path: ${path}` });
}

async function switchScenario(parts: PageParts, request: IncomingMessage, response: ServerResponse): Promise<void> {
  // A form of some other page in the same browser cannot send this type, so it cannot act here.
  if (!(request.headers['content-type'] ?? '').startsWith('application/json')) {
    throw new BadRequest('content-type: must be application/json');
  }
  const { name } = parseJson(await readBody(request));
  if (name !== null && typeof name !== 'string')
    throw new BadRequest('name: must be the name of a scenario, or null for none');
  await parts.scenarios.activate(name);
  sendJson(response, 200, { ok: true });
}

function streamFleet({ fleet, fleetEveryMs = 400 }: PageParts, response: ServerResponse): void {
  const send = openEvents(response);
  let last = '';
  let looking = false;
  const look = async (): Promise<void> => {
    if (looking) return;
    looking = true;
    try {
      const view = await fleet();
      const text = JSON.stringify(view);
      if (text !== last) send('fleet', view);
      last = text;
    } catch {
      send('fleet_error', { error: 'the fleet cannot be read' });
    } finally {
      looking = false;
    }
  };
  void look();
  const timer = setInterval(() => void look(), fleetEveryMs);
  response.on('close', () => clearInterval(timer));
}

// A permalink, as chat.getPermalink gives it, leads to the message on the page.
function redirectToMessage(response: ServerResponse, path: string): void {
  const [, digits = ''] = /\/p(\d+)$/.exec(path) ?? [];
  const ts = digits.length > 6 ? `${digits.slice(0, -6)}.${digits.slice(-6)}` : '';
  response.writeHead(302, { location: `/#message-${ts}` });
  response.end();
}

async function sendFile(response: ServerResponse, name: string): Promise<void> {
  const type = TYPES[extname(name)];
  if (type === undefined || !/^[\w-]+\.\w+$/.test(name)) {
    sendJson(response, 404, { ok: false, error: 'not_found' });
    return;
  }
  let content: Buffer;
  try {
    content = await readFile(join(STATIC, name));
  } catch {
    sendJson(response, 404, { ok: false, error: 'not_found' });
    return;
  }
  response.writeHead(200, {
    'content-type': type,
    'content-length': content.length,
    'cache-control': 'no-cache',
    ...SECURITY,
  });
  response.end(content);
}

// The compiler copies no browser files, so the built program reads them where they are written.
const STATIC = join(packageRoot(), 'src', 'sandbox', 'page', 'static');

function packageRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'package.json')) && dirname(folder) !== folder) folder = dirname(folder);
  return folder;
}
