import type { z } from 'zod';
import { CATALOG_SERVICES, type CatalogService } from './catalog.ts';
import { classify, OpenStackError, type OpenStackErrorData } from './errors.ts';
import { type Fence, type Http, type HttpResponse, type Method, plainUrl, requestIdOf, retryAfterMs } from './http.ts';
import { parseJson, secretsIn, unwrapMessage } from './messages.ts';
import { offeredRange, PINS, settle } from './microversions.ts';
import type { Session } from './session.ts';

export type Query = Readonly<Record<string, string | number | boolean | readonly string[] | undefined>>;

/** Every call's trailing options. */
export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
  /**
   * Whether what the call rests on still holds; asked in the instant before it is sent, and again when it is sent again after a
   * rate limit or with a new token. Rejects with a `Failure` `evidence_stale` when it does not.
   */
  readonly due?: (() => boolean) | undefined;
  /** A write's own condition, in place of the one of all writes; see `HttpDeps.fence`. */
  readonly fence?: Fence | undefined;
}

export interface ServiceCall extends CallOptions {
  readonly method: Method;
  /** Behind the version, with the ids as `{name}`, e.g. `/nodes/{uuid}`. */
  readonly route: string;
  readonly params?: Readonly<Record<string, string>>;
  readonly query?: Query | undefined;
  /** A query as the service wrote it into a `next` link; replaces `query`. */
  readonly rawQuery?: string | undefined;
  readonly body?: unknown;
  /** Status codes that are success (or that the caller handles). Anything else is thrown. */
  readonly expect: readonly number[];
  /** The token must be good for this long: the service goes on working with it after its answer. */
  readonly tokenLastsMs?: number;
}

export interface Answer {
  readonly status: number;
  /** Parsed JSON; `undefined` when the body is empty or not JSON. */
  readonly body: unknown;
  readonly url: string;
  readonly response: HttpResponse;
}

export interface ServiceClient {
  readonly service: CatalogService;
  readonly controlPlane: string;
  /** Entries to ask for per page of a list. */
  readonly pageSize: number;
  send(call: ServiceCall): Promise<Answer>;
  /** Sends, and reads the answer by a schema; an answer that does not fit is an OpenStackError `malformed`. */
  json<S extends z.ZodType>(schema: S, call: ServiceCall): Promise<z.output<S>>;
  /** The same, but null for a 404. */
  jsonOrNull<S extends z.ZodType>(schema: S, call: ServiceCall): Promise<z.output<S> | null>;
  /** An error about a call of ours, for what only the caller can see (a list that does not end). */
  malformed(call: ServiceCall, message: string): OpenStackError;
}

export const DEFAULT_PAGE_SIZE = 1000;

/**
 * The client of one service: endpoint from the catalog, microversion pinned, status checked, answer parsed once.
 */
