import { asBoolean, ironicTime, isMap, type JsonMap } from '../http.ts';
import { memo } from '../memo.ts';
import type { NodeRecord } from '../records.ts';
import type { JsonObject } from '../types.ts';

export const INTERFACES: Readonly<Record<string, { readonly default: string; readonly enabled: readonly string[] }>> = {
  bios: { default: 'fake', enabled: ['fake', 'no-bios'] },
  boot: { default: 'fake', enabled: ['fake'] },
  console: { default: 'no-console', enabled: ['no-console'] },
  deploy: { default: 'fake', enabled: ['fake'] },
  inspect: { default: 'fake', enabled: ['fake', 'no-inspect'] },
  management: { default: 'fake', enabled: ['fake'] },
  network: { default: 'flat', enabled: ['flat', 'noop'] },
  power: { default: 'fake', enabled: ['fake'] },
  raid: { default: 'fake', enabled: ['fake', 'no-raid'] },
  rescue: { default: 'fake', enabled: ['fake', 'no-rescue'] },
  storage: { default: 'noop', enabled: ['noop'] },
  vendor: { default: 'fake', enabled: ['fake', 'no-vendor'] },
};

/** First minor version in which a field may be read or written; fields not here were always there. */
export const SINCE: Readonly<Record<string, number>> = {
  driver_internal_info: 3,
  name: 5,
  inspection_finished_at: 6,
  inspection_started_at: 6,
  clean_step: 7,
  raid_config: 12,
  target_raid_config: 12,
  network_interface: 20,
  resource_class: 21,
  boot_interface: 31,
  console_interface: 31,
  deploy_interface: 31,
  inspect_interface: 31,
  management_interface: 31,
  power_interface: 31,
  raid_interface: 31,
  vendor_interface: 31,
  storage_interface: 33,
  traits: 37,
  rescue_interface: 38,
  bios_interface: 40,
  fault: 42,
  deploy_step: 44,
  conductor_group: 46,
  automated_clean: 47,
  protected: 48,
  protected_reason: 48,
  conductor: 49,
  owner: 50,
  description: 51,
  allocation_uuid: 52,
  retired: 61,
  retired_reason: 61,
  lessee: 65,
  network_data: 66,
  boot_mode: 75,
  secure_boot: 75,
  shard: 82,
};

/** What a reader may see, beside the record itself. */
export interface Reader {
  readonly version: number;
  readonly showPassword: boolean;
  readonly conductor: string;
}

type Read = (node: NodeRecord, reader: Reader) => unknown;

const plain =
  (field: keyof NodeRecord): Read =>
  (node) =>
    node[field];
const constant =
  (value: unknown): Read =>
  () =>
    value;
const iface =
  (name: string): Read =>
  (node) =>
    node.interfaces[name] ?? INTERFACES[name]?.default;

/** The fields of a node in the order in which Ironic gives them. */
export const FIELDS: Readonly<Record<string, Read>> = {
  uuid: plain('uuid'),
  created_at: (node) => ironicTime(node.created_at),
  updated_at: (node) => ironicTime(node.updated_at),
  automated_clean: plain('automated_clean'),
  bios_interface: iface('bios'),
  boot_interface: iface('boot'),
  boot_mode: plain('boot_mode'),
  clean_step: plain('clean_step'),
  conductor_group: plain('conductor_group'),
  console_enabled: plain('console_enabled'),
  console_interface: iface('console'),
  deploy_interface: iface('deploy'),
  deploy_step: plain('deploy_step'),
  description: plain('description'),
  driver: plain('driver'),
  driver_info: (node, reader) => (reader.showPassword ? node.driver_info : masked(node.driver_info)),
  driver_internal_info: plain('driver_internal_info'),
  extra: plain('extra'),
  fault: constant(null),
  inspection_finished_at: constant(null),
  inspection_started_at: constant(null),
  inspect_interface: iface('inspect'),
  instance_info: plain('instance_info'),
  instance_uuid: plain('instance_uuid'),
  last_error: plain('last_error'),
  lessee: plain('lessee'),
  maintenance: plain('maintenance'),
  maintenance_reason: plain('maintenance_reason'),
  management_interface: iface('management'),
  name: plain('name'),
  network_data: plain('network_data'),
  network_interface: iface('network'),
  owner: plain('owner'),
  power_interface: iface('power'),
  power_state: plain('power_state'),
  properties: plain('properties'),
  protected: plain('protected'),
  protected_reason: plain('protected_reason'),
  // At the default version 1.1 an available node has no state at all.
  provision_state: (node, reader) =>
    reader.version < 2 && node.provision_state === 'available' ? null : node.provision_state,
  provision_updated_at: (node) => ironicTime(node.provision_updated_at),
  raid_config: constant({}),
  raid_interface: iface('raid'),
  rescue_interface: iface('rescue'),
  reservation: plain('reservation'),
  resource_class: plain('resource_class'),
  retired: plain('retired'),
  retired_reason: plain('retired_reason'),
  secure_boot: plain('secure_boot'),
  shard: plain('shard'),
  storage_interface: iface('storage'),
  target_power_state: plain('target_power_state'),
  target_provision_state: plain('target_provision_state'),
  target_raid_config: plain('target_raid_config'),
  traits: plain('traits'),
  vendor_interface: iface('vendor'),
  conductor: (_node, reader) => reader.conductor,
  allocation_uuid: constant(null),
  chassis_uuid: plain('chassis_uuid'),
};

