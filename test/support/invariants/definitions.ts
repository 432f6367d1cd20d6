import { isDeepStrictEqual } from 'node:util';
import { INTERFACES } from '../../../src/sandbox/openstack/ironic/node-fields.ts';
import type { NodeRecord, PortgroupRecord, PortRecord } from '../../../src/sandbox/openstack/records.ts';
import type { Call } from '../world/calls.ts';
import { isGivenUp } from '../world/calls.ts';
import type { Mirror } from '../world/mirror.ts';
import { FRESH_MS } from './evidence.ts';
import type { Invariant, Watched } from './invariant.ts';

/** Everything that makes a node what it is, secrets unmasked. */
interface Definition {
  readonly node: Record<string, unknown>;
  readonly ports: readonly Record<string, unknown>[];
  readonly portgroups: readonly Record<string, unknown>[];
}

const NODE_FIELDS = [
  'uuid',
  'name',
  'driver',
  'driver_info',
  'properties',
  'network_data',
  'resource_class',
  'description',
  'automated_clean',
  'chassis_uuid',
  'conductor_group',
  'lessee',
  'retired',
  'retired_reason',
  'shard',
  'target_raid_config',
] as const satisfies readonly (keyof NodeRecord)[];
type Fields = Readonly<Record<string, unknown>>;
const WATCHED: readonly string[] = [...NODE_FIELDS, 'interfaces', 'traits'];
const PORT_FIELDS = [
  'uuid',
  'address',
  'portgroup_uuid',
  'extra',
  'is_smartnic',
  'local_link_connection',
  'physical_network',
  'pxe_enabled',
] as const satisfies readonly (keyof PortRecord)[];
const PORTGROUP_FIELDS = [
  'uuid',
  'address',
  'name',
  'mode',
  'properties',
  'extra',
  'standalone_ports_supported',
] as const satisfies readonly (keyof PortgroupRecord)[];

/** Invariant 1: every node's full definition, BMC secrets, ports and traits included, is in at least one Ironic. */
export class DefinitionsPresent implements Invariant {
  readonly name = 'definitions present';
  readonly #world: Watched;
  readonly #original = new Map<string, Definition>();
  /** By control plane and node. */
  readonly #whole = new Map<string, boolean>();
  #edited: string | null = null;
  /** Nodes that are being deleted so late. */
  readonly #late = new Set<string>();
  /** The last change that was of nothing that belongs to a definition. */
  #besides: { readonly before: Fields | undefined; readonly after: Fields | undefined } | null = null;
  /** What a person has just changed: until when it may still be what is copied. */
  readonly #previous = new Map<string, { readonly definition: Definition; readonly until: number }>();

  constructor(world: Watched) {
    this.#world = world;
    for (const mirror of world.mirrors.values()) {
      for (const uuid of mirror.nodes.keys()) this.accept(uuid, mirror);
    }
  }

  /** What is there now is what is to be kept: at the beginning, and after a person has changed it. */
  accept(uuid: string, mirror: Mirror): void {
    const definition = definitionIn(mirror, uuid);
    if (definition !== null) this.#keep(uuid, definition);
  }

