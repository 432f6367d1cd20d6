import { z } from 'zod';
import { OpenStackError } from './errors.ts';
import { isRecord } from './messages.ts';
import { encodeQuery, type ServiceCall, type ServiceClient } from './service.ts';

/** Where a service puts the link to the next page. */
export type NextStyle =
  /** Ironic and Glance: `next` in the body, an absolute URL or a path. */
  | 'next'
  /** Nova and Neutron: `<name>_links` with `rel: next`. */
  | 'links';

export interface ListCall<S extends z.ZodType> {
  /** Key of the list in the answer. */
  readonly key: string;
  readonly item: S;
  readonly style: NextStyle;
  /** What makes an entry unique: an entry seen twice while the list moves counts once. */
  readonly id: (item: z.output<S>) => string;
}

/**
 * A whole list, page after page: complete or an error, never a part.
 *
 * Four things really happen: the last page is exactly full and points to an empty one; the entry that the marker names
 * is deleted between two pages (404 from Ironic, 400 from Nova), then the list is begun again, once; the link carries a
 * host that is not ours (a service behind a proxy), so only its query is taken; and it lacks the filter of the list, as
 * Ironic's does for the ports and portgroups of one node, so that the next page would be about all nodes.
 */
export async function listAll<S extends z.ZodType>(
  client: ServiceClient,
  list: ListCall<S>,
  call: ServiceCall,
): Promise<z.output<S>[]> {
  try {
    return await onePass(client, list, call);
  } catch (thrown) {
    if (!(thrown instanceof VanishedMarker)) throw thrown;
  }
  try {
    return await onePass(client, list, call);
  } catch (thrown) {
    throw thrown instanceof VanishedMarker ? thrown.error : thrown;
  }
}

class VanishedMarker extends Error {
  readonly error: OpenStackError;

  constructor(error: OpenStackError) {
    super(error.message);
    this.error = error;
  }
}

async function onePass<S extends z.ZodType>(
  client: ServiceClient,
  list: ListCall<S>,
  call: ServiceCall,
): Promise<z.output<S>[]> {
  const schema = pageOf(list);
  const found = new Map<string, z.output<S>>();
  const asked = new Set<string>();
  let rawQuery = call.rawQuery;
  for (;;) {
    const page = await client.json(schema, { ...call, rawQuery }).catch((thrown: unknown) => {
      const gone =
        rawQuery !== undefined && thrown instanceof OpenStackError && [400, 404].includes(thrown.status ?? 0);
      throw gone ? new VanishedMarker(thrown) : thrown;
    });
    for (const item of page[list.key] as z.output<S>[]) found.set(list.id(item), item);
    const link = nextLink(page, list);
    if (link === null) return [...found.values()];
    const next = link.replace(/^[^?]*\??/, '').replace(/#.*$/, '');
    if (next === '') throw client.malformed(call, `the list ${list.key} has a next page without a query: ${link}`);
    if (asked.has(next))
      throw client.malformed(call, `the list ${list.key} goes in a circle at its page ${asked.size + 1}`);
    asked.add(next);
    rawQuery = [next, ...lacking(next, call)].join('&');
  }
}

/** What was asked of the first page and is not in the link to the next one. */
function lacking(next: string, { query = {} }: ServiceCall): string[] {
  const known = new Set(new URLSearchParams(next).keys());
  const more = encodeQuery(Object.fromEntries(Object.entries(query).filter(([name]) => !known.has(name))));
  return more === '' ? [] : [more];
}

/** Schemas are compiled when they are first used: one for each kind of list, not one for each list. */
const PAGES = new WeakMap<z.ZodType, Map<string, z.ZodType<Record<string, unknown>>>>();

function pageOf<S extends z.ZodType>({ key, item }: ListCall<S>): z.ZodType<Record<string, unknown>> {
  const compiled = PAGES.get(item)?.get(key);
  if (compiled !== undefined) return compiled;
  const link = z.unknown().optional();
  const page = z.object({ [key]: z.array(item), next: link, [`${key}_links`]: link });
  PAGES.set(item, new Map(PAGES.get(item)).set(key, page));
  return page;
}

function nextLink(page: Record<string, unknown>, list: { key: string; style: NextStyle }): string | null {
  const link = list.style === 'next' ? page['next'] : linkWithRel(page[`${list.key}_links`], 'next');
  return typeof link === 'string' && link !== '' ? link : null;
}

function linkWithRel(links: unknown, rel: string): unknown {
  if (!Array.isArray(links)) return undefined;
  return links.filter(isRecord).find((link) => link['rel'] === rel)?.['href'];
}
