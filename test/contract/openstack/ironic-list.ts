import { expect } from 'vitest';
import { fault } from './cloud.ts';
import type { Case } from './suite.ts';
import { type Node, nodeMac, nodeName, nodeUuid, ok, POWERLESS, STOPPED, type World } from './world.ts';

export interface NodePage {
  readonly nodes: readonly Node[];
  readonly next?: string;
}

/** What Ephyra reads of every node at every tick. */
const FIELDS = [
  'uuid',
  'name',
  'provision_state',
  'target_provision_state',
  'power_state',
  'instance_uuid',
  'maintenance',
  'maintenance_reason',
  'protected',
  'retired',
  'reservation',
  'last_error',
  'resource_class',
  'extra',
  'driver',
  'owner',
  'conductor_group',
] as const;

const NOWHERE = '00000000-0000-4000-8000-000000000000';

async function page(world: World, path: string): Promise<NodePage> {
  return ok(await world.cloud.ironic<NodePage>('GET', path), 200).body;
}

export function ironicListCases(): readonly Case[] {
  return [
    {
      id: 'ironic.nodes.fields',
      call: 'ironic GET /v1/nodes?fields= -> 200',
      says: 'a list gives just the fields asked for, of every node',
      run: async (world) => {
        const { nodes } = await page(world, `/v1/nodes?limit=1000&fields=${FIELDS.join(',')}`);
        const node = nodes.find(({ uuid }) => uuid === nodeUuid(STOPPED));
        const { links, ...fields } = node as Node & { links?: unknown };
        expect(links === undefined || Array.isArray(links)).toBe(true);
        expect(Object.keys(fields).sort()).toEqual([...FIELDS].sort());
        expect(fields).toMatchObject({
          name: nodeName(STOPPED),
          provision_state: 'available',
          target_provision_state: null,
          power_state: 'power on',
          instance_uuid: null,
          maintenance: false,
          reservation: null,
          extra: { lab: true, rack: 'r9' },
          protected: false,
          retired: false,
          resource_class: world.backend.contents.worker.resourceClass,
        });
      },
    },
    {
      id: 'ironic.nodes.times-field',
      call: 'ironic GET /v1/nodes?fields= -> 400',
      says: 'the times of creation and change cannot be asked for as fields',
      run: async ({ cloud }) => {
        for (const field of ['updated_at', 'created_at']) {
          const answer = await cloud.ironic('GET', `/v1/nodes?fields=uuid,${field}`);
          expect(answer.status).toBe(400);
          expect(fault(answer)).toBe(`Field ${field} is not a valid field.`);
        }
      },
    },
    {
      id: 'ironic.nodes.unknown-field',
      call: 'ironic GET /v1/nodes?fields= -> 500',
      says: 'an unknown field is a server error, so a misspelt one must not be taken for an outage',
      run: async ({ cloud }) => {
        expect((await cloud.ironic('GET', '/v1/nodes?fields=uuid,no_such_field')).status).toBe(500);
      },
    },
    {
      id: 'ironic.nodes.pages',
      call: 'ironic GET /v1/nodes?limit=&marker= -> 200',
      says: '`next` leads through every node once, keeping the fields',
      run: async (world) => {
        const whole = await page(world, '/v1/nodes?fields=uuid,name');
        expect(whole.next).toBeUndefined();
        const seen: string[] = [];
        let next: string | undefined = '/v1/nodes?fields=uuid,name&limit=2';
        while (next !== undefined) {
          const { nodes, next: following }: NodePage = await page(world, next);
          expect(nodes.length).toBeLessThanOrEqual(2);
          for (const node of nodes) expect(node.name).toBeTypeOf('string');
          seen.push(...nodes.map(({ uuid }) => uuid));
          if (following !== undefined) expect(following).toMatch(/^http:.*limit=2.*marker=|^http:.*marker=.*limit=2/);
          next = following;
        }
        expect(seen.toSorted()).toEqual(whole.nodes.map(({ uuid }) => uuid).toSorted());
      },
    },
    {
      id: 'ironic.nodes.full-last-page',
      call: 'ironic GET /v1/nodes?limit= -> 200',
      says: 'a full last page has a `next` too, which leads to an empty one',
      run: async (world) => {
        const { nodes } = await page(world, '/v1/nodes?fields=uuid');
        const full = await page(world, `/v1/nodes?fields=uuid&limit=${nodes.length}`);
        expect(full.nodes).toHaveLength(nodes.length);
        expect(full.next).toBeTypeOf('string');
        const last = await page(world, String(full.next));
        expect(last.nodes).toEqual([]);
        expect(last.next).toBeUndefined();
      },
    },
    {
      id: 'ironic.nodes.vanished-marker',
      call: 'ironic GET /v1/nodes?marker= -> 404',
      says: 'a marker whose node is gone is not found: the list must be begun again',
      run: async ({ cloud }) => {
        const answer = await cloud.ironic('GET', `/v1/nodes?fields=uuid&limit=2&marker=${NOWHERE}`);
        expect(answer.status).toBe(404);
        expect(fault(answer)).toBe(`Node ${NOWHERE} could not be found.`);
      },
    },
    {
      id: 'ironic.nodes.detail',
      call: 'ironic GET /v1/nodes/detail -> 200',
      says: 'the detailed list gives every node as GET of one gives it',
      run: async (world) => {
        const { nodes } = await page(world, '/v1/nodes/detail');
        const listed = nodes.find(({ uuid }) => uuid === nodeUuid(POWERLESS));
        const { body: one } = ok(await world.cloud.ironic<Node>('GET', `/v1/nodes/${nodeUuid(POWERLESS)}`), 200);
        expect(listed).toEqual(one);
      },
    },
    {
      id: 'ironic.node.get',
      call: 'ironic GET /v1/nodes/{node} -> 200',
      says: 'a node is read by uuid and by name, with its definition and its traits',
      run: async ({ backend, cloud }) => {
        const byUuid = ok(await cloud.ironic<Node>('GET', `/v1/nodes/${nodeUuid(STOPPED)}`), 200);
        const byName = ok(await cloud.ironic<Node>('GET', `/v1/nodes/${nodeName(STOPPED)}`), 200);
        expect(byName.body.uuid).toBe(nodeUuid(STOPPED));
        expect(byUuid.body).toMatchObject({
          driver: 'fake-hardware',
          properties: { cpu_arch: 'x86_64' },
          traits: [backend.contents.worker.trait],
          conductor_group: '',
          description: 'a node of the contract suite',
          network_interface: 'flat',
          automated_clean: null,
          instance_info: {},
          lessee: null,
        });
      },
    },
    {
      id: 'ironic.node.get.unknown',
      call: 'ironic GET /v1/nodes/{node} -> 404',
      says: 'an unknown node is not found, by uuid and by name',
      run: async ({ cloud }) => {
        for (const unknown of [NOWHERE, 'no-such-node']) {
          const answer = await cloud.ironic('GET', `/v1/nodes/${unknown}`);
          expect(answer.status).toBe(404);
          expect(fault(answer)).toBe(`Node ${unknown} could not be found.`);
        }
      },
    },
    {
      id: 'ironic.node.fields',
      call: 'ironic GET /v1/nodes/{node}?fields= -> 200',
      says: 'one node, too, can be asked for some fields alone',
      run: async ({ cloud }) => {
        const answer = await cloud.ironic<Node>('GET', `/v1/nodes/${nodeUuid(STOPPED)}?fields=uuid,provision_state`);
        expect(answer.status).toBe(200);
        expect(answer.body).toMatchObject({ uuid: nodeUuid(STOPPED), provision_state: 'available' });
        expect(answer.body).not.toHaveProperty('driver_info');
      },
    },
    {
      id: 'ironic.ports.of-node',
      call: 'ironic GET /v1/ports/detail?node= -> 200',
      says: 'the ports of a node, whole',
      run: async ({ cloud }) => {
        const answer = await cloud.ironic<{ ports: unknown[] }>('GET', `/v1/ports/detail?node=${nodeUuid(STOPPED)}`);
        expect(answer.status).toBe(200);
        expect(answer.body.ports).toEqual([
          expect.objectContaining({
            address: nodeMac(STOPPED),
            node_uuid: nodeUuid(STOPPED),
            uuid: expect.stringMatching(/^[0-9a-f-]{36}$/),
            pxe_enabled: true,
            physical_network: 'physnet1',
            portgroup_uuid: null,
            local_link_connection: {},
            extra: {},
            is_smartnic: false,
          }),
        ]);
      },
    },
    {
      id: 'ironic.ports.all',
      call: 'ironic GET /v1/ports/detail -> 200',
      says: 'without a node the ports of all, each naming its node',
      run: async ({ cloud }) => {
        const answer = await cloud.ironic<{ ports: { node_uuid: string; address: string }[] }>(
          'GET',
          '/v1/ports/detail?limit=1000',
        );
        expect(answer.status).toBe(200);
        for (const lab of [STOPPED, POWERLESS]) {
          const port = answer.body.ports.find(({ address }) => address === nodeMac(lab));
          expect(port?.node_uuid).toBe(nodeUuid(lab));
        }
      },
    },
    {
      id: 'ironic.ports.unknown-node',
      call: 'ironic GET /v1/ports/detail?node= -> 404',
      says: 'the ports of an unknown node are not found, rather than none',
      run: async ({ cloud }) => {
        expect((await cloud.ironic('GET', `/v1/ports/detail?node=${NOWHERE}`)).status).toBe(404);
      },
    },
    {
      id: 'ironic.drivers',
      call: 'ironic GET /v1/drivers?detail=true -> 200',
      says: 'the drivers that have a conductor, each with the interfaces that are enabled',
      run: async ({ cloud }) => {
        const answer = await cloud.ironic<{ drivers: { name: string }[] }>('GET', '/v1/drivers?detail=true');
        expect(answer.status).toBe(200);
        expect(answer.body.drivers.find(({ name }) => name === 'fake-hardware')).toMatchObject({
          enabled_deploy_interfaces: expect.arrayContaining(['fake']),
          enabled_power_interfaces: expect.arrayContaining(['fake']),
          enabled_network_interfaces: expect.arrayContaining(['flat', 'noop']),
          default_network_interface: 'flat',
        });
      },
    },
    {
      id: 'ironic.portgroups.none',
      call: 'ironic GET /v1/portgroups/detail?node= -> 200',
      says: 'a node without port groups has an empty list of them',
      run: async ({ cloud }) => {
        const answer = await cloud.ironic('GET', `/v1/portgroups/detail?node=${nodeUuid(STOPPED)}`);
        expect(answer.status).toBe(200);
        expect(answer.body).toMatchObject({ portgroups: [] });
      },
    },
  ];
}
