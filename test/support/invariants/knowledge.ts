import type { MembershipAnswer } from '../world/application.ts';
import type { Call, Write } from '../world/calls.ts';
import type { Watched } from './invariant.ts';

/** What Ironic has told a process of one node. */
export interface NodeSaid {
  readonly provisionState: string;
  readonly instanceUuid: string | null;
  readonly maintenance: boolean;
  readonly retired: boolean;
  /** Deployment and epoch in `extra.ephyra`. */
  readonly marker: { readonly deployment: string; readonly epoch: number } | 'invalid' | null;
}

/** An answer about one node that a process has received. */
export interface Told {
  readonly sentAt: number;
  /**
   * What was asked after this is newer. Of a look it is when it was sent; of a write, which shows what is after it, when its answer
   * was heard: whoever asked before that may have been told of before.
   */
  readonly knownAt: number;
  /** It is what the answer to a write said. */
  readonly written: boolean;
  /**
   * Orders what was asked in the same millisecond: of a look the number of its call, of a write that of the last call which
   * was sent before its answer was heard.
   */
  readonly id: number;
  /** Null: not there. */
  readonly node: NodeSaid | null;
}

/** What Nova has told a process of one instance. */
export interface InstanceSaid {
  readonly id: string;
  readonly status: string;
  readonly taskState: string | null;
  /** The node that it is on; null while it is on none. */
  readonly node: string | null;
}

interface Listing<T> {
  readonly id: number;
  readonly sentAt: number;
  readonly entries: Map<string, T>;
}

/** A list that is not at its end, and the last call that was sent before this became known: the next page is asked for later. */
interface Begun<T> {
  readonly pages: Listing<T>;
  readonly after: number;
}

type Json = Record<string, unknown>;

/**
 * What each process has been told about nodes, seen from the wire: the only thing that can justify what it does. Of a list
 * of several pages the first one's time counts.
 */
export class Knowledge {
  readonly #lists = new Map<string, Listing<NodeSaid>>();
  readonly #instances = new Map<string, Listing<InstanceSaid>>();
  /** By process and control plane, and below by node, as they are asked for: of all nodes of one after another. */
  readonly #single = new Map<string, Map<string, Told>>();
  /** Lists that are not at their end: by process, control plane and the marker with which they go on, oldest first. */
  readonly #nodePages = new Map<string, Begun<NodeSaid>[]>();
  readonly #instancePages = new Map<string, Begun<InstanceSaid>[]>();
  readonly #membership = new Map<string, MembershipAnswer>();
  readonly #now: () => number;
  #last: Call | null = null;
  /** Number of the last call that was sent. */
  #newest = 0;

  private constructor(now: () => number) {
    this.#now = now;
  }

  /** One for all who watch the same. */
  static of(watched: Watched): Knowledge {
    const known = OF.get(watched) ?? new Knowledge(watched.time.now);
    OF.set(watched, known);
    return known;
  }

  /** This, too, is to be told by everybody who asks it, before he does. */
  sent({ id }: Call): void {
    this.#newest = Math.max(this.#newest, id);
  }

