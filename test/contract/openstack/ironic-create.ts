import { expect } from 'vitest';
import { Cloud, fault } from './cloud.ts';
import type { Answer } from './http.ts';
import type { Case } from './suite.ts';
import { type Node, nodeMac, nodeName, nodeUuid, SPARE, SPARE_2, STOPPED, type World } from './world.ts';

function post(world: World, more: Record<string, unknown>, cloud = world.cloud): Promise<Answer<Node>> {
  return cloud.ironic<Node>('POST', '/v1/nodes', { ...world.nodeBody(SPARE), ...more });
}

/** A case whose spare nodes are gone afterwards. */
function spare(run: (world: World) => Promise<void>): (world: World) => Promise<void> {
  return async (world) => {
    try {
      await run(world);
    } finally {
      await world.remove(SPARE, SPARE_2);
    }
  };
}

function expectRefused(answer: Answer, status: number, text: string | RegExp): void {
  const wanted = typeof text === 'string' ? expect.stringContaining(text) : expect.stringMatching(text);
  expect({ status: answer.status, fault: fault(answer) }).toEqual({ status, fault: wanted });
}

export function ironicCreateCases(): readonly Case[] {
  return [
    {
      id: 'ironic.create',
      call: 'ironic POST /v1/nodes -> 201',
      says: 'a node with its own uuid begins in enroll, inert, with everything that was given',
      run: spare(async (world) => {
        const more = {
          automated_clean: false,
          resource_class: 'lab-class',
          extra: { ephyra: { version: 1, 'odd key~/': [1, null, 'x'] } },
        };
        const answer = await post(world, more);
        expect(answer.status).toBe(201);
        expect(answer.headers.location).toBe(`${world.cloud.root('baremetal')}/v1/nodes/${nodeUuid(SPARE)}`);
        const node = await world.node(SPARE);
        expect(node).toMatchObject({ ...world.nodeBody(SPARE), ...more });
        expect(node).toMatchObject({
          provision_state: 'enroll',
          target_provision_state: null,
          power_state: null,
          instance_uuid: null,
          reservation: null,
        });
      }),
    },
    {
      id: 'ironic.create.interfaces',
      call: 'ironic POST /v1/nodes -> 201',
      says: 'every interface, the properties and the flags of a read node are accepted again',
      run: spare(async (world) => {
        const source = (await world.node(STOPPED)) as unknown as Record<string, unknown>;
        const names = Object.keys(source).filter((key) => key.endsWith('_interface'));
        const interfaces = Object.fromEntries(names.map((key) => [key, source[key]]));
        expect(names).toHaveLength(12);
        const flags = { retired: true, retired_reason: 'old', maintenance: true, lessee: 'a-team' };
        expect((await post(world, { ...interfaces, ...flags, instance_info: {} })).status).toBe(201);
        expect(await world.node(SPARE)).toMatchObject({ ...interfaces, ...flags });
      }),
    },
    {
      id: 'ironic.create.extra-property',
      call: 'ironic POST /v1/nodes -> 400',
      says: 'whatever is not on the list of creatable fields is refused, harmless or not',
      run: spare(async (world) => {
        const fields = { traits: [], protected: false, provision_state: 'enroll', power_state: null, created_at: null };
        for (const [name, value] of Object.entries(fields)) {
          const answer = await post(world, { [name]: value });
          expect(answer.status, name).toBe(400);
          expect(fault(answer), name).toContain('Additional properties are not allowed');
        }
      }),
    },
    {
      id: 'ironic.create.duplicate-uuid',
      call: 'ironic POST /v1/nodes -> 409',
      says: 'a second node with the same uuid is refused',
      run: async (world) => {
        const answer = await post(world, { uuid: nodeUuid(STOPPED) });
        expectRefused(answer, 409, `A node with UUID ${nodeUuid(STOPPED)} already exists.`);
      },
    },
    {
      id: 'ironic.create.duplicate-name',
      call: 'ironic POST /v1/nodes -> 409',
      says: 'a second node with the same name is refused',
      run: async (world) => {
        const answer = await post(world, { name: nodeName(STOPPED) });
        expectRefused(answer, 409, `A node with name ${nodeName(STOPPED)} already exists.`);
      },
    },
    {
      id: 'ironic.create.owner.project',
      call: 'ironic POST /v1/nodes -> 400',
      says: "a project-scoped admin may not create a node of another project's",
      run: spare(async (world) => {
        const answer = await post(world, { owner: 'another-project' });
        expectRefused(answer, 400, 'Cannot create a node as a project scoped admin with an owner other than');
      }),
    },
    {
      id: 'ironic.create.owner.default',
      call: 'ironic POST /v1/nodes -> 201',
      says: "a project-scoped admin's node belongs to the admin's project",
      run: spare(async (world) => {
        expect((await post(world, {})).body.owner).toBe(world.cloud.projectId);
      }),
    },
    {
      id: 'ironic.create.owner.system',
      call: 'ironic POST /v1/nodes -> 201',
      says: 'a system-scoped admin creates a node of any owner, and of none',
      run: spare(async (world) => {
        const system = await Cloud.signIn(world.backend, 'system');
        const owned = await post(world, { owner: 'another-project' }, system);
        expect(owned.status).toBe(201);
        expect(owned.body.owner).toBe('another-project');
        const free = await system.ironic<Node>('POST', '/v1/nodes', world.nodeBody(SPARE_2));
        expect(free.status).toBe(201);
        expect(free.body.owner).toBeNull();
      }),
    },
    {
      id: 'ironic.create.owner.patch',
      call: 'ironic PATCH /v1/nodes/{node} -> 200',
      says: 'a project-scoped admin may give the node to another owner afterwards',
      run: spare(async (world) => {
        await world.create(SPARE);
        const answer = await world.patch(SPARE, { op: 'replace', path: '/owner', value: 'another-project' });
        expect(answer.status).toBe(200);
        expect((await world.node(SPARE)).owner).toBe('another-project');
      }),
    },
    {
      id: 'ironic.create.unknown-driver',
      call: 'ironic POST /v1/nodes -> 400',
      says: 'a driver or a conductor group that no conductor here serves is refused',
      run: spare(async (world) => {
        for (const more of [{ driver: 'no-such-driver' }, { conductor_group: 'elsewhere' }]) {
          const answer = await post(world, more);
          expectRefused(answer, 400, 'No valid host was found. Reason: No conductor service registered');
        }
      }),
    },
    {
      id: 'ironic.create.unknown-interface',
      call: 'ironic POST /v1/nodes -> 400',
      says: 'an interface that is not enabled here is refused, naming those that are',
      run: spare(async (world) => {
        const answer = await post(world, { deploy_interface: 'no-such-interface' });
        expectRefused(answer, 400, /no-such-interface\. Valid interfaces are \[.*'fake'.*\]/);
      }),
    },
    {
      id: 'ironic.port.create',
      call: 'ironic POST /v1/ports -> 201',
      says: 'a port keeps its uuid and every field that describes the cable',
      run: spare(async (world) => {
        await world.create(SPARE);
        const body = {
          uuid: 'b0000000-0000-4000-8000-0000000000e1',
          node_uuid: nodeUuid(SPARE),
          address: nodeMac(SPARE),
          pxe_enabled: false,
          physical_network: 'physnet1',
          local_link_connection: { switch_id: '00:11:22:33:44:55', port_id: 'Eth1/9', switch_info: 'leaf-9' },
          extra: { vlan: 7 },
          is_smartnic: false,
        };
        const answer = await world.cloud.ironic('POST', '/v1/ports', body);
        expect(answer.status).toBe(201);
        const read = await world.cloud.ironic('GET', `/v1/ports/${body.uuid}`);
        expect(read.body).toMatchObject(body);
      }),
    },
    {
      id: 'ironic.port.create.duplicate-mac',
      call: 'ironic POST /v1/ports -> 409',
      says: 'a second port with the same MAC address is refused',
      run: spare(async (world) => {
        await world.create(SPARE);
        const body = { node_uuid: nodeUuid(SPARE), address: nodeMac(STOPPED) };
        const answer = await world.cloud.ironic('POST', '/v1/ports', body);
        expectRefused(answer, 409, `A port with MAC address ${nodeMac(STOPPED)} already exists.`);
      }),
    },
    {
      id: 'ironic.port.create.unknown-node',
      call: 'ironic POST /v1/ports -> 400',
      says: 'a port of an unknown node is a bad request, not a 404',
      run: async (world) => {
        const body = { node_uuid: nodeUuid(SPARE), address: nodeMac(SPARE) };
        const answer = await world.cloud.ironic('POST', '/v1/ports', body);
        expectRefused(answer, 400, /could not be found/);
      },
    },
    {
      id: 'ironic.port.create.bad-property',
      call: 'ironic POST /v1/ports -> 400',
      says: 'a port takes back neither `internal_info` nor, at this version, `name`',
      run: spare(async (world) => {
        await world.create(SPARE);
        for (const more of [{ internal_info: {} }, { name: 'eth0' }]) {
          const body = { node_uuid: nodeUuid(SPARE), address: nodeMac(SPARE), ...more };
          expect((await world.cloud.ironic('POST', '/v1/ports', body)).status).toBe(400);
        }
      }),
    },
    {
      id: 'ironic.portgroup.create',
      call: 'ironic POST /v1/portgroups -> 201',
      says: 'a port group keeps its uuid, its ports name it, and it goes with its node',
      run: spare(async (world) => {
        const { cloud } = world;
        await world.create(SPARE);
        const group = {
          uuid: 'b0000000-0000-4000-8000-0000000000e2',
          node_uuid: nodeUuid(SPARE),
          name: 'lab-bond',
          address: '52:54:00:ee:00:02',
          mode: '802.3ad',
          properties: { miimon: '100' },
          standalone_ports_supported: false,
          extra: { lab: true },
        };
        expect((await cloud.ironic('POST', '/v1/portgroups', group)).status).toBe(201);
        const port = { node_uuid: nodeUuid(SPARE), address: nodeMac(SPARE), portgroup_uuid: group.uuid };
        expect((await cloud.ironic('POST', '/v1/ports', port)).status).toBe(201);
        const path = `/v1/portgroups/detail?node=${nodeUuid(SPARE)}`;
        expect((await cloud.ironic('GET', path)).body).toMatchObject({ portgroups: [group] });
        const ports = await cloud.ironic('GET', `/v1/ports/detail?node=${nodeUuid(SPARE)}`);
        expect(ports.body).toMatchObject({ ports: [port] });
        await world.remove(SPARE);
        expect((await cloud.ironic('GET', `/v1/portgroups/${group.uuid}`)).status).toBe(404);
      }),
    },
    {
      id: 'ironic.raid',
      call: 'ironic PUT /v1/nodes/{node}/states/raid -> 204',
      says: 'the wanted RAID configuration is set by a call of its own and read back in the node',
      run: spare(async (world) => {
        await world.create(SPARE, { raid_interface: 'fake' });
        const wanted = { logical_disks: [{ size_gb: 100, raid_level: '1', is_root_volume: true }] };
        const path = `/v1/nodes/${nodeUuid(SPARE)}/states/raid`;
        expect((await world.cloud.ironic('PUT', path, wanted)).status).toBe(204);
        expect(await world.node(SPARE)).toMatchObject({ target_raid_config: wanted });
        const answer = await post(world, { uuid: nodeUuid(SPARE_2), name: 'lab-other', target_raid_config: wanted });
        expect(answer.status).toBe(400);
      }),
    },
    {
      id: 'ironic.traits',
      call: 'ironic PUT /v1/nodes/{node}/traits -> 204',
      says: 'the list of traits replaces what was there',
      run: spare(async (world) => {
        await world.create(SPARE);
        const path = `/v1/nodes/${nodeUuid(SPARE)}/traits`;
        for (const traits of [['CUSTOM_LAB_A', 'CUSTOM_LAB_B'], ['CUSTOM_LAB_C'], []]) {
          expect((await world.cloud.ironic('PUT', path, { traits })).status).toBe(204);
          const read = await world.cloud.ironic<{ traits: string[] }>('GET', path);
          expect(read.body.traits.toSorted()).toEqual(traits);
        }
      }),
    },
    {
      id: 'ironic.traits.bad',
      call: 'ironic PUT /v1/nodes/{node}/traits -> 400',
      says: 'a trait that is neither standard nor CUSTOM_ is refused',
      run: spare(async (world) => {
        await world.create(SPARE);
        const answer = await world.cloud.ironic('PUT', `/v1/nodes/${nodeUuid(SPARE)}/traits`, { traits: ['fast'] });
        expect(answer.status).toBe(400);
      }),
    },
    {
      id: 'ironic.delete.enroll',
      call: 'ironic DELETE /v1/nodes/{node} -> 204',
      says: 'a node in enroll is deleted with its ports, and is not found from then on',
      run: spare(async (world) => {
        await world.create(SPARE);
        const { body: port } = await world.createPort(SPARE);
        const path = `/v1/nodes/${nodeUuid(SPARE)}`;
        expect((await world.cloud.ironic('DELETE', path)).status).toBe(204);
        expect((await world.cloud.ironic('GET', path)).status).toBe(404);
        expect((await world.cloud.ironic('GET', `/v1/ports/${port.uuid}`)).status).toBe(404);
        const again = await world.cloud.ironic('DELETE', path);
        expectRefused(again, 404, `Node ${nodeUuid(SPARE)} could not be found.`);
      }),
    },
  ];
}
