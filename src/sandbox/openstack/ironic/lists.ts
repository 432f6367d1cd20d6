import { type Call, isUuid } from '../http.ts';
import { expectedUuid, IronicError } from './errors.ts';

/** No list is longer, whatever was asked for. */
const LONGEST = 1000;

export interface Page<T> {
  readonly items: readonly T[];
  /** Id of the last item when the page is full; another page may be empty. */
  readonly last: string | null;
  readonly limit: number;
}

/** `limit` and `marker` of the query, applied. An unknown marker is refused with `notFound`. */
export function page<T>(
  all: readonly T[],
  idOf: (item: T) => string,
  call: Call,
  notFound: (marker: string) => IronicError,
): Page<T> {
  const limit = readLimit(call.query.get('limit'));
  const marker = call.query.get('marker');
  let start = 0;
  if (marker !== null) {
    if (!isUuid(marker)) throw expectedUuid('marker', marker);
    start = all.findIndex((item) => idOf(item) === marker) + 1;
    if (start === 0) throw notFound(marker);
  }
  const items = all.slice(start, start + limit);
  const end = items.at(-1);
  return { items, limit, last: items.length === limit && end !== undefined ? idOf(end) : null };
}

function readLimit(text: string | null): number {
  if (text === null) return LONGEST;
  if (!/^[+-]?\d+$/.test(text)) throw new IronicError(400, `Expected an integer for limit: ${text}`);
  const limit = Number(text);
  if (limit <= 0) throw new IronicError(400, 'Limit must be positive');
  return Math.min(limit, LONGEST);
}

/** The address of the page after a full one: absolute, with all that was asked. */
export function nextLink(
  base: string,
  path: string,
  parameters: Readonly<Record<string, string | null>>,
  found: Page<unknown>,
): { next?: string } {
  if (found.last === null) return {};
  const asked = Object.entries({ sort_key: 'id', sort_dir: 'asc', ...parameters })
    .filter(([, value]) => value !== null)
    .map(([key, value]) => `${key}=${value}`);
  return { next: `${base}${path}?${[...asked, `limit=${found.limit}`, `marker=${found.last}`].join('&')}` };
}

/** Refuses what the list does not know. */
export function checkArguments(call: Call, known: readonly string[]): void {
  const unknown = [...call.query.keys()].filter((key) => !known.includes(key));
  if (unknown.length > 0) throw new IronicError(400, `Unexpected arguments: ${[...new Set(unknown)].join(', ')}`);
}
