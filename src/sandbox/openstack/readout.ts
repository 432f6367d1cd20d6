import type { Context } from './context.ts';
import type { InstanceRecord, NodeRecord } from './records.ts';
import type { Tables } from './world.ts';

/** One control plane as a page shows it. No secret is in it. */
export interface Fleet {
  readonly name: string;
  readonly nodes: readonly FleetNode[];
}

export interface FleetNode {
  readonly uuid: string;
  readonly name: string | null;
  readonly role: string | null;
  readonly provisionState: string;
  readonly targetProvisionState: string | null;
  readonly powerState: string | null;
  readonly maintenance: boolean;
  readonly reservation: string | null;
  readonly lastError: string | null;
  /** Carries the marker of a deployment. */
  readonly claimed: boolean;
  /** Placement would give it to an instance now. */
  readonly schedulable: boolean;
  /** This control plane could switch its power: it is not inert in `enroll`. */
  readonly managed: boolean;
  readonly instance: {
    readonly id: string;
    readonly name: string;
    readonly status: string;
    readonly taskState: string | null;
    readonly addresses: readonly string[];
  } | null;
}

export function fleetOf({ name, world }: Context): Fleet {
  return { name, nodes: [...world.tables.nodes.values()].map((node) => nodeOf(node, world.tables)) };
}

/** A node in `enroll` is inert: Ironic neither polls nor switches it. In every other state this control plane has its power. */
export function isManaged(node: NodeRecord): boolean {
  return node.provision_state !== 'enroll';
}

function nodeOf(node: NodeRecord, tables: Tables): FleetNode {
  const provider = tables.providers.get(node.uuid);
  const role = node.extra['role'];
  return {
    uuid: node.uuid,
    name: node.name,
    role: typeof role === 'string' ? role : null,
    provisionState: node.provision_state,
    targetProvisionState: node.target_provision_state,
    powerState: node.power_state,
    maintenance: node.maintenance,
    reservation: node.reservation,
    lastError: node.last_error,
    claimed: node.extra['ephyra'] !== undefined,
    schedulable: provider !== undefined && provider.reserved === 0 && provider.consumer === null,
    managed: isManaged(node),
    instance: node.instance_uuid === null ? null : instanceOf(tables.instances.get(node.instance_uuid)),
  };
}

function instanceOf(instance: InstanceRecord | undefined): FleetNode['instance'] {
  if (instance === undefined) return null;
  const addresses = Object.values(instance.addresses).flatMap((all) => all.map(({ addr }) => String(addr)));
  const { id, name, status, taskState } = instance;
  return { id, name, status, taskState, addresses };
}

/** Everything there is, secrets unmasked: for tests that compare, never for a page or a log. */
export interface Snapshot {
  readonly name: string;
  readonly at: number;
  readonly nodes: readonly (NodeRecord & { readonly managed: boolean })[];
  readonly ports: readonly unknown[];
  readonly portgroups: readonly unknown[];
  readonly chassis: readonly unknown[];
  readonly instances: readonly InstanceRecord[];
  readonly providers: readonly unknown[];
  readonly neutronPorts: readonly unknown[];
}

export function snapshotOf({ name, clock, world }: Context): Snapshot {
  const { nodes, ports, portgroups, chassis, instances, providers, neutronPorts } = world.tables;
  return {
    name,
    at: clock.now(),
    nodes: [...nodes.values()].map((node) => ({ ...node, managed: isManaged(node) })),
    ports: [...ports.values()],
    portgroups: [...portgroups.values()],
    chassis: [...chassis.values()],
    instances: [...instances.values()].filter((instance) => !instance.purged),
    providers: [...providers.values()],
    neutronPorts: [...neutronPorts.values()],
  };
}
