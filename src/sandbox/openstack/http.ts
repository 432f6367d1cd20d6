import { memo } from './memo.ts';
import type { Reply, Service, ServiceRequest } from './types.ts';

/** A request taken apart once, for all who look at it. */
export interface Call {
  readonly service: Service;
  readonly method: string;
  /** Without query. */
  readonly path: string;
  /** As sent, with query. */
  readonly target: string;
  readonly segments: readonly string[];
  /** Shared by all calls with this target: to be read only. */
  readonly query: URLSearchParams;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  /** Parsed JSON; undefined when there was none. */
  readonly body: unknown;
  /** The body was no JSON. */
  readonly malformed: boolean;
  readonly requestId: string;
}

const NO_QUERY = new URLSearchParams();

export function parseCall(request: ServiceRequest, requestId: string): Call {
  const { path, segments, query } = parseTarget(request.path);
  const given = request.headers ?? {};
  const headers: Record<string, string> = {};
  for (const name of Object.keys(given)) {
    const value = given[name];
    if (value !== undefined) headers[lowerCase(name)] = typeof value === 'string' ? value : value.join(', ');
  }
  const { body, malformed } =
    request.json === undefined ? parseBody(request.body) : { body: request.json, malformed: false };
  return {
    service: request.service,
    method: request.method.toUpperCase(),
    path,
    target: request.path,
    segments,
    query,
    headers,
    body,
    malformed,
    requestId,
  };
}

/** Polls ask for the same again and again. */
const parseTarget = memo((target: string): Pick<Call, 'path' | 'segments' | 'query'> => {
  const mark = target.indexOf('?');
  const path = mark < 0 ? target : target.slice(0, mark);
  const segments = path.split('/').filter((segment) => segment !== '');
  const query = mark < 0 ? NO_QUERY : new URLSearchParams(target.slice(mark + 1));
  return { path, segments: segments.map(decode), query };
});

/** Names of headers come in few spellings. */
export const lowerCase = memo((name: string): string => name.toLowerCase());

function decode(segment: string): string {
  if (!segment.includes('%')) return segment;
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}

function parseBody(body: unknown): { body: unknown; malformed: boolean } {
  if (body === undefined || body === null || body === '') return { body: undefined, malformed: false };
  // A caller in the same process may go on using its object: keep none of it.
  if (typeof body !== 'string') return { body: structuredClone(body), malformed: false };
  try {
    return { body: JSON.parse(body), malformed: false };
  } catch {
    return { body: undefined, malformed: true };
  }
}

export function reply(status: number, body?: unknown, headers: Readonly<Record<string, string>> = {}): Reply {
  const type = headers['Content-Type'];
  if (body === undefined || type !== undefined) return { status, headers, body };
  return { status, headers: { ...headers, 'Content-Type': 'application/json' }, body };
}

export function withHeaders(answer: Reply, headers: Readonly<Record<string, string>>): Reply {
  return { ...answer, headers: { ...headers, ...answer.headers } };
}

/** Applies `then` at once to an answer that is there, later to one that is awaited. */
export function finish(answer: Reply | Promise<Reply>, then: (reply: Reply) => Reply): Reply | Promise<Reply> {
  return answer instanceof Promise ? answer.then(then) : then(answer);
}

export type JsonMap = Record<string, unknown>;

export function isMap(value: unknown): value is JsonMap {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

const UUID = /^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$/i;

export function isUuid(value: unknown): value is string {
  return typeof value === 'string' && UUID.test(value);
}

const YES = new Set(['1', 't', 'true', 'on', 'y', 'yes']);
const NO = new Set(['0', 'f', 'false', 'off', 'n', 'no']);

/** A boolean as the services read it from a query or a body; undefined when they would refuse it. */
export function asBoolean(value: unknown): boolean | undefined {
  if (typeof value === 'boolean') return value;
  const word = String(value).toLowerCase();
  return YES.has(word) ? true : NO.has(word) ? false : undefined;
}

export const BOOLEAN_WORDS = "'0', '1', 'f', 'false', 'n', 'no', 'off', 'on', 't', 'true', 'y', 'yes'";

/** A value as Python prints it: error texts of the services quote what they were sent in this form. */
export function pythonText(value: unknown): string {
  if (value === null || value === undefined) return 'None';
  if (value === true) return 'True';
  if (value === false) return 'False';
  if (typeof value === 'string') {
    if (value.includes("'") && !value.includes('"')) return `"${value}"`;
    return `'${value.replaceAll('\\', '\\\\').replaceAll("'", "\\'").replaceAll('\n', '\\n')}'`;
  }
  if (Array.isArray(value)) return `[${value.map(pythonText).join(', ')}]`;
  if (typeof value === 'object') {
    return `{${Object.entries(value)
      .map(([key, item]) => `${pythonText(key)}: ${pythonText(item)}`)
      .join(', ')}}`;
  }
  return String(value);
}

/** `2026-11-22T18:51:43`: a record shows the same few times whenever it is shown. */
const wholeSeconds = memo((ms: number): string => new Date(ms).toISOString().slice(0, 19));

/** `2026-11-22T18:51:43+00:00`, as Ironic writes times. */
export function ironicTime(ms: number | null): string | null {
  return ms === null ? null : `${wholeSeconds(ms)}+00:00`;
}

/** `2026-11-22T18:51:43Z`, as Nova, Neutron and Glance write times. */
export function zuluTime(ms: number): string {
  return `${wholeSeconds(ms)}Z`;
}

/** `2026-11-22T18:51:43.000000`, as Nova writes launched_at and the like. */
export function novaTime(ms: number | null): string | null {
  return ms === null ? null : `${wholeSeconds(ms)}.000000`;
}
