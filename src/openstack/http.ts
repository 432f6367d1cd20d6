import type { AxiosAdapter } from 'axios';
import { Failure } from '../../machines/errors.ts';
import { axiosTransport } from './axios-transport.ts';
import type { Clock } from './clock.ts';
import { ending } from './ending.ts';
import { AbortError, OpenStackError, type ServiceName } from './errors.ts';

export type Method = 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

/** How a connection is secured; contents of the files, not paths. */
export interface TlsConfig {
  readonly verify: boolean;
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

export interface HttpRequest {
  readonly method: Method;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  /** JSON text. */
  readonly body?: string;
  readonly signal: AbortSignal;
  readonly tls: TlsConfig;
}

export interface HttpResponse {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** The value of `body`, from a transport that has it without reading a text; not to be changed. */
  readonly json?: unknown;
}

/** Sends one request, once. Throws when there is no answer; any status is an answer. */
export type Transport = (request: HttpRequest) => Promise<HttpResponse>;

/** One HTTP request that was made, for counting. */
export interface CallRecord {
  readonly controlPlane: string;
  readonly service: ServiceName;
  readonly method: Method;
  /** Template with the ids left out, e.g. `/v1/nodes/{uuid}`. */
  readonly route: string;
  /** `error`: no answer. */
  readonly status: number | 'error';
  readonly ms: number;
  readonly requestId: string | null;
}

export interface HttpDeps {
  readonly clock: Clock;
  /** In [0, 1). */
  readonly random: () => number;
  /** Default: axios over sockets. A simulation passes a function. */
  readonly transport?: Transport;
  /** Only with the default transport: an adapter for axios instead of its own. */
  readonly adapter?: AxiosAdapter;
  /** Told of every request, retries and Keystone's included. Must not throw. */
  readonly onCall?: (call: CallRecord) => void;
  /** By control plane: whether writes to it may be sent now, requests for tokens left out. Default: always. */
  readonly fence?: (controlPlane: string) => Failure | null;
  /** Whole duration of one request; default 60 s, or the cloud's `api_timeout`. */
  readonly timeoutMs?: number;
  /** How often a read is sent at most; default 3. */
  readonly readAttempts?: number;
  /** Entries asked for per page of a list; default 1000, the servers' own limit. */
  readonly pageSize?: number;
}

/** One call as the layers above ask for it; `path` is what is put behind the endpoint, `route` its template. */
export interface HttpCall {
  readonly service: ServiceName;
  readonly method: Method;
  readonly url: string;
  readonly route: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
  /** For the error only: what the caller would accept. */
  readonly expected: readonly number[];
  readonly signal?: AbortSignal | undefined;
  /** Safe to send again although it is not a GET (asking for a token). */
  readonly repeatable?: boolean;
  /** Whether what it rests on still holds: asked in the instant before each time it is sent, the first one included. */
  readonly due?: (() => boolean) | undefined;
  /** In place of the fence of all writes. */
  readonly fence?: Fence | undefined;
}

/** Asked in the instant before a write is sent. Null: it may be; otherwise what is thrown instead of sending it. */
export type Fence = () => Failure | null;

export interface Http {
  /** The answer, whatever its status; throws {@link OpenStackError} without an answer, AbortError when cancelled. */
  send(call: HttpCall): Promise<HttpResponse>;
}

const DEFAULT_TIMEOUT_MS = 60_000;
const DEFAULT_READ_ATTEMPTS = 3;
const BACKOFF_MS = 250;
/** Asked to wait longer than this, the caller gets the error and decides. */
const LONGEST_PAUSE_MS = 20_000;
const TRANSIENT = new Set([502, 503, 504]);

/**
 * Sends requests of one control plane: a timeout on each, reads repeated on a dropped connection and on 502, 503 and
 * 504, rate limits (429) waited out, everything counted. A write is sent once: whether it took effect is for the
 * caller to look. The exception is 429, which says that nothing was done.
 */
export function createHttp(
  controlPlane: string,
  tls: TlsConfig,
  deps: HttpDeps,
  cloudTimeoutMs?: number | undefined,
): Http {
  const transport = deps.transport ?? axiosTransport(deps.adapter);
  const timeoutMs = cloudTimeoutMs ?? deps.timeoutMs ?? DEFAULT_TIMEOUT_MS;
  const fence: Fence = () => deps.fence?.(controlPlane) ?? null;
  const attempts = Math.max(1, deps.readAttempts ?? DEFAULT_READ_ATTEMPTS);

  async function once(call: HttpCall): Promise<HttpResponse> {
    const started = deps.clock.now();
    const report = (status: number | 'error', requestId: string | null) =>
      deps.onCall?.({
        controlPlane,
        service: call.service,
        method: call.method,
        route: call.route,
        status,
        ms: deps.clock.now() - started,
        requestId,
      });
    let response: HttpResponse;
    try {
      response = await withTimeout(deps.clock, call.signal, timeoutMs, (signal) =>
        transport(request(call, tls, signal)),
      );
    } catch (thrown) {
      report('error', null);
      throw call.signal?.aborted ? new AbortError(call.signal.reason) : noAnswer(controlPlane, call, thrown, timeoutMs);
    }
    report(response.status, requestIdOf(response));
    return response;
  }

  return {
    async send(call) {
      const repeatable = call.repeatable === true || call.method === 'GET' || call.method === 'HEAD';
      for (let attempt = 1; ; attempt++) {
        if (call.signal?.aborted) throw new AbortError(call.signal.reason);
        if (call.due?.() === false) throw notDue(controlPlane, call);
        const shut = isRead(call) ? null : (call.fence ?? fence)();
        if (shut !== null) throw shut;
        const outcome = await once(call).catch((error: unknown) => error as Error);
        const pause = attempt >= attempts ? null : pauseBefore(outcome, repeatable, attempt);
        if (pause === null) {
          if (outcome instanceof Error) throw outcome;
          return outcome;
        }
        await sleepOrAbort(deps.clock, pause, call.signal);
      }
    },
  };

  /** How long to wait before the next attempt, or null when this outcome is final. */
  function pauseBefore(outcome: HttpResponse | Error, repeatable: boolean, attempt: number): number | null {
    const backoff = BACKOFF_MS * 2 ** (attempt - 1) * (0.5 + deps.random());
    if (outcome instanceof Error) {
      return repeatable && outcome instanceof OpenStackError && isTransient(outcome) ? backoff : null;
    }
    if (outcome.status !== 429 && !(repeatable && TRANSIENT.has(outcome.status))) return null;
    const asked = retryAfterMs(outcome, deps.clock.now());
    if (asked === null) return backoff;
    return asked > LONGEST_PAUSE_MS ? null : Math.max(asked, backoff);
  }
}

const isRead = ({ method, service }: HttpCall): boolean =>
  method === 'GET' || method === 'HEAD' || service === 'keystone';

function notDue(controlPlane: string, { method, route }: HttpCall): Failure {
  return new Failure({
    reason: 'evidence_stale',
    next: 'retry',
    message: `${controlPlane}: ${method} ${route} was not sent: what it rests on has changed meanwhile, or become too old.`,
  });
}

function request(call: HttpCall, tls: TlsConfig, signal: AbortSignal): HttpRequest {
  return {
    method: call.method,
    url: call.url,
    headers: {
      accept: 'application/json',
      'user-agent': 'ephyra',
      ...(call.body === undefined ? {} : { 'content-type': 'application/json' }),
      ...call.headers,
    },
    ...(call.body === undefined ? {} : { body: JSON.stringify(call.body) }),
    signal,
    tls,
  };
}

/** Why a request was ended: not an error, so that none is made for each request that is answered in time. */
const TIMED_OUT = Symbol('timed out');

/** Races the work against a timer and the caller's signal, so that a transport that ignores both cannot hang us. */
async function withTimeout<T>(
  clock: Clock,
  outer: AbortSignal | undefined,
  timeoutMs: number,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const { signal, wait, end } = ending();
  const callOff = clock.after(timeoutMs, () => end(TIMED_OUT));
  const onOuter = () => end(outer?.reason);
  if (outer?.aborted) onOuter();
  else outer?.addEventListener('abort', onOuter, { once: true });
  try {
    return await wait(work(signal));
  } catch (thrown) {
    throw signal.reason === TIMED_OUT ? TIMED_OUT : thrown;
  } finally {
    callOff();
    outer?.removeEventListener('abort', onOuter);
  }
}

async function sleepOrAbort(clock: Clock, ms: number, signal: AbortSignal | undefined): Promise<void> {
  try {
    await clock.sleep(ms, signal);
  } catch (thrown) {
    throw signal?.aborted ? new AbortError(signal.reason) : thrown;
  }
}

/** Codes of a request that never reached a server: the write did not happen. */
const NEVER_SENT = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH']);

function noAnswer(controlPlane: string, call: HttpCall, thrown: unknown, timeoutMs: number): OpenStackError {
  const timedOut = thrown === TIMED_OUT;
  const code = codeOf(thrown);
  const tlsProblem = code !== null && /^(ERR_TLS|CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO|ERR_SSL)/.test(code);
  return new OpenStackError(
    {
      controlPlane,
      service: call.service,
      method: call.method,
      url: plainUrl(call.url),
      expected: call.expected,
      status: null,
      kind: timedOut ? 'timeout' : 'unreachable',
      message: timedOut
        ? `no answer within ${Math.round(timeoutMs / 1000)} s`
        : (code ?? (thrown instanceof Error ? thrown.message : 'the connection failed')),
      ...(tlsProblem
        ? { remedy: 'The certificate was not accepted: set cacert of this cloud in clouds.yaml to its CA file.' }
        : {}),
      maybeDone: !isRead(call) && !(code !== null && NEVER_SENT.has(code)) && !tlsProblem,
    },
    timedOut ? undefined : { cause: thrown },
  );
}

/** Worth another try: the connection broke or was refused. Not a timeout (it took long enough) nor a bad certificate. */
function isTransient(error: OpenStackError): boolean {
  return error.kind === 'unreachable' && error.remedy === null;
}

function codeOf(thrown: unknown): string | null {
  if (typeof thrown !== 'object' || thrown === null) return null;
  if ('code' in thrown && typeof thrown.code === 'string') return thrown.code;
  return 'cause' in thrown ? codeOf(thrown.cause) : null;
}

/** `Retry-After` in milliseconds: seconds or a date; null when absent or unreadable. */
export function retryAfterMs(response: HttpResponse, now: number): number | null {
  const value = response.headers['retry-after']?.trim();
  if (!value) return null;
  if (/^\d+$/.test(value)) return Number(value) * 1000;
  const at = Date.parse(value);
  // The answer says what time it was for who wrote that.
  const then = Date.parse(response.headers['date'] ?? '');
  return Number.isNaN(at) ? null : Math.max(0, at - (Number.isNaN(then) ? now : then));
}

export function requestIdOf(response: HttpResponse): string | null {
  const { headers } = response;
  return (
    headers['x-openstack-request-id'] ?? headers['openstack-request-id'] ?? headers['x-compute-request-id'] ?? null
  );
}

/** A URL as it may be shown: no query, no user info. */
export function plainUrl(url: string): string {
  try {
    const parsed = new URL(url);
    return `${parsed.origin}${parsed.pathname}`;
  } catch {
    return url.replace(/\?.*$/, '');
  }
}
