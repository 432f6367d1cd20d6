import { expect } from 'vitest';
import type { Answer } from './http.ts';
import { networkId } from './neutron.ts';
import { inventory, schedulable, usage } from './placement.ts';
import type { Case } from './suite.ts';
import {
  LOCKED,
  nodeMac,
  nodeUuid,
  ORPHANED,
  ok,
  POWERLESS,
  PROTECTED,
  type Server,
  STOPPED,
  type World,
} from './world.ts';

const NOWHERE = '00000000-0000-4000-8000-000000000000';

export interface ServerPage {
  readonly servers: readonly Server[];
  readonly servers_links?: readonly { readonly rel: string; readonly href: string }[];
}

interface Flavor {
  readonly id: string;
  readonly name: string;
  readonly extra_specs: Record<string, string>;
}

export async function flavors({ cloud }: World): Promise<readonly Flavor[]> {
  return ok(await cloud.nova<{ flavors: Flavor[] }>('GET', '/flavors/detail?is_public=None&limit=1000'), 200).body
    .flavors;
}

/** The body of a boot pinned to a lab node. */
async function bootBody(world: World, lab: number, more: Record<string, unknown> = {}) {
  const { contents } = world.backend;
  const image = await world.cloud.glance<{ images: { id: string }[] }>(`/images?name=${contents.image}`);
  return {
    server: {
      name: `lab-${lab}`,
      imageRef: ok(image, 200).body.images[0]?.id,
      flavorRef: (await flavors(world)).find(({ name }) => name === contents.worker.flavor)?.id,
      networks: [{ uuid: await networkId(world) }],
      key_name: contents.keyPair,
      hypervisor_hostname: nodeUuid(lab),
      metadata: { lab: 'contract', ephyra_node: nodeUuid(lab), ephyra_role: 'worker' },
      ...more,
    },
  };
}

type Created = { readonly server: { readonly id: string } };

export async function boot(world: World, lab: number, more: Record<string, unknown> = {}): Promise<Answer<Created>> {
  return world.cloud.nova<Created>('POST', '/servers', await bootBody(world, lab, more));
}

/** The server that runs on a lab node. */
export async function serverOn(world: World, lab: number): Promise<string> {
  const { instance_uuid: id } = await world.node(lab);
  if (id === null) throw new Error(`nothing runs on ${nodeUuid(lab)}`);
  return id;
}

async function page(world: World, path: string): Promise<ServerPage> {
  return ok(await world.cloud.nova<ServerPage>('GET', path), 200).body;
}

function next(of: ServerPage): string | undefined {
  return of.servers_links?.find(({ rel }) => rel === 'next')?.href;
}

interface Refused {
  readonly badRequest?: { readonly code: number; readonly message: string };
}

function refusal(id: string, says: string, more: Record<string, unknown>, text: string | RegExp): Case {
  return {
    id: `nova.boot.${id}`,
    call: 'nova POST /v2.1/servers -> 400',
    says,
    run: async (world) => {
      const answer = (await boot(world, STOPPED, more)) as Answer<Refused>;
      expect(answer.status).toBe(400);
      expect(answer.body.badRequest?.code).toBe(400);
      expect(answer.body.badRequest?.message).toMatch(text);
    },
  };
}