export const BRIEF_FIELDS = ['uuid', 'instance_uuid', 'maintenance', 'power_state', 'provision_state', 'name'] as const;

export function visible(field: string, version: number): boolean {
  return version >= (SINCE[field] ?? 1);
}

export function links(base: string, collection: string, id: string): readonly JsonObject[] {
  return [
    { href: `${base}/v1/${collection}/${id}`, rel: 'self' },
    { href: `${base}/${collection}/${id}`, rel: 'bookmark' },
  ];
}

/** Fields with the way to read each, looked up once for many nodes. */
export type Columns = readonly (readonly [string, Read])[];

/** Those of the fields named that this version shows; those unknown are left out. */
export function columnsOf(fields: readonly string[], version: number): Columns {
  const columns: [string, Read][] = [];
  for (const field of fields) {
    const read = FIELDS[field];
    if (read !== undefined && visible(field, version)) columns.push([field, read]);
  }
  return columns;
}

const allColumns = memo((version: number): Columns => columnsOf(Object.keys(FIELDS), version));

/** The columns and the links. */
export function someFields(node: NodeRecord, columns: Columns, reader: Reader, base: string): JsonMap {
  const view: JsonMap = {};
  for (const [field, read] of columns) view[field] = read(node, reader);
  view['links'] = links(base, 'nodes', node.uuid);
  return view;
}

type Shown = Pick<Reader, 'version' | 'showPassword'> & {
  readonly fields: string;
  readonly base: string;
  readonly view: JsonMap;
};

/** By record, which is never changed but replaced: how it was shown last. Lists are asked for again and again. */
const lastShown = new WeakMap<NodeRecord, Shown>();

/** As a list of these fields shows the node; not to be changed. */
export function listed(node: NodeRecord, fields: string, columns: Columns, reader: Reader, base: string): JsonMap {
  const { version, showPassword } = reader;
  const last = lastShown.get(node);
  if (last?.fields === fields && last.version === version && last.showPassword === showPassword && last.base === base) {
    return last.view;
  }
  const view = someFields(node, columns, reader, base);
  lastShown.set(node, { fields, version, showPassword, base, view });
  return view;
}

/** Everything that this version of the API shows. */
export function allFields(node: NodeRecord, reader: Reader, base: string): JsonMap {
  const view = someFields(node, allColumns(reader.version), reader, base);
  const below: readonly (readonly [string, number])[] = [
    ['ports', 1],
    ['states', 14],
    ['portgroups', 24],
    ['volume', 32],
  ];
  for (const [name, since] of below) {
    if (reader.version >= since) view[name] = links(base, 'nodes', `${node.uuid}/${name}`);
  }
  return view;
}

const SECRET = /password|secret|token/i;

/** `******` for each value whose key sounds secret; a client that writes it back destroys the secret. */
export function masked(info: JsonObject): JsonObject {
  return Object.fromEntries(
    Object.entries(info).map(([key, value]) => [
      key,
      isMap(value) ? masked(value) : SECRET.test(key) ? '******' : value,
    ]),
  );
}

export type Kind = 'text' | 'map' | 'boolean' | 'uuid';

/** What POST accepts, and the kind of each. */
export const CREATE_FIELDS: Readonly<Record<string, Kind>> = {
  automated_clean: 'boolean',
  boot_mode: 'text',
  chassis_uuid: 'uuid',
  conductor_group: 'text',
  console_enabled: 'boolean',
  description: 'text',
  driver: 'text',
  driver_info: 'map',
  extra: 'map',
  instance_info: 'map',
  instance_uuid: 'uuid',
  lessee: 'text',
  maintenance: 'boolean',
  name: 'text',
  network_data: 'map',
  owner: 'text',
  properties: 'map',
  resource_class: 'text',
  retired: 'boolean',
  retired_reason: 'text',
  secure_boot: 'boolean',
  shard: 'text',
  uuid: 'uuid',
  ...Object.fromEntries(Object.keys(INTERFACES).map((name) => [`${name}_interface`, 'text' as const])),
};

/** What PATCH accepts, in the words of its refusal. */
export const PATCH_FIELDS: readonly string[] = [
  'automated_clean',
  'bios_interface',
  'boot_interface',
  'chassis_uuid',
  'conductor_group',
  'console_interface',
  'deploy_interface',
  'description',
  'driver',
  'driver_info',
  'extra',
  'inspect_interface',
  'instance_info',
  'instance_uuid',
  'lessee',
  'maintenance',
  'management_interface',
  'name',
  'network_data',
  'network_interface',
  'owner',
  'power_interface',
  'properties',
  'protected',
  'protected_reason',
  'raid_interface',
  'rescue_interface',
  'resource_class',
  'retired',
  'retired_reason',
  'shard',
  'storage_interface',
  'vendor_interface',
];

export function booleanOr(value: unknown, otherwise: boolean): boolean {
  return value === null || value === undefined ? otherwise : (asBoolean(value) ?? otherwise);
}