  /** To be told by everybody who asks it, before he does. */
  delivered(call: Call, body: unknown): void {
    if (call === this.#last) return;
    this.#last = call;
    if (call.servedAt === null) return;
    if (call.service === 'nova') this.#ofNova(call, body as Json);
    if (call.service !== 'ironic') return;
    if (call.method !== 'GET') {
      this.#answerOfWrite(call, body as Json);
      return;
    }
    const [path = '', query = ''] = call.path.split('?');
    const [, , kind, id, sub] = path.split('/');
    if (kind !== 'nodes') return;
    if (id === undefined || id === 'detail') {
      if (call.status !== 200) return;
      const { nodes, next } = body as { nodes: Json[]; next?: unknown };
      const entries = nodes.map((node): [string, NodeSaid] => [String(node['uuid']), said(node)]);
      page(call, this.#newest, query, entries, next, this.#nodePages, this.#lists);
    } else if (sub === undefined && (call.status === 200 || call.status === 404)) {
      const node = call.status === 404 ? null : said(body as Json);
      const { sentAt } = call;
      const told = { id: call.id, sentAt, knownAt: sentAt, written: false, node };
      putUnder(this.#single, keyOf(call.process, call.at), id, told);
    }
  }

  /** The answer to a write that shows the node, or that it is gone, is as good as a look. */
  #answerOfWrite({ process, at, node, write, status, sentAt }: Call, body: Json): void {
    if (node === null || status === null) return;
    const gone = (write === 'delete node' && status === 204) || (isOfNode(write) && status === 404);
    const shown = isOfNode(write) && write !== 'delete node' && status >= 200 && status < 300;
    if (!gone && !shown) return;
    const told = { id: this.#newest, sentAt, knownAt: this.#now(), written: true };
    putUnder(this.#single, keyOf(process, at), node, { ...told, node: gone ? null : said(body) });
  }

  /** Lists only: of a single instance Ephyra does not ask. */
  #ofNova(call: Call, body: Json): void {
    const [path = '', query = ''] = call.path.split('?');
    if (call.method !== 'GET' || call.status !== 200 || !path.endsWith('/servers/detail')) return;
    const servers = body['servers'] as Json[];
    const links = (body['servers_links'] ?? []) as { rel: string; href: string }[];
    const entries = servers.map((server): [string, InstanceSaid] => [String(server['id']), instanceSaid(server)]);
    const next = links.find(({ rel }) => rel === 'next')?.href;
    page(call, this.#newest, query, entries, next, this.#instancePages, this.#instances);
  }

  answered(answer: MembershipAnswer): void {
    this.#membership.set(`${answer.process} ${answer.uuid}`, answer);
  }

  /** The newest that the process knows of the node in a control plane; undefined: nothing. */
  node(process: number, at: string, uuid: string): Told | undefined {
    const key = keyOf(process, at);
    const list = this.#lists.get(key);
    const single = this.#single.get(key)?.get(uuid);
    if (list === undefined) return single;
    const { id, sentAt, entries } = list;
    if (single !== undefined) {
      const { knownAt } = single;
      if (knownAt > sentAt || (knownAt === sentAt && single.id >= id)) return single;
    }
    return { id, sentAt, knownAt: sentAt, written: false, node: entries.get(uuid) ?? null };
  }

  /** The newest whole list of instances of a control plane that the process knows, and when it was asked for. */
  instances(
    process: number,
    at: string,
  ): { readonly sentAt: number; readonly all: ReadonlyMap<string, InstanceSaid> } | undefined {
    const list = this.#instances.get(keyOf(process, at));
    return list === undefined ? undefined : { sentAt: list.sentAt, all: list.entries };
  }

  membership(process: number, uuid: string): MembershipAnswer | undefined {
    return this.#membership.get(`${process} ${uuid}`);
  }
}

/** Its answer shows the node, or that there is none. */
const isOfNode = (write: Call['write']): boolean => write !== null && OF_NODES.has(write);
const OF_NODES: ReadonlySet<Write> = new Set(['mark', 'prove', 'patch', 'create node', 'delete node']);

const OF = new WeakMap<Watched, Knowledge>();

/** The marker in a query or a link; null: from the beginning. */
const markerOf = (query: string): string | null => /[?&]?\bmarker=([^&]*)/.exec(query)?.[1] ?? null;

const keyOf = (process: number, at: string): string => `${process} ${at}`;

function putUnder<T>(tables: Map<string, Map<string, T>>, key: string, uuid: string, value: T): void {
  const table = tables.get(key);
  if (table === undefined) tables.set(key, new Map([[uuid, value]]));
  else table.set(uuid, value);
}

/** Takes in one page of a list; with the last one the list is whole. */
function page<T>(
  call: Call,
  newest: number,
  query: string,
  entries: readonly [string, T][],
  next: unknown,
  begun: Map<string, Begun<T>[]>,
  whole: Map<string, Listing<T>>,
): void {
  const key = keyOf(call.process, call.at);
  const { id, sentAt } = call;
  // Two lists may be read at the same time; which page belongs to which, the marker tells, and that it was asked for right after
  // the page before was known. One that has been given up in its middle waits for ever.
  const waiting = begun.get(`${key} ${markerOf(query)}`) ?? [];
  const known = waiting.filter(({ after }) => id > after).sort((a, b) => a.after - b.after);
  const before = known.at(-1);
  if (before !== undefined) waiting.splice(waiting.indexOf(before), 1);
  const pages = before?.pages ?? { id, sentAt, entries: new Map<string, T>() };
  for (const [uuid, entry] of entries) pages.entries.set(uuid, entry);
  const marker = typeof next === 'string' ? markerOf(next) : null;
  if (marker !== null) {
    begun.set(`${key} ${marker}`, [...(begun.get(`${key} ${marker}`) ?? []), { pages, after: newest }]);
    return;
  }
  const last = whole.get(key);
  if (last === undefined || last.sentAt <= pages.sentAt) whole.set(key, pages);
}

function instanceSaid(server: Json): InstanceSaid {
  const task = server['OS-EXT-STS:task_state'];
  const node = server['OS-EXT-SRV-ATTR:hypervisor_hostname'];
  return {
    id: String(server['id']),
    status: String(server['status']),
    taskState: typeof task === 'string' ? task : null,
    node: typeof node === 'string' ? node : null,
  };
}

function said(node: Json): NodeSaid {
  const extra = (node['extra'] ?? {}) as Json;
  const instance = node['instance_uuid'];
  return {
    provisionState: String(node['provision_state']),
    instanceUuid: typeof instance === 'string' ? instance : null,
    maintenance: node['maintenance'] === true,
    retired: node['retired'] === true,
    marker: markerIn(extra['ephyra']),
  };
}

export function markerIn(value: unknown): NodeSaid['marker'] {
  if (value === undefined || value === null) return null;
  const { deployment, epoch } = value as Json;
  return typeof deployment === 'string' && typeof epoch === 'number' ? { deployment, epoch } : 'invalid';
}
