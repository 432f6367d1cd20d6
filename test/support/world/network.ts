import type { HttpRequest, HttpResponse, Transport } from '../../../src/openstack/http.ts';
import type { ControlPlane, Reply } from '../../../src/sandbox/openstack/index.ts';
import type { Call } from './calls.ts';
import { classify } from './calls.ts';
import type { Mirror } from './mirror.ts';
import type { VirtualTime } from './time.ts';

/** What happens to one request on its way. */
export type Disturbance =
  /** The connection breaks before the request has arrived. */
  | { readonly do: 'drop' }
  /** The request is served, and the connection breaks. */
  | { readonly do: 'lose answer' }
  /** The request is served, and half of the answer arrives. */
  | { readonly do: 'half answer' }
  /** Answered at once by something in between; nothing is done. */
  | { readonly do: 'refuse'; readonly status: number; readonly retryAfter?: number }
  /** Accepted, and nothing more is ever heard. */
  | { readonly do: 'hang' }
  /** The request arrives only after so long. */
  | { readonly do: 'late request'; readonly ms: number }
  /** The answer arrives only after so long. */
  | { readonly do: 'late answer'; readonly ms: number }
  /** A read is answered from the world of `ms` ago. */
  | { readonly do: 'stale'; readonly ms: number };
export type DisturbanceKind = Disturbance['do'];

/** Who is told of what becomes of a request. */
export interface NetworkWatch {
  /** Before it leaves. */
  sent(call: Call): void;
  /** It has reached the service, which has not looked at it. */
  arrived(call: Call): void;
  /** The service has decided. */
  served(call: Call, reply: Reply): void;
  /** The answer has reached the process. */
  delivered(call: Call, reply: Reply): void;
  /** The process has learned that it will have no answer. */
  failed(call: Call): void;
}

export interface NetworkSetup {
  readonly time: VirtualTime;
  readonly planes: readonly { readonly plane: ControlPlane; readonly mirror: Mirror }[];
  /** Milliseconds for one way. */
  readonly latencyMs: () => number;
  readonly disturb: (call: Call) => Disturbance | null;
  readonly watch: NetworkWatch;
}

/** The end of the wire that one process holds. */
export interface Caller {
  readonly id: number;
  alive(): boolean;
  /** A point at which the process may be killed: right before a request leaves, right after its answer has come. */
  point(kind: 'request' | 'answer', what: string): void;
}

/** Carries requests from processes to control planes without sockets. A process that is dead hears nothing any more. */
export class Network {
  #count = 0;
  readonly #setup: NetworkSetup;

  constructor(setup: NetworkSetup) {
    this.#setup = setup;
  }

  get requests(): number {
    return this.#count;
  }

  transport(caller: Caller): Transport {
    return async (request) => {
      const { plane, call } = this.#address(request, caller);
      caller.point('request', `${call.method} ${call.path}`);
      if (!caller.alive()) return never();
      this.#setup.watch.sent(call);
      let givenUp = false;
      request.signal.addEventListener('abort', () => {
        givenUp = true;
        if (caller.alive()) this.#setup.watch.failed(call);
      });
      const disturbance = this.#setup.disturb(call);
      const reply = await this.#carry(plane, call, request, disturbance);
      if (!caller.alive() || givenUp) return never();
      if (reply.dropped === undefined) this.#setup.watch.delivered(call, reply);
      else this.#setup.watch.failed(call);
      caller.point('answer', `${call.method} ${call.path}`);
      if (!caller.alive()) return never();
      return responseOf(reply, disturbance?.do === 'half answer');
    };
  }

  #address(request: HttpRequest, caller: Caller): { plane: ControlPlane; call: Call } {
    for (const { plane, mirror } of this.#setup.planes) {
      const found = plane.resolve(request.url);
      if (found === null) continue;
      this.#count += 1;
      const { service, path } = found;
      const body: unknown = request.body === undefined ? undefined : JSON.parse(request.body);
      const call: Call = {
        id: this.#count,
        process: caller.id,
        at: plane.name,
        service,
        method: request.method,
        path,
        body,
        ...classify(service, request.method, path, body, mirror),
        sentAt: this.#setup.time.now(),
        servedAt: null,
        stale: false,
        status: null,
      };
      return { plane, call };
    }
    throw Object.assign(new Error(`nobody listens at ${request.url}`), { code: 'ENOTFOUND' });
  }

  async #carry(plane: ControlPlane, call: Call, request: HttpRequest, disturbance: Disturbance | null): Promise<Reply> {
    const kind = disturbance?.do;
    await this.#pass(this.#setup.latencyMs());
    if (kind === 'drop') return RESET;
    if (kind === 'hang') return never();
    if (disturbance?.do === 'refuse') {
      await this.#pass(this.#setup.latencyMs());
      call.status = disturbance.status;
      return refusal(disturbance);
    }
    if (disturbance?.do === 'late request') await this.#pass(disturbance.ms);
    if (disturbance?.do === 'stale' && call.write === null) {
      call.stale = true;
      plane.faults.add({
        match: { service: call.service, method: call.method, path: `^${literal(call.path)}$` },
        effect: { kind: 'stale', ms: disturbance.ms },
      });
    }
    this.#setup.watch.arrived(call);
    const { method, headers } = request;
    const answer = plane.handle({ service: call.service, method, path: call.path, headers, body: request.body });
    const reply = answer instanceof Promise ? await answer : answer;
    call.servedAt = this.#setup.time.now();
    call.status = reply.status;
    this.#setup.watch.served(call, reply);
    await this.#pass(this.#setup.latencyMs() + (disturbance?.do === 'late answer' ? disturbance.ms : 0));
    return kind === 'lose answer' ? RESET : reply;
  }

  #pass(ms: number): Promise<void> | undefined {
    if (ms <= 0) return undefined;
    return new Promise((resolve) => void this.#setup.time.after(ms, resolve));
  }
}

const LOWER = new Map<string, string>();
/** Names of headers come in few spellings. */
function lower(name: string): string {
  const known = LOWER.get(name) ?? name.toLowerCase();
  LOWER.set(name, known);
  return known;
}

const never = <T>(): Promise<T> => new Promise<T>(() => undefined);
const RESET: Reply = { status: 0, headers: {}, body: undefined, dropped: 'reset' };
const literal = (path: string): string => path.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');

function refusal({ status, retryAfter }: { status: number; retryAfter?: number }): Reply {
  const headers = {
    'Content-Type': 'text/html',
    ...(retryAfter === undefined ? {} : { 'Retry-After': `${retryAfter}` }),
  };
  return { status, headers, body: `<html><body><h1>${status}</h1></body></html>` };
}

function responseOf(reply: Reply, half: boolean): HttpResponse {
  if (reply.dropped !== undefined) {
    const code = reply.dropped === 'reset' ? 'ECONNRESET' : 'ECONNREFUSED';
    throw Object.assign(new Error(`the connection was ${reply.dropped}`), { code });
  }
  const headers: Record<string, string> = {};
  for (const name in reply.headers) headers[lower(name)] = reply.headers[name] ?? '';
  const text = () =>
    reply.body === undefined ? '' : typeof reply.body === 'string' ? reply.body : JSON.stringify(reply.body);
  if (half) return { status: reply.status, headers, body: text().slice(0, Math.floor(text().length / 2)) };
  if (reply.status >= 300 || typeof reply.body !== 'object') return { status: reply.status, headers, body: text() };
  // Put into a text only if somebody reads it: that saves a fifth of the time of a whole deployment.
  return {
    status: reply.status,
    headers,
    get body() {
      return text();
    },
    json: reply.body,
  };
}
