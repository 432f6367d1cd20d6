import { Failure } from '../../../machines/errors.ts';
import { isRecord } from '../messages.ts';
import type { NodeDetail, PatchOp, PortDetail, PortgroupDetail } from './schema.ts';
import { findMaskedSecrets, SHOW_PASSWORD_REMEDY } from './secrets.ts';

/** Everything that makes a node what it is, and that a move must carry over. */
export interface Definition {
  readonly node: NodeDetail;
  readonly ports: readonly PortDetail[];
  readonly portgroups: readonly PortgroupDetail[];
  readonly traits: readonly string[];
}

const INTERFACES = [
  'bios_interface',
  'boot_interface',
  'console_interface',
  'deploy_interface',
  'inspect_interface',
  'management_interface',
  'network_interface',
  'power_interface',
  'raid_interface',
  'rescue_interface',
  'storage_interface',
  'vendor_interface',
] as const;

/**
 * Fields of a node that are copied by the create. A whitelist, because Ironic refuses every other one (400), even with
 * harmless values. Left out on purpose though it would take them: `maintenance` (such nodes are not moved, see
 * requests.ts), `instance_info` and `instance_uuid` (they die with the instance), `console_enabled`, `boot_mode` and
 * `secure_boot` (what the hardware is doing, not what it is), `owner` (see {@link CreateOptions}).
 */
export const COPIED_NODE_FIELDS = [
  'name',
  'driver',
  'driver_info',
  'properties',
  'extra',
  'resource_class',
  'description',
  'automated_clean',
  'chassis_uuid',
  'conductor_group',
  'lessee',
  'network_data',
  'retired',
  'retired_reason',
  'shard',
  ...INTERFACES,
] as const;

const COPIED_PORT_FIELDS = [
  'uuid',
  'address',
  'extra',
  'physical_network',
  'local_link_connection',
  'pxe_enabled',
  'is_smartnic',
  'portgroup_uuid',
] as const;

const COPIED_PORTGROUP_FIELDS = [
  'uuid',
  'address',
  'name',
  'mode',
  'properties',
  'extra',
  'standalone_ports_supported',
] as const;

/** What Ironic takes a field for that is not given: such a value need not be sent, and equals its absence. */
const DEFAULTS: Readonly<Record<string, unknown>> = {
  retired: false,
  is_smartnic: false,
  pxe_enabled: true,
  standalone_ports_supported: true,
};

/** Nothing, or the default. `false` is a value of its own where null means "as configured" (automated_clean). */
function isUnset(field: string, value: unknown): boolean {
  if (value === undefined || value === null || value === '') return true;
  if (Array.isArray(value)) return value.length === 0;
  if (isRecord(value)) return Object.keys(value).length === 0;
  return Object.hasOwn(DEFAULTS, field) && DEFAULTS[field] === value;
}

export interface CreateOptions {
  /** With the real secrets. Default: the node's own, which may be masked: then the build is refused. */
  readonly driverInfo?: Readonly<Record<string, unknown>>;
  /** With the marker. Default: the node's own. */
  readonly extra?: Readonly<Record<string, unknown>>;
  /**
   * Copy `owner`? A project-scoped admin is refused any but their own project (400) and gets that by itself; and the id
   * of a project means something only in its own Keystone. Default: no.
   */
  readonly ownerAllowed?: boolean;
}

/**
 * The body that creates the node elsewhere: same uuid, same name, only what is set.
 * @throws Failure `secret_masked` when any value in it is a mask
 */
export function nodeCreateBody(node: NodeDetail, options: CreateOptions = {}): Record<string, unknown> {
  const values: Readonly<Record<string, unknown>> = {
    ...node,
    driver_info: options.driverInfo ?? node.driver_info,
    extra: options.extra ?? node.extra,
  };
  const fields = options.ownerAllowed === true ? [...COPIED_NODE_FIELDS, 'owner'] : COPIED_NODE_FIELDS;
  const body = { uuid: node.uuid, ...pick(values, fields) };
  const masked = findMaskedSecrets(body);
  if (masked.length > 0) {
    throw new Failure({
      reason: 'secret_masked',
      next: 'stop',
      message: `Node ${node.name ?? node.uuid} cannot be copied: Ironic masks ${masked.join(', ')}.`,
      remedy: SHOW_PASSWORD_REMEDY,
    });
  }
  return body;
}

