import type { Backend } from './backend.ts';
import { Cloud } from './cloud.ts';
import type { Answer } from './http.ts';

export interface Node {
  readonly uuid: string;
  readonly name: string;
  readonly provision_state: string;
  readonly target_provision_state: string | null;
  readonly power_state: string | null;
  readonly instance_uuid: string | null;
  readonly maintenance: boolean;
  readonly reservation: string | null;
  readonly last_error: string | null;
  readonly extra: Record<string, unknown>;
  readonly driver_info: Record<string, unknown>;
  readonly protected: boolean;
  readonly owner: string | null;
}

export interface Server {
  readonly id: string;
  readonly name: string;
  readonly status: string;
  readonly metadata: Record<string, string>;
  readonly fault?: { readonly code: number; readonly message: string };
  readonly addresses: Record<string, readonly { readonly addr: string; readonly 'OS-EXT-IPS-MAC:mac_addr': string }[]>;
  readonly 'OS-EXT-STS:task_state': string | null;
  readonly 'OS-EXT-SRV-ATTR:hypervisor_hostname': string | null;
}

/** Numbers of the suite's own nodes: nothing else in the control plane is touched. */
const LAB = Array.from({ length: 15 }, (_, i) => i + 1);
/** Booted, in use, deleted by the Nova cases. */
export const STOPPED = 1;
export const ORPHANED = 2;
export const PROTECTED = 3;
/** Locked while Nova boots on it. */
export const LOCKED = 4;
/** Available, but its power state was never learnt. */
export const POWERLESS = 5;
/** For cases that make and remove a node of their own. */
export const SPARE = 6;
export const SPARE_2 = 7;

export function nodeUuid(lab: number): string {
  return `b0000000-0000-4000-8000-0000000000f${lab.toString(16)}`;
}

export function nodeName(lab: number): string {
  return `lab-f${lab.toString(16)}`;
}

export function nodeMac(lab: number): string {
  return `52:54:00:f${lab.toString(16)}:00:00`;
}

/** One backend made ready for the cases, and the few moves that many of them need. */
export class World {
  readonly backend: Backend;
  readonly cloud: Cloud;

  constructor(backend: Backend, cloud: Cloud) {
    this.backend = backend;
    this.cloud = cloud;
  }

  /** Clears what an interrupted run left, and brings up the nodes that the Placement and Nova cases use. */
  static async open(backend: Backend): Promise<World> {
    const world = new World(backend, await Cloud.signIn(backend));
    await world.clear();
    await world.enrolAvailable(POWERLESS, { power: false });
    await Promise.all([STOPPED, ORPHANED, PROTECTED, LOCKED].map((lab) => world.enrolAvailable(lab)));
    return world;
  }

  async close(): Promise<void> {
    try {
      await this.clear();
    } finally {
      await this.backend.close();
    }
  }

  /** Looks until `look` gives something. @throws Error naming `what` when patience ends. */
  async until<T>(
    what: string,
    look: () => Promise<T | undefined | false>,
    patienceMs = this.backend.patienceMs,
  ): Promise<T> {
    const end = Date.now() + patienceMs;
    for (;;) {
      const got = await look();
      if (got !== undefined && got !== false) return got;
      if (Date.now() > end) throw new Error(`waited in vain for ${what}`);
      await new Promise((wake) => setTimeout(wake, this.backend.pollMs));
    }
  }

  /** A node's body as Ephyra would create it in another control plane. */
  nodeBody(lab: number): Record<string, unknown> {
    return {
      uuid: nodeUuid(lab),
      name: nodeName(lab),
      driver: 'fake-hardware',
      driver_info: { ipmi_address: '10.9.9.9', ipmi_username: 'bmc-admin', ipmi_password: `lab-secret-${lab}` },
      properties: { cpus: 32, memory_mb: 131072, local_gb: 4000, cpu_arch: 'x86_64' },
      resource_class: this.backend.contents.worker.resourceClass,
      extra: { lab: true, rack: 'r9' },
      description: 'a node of the contract suite',
      deploy_interface: 'fake',
      network_interface: 'flat',
    };
  }

  async create(lab: number, more: Record<string, unknown> = {}): Promise<Answer<Node>> {
    return ok(await this.cloud.ironic<Node>('POST', '/v1/nodes', { ...this.nodeBody(lab), ...more }), 201);
  }

  async createPort(lab: number): Promise<Answer<{ uuid: string }>> {
    const body = { node_uuid: nodeUuid(lab), address: nodeMac(lab), pxe_enabled: true, physical_network: 'physnet1' };
    return ok(await this.cloud.ironic<{ uuid: string }>('POST', '/v1/ports', body), 201);
  }

  /** A complete node, `available`; with `power: false` one whose power state nobody has learnt. */
  async enrolAvailable(lab: number, { power = true } = {}): Promise<void> {
    await this.create(lab);
    await this.createPort(lab);
    const traits = { traits: [this.backend.contents.worker.trait] };
    ok(await this.cloud.ironic('PUT', `/v1/nodes/${nodeUuid(lab)}/traits`, traits), 204);
    await this.provision(lab, 'manage', 'manageable');
    if (power) await this.powerOn(lab);
    await this.provision(lab, 'provide', 'available');
  }

  async powerOn(lab: number): Promise<void> {
    ok(await this.cloud.ironic('PUT', `/v1/nodes/${nodeUuid(lab)}/states/power`, { target: 'power on' }), 202);
    await this.until('power on', async () => (await this.node(lab)).power_state === 'power on');
  }

