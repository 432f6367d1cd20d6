import { readFileSync } from 'node:fs';

/** One line that `preload.mjs` wrote. */
export interface Entry {
  readonly at: number;
  readonly pid: number;
  readonly event?: string;
  readonly killed?: string;
}

export interface Request {
  readonly at: number;
  readonly pid: number;
  readonly phase: 'begin' | 'sent' | 'answered';
  /** Null until answered. */
  readonly status: number | null;
  readonly cp: string;
  readonly method: string;
  readonly path: string;
  readonly verb: string;
}

const REQUEST = /^(begin|sent|answered (\d+)) (cp[12]) ([A-Z]+) (\S+) ?(.*)$/;

export function readJournal(file: string): Entry[] {
  let text = '';
  try {
    text = readFileSync(file, 'utf8');
  } catch {
    return [];
  }
  return text
    .split('\n')
    .filter((line) => line.endsWith('}'))
    .map((line) => JSON.parse(line) as Entry);
}

export function requestsOf(entries: readonly Entry[]): Request[] {
  return entries.flatMap(({ at, pid, event }) => {
    const found = REQUEST.exec(event ?? '');
    if (found === null) return [];
    const [, phase = '', status, cp = '', method = '', path = '', verb = ''] = found;
    const kind = phase.split(' ')[0] as Request['phase'];
    return [{ at, pid, phase: kind, status: status === undefined ? null : Number(status), cp, method, path, verb }];
  });
}

export const isWrite = ({ method, path }: Request): boolean =>
  !['GET', 'HEAD'].includes(method) && !path.startsWith('/v3/auth/tokens');

/**
 * Destructive requests that were sent again although they had been answered with success: the delete of an instance, its
 * stop, the delete of a node that has not been created there anew since. Empty when all is well.
 */
export function repeatedDestruction(requests: readonly Request[]): string[] {
  const done = new Set<string>();
  const repeated: string[] = [];
  for (const { phase, status, cp, method, path, verb } of requests) {
    const isNodeDelete = method === 'DELETE' && /^\/v1\/nodes\/[^/]+$/.test(path);
    const isServerDelete = method === 'DELETE' && /\/servers\/[^/]+$/.test(path);
    const isStop = method === 'POST' && verb === 'os-stop';
    // The body, and with it the uuid, is not in the journal: any node created there could be this one.
    if (method === 'POST' && path === '/v1/nodes' && status === 201) {
      for (const key of [...done]) if (key.startsWith(`${cp} DELETE /v1/nodes/`)) done.delete(key);
    }
    // Started again after it was stopped, it may be stopped again.
    if (method === 'POST' && verb === 'os-start') done.delete(`${cp} POST ${path} os-stop`);
    if (!isNodeDelete && !isServerDelete && !isStop) continue;
    const key = `${cp} ${method} ${path} ${verb}`.trimEnd();
    if (phase === 'begin' && done.has(key)) repeated.push(key);
    if (phase === 'answered' && status !== null && status >= 200 && status < 300) done.add(key);
  }
  return repeated;
}
