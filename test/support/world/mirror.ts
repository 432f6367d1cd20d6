import type { ControlPlane } from '../../../src/sandbox/openstack/index.ts';
import type {
  InstanceRecord,
  NodeRecord,
  PortgroupRecord,
  PortRecord,
} from '../../../src/sandbox/openstack/records.ts';
import type { ChangeEvent } from '../../../src/sandbox/openstack/types.ts';

/** What is true in one control plane now, kept up to date by its own events: cheap to ask after each of them. */
export class Mirror {
  readonly name: string;
  readonly nodes = new Map<string, NodeRecord>();
  readonly instances = new Map<string, InstanceRecord>();
  /** By node. */
  readonly ports = new Map<string, Map<string, PortRecord>>();
  readonly portgroups = new Map<string, Map<string, PortgroupRecord>>();

  constructor(controlPlane: ControlPlane) {
    this.name = controlPlane.name;
    const { nodes, instances, ports, portgroups } = controlPlane.snapshot();
    for (const node of nodes) this.nodes.set(node.uuid, node);
    for (const instance of instances) this.instances.set(instance.id, instance);
    for (const port of ports as PortRecord[]) putUnder(this.ports, port);
    for (const group of portgroups as PortgroupRecord[]) putUnder(this.portgroups, group);
  }

  /** To be told of every event, before anybody else. */
  follow({ kind, uuid, before, after }: ChangeEvent): void {
    const table = kind.slice(0, kind.indexOf('.'));
    if (table === 'node') put(this.nodes, uuid, after as unknown as NodeRecord | undefined);
    else if (table === 'instance') put(this.instances, uuid, after as unknown as InstanceRecord | undefined);
    else if (table === 'port' || table === 'portgroup') {
      const tables = (table === 'port' ? this.ports : this.portgroups) as Map<string, Map<string, PortRecord>>;
      if (after !== undefined) putUnder(tables, after as unknown as PortRecord);
      else tables.get(String(before?.['node_uuid']))?.delete(uuid);
    }
  }

  /** The instance that is on the node. */
  instanceOn(uuid: string): InstanceRecord | undefined {
    const id = this.nodes.get(uuid)?.instance_uuid;
    return id ? this.instances.get(id) : undefined;
  }

  /** The node that an instance is on or was meant for. */
  nodeOf(instanceId: string): string | undefined {
    const instance = this.instances.get(instanceId);
    return instance?.node ?? instance?.metadata['ephyra_node'] ?? instance?.pinned ?? undefined;
  }

  /** The machine of the node runs what its instance is: its address, or null. */
  running(uuid: string): { address: string | null } | null {
    const node = this.nodes.get(uuid);
    const instance = this.instanceOn(uuid);
    if (node?.power_state !== 'power on' || instance?.status !== 'ACTIVE') return null;
    const [address] = Object.values(instance.addresses).flatMap((all) => all.map(({ addr }) => String(addr)));
    return { address: address ?? null };
  }
}

function put<T>(map: Map<string, T>, key: string, value: T | undefined): void {
  if (value === undefined) map.delete(key);
  else map.set(key, value);
}

function putUnder<T extends { readonly uuid: string; readonly node_uuid: string }>(
  map: Map<string, Map<string, T>>,
  item: T,
): void {
  const there = map.get(item.node_uuid);
  if (there === undefined) map.set(item.node_uuid, new Map([[item.uuid, item]]));
  else there.set(item.uuid, item);
}
