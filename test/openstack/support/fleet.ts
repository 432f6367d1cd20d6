import { Cloud } from '../../contract/openstack/cloud.ts';
import { realBackend } from '../real.ts';

type Json = Record<string, unknown>;

/** What moves with the node: compared before and after, secrets included. */
const NODE_FIELDS = [
  'uuid',
  'name',
  'driver',
  'driver_info',
  'properties',
  'resource_class',
  'description',
  'extra',
  'traits',
  'conductor_group',
  'automated_clean',
  'chassis_uuid',
  'lessee',
  'network_data',
  'protected',
  'retired',
  'maintenance',
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
];
const PORT_FIELDS = [
  'uuid',
  'address',
  'node_uuid',
  'physical_network',
  'local_link_connection',
  'pxe_enabled',
  'is_smartnic',
  'portgroup_uuid',
  'extra',
];

export interface SeenServer {
  readonly id: string;
  readonly name: string;
  readonly status: string;
  readonly node: string | null;
  readonly addresses: readonly string[];
}

/** One real control plane, seen by raw HTTP: nothing of Ephyra's own clients is between the test and the truth. */
export class RealFleet {
  readonly name: 'cp1' | 'cp2';
  #cloud: Promise<Cloud> | null = null;

  constructor(name: 'cp1' | 'cp2') {
    this.name = name;
  }

  async cloud(): Promise<Cloud> {
    this.#cloud ??= realBackend(this.name).then((backend) => Cloud.signIn(backend));
    return this.#cloud;
  }

  async nodes(): Promise<Json[]> {
    const { body } = await (await this.cloud()).ironic<{ nodes: Json[] }>('GET', '/v1/nodes/detail');
    return body.nodes;
  }

  async servers(): Promise<SeenServer[]> {
    const path = '/servers/detail?all_tenants=1';
    const { body } = await (await this.cloud()).nova<{ servers: Json[] }>('GET', path);
    return body.servers.map((server) => ({
      id: String(server['id']),
      name: String(server['name']),
      status: String(server['status']),
      node: (server['OS-EXT-SRV-ATTR:hypervisor_hostname'] as string | null) ?? null,
      addresses: Object.values(server['addresses'] as Record<string, { addr: string }[]>).flatMap((all) =>
        all.map(({ addr }) => addr),
      ),
    }));
  }

  /** By node name: the definition, ports and traits and readable secrets included. */
  async definitions(): Promise<Record<string, unknown>> {
    const { body } = await (await this.cloud()).ironic<{ ports: Json[] }>('GET', '/v1/ports/detail');
    return Object.fromEntries(
      (await this.nodes()).map((node) => [
        String(node['name']),
        {
          ...pick(node, NODE_FIELDS),
          traits: [...(node['traits'] as string[])].sort(),
          ports: body.ports.filter((port) => port['node_uuid'] === node['uuid']).map((port) => pick(port, PORT_FIELDS)),
        },
      ]),
    );
  }

  async setMaintenance(node: string, on: boolean, reason?: string): Promise<void> {
    const path = `/v1/nodes/${node}/maintenance`;
    await (await this.cloud()).ironic(on ? 'PUT' : 'DELETE', path, on ? { reason } : undefined);
  }
}

const pick = (from: Json, fields: readonly string[]): Json =>
  Object.fromEntries(fields.map((field) => [field, from[field] ?? null]));
