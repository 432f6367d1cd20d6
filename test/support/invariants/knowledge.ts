import type { MembershipAnswer } from '../world/application.ts';
import type { Call } from '../world/calls.ts';
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

interface Listing {
  readonly id: number;
  readonly sentAt: number;
  readonly nodes: Map<string, NodeSaid>;
}

type Json = Record<string, unknown>;

/**
 * What each process has been told about nodes, seen from the wire: the only thing that can justify what it does. Of a list
 * of several pages the first one's time counts.
 */
export class Knowledge {
  readonly #lists = new Map<string, Listing>();
  /** By process and control plane, and below by node, as they are asked for: of all nodes of one after another. */
  readonly #single = new Map<string, Map<string, Told>>();
  /** Lists that are not at their end: by process, control plane and the marker with which they go on, oldest first. */
  readonly #pages = new Map<string, Listing[]>();
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
    if (call.service !== 'ironic' || call.servedAt === null) return;
    if (call.method !== 'GET') {
      this.#answerOfWrite(call, body as Json);
      return;
    }
    const [path = '', query = ''] = call.path.split('?');
    const [, , kind, id, sub] = path.split('/');
    if (kind !== 'nodes') return;
    if (id === undefined || id === 'detail') {
      if (call.status === 200) this.#page(call, query, body as Json);
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
    const gone = write === 'delete node' && (status === 204 || status === 404);
    const shown = (write === 'mark' || write === 'patch' || write === 'create node') && status >= 200 && status < 300;
    if (!gone && !shown) return;
    const told = { id: this.#newest, sentAt, knownAt: this.#now(), written: true };
    putUnder(this.#single, keyOf(process, at), node, { ...told, node: gone ? null : said(body) });
  }

  #page(call: Call, query: string, body: Json): void {
    const key = keyOf(call.process, call.at);
    const { id, sentAt } = call;
    // Two lists may be read at the same time; which page belongs to which, only the marker tells. The newest: one that
    // has been given up in its middle waits for ever.
    const begun = this.#pages.get(`${key} ${markerOf(query)}`)?.pop();
    const pages = begun ?? { id, sentAt, nodes: new Map() };
    for (const node of body['nodes'] as Json[]) pages.nodes.set(String(node['uuid']), said(node));
    const next = typeof body['next'] === 'string' ? markerOf(body['next']) : null;
    if (next !== null) {
      const waiting = this.#pages.get(`${key} ${next}`) ?? [];
      this.#pages.set(`${key} ${next}`, [...waiting, pages]);
      return;
    }
    const last = this.#lists.get(key);
    if (last === undefined || last.sentAt <= pages.sentAt) this.#lists.set(key, pages);
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
    const { id, sentAt, nodes } = list;
    if (single !== undefined) {
      const { knownAt } = single;
      if (knownAt > sentAt || (knownAt === sentAt && single.id >= id)) return single;
    }
    return { id, sentAt, knownAt: sentAt, written: false, node: nodes.get(uuid) ?? null };
  }

  membership(process: number, uuid: string): MembershipAnswer | undefined {
    return this.#membership.get(`${process} ${uuid}`);
  }
}

const OF = new WeakMap<Watched, Knowledge>();

/** The marker in a query or a link; null: from the beginning. */
const markerOf = (query: string): string | null => /[?&]?\bmarker=([^&]*)/.exec(query)?.[1] ?? null;

const keyOf = (process: number, at: string): string => `${process} ${at}`;

function putUnder<T>(tables: Map<string, Map<string, T>>, key: string, uuid: string, value: T): void {
  const table = tables.get(key);
  if (table === undefined) tables.set(key, new Map([[uuid, value]]));
  else table.set(uuid, value);
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