export function novaBootCases(): readonly Case[] {
  return [
    {
      id: 'nova.flavors',
      call: 'nova GET /v2.1/flavors/detail?is_public=None -> 200',
      says: 'flavors tell the resource class and the trait that they ask for',
      run: async (world) => {
        const { worker } = world.backend.contents;
        const flavor = (await flavors(world)).find(({ name }) => name === worker.flavor);
        expect(flavor?.id).toBeTypeOf('string');
        expect(flavor?.extra_specs).toMatchObject({
          [`resources:CUSTOM_${worker.resourceClass.toUpperCase().replaceAll('-', '_')}`]: '1',
          [`trait:${worker.trait}`]: 'required',
        });
      },
    },
    {
      id: 'nova.keypairs',
      call: 'nova GET /v2.1/os-keypairs, /v2.1/os-keypairs/{name} -> 200, 404',
      says: 'a key pair is found by its name, an unknown one is not',
      run: async ({ backend, cloud }) => {
        const list = await cloud.nova<{ keypairs: { keypair: { name: string } }[] }>('GET', '/os-keypairs?limit=1000');
        expect(list.status).toBe(200);
        expect(list.body.keypairs.map(({ keypair }) => keypair.name)).toContain(backend.contents.keyPair);
        expect((await cloud.nova('GET', `/os-keypairs/${backend.contents.keyPair}`)).status).toBe(200);
        expect((await cloud.nova('GET', '/os-keypairs/no-such-key')).status).toBe(404);
      },
    },
    {
      id: 'nova.quota',
      call: 'nova GET /v2.1/os-quota-sets/{project}/detail -> 200',
      says: 'the quota tells limit and use of instances, cores and ram; -1 is no limit',
      run: async ({ cloud }) => {
        const answer = await cloud.nova('GET', `/os-quota-sets/${cloud.projectId}/detail`);
        expect(answer.status).toBe(200);
        const one = { limit: -1, in_use: expect.any(Number), reserved: 0 };
        expect(answer.body).toMatchObject({ quota_set: { instances: one, cores: one, ram: one } });
      },
    },
    {
      id: 'nova.hypervisors',
      call: 'nova GET /v2.1/os-hypervisors -> 200',
      says: 'every node that Nova has seen is a hypervisor, schedulable or not: it says nothing',
      run: async ({ cloud }) => {
        const answer = await cloud.nova<{ hypervisors: { hypervisor_hostname: string; state: string }[] }>(
          'GET',
          '/os-hypervisors',
        );
        expect(answer.status).toBe(200);
        for (const lab of [STOPPED, POWERLESS]) {
          expect(answer.body.hypervisors).toContainEqual(
            expect.objectContaining({ hypervisor_hostname: nodeUuid(lab), state: 'up', status: 'enabled' }),
          );
        }
      },
    },
    refusal(
      'unknown-hypervisor',
      'a pin to a node that Nova does not know is refused at once',
      { hypervisor_hostname: NOWHERE },
      new RegExp(`^Compute host ${NOWHERE} could not be found\\.$`),
    ),
    refusal('unknown-flavor', 'an unknown flavor is refused', { flavorRef: NOWHERE }, /Flavor \S+ could not be found/),
    refusal('unknown-image', 'an unknown image is refused', { imageRef: NOWHERE }, /Can not find requested image/),
    refusal(
      'unknown-network',
      'an unknown network is refused',
      { networks: [{ uuid: NOWHERE }] },
      /Network \S+ could not be found/,
    ),
    refusal('unknown-key', 'an unknown key pair is refused', { key_name: 'no-such-key' }, /Invalid key_name provided/),
    refusal('no-networks', 'a boot without networks is refused', { networks: undefined }, /'networks' is a required/),
    refusal(
      'long-metadata',
      'a metadata value of more than 255 characters is refused',
      { metadata: { lab: 'contract', long: 'x'.repeat(256) } },
      /metadata.*long|long/,
    ),
    {
      id: 'nova.boot.wrong-flavor',
      call: 'nova POST /v2.1/servers -> 202, then ERROR',
      says: 'a pin to a node of another class is accepted and ends in ERROR, "No valid host was found"',
      run: async (world) => {
        const master = (await flavors(world)).find(({ name }) => name === world.backend.contents.master.flavor);
        const created = ok(await boot(world, STOPPED, { flavorRef: master?.id }), 202);
        const { id } = created.body.server;
        const server = await world.serverIn(id, 'ERROR');
        expect(server.fault).toMatchObject({
          code: 500,
          message: expect.stringMatching(/^No valid host was found\. /),
        });
        expect(server['OS-EXT-SRV-ATTR:hypervisor_hostname']).toBeNull();
        expect((await world.node(STOPPED)).instance_uuid).toBeNull();
        ok(await world.cloud.nova('DELETE', `/servers/${id}`), 204);
        await world.serverGone(id);
      },
    },
    {
      id: 'nova.boot.reserved-node',
      call: 'nova POST /v2.1/servers -> 202, then ERROR',
      says: 'so does a pin to a node that Placement keeps reserved',
      run: async (world) => {
        const { id } = ok(await boot(world, POWERLESS), 202).body.server;
        const server = await world.serverIn(id, 'ERROR');
        expect(server.fault?.message).toMatch(/^No valid host was found\. /);
        ok(await world.cloud.nova('DELETE', `/servers/${id}`), 204);
        await world.serverGone(id);
      },
    },
    {
      id: 'nova.boot.locked-node',
      call: 'nova POST /v2.1/servers -> 202, then ERROR',
      says: 'a boot on a node that a conductor holds ends in ERROR, though the lock goes: wait for that before',
      run: async (world) => {
        const uuid = nodeUuid(LOCKED);
        await world.backend.lockNode(uuid);
        try {
          const { id } = ok(await boot(world, LOCKED), 202).body.server;
          // Nova fails to reserve the node at once, and shows BUILD until it can clean up after itself.
          const failed = async () => (await world.server(id)).body.server.status === 'ERROR';
          await world.until('', failed, 4_000).catch(() => undefined);
          await world.backend.unlockNode(uuid);
          const server = await world.serverIn(id, 'ERROR');
          expect(server.fault?.message).toMatch(/^Build of instance \S+ aborted: Failure prepping block device\./);
          ok(await world.cloud.nova('DELETE', `/servers/${id}`), 204);
          await world.serverGone(id);
        } finally {
          await world.backend.unlockNode(uuid);
        }
      },
    },
    {
      id: 'nova.boot.pinned',
      call: 'nova POST /v2.1/servers (hypervisor_hostname) -> 202',
      says: 'a pinned boot is accepted with an id and a Location, and becomes ACTIVE on that very node',
      run: async (world) => {
        const answers = await Promise.all(
          [STOPPED, ORPHANED, PROTECTED].map((lab) =>
            boot(world, lab, lab === STOPPED ? {} : { config_drive: true, user_data: btoa('#cloud-config\n') }),
          ),
        );
        for (const answer of answers) ok(answer, 202);
        const [first, ...rest] = answers.map((answer) => answer.body.server.id);
        expect(answers[0]?.headers.location).toMatch(new RegExp(`/servers/${first}$`));
        const server = await world.serverIn(String(first), 'ACTIVE');
        for (const id of rest) await world.serverIn(id, 'ACTIVE');
        expect(server).toMatchObject({
          name: `lab-${STOPPED}`,
          metadata: { lab: 'contract', ephyra_node: nodeUuid(STOPPED), ephyra_role: 'worker' },
          key_name: world.backend.contents.keyPair,
          'OS-EXT-SRV-ATTR:hypervisor_hostname': nodeUuid(STOPPED),
          'OS-EXT-STS:vm_state': 'active',
          'OS-EXT-STS:power_state': 1,
          flavor: { original_name: world.backend.contents.worker.flavor },
          config_drive: '',
        });
        const other = (await world.server(String(rest[0]))).body.server;
        expect(other).toMatchObject({ config_drive: 'True', 'OS-EXT-SRV-ATTR:user_data': btoa('#cloud-config\n') });
      },
    },
    {
      id: 'nova.addresses',
      call: 'nova GET /v2.1/servers/{server} -> 200; neutron GET /v2.0/ports?device_id= -> 200',
      says: "at ACTIVE the address is known, on a port with the Ironic port's MAC address",
      run: async (world) => {
        const { contents } = world.backend;
        const id = await serverOn(world, STOPPED);
        const { body } = ok(await world.server(id), 200);
        const [address] = body.server.addresses[contents.network] ?? [];
        expect(address).toMatchObject({
          addr: expect.stringMatching(new RegExp(`^${contents.block.replaceAll('.', '\\.')}\\.\\d+$`)),
          version: 4,
          'OS-EXT-IPS:type': 'fixed',
          'OS-EXT-IPS-MAC:mac_addr': nodeMac(STOPPED),
        });
        const ports = ok(await world.cloud.neutron(`/ports?device_id=${id}`), 200);
        expect(ports.body).toMatchObject({
          ports: [{ device_id: id, mac_address: nodeMac(STOPPED), fixed_ips: [{ ip_address: address?.addr }] }],
        });
      },
    },
    {
      id: 'ironic.node.in-use',
      call: 'ironic GET /v1/nodes/{node} -> 200',
      says: 'the node is active, names the server as its instance and kept its `extra`',
      run: async (world) => {
        const node = await world.node(STOPPED);
        expect(node).toMatchObject({
          provision_state: 'active',
          target_provision_state: null,
          power_state: 'power on',
        });
        expect((await world.server(String(node.instance_uuid))).body.server.name).toBe(`lab-${STOPPED}`);
        expect(node.extra).toEqual({ lab: true, rack: 'r9' });
      },
    },
    {
      id: 'placement.schedulable.in-use',
      call: 'placement GET /resource_providers?resources={class}:1 -> 200',
      says: 'a node in use is not listed as having room, its usage is 1',
      run: async (world) => {
        expect(await usage(world, STOPPED)).toBe(1);
        expect(await schedulable(world)).not.toContain(STOPPED);
        const id = await serverOn(world, STOPPED);
        const { body } = ok(await world.cloud.placement(`/allocations/${id}`), 200);
        expect(body).toMatchObject({ allocations: { [nodeUuid(STOPPED)]: { resources: expect.any(Object) } } });
        await world.until("Nova's next look", async () => (await inventory(world, STOPPED))?.reserved === 1);
        expect(await usage(world, STOPPED)).toBe(1);
        expect(await schedulable(world)).not.toContain(STOPPED);
      },
    },
    {
      id: 'nova.servers.detail',
      call: 'nova GET /v2.1/servers/detail?all_tenants=1 -> 200',
      says: 'the list gives every server as GET of one gives it, but for its server groups',
      run: async (world) => {
        const id = await serverOn(world, ORPHANED);
        const { servers } = await page(world, '/servers/detail?all_tenants=1');
        const { server_groups: _, ...one } = (await world.server(id)).body.server as Server & {
          server_groups?: unknown;
        };
        expect(servers.find((server) => server.id === id)).toEqual(one);
      },
    },
    {
      id: 'nova.servers.pages',
      call: 'nova GET /v2.1/servers/detail?limit=&marker= -> 200',
      says: 'the `next` link leads through every server once; a full last page has one too',
      run: async (world) => {
        const all = (await page(world, '/servers/detail?all_tenants=1')).servers.map(({ id }) => id);
        expect(all.length).toBeGreaterThanOrEqual(3);
        const seen: string[] = [];
        let path: string | undefined = '/servers/detail?all_tenants=1&limit=1';
        while (path !== undefined) {
          const got: ServerPage = await page(world, path);
          expect(got.servers.length).toBeLessThanOrEqual(1);
          if (got.servers.length === 1) expect(next(got)).toMatch(/marker=/);
          seen.push(...got.servers.map(({ id }) => id));
          // The link carries the whole URL; this suite asks by path.
          path = next(got)?.replace(/^.*\/v2\.1/, '');
        }
        expect(seen).toEqual(all);
      },
    },
    {
      id: 'nova.servers.unknown-marker',
      call: 'nova GET /v2.1/servers/detail?marker= -> 400',
      says: 'a marker whose server is gone is a bad request: the list must be begun again',
      run: async ({ cloud }) => {
        const answer = await cloud.nova<Refused>('GET', `/servers/detail?all_tenants=1&limit=1&marker=${NOWHERE}`);
        expect(answer.status).toBe(400);
        expect(answer.body.badRequest?.message).toBe(`marker [${NOWHERE}] not found`);
      },
    },
    {
      id: 'nova.server.unknown',
      call: 'nova GET /v2.1/servers/{server} -> 404',
      says: 'an unknown server is not found',
      run: async (world) => {
        const answer = (await world.server(NOWHERE)) as Answer<unknown>;
        expect(answer.status).toBe(404);
        expect(answer.body).toMatchObject({
          itemNotFound: { code: 404, message: `Instance ${NOWHERE} could not be found.` },
        });
      },
    },
  ];
}
