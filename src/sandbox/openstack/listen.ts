import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { ControlPlane } from './controlplane.ts';
import { type Clock, type Reply, SERVICES, type Service } from './types.ts';

/** The clock on the wall; its timers keep no process alive. */
export const systemClock: Clock = {
  now: () => Date.now(),
  after(ms, fn) {
    const timer = setTimeout(fn, ms);
    timer.unref();
    return () => clearTimeout(timer);
  },
};

export const randomIds = (): string => randomUUID();

export interface ListenOptions {
  /** A port for each service; 0 or none: a free one. */
  readonly ports?: Partial<Record<Service, number>>;
  /** What the catalog says instead of `http://127.0.0.1:<port>`, e.g. behind a proxy. No trailing slash. */
  readonly publicBase?: Partial<Record<Service, string>>;
}

export interface Listening {
  /** Where each service listens. */
  readonly urls: Readonly<Record<Service, string>>;
  /** Ends the connections and the servers, and the timers of the control plane. */
  close(): Promise<void>;
}

/** Serves a control plane on loopback, each service on a port of its own, as real ones are; the catalog says so. */
export async function listen(controlPlane: ControlPlane, options: ListenOptions = {}): Promise<Listening> {
  const servers: Server[] = [];
  const urls: Partial<Record<Service, string>> = {};
  for (const service of SERVICES) {
    const server = createServer((request, response) => {
      void serve(controlPlane, service, request, response);
    });
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(options.ports?.[service] ?? 0, '127.0.0.1', resolve);
    });
    servers.push(server);
    urls[service] = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }
  controlPlane.setEndpoints({ ...urls, ...options.publicBase });
  return {
    urls: urls as Record<Service, string>,
    async close() {
      controlPlane.close();
      await Promise.all(
        servers.map(
          (server) =>
            new Promise((resolve) => {
              server.close(resolve);
              server.closeAllConnections();
            }),
        ),
      );
    },
  };
}

async function serve(
  controlPlane: ControlPlane,
  service: Service,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  try {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = chunks.length === 0 ? undefined : Buffer.concat(chunks).toString('utf8');
    const answer = await controlPlane.handle({
      service,
      method: request.method ?? 'GET',
      path: request.url ?? '/',
      headers: request.headers,
      body,
    });
    send(request, response, answer);
  } catch (error) {
    // A client that went away is no news; anything else is a defect of the emulator and must be seen.
    if (request.destroyed && !request.complete) return;
    console.error(`${controlPlane.name} ${service} ${request.method} ${request.url}:`, error);
    response.writeHead(500, { Connection: 'close' }).end();
  }
}

function send(request: IncomingMessage, response: ServerResponse, answer: Reply): void {
  if (answer.dropped !== undefined) {
    request.socket.resetAndDestroy();
    return;
  }
  const text =
    answer.body === undefined ? '' : typeof answer.body === 'string' ? answer.body : JSON.stringify(answer.body);
  // The real ones here close each connection: an idle one would hold a thread of theirs.
  const headers: Record<string, string> = { ...answer.headers, Connection: 'close' };
  if (answer.status !== 204) headers['Content-Length'] = String(Buffer.byteLength(text));
  response.writeHead(answer.status, headers).end(request.method === 'HEAD' ? undefined : text);
}
