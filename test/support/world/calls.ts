import type { Service } from '../../../src/sandbox/openstack/types.ts';
import type { Mirror } from './mirror.ts';

/** What a write does. `token` is no write to the cloud; `other` is one that Ephyra has no use for. */
export const WRITES = [
  'mark',
  /** The mark is written once more as it is: a write finds out what no read tells for certain, that the node is there. */
  'prove',
  'patch',
  'create node',
  'create port',
  'create portgroup',
  'create chassis',
  'set traits',
  'set raid',
  'manage',
  'provide',
  'undeploy',
  'power off',
  'power on',
  'delete node',
  'boot',
  'stop',
  'start',
  'delete instance',
  'token',
  /** What belongs to a lease is written for a deployment, to no node. */
  'lease',
  'other',
] as const;
export type Write = (typeof WRITES)[number];

/** Writes that can cost data, a running machine or a definition (invariant 3). */
export const DESTRUCTIVE: ReadonlySet<Write> = new Set([
  'undeploy',
  'power off',
  'delete node',
  'stop',
  'delete instance',
]);

/** The mark is taken off: nobody looks after the node any more. */
export const isLettingGo = ({ write, body }: Call): boolean =>
  write === 'mark' && Array.isArray(body) && body.some((step: { readonly op?: unknown }) => step.op === 'remove');

/** Requests are given up after a minute. */
const GIVEN_UP_MS = 60_000;

/** Given up long before it has arrived: nobody can know that it is still to come, and what it does is nobody's doing. */
export const isGivenUp = (call: Call, now: number): boolean => now - call.sentAt > GIVEN_UP_MS;

/** One request of one process, on its way. */
export interface Call {
  /** Counts the requests of the world. */
  readonly id: number;
  readonly process: number;
  readonly at: string;
  readonly service: Service;
  readonly method: string;
  /** With query. */
  readonly path: string;
  readonly body: unknown;
  /** Null: a read. */
  readonly write: Write | null;
  /** The node that a write is about, as far as it is about one. */
  readonly node: string | null;
  /** The instance that a write is about. */
  readonly instance: string | null;
  readonly sentAt: number;
  /** When the service looked at it; null while it is on its way. */
  servedAt: number | null;
  /** Answered from a world of the past. */
  stale: boolean;
  status: number | null;
}

export const isWrite = (call: Call): boolean => call.write !== null && call.write !== 'token' && call.write !== 'lease';

type Map = Record<string, unknown>;
const map = (value: unknown): Map => (typeof value === 'object' && value !== null ? (value as Map) : {});

/** What a request is, from its method, path and body. */
export function classify(
  service: Service,
  method: string,
  path: string,
  body: unknown,
  mirror: Mirror,
): Pick<Call, 'write' | 'node' | 'instance'> {
  const none = { write: null, node: null, instance: null };
  if (method === 'GET' || method === 'HEAD') return none;
  if (service === 'keystone') return { ...none, write: 'token' };
  const [, , kind, id, sub, what] = (path.split('?', 1)[0] ?? '').split('/');
  if (service === 'ironic' && kind === 'nodes') {
    if (id === undefined || id === '') return { ...none, write: 'create node', node: text(map(body)['uuid']) };
    return { ...none, write: nodeWrite(method, sub, what, body), node: uuidOf(decodeURIComponent(id), mirror) };
  }
  if (service === 'ironic' && (kind === 'ports' || kind === 'portgroups') && method === 'POST') {
    const write = kind === 'ports' ? 'create port' : 'create portgroup';
    return { ...none, write, node: text(map(body)['node_uuid']) };
  }
  if (service === 'ironic' && kind === 'chassis') {
    const created = method === 'POST' && map(map(body)['extra'])['ephyra_lease'] === undefined;
    return { ...none, write: created ? 'create chassis' : 'lease' };
  }
  if (service === 'nova' && kind === 'servers') {
    if (id === undefined || id === '') {
      return { ...none, write: 'boot', node: text(map(map(body)['server'])['hypervisor_hostname']) };
    }
    const about = { instance: id, node: mirror.nodeOf(id) ?? null };
    if (method === 'DELETE') return { ...about, write: 'delete instance' };
    if (sub === 'action' && 'os-stop' in map(body)) return { ...about, write: 'stop' };
    if (sub === 'action' && 'os-start' in map(body)) return { ...about, write: 'start' };
    return { ...about, write: 'other' };
  }
  return { ...none, write: 'other' };
}

function nodeWrite(method: string, sub: string | undefined, what: string | undefined, body: unknown): Write {
  const target = map(body)['target'];
  if (sub === undefined && method === 'DELETE') return 'delete node';
  if (sub === undefined && method === 'PATCH') {
    const paths = Array.isArray(body) ? body.map((step) => map(step)['path']) : [];
    if (paths.length === 1 && paths[0] === '/extra/ephyra/v') return 'prove';
    return paths.length > 0 && paths.every((path) => path === '/extra/ephyra') ? 'mark' : 'patch';
  }
  if (sub === 'traits') return 'set traits';
  if (sub === 'states' && what === 'raid') return 'set raid';
  // A machine that is rebooted goes off as well.
  if (sub === 'states' && what === 'power') return target === 'power on' ? 'power on' : 'power off';
  if (sub === 'states' && what === 'provision') {
    return target === 'manage' || target === 'provide' ? target : target === 'deleted' ? 'undeploy' : 'other';
  }
  return 'other';
}

function uuidOf(ident: string, mirror: Mirror): string {
  if (mirror.nodes.has(ident)) return ident;
  for (const node of mirror.nodes.values()) if (node.name === ident) return node.uuid;
  return ident;
}

const text = (value: unknown): string | null => (typeof value === 'string' ? value : null);

/** One line, without secrets. */
export function describe(call: Call): string {
  const what = call.write === null ? '' : ` [${call.write}${call.node === null ? '' : ` ${call.node.slice(-4)}`}]`;
  return `#${call.id} p${call.process} ${call.at} ${call.service} ${call.method} ${call.path.slice(0, 120)}${what}`;
}
