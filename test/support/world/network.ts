import type { HttpRequest, HttpResponse, Transport } from '../../../src/openstack/http.ts';
import { lowerCase } from '../../../src/sandbox/openstack/http.ts';
import type { ControlPlane, Reply } from '../../../src/sandbox/openstack/index.ts';
import { deepFreeze } from '../../../src/store/state.ts';
import type { Call } from './calls.ts';
import { classify } from './calls.ts';
import type { Mirror } from './mirror.ts';
import type { VirtualTime } from './time.ts';

/** What happens to one request on its way; `also`: and this as well. */
export type Disturbance = Single & { readonly also?: Single };
type Single =
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
  | { readonly do: 'stale'; readonly ms: number }
  /** Something in between sends the request a second time, `ms` after the first was served; the first answer counts. */
  | { readonly do: 'twice'; readonly ms: number }
  /** One entry of a list is missing, and nothing tells: the `which`-th, counted round and round. */
  | { readonly do: 'partial'; readonly which: number };
export type DisturbanceKind = Disturbance['do'];
type Of<K extends DisturbanceKind> = Extract<Single, { readonly do: K }>;

/** Whether that is what happens, alone or among others. */
function has<K extends DisturbanceKind>(disturbance: Disturbance | null, kind: K): Of<K> | null {
  const found = [disturbance, disturbance?.also].find((one) => one?.do === kind);
  return (found ?? null) as Of<K> | null;
}

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
  /** Whether a request that had been served before may reach the service again now. */
  mayRepeat(call: Call): boolean;
  /** It has decided on it again. */
  repeated(call: Call, status: number): void;
}

export interface NetworkSetup {
  readonly time: VirtualTime;
  readonly planes: readonly { readonly plane: ControlPlane; readonly mirror: Mirror }[];
  /** Milliseconds for one way. */
  readonly latencyMs: () => number;
  /** The services give so many entries a page at most; null: as many as they are asked for. */
  readonly pageLimit: number | null;
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
  /** How often all connections to a service were broken, by control plane and service. */
  readonly #cuts = new Map<string, number>();
  readonly #lags = new Map<string, { readonly ms: number; readonly sparesLeases: boolean }>();
  readonly #setup: NetworkSetup;

  constructor(setup: NetworkSetup) {
    this.#setup = setup;
  }

  get requests(): number {
    return this.#count;
  }

  /**
   * From now on all reads of a control plane are answered from the world of `ms` ago, as by a replica that is behind; or all but those
   * of leases, which another replica happens to answer.
   */
  lag(at: string, ms: number | null, sparesLeases = false): void {
    if (ms === null) this.#lags.delete(at);
    else this.#lags.set(at, { ms, sparesLeases });
  }

  #lagOf({ at, path }: Call): number | undefined {
    const lag = this.#lags.get(at);
    return lag === undefined || (lag.sparesLeases && path.startsWith('/v1/chassis')) ? undefined : lag.ms;
  }

  /** Breaks all connections to a service: who waits for an answer hears nothing of it any more. */
  cut(at: string, service: Call['service']): void {
    const key = `${at} ${service}`;
    this.#cuts.set(key, (this.#cuts.get(key) ?? 0) + 1);
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
      const isHalf = has(disturbance, 'half answer') !== null && reply.body !== undefined;
      if (reply.dropped === undefined && !isHalf) this.#setup.watch.delivered(call, reply);
      else this.#setup.watch.failed(call);
      caller.point('answer', `${call.method} ${call.path}`);
      if (!caller.alive()) return never();
      return responseOf(reply, isHalf);
    };
  }

  #address(request: HttpRequest, caller: Caller): { plane: ControlPlane; call: Call } {
    for (const { plane, mirror } of this.#setup.planes) {
      const found = plane.resolve(request.url);
      if (found === null) continue;
      this.#count += 1;
      const { service } = found;
      const path = this.#paged(found.path);
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

  #paged(path: string): string {
    const { pageLimit } = this.#setup;
    if (pageLimit === null) return path;
    // Servers are listed without a word about pages, and Nova's own page is what it is.
    if (path.includes('/servers/detail?') && !/[?&]limit=/.test(path)) return `${path}&limit=${pageLimit}`;
    return path.replace(/([?&]limit=)(\d+)/, (_, name: string, asked: string) => {
      return `${name}${Math.min(Number(asked), pageLimit)}`;
    });
  }

  async #carry(plane: ControlPlane, call: Call, request: HttpRequest, disturbance: Disturbance | null): Promise<Reply> {
    const key = `${call.at} ${call.service}`;
    const before = this.#cuts.get(key);
    const isCut = () => this.#cuts.get(key) !== before;
    const reply = await this.#fly(plane, call, request, disturbance, isCut);
    return isCut() ? RESET : reply;
  }

  async #fly(
    plane: ControlPlane,
    call: Call,
    request: HttpRequest,
    disturbance: Disturbance | null,
    isCut: () => boolean,
  ): Promise<Reply> {
    await this.#pass(this.#setup.latencyMs());
    if (has(disturbance, 'drop')) return RESET;
    if (has(disturbance, 'hang')) return never();
    const refused = has(disturbance, 'refuse');
    if (refused !== null) {
      await this.#pass(this.#setup.latencyMs());
      call.status = refused.status;
      return refusal(refused);
    }
    const late = has(disturbance, 'late request');
    if (late !== null) await this.#pass(late.ms);
    const behindMs = has(disturbance, 'stale')?.ms ?? this.#lagOf(call);
    if (behindMs !== undefined && call.write === null) {
      call.stale = true;
      plane.faults.add({
        match: { service: call.service, method: call.method, path: `^${literal(call.path)}$` },
        effect: { kind: 'stale', ms: behindMs },
      });
    }
    // A connection that was broken meanwhile carries nothing any more.
    if (isCut()) return RESET;
    this.#setup.watch.arrived(call);
    const { method, headers } = request;
    const { service, path, body } = call;
    const serve = () => plane.handle({ service, method, path, headers, json: body });
    const answer = serve();
    let reply = answer instanceof Promise ? await answer : answer;
    const gap = has(disturbance, 'partial');
    if (gap !== null) reply = without(reply, gap.which);
    const twice = has(disturbance, 'twice');
    if (twice !== null) {
      this.#setup.time.after(twice.ms, () => {
        if (!this.#setup.watch.mayRepeat(call)) return;
        void Promise.resolve(serve()).then(({ status }) => this.#setup.watch.repeated(call, status));
      });
    }
    call.servedAt = this.#setup.time.now();
    call.status = reply.status;
    this.#setup.watch.served(call, reply);
    await this.#pass(this.#setup.latencyMs() + (has(disturbance, 'late answer')?.ms ?? 0));
    return has(disturbance, 'lose answer') === null ? reply : RESET;
  }

  #pass(ms: number): Promise<void> | undefined {
    if (ms <= 0) return undefined;
    return new Promise((resolve) => void this.#setup.time.after(ms, resolve));
  }
}