  /** Asks for a verb; the answer, whatever it is. */
  verb(lab: number, target: string): Promise<Answer> {
    return this.cloud.ironic('PUT', `/v1/nodes/${nodeUuid(lab)}/states/provision`, { target });
  }

  /** Asks for a verb and waits, unlocked, in the state that it leads to. */
  async provision(lab: number, target: string, state: string): Promise<Node> {
    ok(await this.verb(lab, target), 202);
    return this.until(`${nodeName(lab)} to be ${state}`, async () => {
      const node = await this.node(lab);
      return node.provision_state === state && node.reservation === null && node;
    });
  }

  async node(lab: number): Promise<Node> {
    return ok(await this.cloud.ironic<Node>('GET', `/v1/nodes/${nodeUuid(lab)}`), 200).body;
  }

  /** PATCH of a node; waits out the locks of what went before, as any client must. */
  async patch(lab: number, ...operations: readonly { op: string; path: string; value?: unknown }[]): Promise<Answer> {
    return this.until(`${nodeName(lab)} to be unlocked`, async () => {
      const answer = await this.cloud.ironic('PATCH', `/v1/nodes/${nodeUuid(lab)}`, operations);
      return answer.status === 409 && answer.text.includes('is locked by host') ? undefined : answer;
    });
  }

  /** Deletes nodes made by a case, whatever became of them. */
  async remove(...labs: readonly number[]): Promise<void> {
    for (const lab of labs) {
      const found = await this.cloud.ironic<Node>('GET', `/v1/nodes/${nodeUuid(lab)}`);
      if (found.status === 404) continue;
      if (found.body.protected) await this.patch(lab, { op: 'replace', path: '/protected', value: false });
      if (!['enroll', 'manageable', 'available'].includes(found.body.provision_state)) {
        await this.cloud.ironic('PUT', `/v1/nodes/${nodeUuid(lab)}/maintenance`, { reason: 'contract suite clears' });
      }
      ok(await this.cloud.ironic('DELETE', `/v1/nodes/${nodeUuid(lab)}`), 204);
    }
  }

  async server(id: string): Promise<Answer<{ server: Server }>> {
    return this.cloud.nova<{ server: Server }>('GET', `/servers/${id}`);
  }

  /** Waits for a status; stops early when the server ends in ERROR instead. */
  async serverIn(id: string, status: string): Promise<Server> {
    const server = await this.until(`server ${id} to be ${status}`, async () => {
      const { body } = ok(await this.server(id), 200);
      const settled = body.server.status === status || body.server.status === 'ERROR';
      return settled && body.server['OS-EXT-STS:task_state'] === null && body.server;
    });
    if (server.status !== status) throw new Error(`server ${id} is ${server.status}: ${server.fault?.message}`);
    return server;
  }

  async serverGone(id: string): Promise<void> {
    await this.until(`server ${id} to be gone`, async () => (await this.server(id)).status === 404);
  }

  /** Deletes the suite's servers and nodes, lets go of locks, shows passwords. */
  async clear(): Promise<void> {
    const { backend, cloud } = this;
    await backend.setShowPassword(true);
    const nodes = ok(await cloud.ironic<{ nodes: Node[] }>('GET', '/v1/nodes?fields=uuid,reservation,protected'), 200);
    const labs = LAB.filter((lab) => nodes.body.nodes.some((node) => node.uuid === nodeUuid(lab)));
    for (const lab of labs) {
      const node = await this.node(lab);
      if (node.reservation !== null) await backend.unlockNode(node.uuid);
      if (node.protected) await this.patch(lab, { op: 'replace', path: '/protected', value: false });
    }
    const servers = await cloud.nova<{ servers: Server[] }>('GET', '/servers/detail?all_tenants=1');
    const ours = ok(servers, 200).body.servers.filter((server) => server.metadata['lab'] === 'contract');
    for (const { id } of ours) await cloud.nova('DELETE', `/servers/${id}`);
    for (const { id } of ours) await this.serverGone(id);
    await this.until('nodes at rest', async () => {
      const states = await Promise.all(labs.map(async (lab) => (await this.node(lab)).provision_state));
      return !states.some((state) => ['cleaning', 'deleting', 'deploying', 'verifying'].includes(state));
    }).catch(async () => {
      // Killed between beginTransition and settleNode: no conductor works on such a node.
      for (const lab of labs) await backend.settleNode(nodeUuid(lab), 'manageable');
    });
    await this.remove(...labs);
    // The same uuid created again before this would meet its own stale provider.
    const path = '/resource_providers';
    const providers = async () => {
      const { body } = ok(await cloud.placement<{ resource_providers: { uuid: string }[] }>(path), 200);
      return body.resource_providers.filter(({ uuid }) => LAB.some((lab) => uuid === nodeUuid(lab)));
    };
    await this.until('old providers gone', async () => (await providers()).length === 0).catch(async () => {
      // Nova makes the provider of an orphaned server's node anew when it deletes the server in the instant in which it
      // forgets the node, and then never looks at it again.
      for (const { uuid } of await providers()) ok(await cloud.call('placement', 'DELETE', `${path}/${uuid}`), 204);
    });
  }
}

/** The answer itself, when its status is the expected one. @throws Error with the whole answer otherwise. */
export function ok<T>(answer: Answer<T>, status: number): Answer<T> {
  if (answer.status === status) return answer;
  throw new Error(`${answer.method} ${answer.url}: expected ${status}, got ${answer.status} ${answer.text}`);
}