  #keep(uuid: string, definition: Definition): void {
    this.#original.set(uuid, definition);
    for (const mirror of this.#world.mirrors.values()) {
      this.#whole.set(`${mirror.name} ${uuid}`, isWhole(mirror, uuid, definition));
    }
  }

  /** Lets a person change the node in one control plane, and takes the outcome for what is to be kept. */
  whileEdited(uuid: string, mirror: Mirror, edit: () => void): void {
    const before = this.#original.get(uuid);
    this.#edited = uuid;
    edit();
    this.#edited = null;
    this.accept(uuid, mirror);
    // Read a moment before, and compared and deleted right after: nobody can tell that it was edited in between.
    if (before !== undefined)
      this.#previous.set(uuid, { definition: before, until: this.#world.time.now() + FRESH_MS });
  }

  /** A delete that nobody knows of any more takes whatever it meets, were it the last: nobody can be told to prevent that. */
  arrived(call: Call): void {
    if (call.write !== 'delete node' || call.node === null) return;
    if (isGivenUp(call, this.#world.time.now())) this.#late.add(call.node);
    // Sent before the edit or right after it, and held up since: that is as good as arrived then.
    const previous = this.#previous.get(call.node);
    if (previous === undefined || call.sentAt > previous.until) return;
    this.#previous.set(call.node, { ...previous, until: Math.max(previous.until, this.#world.time.now()) });
  }

  /** What such a delete has left is what there is to keep. */
  served({ node }: Call): void {
    if (node === null || !this.#late.delete(node)) return;
    const definition = this.#original.get(node);
    if (definition === undefined) return;
    this.#keep(node, definition);
    if (!this.#isSomewhere(node)) this.#original.delete(node);
  }

  changed({ kind, uuid, controlPlane, before, after }: Parameters<NonNullable<Invariant['changed']>>[0]): void {
    const node = kind.startsWith('port') ? String(after?.['node_uuid'] ?? before?.['node_uuid']) : uuid;
    if (!kind.startsWith('node.') && !kind.startsWith('port')) return;
    const original = this.#original.get(node);
    if (original === undefined || node === this.#edited || this.#late.has(node)) return;
    // A record that changes in several ways at once is told of several times.
    if (before !== undefined && before === this.#besides?.before && after === this.#besides.after) return;
    if (isBesides(kind, before, after)) {
      this.#besides = { before, after };
      return;
    }
    const mirror = this.#world.mirror(controlPlane);
    this.#whole.set(`${controlPlane} ${node}`, isWhole(mirror, node, original));
    if (!this.#isSomewhere(node) && !this.#wasEditedTooLate(node)) {
      this.#world.violate(this.name, `after ${kind} in ${controlPlane} no Ironic has the whole definition of ${node}`);
    }
  }

  #isSomewhere(node: string): boolean {
    return [...this.#world.mirrors.keys()].some((name) => this.#whole.get(`${name} ${node}`) === true);
  }

  /** The definition from before an edit of the last seconds is whole somewhere: then that is what is kept. */
  #wasEditedTooLate(node: string): boolean {
    const previous = this.#previous.get(node);
    if (previous === undefined || this.#world.time.now() > previous.until) return false;
    this.#keep(node, previous.definition);
    return this.#isSomewhere(node);
  }
}

/** Nothing of the definition is another value than before: most changes are of a node's state or of its mark. */
function isBesides(kind: string, before: Fields | undefined, after: Fields | undefined): boolean {
  if (before === undefined || after === undefined) return false;
  const same = (field: string) => before[field] === after[field];
  if (kind.startsWith('portgroup.')) return same('node_uuid') && PORTGROUP_FIELDS.every(same);
  if (kind.startsWith('port.')) return same('node_uuid') && PORT_FIELDS.every(same);
  return WATCHED.every(same) && isSameButForMark(before['extra'] as Fields, after['extra'] as Fields);
}

function isSameButForMark(before: Fields, after: Fields): boolean {
  if (before === after) return true;
  return Object.keys({ ...before, ...after }).every((key) => key === 'ephyra' || before[key] === after[key]);
}

/** Counts first: half copied or half deleted, a definition lacks parts. */
function isWhole(mirror: Mirror, uuid: string, definition: Definition): boolean {
  if ((mirror.ports.get(uuid)?.size ?? 0) !== definition.ports.length) return false;
  if ((mirror.portgroups.get(uuid)?.size ?? 0) !== definition.portgroups.length) return false;
  return isDeepStrictEqual(definitionIn(mirror, uuid), definition);
}

function definitionIn(mirror: Mirror, uuid: string): Definition | null {
  const node = mirror.nodes.get(uuid);
  if (node === undefined) return null;
  const { ephyra: _marker, ...extra } = node.extra;
  return {
    node: { ...pick(node, NODE_FIELDS), extra, interfaces: interfacesOf(node), traits: [...node.traits].sort() },
    ports: sorted(mirror.ports.get(uuid), PORT_FIELDS),
    portgroups: sorted(mirror.portgroups.get(uuid), PORTGROUP_FIELDS),
  };
}

/** One that is not set is the default. */
function interfacesOf(node: NodeRecord): Record<string, string> {
  const all: Record<string, string> = {};
  for (const [kind, usual] of USUAL) all[kind] = node.interfaces[kind] ?? usual;
  return all;
}
const USUAL = Object.entries(INTERFACES).map(([kind, { default: usual }]) => [kind, usual] as const);

function sorted<T extends { readonly uuid: string }>(
  items: ReadonlyMap<string, T> | undefined,
  fields: readonly (keyof T & string)[],
): Record<string, unknown>[] {
  const all = [...(items?.values() ?? [])].sort((a, b) => (a.uuid < b.uuid ? -1 : 1));
  return all.map((item) => pick(item, fields));
}

function pick<T extends object>(item: T, fields: readonly (keyof T & string)[]): Record<string, unknown> {
  const picked: Record<string, unknown> = {};
  for (const field of fields) picked[field] = item[field];
  return picked;
}