/** The list that an answer carries, and the name under which it does; null: none, or an empty one. */
export function listIn(reply: Reply): { readonly key: string; readonly items: readonly unknown[] } | null {
  if (reply.status !== 200 || typeof reply.body !== 'object' || reply.body === null) return null;
  for (const [key, items] of Object.entries(reply.body)) {
    if (Array.isArray(items) && items.length > 0 && !key.endsWith('links')) return { key, items };
  }
  return null;
}

function without(reply: Reply, which: number): Reply {
  const list = listIn(reply);
  if (list === null) return reply;
  const left = list.items.filter((_, at) => at !== which % list.items.length);
  return { ...reply, body: { ...(reply.body as object), [list.key]: left } };
}

/** Lists whose entries a service shows again and again as they are. */
const SHARED = ['nodes', 'servers'] as const;

/**
 * What came by a socket would be the process's own: it may change it, and the clouds would not know. Long lists are not copied
 * but frozen, which costs next to nothing; who would change an entry hears of it.
 */
function handedOut(body: unknown): unknown {
  const list = typeof body === 'object' && body !== null && SHARED.find((key) => key in body);
  if (!list) return copied(body);
  const { [list]: entries, ...rest } = body as Record<string, unknown>;
  for (const entry of entries as unknown[]) deepFreeze(entry);
  return { ...(copied(rest) as object), [list]: entries };
}

function copied(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(copied);
  const copy: Record<string, unknown> = { ...value };
  for (const key in copy) {
    const inner = copy[key];
    if (typeof inner === 'object' && inner !== null) copy[key] = copied(inner);
  }
  return copy;
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
  for (const name in reply.headers) headers[lowerCase(name)] = reply.headers[name] ?? '';
  const { status, body } = reply;
  if (half) {
    const text = textOf(body);
    return { status, headers, body: text.slice(0, Math.floor(text.length / 2)) };
  }
  if (status >= 300 || typeof body !== 'object') return { status, headers, body: textOf(body) };
  return new Unwritten(status, headers, body);
}

const textOf = (body: unknown): string =>
  body === undefined ? '' : typeof body === 'string' ? body : JSON.stringify(body);

/**
 * An answer that is put into a text only if somebody reads it: that saves a fifth of the time of a whole deployment. A class,
 * since V8 makes an object that has a getter of its own slowly, and keeps what that getter can reach until the next whole
 * garbage collection.
 */
class Unwritten implements HttpResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly json: unknown;
  readonly #body: unknown;

  constructor(status: number, headers: Readonly<Record<string, string>>, body: unknown) {
    this.status = status;
    this.headers = headers;
    this.json = handedOut(body);
    this.#body = body;
  }

  get body(): string {
    return textOf(this.#body);
  }
}
