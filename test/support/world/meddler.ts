import type { NodeRecord, ProviderRecord } from '../../../src/sandbox/openstack/records.ts';
import type { Reply, Service } from '../../../src/sandbox/openstack/types.ts';
import { DefinitionsPresent } from '../invariants/definitions.ts';
import { KEYSTONE_PASSWORD } from './config.ts';
import type { World } from './world.ts';

/**
 * What people do with the clouds' own tools while Ephyra is at work: by requests of their own, which no watcher takes for
 * Ephyra's. Nodes that they lay hands on are blamed on them.
 */
export class Meddler {
  readonly #world: World;
  readonly #tokens = new Map<string, string>();

  constructor(world: World) {
    this.#world = world;
  }

  /** The control plane that has the node, the one in which it is managed first; null when none has it. */
  whereIs(uuid: string): string | null {
    const having = [...this.#world.mirrors.values()].filter((mirror) => mirror.nodes.has(uuid));
    const managed = having.find((mirror) => mirror.nodes.get(uuid)?.provision_state !== 'enroll');
    return (managed ?? having[0])?.name ?? null;
  }

  /** Asks as an operator would; the status, or null when the service is down. */
  request(at: string, service: Service, method: string, path: string, body?: unknown): number | null {
    const reply = this.#ask(at, service, method, path, body);
    const what = `${method} ${service} ${path.replace(/[0-9a-f-]{32}([0-9a-f]{4})/, '…$1')} in ${at}`;
    if (reply instanceof Promise) {
      this.#world.note(`a person asks for ${what}`);
      return null;
    }
    this.#world.note(`a person asks for ${what}: ${reply.dropped ?? reply.status}`);
    return reply.dropped === undefined ? reply.status : null;
  }

  /** Deletes or stops the instance on the node, wherever it is. */
  instance(uuid: string, how: 'delete' | 'stop'): void {
    const at = this.whereIs(uuid);
    const id = at === null ? undefined : this.#world.mirror(at).instanceOn(uuid)?.id;
    if (at === null || id === undefined) return;
    this.#world.blamed.add(uuid, 'machine');
    if (how === 'delete') this.request(at, 'nova', 'DELETE', `/v2.1/servers/${id}`);
    else this.request(at, 'nova', 'POST', `/v2.1/servers/${id}/action`, { 'os-stop': null });
  }

  /** Boots an instance on the node, where it is free: somebody's own, unless it says otherwise. False when it is nowhere. */
  boot(uuid: string, properties: Readonly<Record<string, string>> = {}): boolean {
    for (const { name } of this.#world.planes) {
      const node = this.#world.mirror(name).nodes.get(uuid);
      const providers = this.#world.plane(name).snapshot().providers as readonly ProviderRecord[];
      const free = providers.some((one) => one.uuid === uuid && one.reserved === 0 && one.consumer === null);
      if (node?.provision_state !== 'available' || !free) continue;
      this.#world.blamed.add(uuid, 'machine');
      const server = {
        name: 'somebody-else',
        flavorRef: this.#idOf(name, 'nova', '/v2.1/flavors', 'flavors', `bm.${node.extra['role']}`),
        imageRef: this.#idOf(name, 'glance', '/v2/images', 'images', 'hadoop-image'),
        networks: [{ uuid: this.#idOf(name, 'neutron', '/v2.0/networks', 'networks', 'tenant-net') }],
        hypervisor_hostname: uuid,
        metadata: properties,
      };
      this.request(name, 'nova', 'POST', '/v2.1/servers', { server });
      return true;
    }
    return false;
  }

  /** `openstack server set --property`, for the instance on the node. */
  setProperties(uuid: string, properties: Readonly<Record<string, string>>): void {
    const at = this.whereIs(uuid);
    const id = at === null ? undefined : this.#world.mirror(at).instanceOn(uuid)?.id;
    if (at === null || id === undefined) return;
    this.#world.blamed.add(uuid, 'other');
    this.request(at, 'nova', 'POST', `/v2.1/servers/${id}/metadata`, { metadata: properties });
  }

  /** Writes something else where the mark is, or removes it. */
  mark(uuid: string, value: unknown): void {
    const at = this.whereIs(uuid);
    if (at === null) return;
    this.#world.blamed.add(uuid, 'mark');
    const marked = this.#world.mirror(at).nodes.get(uuid)?.extra['ephyra'] !== undefined;
    if (value === undefined && !marked) return;
    const step = value === undefined ? { op: 'remove' } : { op: 'add', value };
    this.request(at, 'ironic', 'PATCH', `/v1/nodes/${uuid}`, [{ ...step, path: '/extra/ephyra' }]);
  }

  /**
   * Changes what the node is, in the control plane that manages it: from now on that is what must not get lost. False when
   * Ironic did not take it, as it does while a node moves.
   */
  define(uuid: string, property: string, value: string): boolean {
    return this.#edit(uuid, `/properties/${property}`, value)?.properties[property] === value;
  }

  /** As {@link define}: it is to be used no more, or again after all. Ironic takes it of no node that is available. */
  retire(uuid: string, on: boolean): boolean {
    return this.#edit(uuid, '/retired', on)?.retired === on;
  }

  /** The node as it is then; undefined when nobody could try. */
  #edit(uuid: string, path: string, value: unknown): NodeRecord | undefined {
    const at = this.whereIs(uuid);
    // Who finds it locked tries another day.
    if (at === null || this.#world.mirror(at).nodes.get(uuid)?.reservation) return undefined;
    this.#world.blamed.add(uuid, 'other');
    const edit = () => void this.request(at, 'ironic', 'PATCH', `/v1/nodes/${uuid}`, [{ op: 'add', path, value }]);
    const watcher = this.#world.invariant(DefinitionsPresent);
    if (watcher === undefined) edit();
    else watcher.whileEdited(uuid, this.#world.mirror(at), edit);
    return this.#world.mirror(at).nodes.get(uuid);
  }

  protect(uuid: string): void {
    const at = this.whereIs(uuid);
    if (at === null) return;
    this.#world.blamed.add(uuid, 'other');
    this.request(at, 'ironic', 'PATCH', `/v1/nodes/${uuid}`, [{ op: 'replace', path: '/protected', value: true }]);
  }

  maintenance(uuid: string, at: string, on: boolean): void {
    if (!this.#world.mirror(at).nodes.has(uuid)) return;
    this.#world.blamed.add(uuid, 'other');
    this.#world.note(
      `a person ${on ? 'puts' : 'takes'} ${uuid.slice(-4)} ${on ? 'into' : 'out of'} maintenance in ${at}`,
    );
    this.#world.plane(at).setMaintenance(uuid, on, 'disk check');
  }

  /** The machine loses its power, and nobody is told. */
  crash(uuid: string): void {
    this.#world.blamed.add(uuid, 'machine');
    this.#world.note(`the machine of ${uuid.slice(-4)} crashes`);
    this.#world.application.machine(uuid, false, null);
  }

  /** Takes the member in or out in the application itself. */
  operate(uuid: string, state: 'in' | 'out'): void {
    this.#world.blamed.add(uuid, 'member');
    this.#world.note(`a person takes ${uuid.slice(-4)} ${state} in the application`);
    this.#world.application.operate(uuid, state);
  }

  #ask(at: string, service: Service, method: string, path: string, body?: unknown): Reply | Promise<Reply> {
    return this.#world.plane(at).handle({
      service,
      method,
      path,
      headers: {
        'x-auth-token': this.#token(at),
        'x-openstack-ironic-api-version': '1.82',
        'openstack-api-version': 'compute 2.93',
      },
      body,
    });
  }

  /** Of what is called so in a list; undefined when there is none, or the service is down. */
  #idOf(at: string, service: Service, path: string, list: string, name: string): string | undefined {
    const reply = this.#ask(at, service, 'GET', path);
    if (reply instanceof Promise || reply.status !== 200) return undefined;
    const items = (reply.body as Record<string, readonly { id: string; name: string }[]>)[list] ?? [];
    return items.find((item) => item.name === name)?.id;
  }

  #token(at: string): string {
    const known = this.#tokens.get(at);
    if (known !== undefined && this.#world.time.now() < Number(known.split(' ')[1])) return known.split(' ')[0] ?? '';
    const user = { name: 'admin', domain: { name: 'Default' }, password: KEYSTONE_PASSWORD };
    const reply = this.#world.plane(at).handle({
      service: 'keystone',
      method: 'POST',
      path: '/v3/auth/tokens',
      body: {
        auth: {
          identity: { methods: ['password'], password: { user } },
          scope: { project: { name: 'admin', domain: { name: 'Default' } } },
        },
      },
    });
    const token = reply instanceof Promise ? '' : (reply.headers['X-Subject-Token'] ?? '');
    this.#tokens.set(at, `${token} ${this.#world.time.now() + 5_000}`);
    return token;
  }
}
