import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** Each by name: null when all is well, else one sentence about what is not. */
export type Checks = Readonly<Record<string, () => string | null>>;

export interface HttpSetup {
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  /** `/healthz`: when one fails the process should be started anew, e.g. because the store is not ours any more. */
  readonly alive: Checks;
  /** `/readyz`: when one fails, nobody should be sent here yet. The alive ones count, too. */
  readonly ready: Checks;
  /** `/metrics`: the text, and its content type. */
  readonly metrics: { readonly text: () => Promise<string>; readonly contentType: string };
  readonly log: { error(fields: Record<string, unknown>, message: string): void };
}

export interface HttpServer {
  /** Where it listens, e.g. `http://127.0.0.1:8080`. */
  readonly url: string;
  readonly port: number;
  /** Ends running requests within a second, then stops listening. */
  close(): Promise<void>;
}

interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Rejects when the address is taken or not ours, with `code` as node:net gives it and the address in the message. */
export async function startHttp(setup: HttpSetup): Promise<HttpServer> {
  const server = createServer(
    {
      // Requests are one line here: whoever takes longer holds a socket for nothing.
      headersTimeout: 5_000,
      requestTimeout: 10_000,
      keepAliveTimeout: 5_000,
      connectionsCheckingInterval: 1_000,
      maxHeaderSize: 8_192,
    },
    (request, response) => {
      answer(request, setup).then(
        (ready) => send(response, ready),
        (thrown: unknown) => {
          setup.log.error({ err: thrown, path: pathOf(request) }, 'request failed');
          send(response, json(500, { error: 'internal error' }));
        },
      );
    },
  );
  server.maxConnections = 100;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(setup.port, setup.host, () => {
      server.off('error', reject);
      resolve();
    });
  });
  server.on('error', (error) => setup.log.error({ err: error }, 'server failed'));
  const { port } = server.address() as AddressInfo;
  const host = setup.host.includes(':') ? `[${setup.host}]` : setup.host;
  return {
    url: `http://${host}:${port}`,
    port,
    close: () =>
      new Promise((resolve) => {
        const impatient = setTimeout(() => server.closeAllConnections(), 1_000);
        server.close(() => {
          clearTimeout(impatient);
          resolve();
        });
        server.closeIdleConnections();
      }),
  };
}

async function answer(request: IncomingMessage, setup: HttpSetup): Promise<Answer> {
  const route = ROUTES[pathOf(request)];
  if (route === undefined) return json(404, { error: 'not found' });
  if (request.method !== 'GET')
    return { ...json(405, { error: 'only GET is answered here' }), headers: { allow: 'GET' } };
  return route(setup);
}

const ROUTES: Readonly<Record<string, (setup: HttpSetup) => Answer | Promise<Answer>>> = Object.assign(
  Object.create(null) as Record<string, never>,
  {
    '/healthz': (setup: HttpSetup) => health(setup.alive),
    '/readyz': (setup: HttpSetup) => health({ ...setup.alive, ...setup.ready }),
    '/metrics': async ({ metrics }: HttpSetup) => ({
      status: 200,
      type: metrics.contentType,
      body: await metrics.text(),
    }),
  },
);

function health(checks: Checks): Answer {
  const results = Object.entries(checks).map(([name, check]) => [name, check() ?? 'ok'] as const);
  const ok = results.every(([, result]) => result === 'ok');
  return json(ok ? 200 : 503, { status: ok ? 'ok' : 'failing', checks: Object.fromEntries(results) });
}

function json(status: number, content: unknown): Answer {
  return { status, type: 'application/json; charset=utf-8', body: `${JSON.stringify(content)}\n` };
}

function send(response: ServerResponse, ready: Answer): void {
  response.writeHead(ready.status, {
    'content-type': ready.type,
    'content-length': Buffer.byteLength(ready.body),
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    ...ready.headers,
  });
  response.end(ready.body);
}

function pathOf(request: IncomingMessage): string {
  return (request.url ?? '/').replace(/[?#].*$/s, '');
}
