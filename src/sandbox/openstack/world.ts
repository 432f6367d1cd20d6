import type {
  ChassisRecord,
  FlavorRecord,
  ImageRecord,
  InstanceRecord,
  KeypairRecord,
  NetworkRecord,
  NeutronPortRecord,
  NodeRecord,
  PortgroupRecord,
  PortRecord,
  ProviderRecord,
} from './records.ts';
import type { ChangeEvent, ChangeKind, Clock, JsonObject } from './types.ts';

/** Everything that changes while the clouds run. Maps keep the order of creation, which is the order of lists. */
export interface Tables {
  readonly nodes: ReadonlyMap<string, NodeRecord>;
  readonly ports: ReadonlyMap<string, PortRecord>;
  readonly portgroups: ReadonlyMap<string, PortgroupRecord>;
  readonly chassis: ReadonlyMap<string, ChassisRecord>;
  readonly instances: ReadonlyMap<string, InstanceRecord>;
  readonly providers: ReadonlyMap<string, ProviderRecord>;
  readonly neutronPorts: ReadonlyMap<string, NeutronPortRecord>;
}

type RecordOf<K extends keyof Tables> = Tables[K] extends ReadonlyMap<string, infer R> ? R : never;

/** What an operator has set up once: no events, no history. */
export interface Catalogue {
  readonly flavors: Map<string, FlavorRecord>;
  readonly images: Map<string, ImageRecord>;
  readonly networks: Map<string, NetworkRecord>;
  readonly keypairs: Map<string, KeypairRecord>;
  /** Resource classes and traits that Placement has ever been told of; it forgets none. */
  readonly resourceClasses: Set<string>;
  readonly traits: Set<string>;
  /** By network: where in its pool the search for a free address begins. */
  readonly nextAddress: Map<string, number>;
}

const TABLES = ['nodes', 'ports', 'portgroups', 'chassis', 'instances', 'providers', 'neutronPorts'] as const;
const WORD = {
  nodes: 'node',
  ports: 'port',
  portgroups: 'portgroup',
  chassis: 'chassis',
  instances: 'instance',
  providers: 'provider',
  neutronPorts: 'neutron_port',
} as const;

export interface World {
  readonly tables: Tables;
  readonly catalogue: Catalogue;
  /** Puts a record in the place of the one with its key, or at the end; tells the listeners each thing that changed. */
  put<K extends keyof Tables>(table: K, key: string, record: RecordOf<K>): void;
  /** Puts the changed record; nothing when there is none with this key. */
  change<K extends keyof Tables>(table: K, key: string, changes: Partial<RecordOf<K>>): void;
  remove<K extends keyof Tables>(table: K, key: string): void;
  /** Counts up; tells apart what has the same name at different times. */
  nextSerial(): number;
  onChange(listener: (event: ChangeEvent) => void): () => void;
  /** Keeps past tables from now on, for lists that answer from them. */
  keepHistory(keep: boolean): void;
  /** The tables as they were at `at`, as far back as history was kept; the present ones without history. */
  past(at: number): Tables;
}

/** The state of one control plane, and the one place through which it changes. */
export function createWorld(name: string, clock: Clock, catalogue: Catalogue): World {
  const tables = {
    nodes: new Map<string, NodeRecord>(),
    ports: new Map<string, PortRecord>(),
    portgroups: new Map<string, PortgroupRecord>(),
    chassis: new Map<string, ChassisRecord>(),
    instances: new Map<string, InstanceRecord>(),
    providers: new Map<string, ProviderRecord>(),
    neutronPorts: new Map<string, NeutronPortRecord>(),
  };
  const listeners = new Set<(event: ChangeEvent) => void>();
  let serial = 0;
  let history: { until: number; tables: Tables }[] | null = null;

  function remember(): void {
    const now = clock.now();
    // One copy for each instant is enough: what was before the first change of this instant.
    if (history === null || history.at(-1)?.until === now) return;
    history.push({ until: now, tables: copyOf(tables) });
    if (history.length > 2000) history.splice(0, 1000);
  }

  function tell(kinds: readonly ChangeKind[], uuid: string, before: unknown, after: unknown): void {
    if (listeners.size === 0) return;
    for (const kind of kinds) {
      const event: ChangeEvent = {
        at: clock.now(),
        controlPlane: name,
        kind,
        uuid,
        ...(before === undefined ? {} : { before: before as JsonObject }),
        ...(after === undefined ? {} : { after: after as JsonObject }),
      };
      for (const listener of listeners) listener(event);
    }
  }

  const world: World = {
    tables,
    catalogue,
    put(table, key, record) {
      const map = tables[table] as Map<string, RecordOf<typeof table>>;
      const before = map.get(key);
      remember();
      map.set(key, record);
      tell(before === undefined ? [`${WORD[table]}.created`] : differences(table, before, record), key, before, record);
    },
    change(table, key, changes) {
      const before = tables[table].get(key);
      if (before !== undefined) world.put(table, key, { ...before, ...changes } as RecordOf<typeof table>);
    },
    remove(table, key) {
      const before = tables[table].get(key);
      if (before === undefined) return;
      remember();
      tables[table].delete(key);
      tell([`${WORD[table]}.deleted`], key, before, undefined);
    },
    nextSerial() {
      serial += 1;
      return serial;
    },
    onChange(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    keepHistory(keep) {
      if (!keep) history = null;
      else if (history === null) history = [{ until: clock.now(), tables: copyOf(tables) }];
    },
    past(at) {
      return history?.find((entry) => entry.until > at)?.tables ?? tables;
    },
  };
  return world;
}

function copyOf(tables: Tables): Tables {
  return Object.fromEntries(
    TABLES.map((table) => [table, new Map(tables[table] as Map<string, unknown>)]),
  ) as unknown as Tables;
}

/** Each thing that a watcher may wait for has an event of its own; a change of something else is `updated`. */
function differences(table: keyof Tables, before: unknown, after: unknown): ChangeKind[] {
  const found: ChangeKind[] = [];
  if (table === 'nodes') {
    const [a, b] = [before as NodeRecord, after as NodeRecord];
    if (a.provision_state !== b.provision_state) found.push('node.provision_state');
    if (a.power_state !== b.power_state) found.push('node.power_state');
    if (a.maintenance !== b.maintenance) found.push('node.maintenance');
    if (a.reservation !== b.reservation) found.push('node.reservation');
    if (a.instance_uuid !== b.instance_uuid) found.push('node.instance');
    if (a.extra !== b.extra && !same(a.extra['ephyra'], b.extra['ephyra'])) found.push('node.marker');
  } else if (table === 'instances') {
    const [a, b] = [before as InstanceRecord, after as InstanceRecord];
    if (a.status !== b.status) found.push('instance.status');
    if (a.taskState !== b.taskState) found.push('instance.task_state');
    if (a.metadata !== b.metadata) found.push('instance.metadata');
    if (!a.purged && b.purged) found.push('instance.deleted');
  } else if (table === 'providers') {
    const [a, b] = [before as ProviderRecord, after as ProviderRecord];
    if (a.reserved !== b.reserved) found.push('provider.reserved');
    if (a.consumer !== b.consumer) found.push('provider.usage');
  }
  return found.length > 0 ? found : [`${WORD[table]}.updated`];
}

function same(a: unknown, b: unknown): boolean {
  return a === b || JSON.stringify(a) === JSON.stringify(b);
}