/** Legacy Ironic kept the instance's network port here: it belongs to the instance, not to the definition. */
const VIF_KEY = 'vif_port_id';

/**
 * The body that creates a port elsewhere, with the same uuid.
 * @param portgroups where a portgroup has another uuid there: old to new; default: the same uuids
 */
export function portCreateBody(port: PortDetail, portgroups?: ReadonlyMap<string, string>): Record<string, unknown> {
  const group = port.portgroup_uuid ?? null;
  return {
    node_uuid: port.node_uuid,
    ...pick(
      {
        ...port,
        extra: without(port.extra, VIF_KEY),
        portgroup_uuid: group === null ? null : (portgroups?.get(group) ?? group),
      },
      COPIED_PORT_FIELDS,
    ),
  };
}

/** The body that creates a portgroup elsewhere, with the same uuid. Portgroups come before their ports. */
export function portgroupCreateBody(group: PortgroupDetail): Record<string, unknown> {
  return {
    node_uuid: group.node_uuid,
    ...pick({ ...group, extra: without(group.extra, VIF_KEY) }, COPIED_PORTGROUP_FIELDS),
  };
}

function pick(values: Readonly<Record<string, unknown>>, fields: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(fields.filter((it) => !isUnset(it, values[it])).map((it) => [it, values[it]]));
}

function without(extra: Readonly<Record<string, unknown>> | null | undefined, key: string): Record<string, unknown> {
  return Object.fromEntries(Object.entries(extra ?? {}).filter(([name]) => name !== key));
}

/** A part of the definition that Ironic does not take at create, and the call that sets it, with the state it needs. */
export type AfterCreateCall =
  | { readonly when: 'enroll'; readonly call: 'setTraits'; readonly traits: readonly string[] }
  | {
      readonly when: 'enroll';
      readonly call: 'setTargetRaidConfig';
      readonly config: Readonly<Record<string, unknown>>;
    }
  | { readonly when: 'active'; readonly call: 'patchNode'; readonly ops: readonly PatchOp[] };

/** What is left to be set after node, portgroups and ports have been created; empty for most nodes but for traits. */
export function afterCreateCalls({ node, traits }: Pick<Definition, 'node' | 'traits'>): AfterCreateCall[] {
  const calls: AfterCreateCall[] = [];
  if (traits.length > 0) calls.push({ when: 'enroll', call: 'setTraits', traits: [...traits].sort() });
  const raid = node.target_raid_config ?? {};
  if (Object.keys(raid).length > 0) calls.push({ when: 'enroll', call: 'setTargetRaidConfig', config: raid });
  if (node.protected) {
    // 409 in any state but active and rescue.
    const reason = node.protected_reason ?? null;
    calls.push({
      when: 'active',
      call: 'patchNode',
      ops: [
        { op: 'replace', path: '/protected', value: true },
        ...(reason === null ? [] : [{ op: 'replace' as const, path: '/protected_reason', value: reason }]),
      ],
    });
  }
  return calls;
}

/** Three bulk lists sorted to one definition per node. Nodes without traits in the answer have none. */
export function collectDefinitions(
  nodes: readonly NodeDetail[],
  ports: readonly PortDetail[],
  portgroups: readonly PortgroupDetail[],
): Map<string, Definition> {
  const portsOf = groupByNode(ports);
  const groupsOf = groupByNode(portgroups);
  return new Map(
    nodes.map((node) => [
      node.uuid,
      {
        node,
        ports: portsOf.get(node.uuid) ?? [],
        portgroups: groupsOf.get(node.uuid) ?? [],
        traits: node.traits ?? [],
      },
    ]),
  );
}

function groupByNode<T extends { node_uuid: string }>(items: readonly T[]): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const group = groups.get(item.node_uuid);
    if (group) group.push(item);
    else groups.set(item.node_uuid, [item]);
  }
  return groups;
}

export { COPIED_PORT_FIELDS, COPIED_PORTGROUP_FIELDS, isUnset, VIF_KEY };
