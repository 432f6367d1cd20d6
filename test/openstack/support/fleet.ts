import { Cloud, type Service } from '../../contract/openstack/cloud.ts';
import type { Answer } from '../../contract/openstack/http.ts';
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
    this.#cloud ??= realBackend(this.name)
      .then((backend) => Cloud.signIn(backend))
      .catch((error: unknown) => {
        // Keystone may be down just now; the next call asks again.
        this.#cloud = null;
        throw error;
      });
    return this.#cloud;
  }

  /** One call of the admin's, with a new token when the one at hand has expired. */
  async call<T>(service: Service, method: string, path: string, json?: unknown): Promise<Answer<T>> {
    const cloud = await this.cloud();
    const answer = await cloud.call<T>(service, method, path, { json });
    if (answer.status !== 401) return answer;
    this.#cloud = null;
    return (await this.cloud()).call<T>(service, method, path, { json });
  }

  async nodes(): Promise<Json[]> {
    return this.#list('baremetal', '/v1/nodes/detail', 'nodes');
  }

  async #list(service: Service, path: string, key: string): Promise<Json[]> {
    const { status, body } = await this.call<Record<string, Json[]>>(service, 'GET', path);
    const list = body?.[key];
    // Whoever asks for all must not take "no answer" for "none".
    if (status !== 200 || list === undefined) throw new Error(`${this.name}: GET ${path} answered ${status}`);
    return list;
  }

  async servers(): Promise<SeenServer[]> {
    const servers = await this.#list('compute', '/v2.1/servers/detail?all_tenants=1', 'servers');
    return servers.map((server) => ({
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
    const ports = await this.#list('baremetal', '/v1/ports/detail', 'ports');
    return Object.fromEntries(
      (await this.nodes()).map((node) => [
        String(node['name']),
        {
          ...pick(node, NODE_FIELDS),
          traits: [...(node['traits'] as string[])].sort(),
          ports: ports.filter((port) => port['node_uuid'] === node['uuid']).map((port) => pick(port, PORT_FIELDS)),
        },
      ]),
    );
  }

  async setMaintenance(node: string, on: boolean, reason?: string): Promise<void> {
    await this.call('baremetal', on ? 'PUT' : 'DELETE', `/v1/nodes/${node}/maintenance`, on ? { reason } : undefined);
  }
}

const pick = (from: Json, fields: readonly string[]): Json =>
  Object.fromEntries(fields.map((field) => [field, from[field] ?? null]));
