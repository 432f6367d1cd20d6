import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';
import { Secret } from '../../../src/config/secrets.ts';
import { type Clock, systemClock } from '../../../src/openstack/clock.ts';
import type { CloudConfig } from '../../../src/openstack/clouds.ts';
import { type ControlPlane, createControlPlane } from '../../../src/openstack/control-plane.ts';
import { AbortError, OpenStackError } from '../../../src/openstack/errors.ts';
import type { CallRecord, HttpDeps } from '../../../src/openstack/http.ts';

/** A real answer, recorded from the services (see test/openstack/FACTS.md). */
export interface Sample {
  readonly request: { readonly method: string; readonly url: string; readonly body: unknown };
  readonly response: {
    readonly status: number;
    readonly headers: Readonly<Record<string, string>>;
    // biome-ignore lint/suspicious/noExplicitAny: recorded JSON, read by the tests that know its shape
    readonly body: any;
  };
}

export function sample(name: string): Sample {
  return JSON.parse(readFileSync(new URL(`./fixtures/${name}.json`, import.meta.url), 'utf8')) as Sample;
}

/** What a recorded body was on the wire. */
export function wire(body: unknown): string {
  return typeof body === 'string' ? body : JSON.stringify(body);
}

/** Time that passes only by sleeping. */
export function fakeClock(start = 1_000_000): Clock & { advance(ms: number): void; readonly slept: number[] } {
  let now = start;
  const slept: number[] = [];
  return {
    slept,
    now: () => now,
    advance: (ms) => {
      now += ms;
    },
    after: systemClock.after,
    sleep: async (ms, signal) => {
      if (signal?.aborted) throw new AbortError();
      slept.push(ms);
      now += ms;
    },
  };
}

export interface Seen {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingMessage['headers'];
  readonly body: unknown;
}

export interface Reply {
  readonly status: number;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

/** `drop`: the connection is cut without an answer. `hang`: no answer ever. */
type Handler = Reply | 'drop' | 'hang' | ((seen: Seen) => Reply | 'drop' | 'hang');

export interface FakeCloud {
  readonly origin: string;
  readonly requests: Seen[];
  /** Answers of one route, used up in order; the last one stays. */
  on(route: string, ...answers: Handler[]): void;
  /** Requests to a route, e.g. `GET /baremetal/v1/nodes`. */
  seen(route: string): Seen[];
  readonly cloud: CloudConfig;
  controlPlane(deps?: Partial<HttpDeps>, cloud?: Partial<CloudConfig>): ControlPlane & { readonly calls: CallRecord[] };
}

const SERVICE_PATHS = {
  baremetal: '/baremetal',
  compute: '/compute/v2.1',
  placement: '/placement',
  network: '/network',
  image: '/image',
} as const;

export const TOKEN_ROUTE = 'POST /identity/v3/auth/tokens';

/** A token answer like Keystone's, with a catalog of our own. */
export function tokenReply(origin: string, id = 'token-1', lifeMs = 3_600_000): Reply {
  const recorded = sample('keystone-token-201').response.body.token;
  const issued = Date.parse(recorded.issued_at);
  const catalog = Object.entries(SERVICE_PATHS).map(([type, path]) => ({
    type,
    name: type,
    id: type,
    endpoints: ['admin', 'public'].map((face) => ({
      id: `${type}-${face}`,
      interface: face,
      region_id: 'RegionOne',
      region: 'RegionOne',
      url: face === 'public' ? `${origin}${path}` : `${origin}/admin-only${path}`,
    })),
  }));
  return {
    status: 201,
    headers: { 'x-subject-token': id },
    body: { token: { ...recorded, expires_at: new Date(issued + lifeMs).toISOString(), catalog } },
  };
}

/** A server on loopback that answers as it is told and writes down what it was asked. */
export async function startCloud(): Promise<FakeCloud> {
  const requests: Seen[] = [];
  const routes = new Map<string, Handler[]>();
  const server = createServer((request, response) => {
    let text = '';
    request.on('data', (chunk) => {
      text += chunk;
    });
    request.on('end', () => {
      const url = new URL(request.url ?? '/', 'http://fake');
      const seen: Seen = {
        method: request.method ?? '',
        path: url.pathname,
        query: url.searchParams,
        headers: request.headers,
        body: text === '' ? undefined : JSON.parse(text),
      };
      requests.push(seen);
      const queue = routes.get(`${seen.method} ${seen.path}`) ?? [];
      const next = queue.length > 1 ? queue.shift() : queue[0];
      const reply = typeof next === 'function' ? next(seen) : next;
      if (reply === 'hang') return;
      if (reply === 'drop') {
        request.socket.destroy();
        return;
      }
      const { status, body, headers } = reply ?? { status: 501, body: `no answer for ${seen.method} ${seen.path}` };
      response.writeHead(status, { 'content-type': 'application/json', ...headers });
      response.end(body === undefined ? '' : wire(body));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const cloud = cloudConfig(`${origin}/identity/v3`);
  const fake: FakeCloud = {
    origin,
    requests,
    cloud,
    on: (route, ...answers) => void routes.set(route, answers),
    seen: (route) => requests.filter((it) => `${it.method} ${it.path}` === route),
    controlPlane(deps, more) {
      const calls: CallRecord[] = [];
      const controlPlane = createControlPlane(
        'cp1',
        { ...cloud, ...more },
        { clock: fakeClock(), random: () => 0.5, onCall: (call) => calls.push(call), ...deps },
      );
      return { ...controlPlane, calls };
    },
  };
  fake.on(TOKEN_ROUTE, tokenReply(origin));
  return fake;
}

export function cloudConfig(authUrl: string): CloudConfig {
  return {
    name: 'mycloud',
    authUrl,
    auth: {
      method: 'password',
      user: { name: 'admin', domain: { name: 'Default' } },
      password: new Secret('hunter2-hunter2'),
    },
    scope: { kind: 'project', project: { name: 'admin', domain: { name: 'Default' } } },
    region: 'RegionOne',
    interfaces: ['public'],
    tls: { verify: true },
    endpointOverrides: {},
  };
}

/** The OpenStackError that a call ends with; fails the test when it ends with anything else. */
export async function errorOf(work: Promise<unknown>): Promise<OpenStackError> {
  const outcome = await work.then(
    (value) => ({ value }),
    (thrown: unknown) => ({ thrown }),
  );
  if ('thrown' in outcome && outcome.thrown instanceof OpenStackError) return outcome.thrown;
  throw new Error(`expected an OpenStackError, got ${JSON.stringify(outcome)} ${String(Object.values(outcome)[0])}`);
}