export function createServiceClient(
  controlPlane: string,
  service: CatalogService,
  session: Session,
  http: Http,
  options: { pageSize?: number | undefined; now: () => number },
): ServiceClient {
  const pin = PINS[service];
  const facts = CATALOG_SERVICES[service];
  let version = pin?.wanted;
  /** Set once by the first 406; every later call waits for it. */
  let settling: Promise<string> | null = null;
  let settled = false;

  async function urlOf(call: ServiceCall): Promise<string> {
    const { base } = await session.endpoint(service, call.signal);
    const { route, params } = call;
    const path =
      params === undefined
        ? route
        : route.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(params[name] ?? ''));
    const query = call.rawQuery ?? encodeQuery(call.query ?? {});
    return `${base}${path}${query === '' ? '' : `?${query}`}`;
  }

  async function attempt(call: ServiceCall, url: string, asked: string | undefined): Promise<HttpResponse> {
    return session.send(
      {
        service,
        method: call.method,
        url,
        route: `${facts.version}${call.route}`,
        ...(pin && asked !== undefined ? { headers: { [pin.header]: `${pin.prefix}${asked}` } } : {}),
        ...(call.body === undefined ? {} : { body: call.body }),
        expected: call.expect,
        signal: call.signal,
        due: call.due,
        fence: call.fence,
      },
      call.tokenLastsMs,
    );
  }

  /** Reads the root document (no token needed) and settles on a version; throws `too_old` when there is none. */
  async function negotiate(call: ServiceCall): Promise<string> {
    if (!pin) throw new Error(`${service} has no microversions`);
    const { root } = await session.endpoint(service, call.signal);
    const url = `${root}/`;
    const response = await http.send({ service, method: 'GET', url, route: '/', expected: [200, 300] });
    const offered = offeredRange(parseJson(response.body));
    const best = offered && settle(pin, offered);
    if (best) return best;
    throw new OpenStackError({
      controlPlane,
      service,
      method: 'GET',
      url: plainUrl(url),
      expected: [200, 300],
      status: response.status,
      kind: 'too_old',
      requestId: requestIdOf(response),
      message: offered
        ? `it offers microversions ${offered.min} to ${offered.max}, needed is at least ${pin.needed} (${pin.because})` +
          ` and not more than ${pin.wanted}`
        : 'its version document cannot be read, so no microversion can be agreed on',
      remedy: `Use a release of this service that offers a microversion between ${pin.needed} and ${pin.wanted}.`,
    });
  }

  async function exchange(call: ServiceCall, url: string): Promise<HttpResponse> {
    const asked = version;
    const response = await attempt(call, url, asked);
    // 406 is decided before anything is done, so that even a create can be sent again.
    if (response.status !== 406 || !pin || call.expect.includes(406)) return response;
    if (settled && asked === version) return response;
    settling ??= negotiate(call)
      .then((best) => {
        version = best;
        settled = true;
        return best;
      })
      .finally(() => {
        settling = null;
      });
    const best = settled ? version : await settling;
    return best === asked ? response : attempt(call, url, best);
  }

  async function send(call: ServiceCall): Promise<Answer> {
    const url = await urlOf(call);
    const response = await exchange(call, url);
    if (!call.expect.includes(response.status)) throw refusal(call, url, response);
    if (response.status === 404 && !isAboutUs(call, response)) {
      throw new OpenStackError({
        ...errorData(call, url, response),
        kind: 'malformed',
        message: `a 404 that does not say what is missing: ${saidIn(call, response) || 'no explanation'}`,
        remedy: 'Check the endpoint of this service and the proxies before it.',
      });
    }
    const body = response.json === undefined ? parseJson(response.body) : response.json;
    return { status: response.status, body, url, response };
  }

  function saidIn(call: ServiceCall, response: HttpResponse): string {
    return unwrapMessage(response.body, [...session.secrets(), ...secretsIn(call.body)]);
  }

  function errorData(call: ServiceCall, url: string, response: HttpResponse | null) {
    return {
      controlPlane,
      service,
      method: call.method,
      url: plainUrl(url),
      expected: call.expect,
      status: response?.status ?? null,
      requestId: response === null ? null : requestIdOf(response),
    } satisfies Partial<OpenStackErrorData>;
  }

  function refusal(call: ServiceCall, url: string, response: HttpResponse): OpenStackError {
    const { status } = response;
    const said = saidIn(call, response);
    const { kind, detail } = classify(service, status, said);
    const pause = retryAfterMs(response, options.now());
    const location = response.headers['location'];
    return new OpenStackError({
      ...errorData(call, url, response),
      kind,
      detail,
      message:
        status >= 300 && status < 400 && location
          ? `a redirect to ${plainUrl(location)}, which we do not follow: the endpoint in the catalog is not exact`
          : status < 300
            ? `an unexpected success, expected ${call.expect.join(' or ')}`
            : said,
      ...(kind === 'auth' ? { remedy: `${service} refuses a new token, too: check its own Keystone settings.` } : {}),
      ...(pause === null ? {} : { retryAfterMs: pause }),
      maybeDone: (status < 300 || status >= 500) && call.method !== 'GET' && call.method !== 'HEAD',
    });
  }

  function read<S extends z.ZodType>(schema: S, call: ServiceCall, answer: Answer): z.output<S> {
    const parsed = schema.safeParse(answer.body);
    if (parsed.success) return parsed.data;
    const issue = parsed.error.issues[0];
    const where = issue?.path.join('.') ?? '';
    throw new OpenStackError({
      ...errorData(call, answer.url, answer.response),
      kind: 'malformed',
      maybeDone: call.method !== 'GET' && call.method !== 'HEAD',
      message:
        answer.body === undefined
          ? `an answer that is not JSON (${answer.response.headers['content-type'] ?? 'no content type'})`
          : `an answer that we cannot read: ${where === '' ? '' : `${where}: `}${issue?.message ?? ''}`,
    });
  }

  return {
    service,
    controlPlane,
    pageSize: options.pageSize ?? DEFAULT_PAGE_SIZE,
    send,
    async json(schema, call) {
      return read(schema, call, await send(call));
    },
    async jsonOrNull(schema, call) {
      const answer = await send({ ...call, expect: [...call.expect, 404] });
      return answer.status === 404 ? null : read(schema, call, answer);
    },
    malformed: (call, message) =>
      new OpenStackError({ ...errorData(call, call.route, null), kind: 'malformed', message }),
  };
}

/**
 * Absence is evidence on which machines are moved, so a 404 counts only when it names what we asked for. A proxy, a
 * wrong path and a service that is just starting answer 404, too (seen: Ironic to an unknown path).
 */
function isAboutUs(call: ServiceCall, response: HttpResponse): boolean {
  if (parseJson(response.body) === undefined) return false;
  // Only compared, never shown.
  const said = unwrapMessage(response.body, []).toLowerCase();
  return Object.values(call.params ?? {}).some((value) => said.includes(value.toLowerCase()));
}

/** `undefined` values are left out, arrays joined by commas; commas and colons stay readable, as the services write them. */
export function encodeQuery(query: Query): string {
  let encoded = '';
  for (const [key, value] of Object.entries(query)) {
    if (value === undefined) continue;
    const text = Array.isArray(value) ? value.join(',') : String(value);
    encoded += `${encoded === '' ? '' : '&'}${encodeURIComponent(key)}=${encodeValue(text)}`;
  }
  return encoded;
}

/** Lists of fields and microversions, which most values are. */
const PLAIN = /^[\w.,:-]*$/;

const encodeValue = (text: string): string =>
  PLAIN.test(text) ? text : encodeURIComponent(text).replace(/%2C/g, ',').replace(/%3A/g, ':');
