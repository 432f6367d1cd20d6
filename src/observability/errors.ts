/** An error as plain data: what it says about itself, where it came from, and what caused it. */
export interface LoggedError {
  readonly type: string;
  readonly message: string;
  readonly stack?: string;
  readonly cause?: LoggedError | string;
  readonly errors?: readonly (LoggedError | string)[];
  readonly [field: string]: unknown;
}

const DEEPEST = 6;
/** Fields of errors that hold whole requests, sockets and configurations, with every header in them. */
const BULKY = new Set(['config', 'request', 'response', 'req', 'res', 'socket', 'toJSON', 'headers', 'data']);

/**
 * Turns an error into plain data for the log: the chain of causes is kept, requests and sockets that HTTP libraries hang
 * on their errors are not, but for what one needs (method, address without query, status).
 */
export function describeError(error: Error, depth = 0): LoggedError {
  const described: Record<string, unknown> = { type: error.name || error.constructor.name, message: error.message };
  for (const [key, value] of Object.entries(error)) {
    if (!BULKY.has(key) && !(key in described) && key !== 'name' && isPlain(value)) described[key] = value;
  }
  Object.assign(described, httpPart(error));
  // One stack, the outermost: those of the causes are mostly the same lines again.
  if (error.stack !== undefined && depth === 0) described['stack'] = error.stack;
  if (error.cause !== undefined) described['cause'] = inner(error.cause, depth);
  if (error instanceof AggregateError) described['errors'] = error.errors.map((each) => inner(each, depth));
  return described as LoggedError;
}

function inner(cause: unknown, depth: number): LoggedError | string {
  if (!(cause instanceof Error)) return String(cause);
  return depth >= DEEPEST ? `${cause.name}: ${cause.message}` : describeError(cause, depth + 1);
}

/** Errors of HTTP clients carry `config` and `response`; these few fields of them tell what happened. */
function httpPart(error: Error): Record<string, unknown> {
  const { config, response } = error as { config?: unknown; response?: unknown };
  const part: Record<string, unknown> = {};
  if (isRecord(config)) {
    if (typeof config['method'] === 'string') part['method'] = config['method'].toUpperCase();
    if (typeof config['url'] === 'string') part['url'] = config['url'].replace(/[?#].*$/s, '');
  }
  if (isRecord(response) && typeof response['status'] === 'number') part['status'] = response['status'];
  return part;
}

function isPlain(value: unknown): boolean {
  if (Array.isArray(value)) return value.every((item) => typeof item === 'string' || typeof item === 'number');
  return value === null || ['string', 'number', 'boolean'].includes(typeof value);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

const LONGEST_LIST = 1_000;

/**
 * A copy of log fields in which errors, at any depth, are plain data, bytes are counted instead of printed, and a value
 * that contains itself does no harm.
 */
export function plainFields(value: unknown, above: readonly object[] = []): unknown {
  if (value instanceof Error) return describeError(value);
  if (typeof value === 'bigint') return value.toString();
  if (typeof value !== 'object' || value === null) return value;
  if (above.includes(value)) return '[circular]';
  if (above.length > 12) return '[deep]';
  if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`;
  if ('toJSON' in value && typeof value.toJSON === 'function') return value.toJSON();
  const path = [...above, value];
  if (value instanceof Map) return plainFields(Object.fromEntries(value), path);
  if (value instanceof Set) return plainFields([...value], path);
  if (Array.isArray(value)) return value.slice(0, LONGEST_LIST).map((item) => plainFields(item, path));
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, plainFields(item, path)]));
}
