import { expect } from 'vitest';
import { fault } from './cloud.ts';
import type { Answer } from './http.ts';
import { boot, serverOn } from './nova-boot.ts';
import { inventory, schedulable } from './placement.ts';
import type { Case } from './suite.ts';
import { nodeUuid, ORPHANED, ok, PROTECTED, STOPPED, type World } from './world.ts';

function act(world: World, id: string, action: string): Promise<Answer> {
  return world.cloud.nova('POST', `/servers/${id}/action`, { [action]: null });
}

interface Conflict {
  readonly conflictingRequest?: { readonly code: number; readonly message: string };
}

function expectConflict(answer: Answer, text: string): void {
  expect(answer.status).toBe(409);
  const { conflictingRequest } = answer.body as Conflict;
  expect(conflictingRequest?.code).toBe(409);
  expect(conflictingRequest?.message).toContain(text);
}

const NODE = (lab: number) => `/v1/nodes/${nodeUuid(lab)}`;

/** The way out of use. The nodes and servers are those of the boot cases, in this order. */
export function novaDeleteCases(): readonly Case[] {
  let stopped = '';
  let orphan = '';
  return [
    {
      id: 'ironic.active.patch-extra',
      call: 'ironic PATCH /v1/nodes/{node} -> 200',
      says: '`extra` of a node in use can be written: this is where a claim is stamped',
      run: async (world) => {
        expect((await world.patch(STOPPED, { op: 'add', path: '/extra/ephyra', value: { epoch: 1 } })).status).toBe(
          200,
        );
        expect((await world.node(STOPPED)).extra).toEqual({ lab: true, rack: 'r9', ephyra: { epoch: 1 } });
      },
    },
    {
      id: 'ironic.active.delete',
      call: 'ironic DELETE /v1/nodes/{node} -> 409',
      says: 'a node in use cannot be deleted',
      run: async ({ cloud }) => {
        const answer = await cloud.ironic('DELETE', NODE(STOPPED));
        expect(answer.status).toBe(409);
        expect(fault(answer)).toContain('is associated with instance');
      },
    },
    {
      id: 'nova.stop',
      call: 'nova POST /v2.1/servers/{server}/action os-stop -> 202',
      says: 'a server is stopped, and asked again meanwhile it refuses',
      run: async (world) => {
        stopped = await serverOn(world, STOPPED);
        expect((await act(world, stopped, 'os-stop')).status).toBe(202);
        const again = await act(world, stopped, 'os-stop');
        expectConflict(again, "Cannot 'stop' instance");
        const server = await world.serverIn(stopped, 'SHUTOFF');
        expect(server).toMatchObject({ 'OS-EXT-STS:vm_state': 'stopped', 'OS-EXT-STS:power_state': 4 });
        expect((await world.node(STOPPED)).power_state).toBe('power off');
      },
    },
    {
      id: 'nova.stop.stopped',
      call: 'nova POST /v2.1/servers/{server}/action os-stop -> 409',
      says: 'a stopped server cannot be stopped again',
      run: async (world) => {
        expectConflict(await act(world, stopped, 'os-stop'), 'while it is in vm_state stopped');
      },
    },
    {
      id: 'nova.start',
      call: 'nova POST /v2.1/servers/{server}/action os-start -> 202',
      says: 'a stopped server is started; started again it refuses',
      run: async (world) => {
        expect((await act(world, stopped, 'os-start')).status).toBe(202);
        await world.serverIn(stopped, 'ACTIVE');
        expectConflict(await act(world, stopped, 'os-start'), 'while it is in vm_state active');
      },
    },
    {
      id: 'nova.delete',
      call: 'nova DELETE /v2.1/servers/{server} -> 204, then 404',
      says: 'a server is deleted and is soon not found',
      run: async (world) => {
        expect((await world.cloud.nova('DELETE', `/servers/${stopped}`)).status).toBe(204);
        await world.serverGone(stopped);
      },
    },
    {
      id: 'nova.delete.again',
      call: 'nova DELETE /v2.1/servers/{server} -> 404',
      says: 'a second delete is not found',
      run: async ({ cloud }) => {
        expect((await cloud.nova('DELETE', `/servers/${stopped}`)).status).toBe(404);
      },
    },
    {
      id: 'ironic.after-delete',
      call: 'ironic GET /v1/nodes/{node} -> 200',
      says: 'the node is cleaned and comes back to available without instance; `extra` was kept',
      run: async (world) => {
        const node = await world.until('the node to be available', async () => {
          const now = await world.node(STOPPED);
          return now.provision_state === 'available' && now.reservation === null && now;
        });
        expect(node).toMatchObject({ instance_uuid: null, target_provision_state: null, instance_info: {} });
        expect(node.extra).toEqual({ lab: true, rack: 'r9', ephyra: { epoch: 1 } });
      },
    },
    {
      id: 'nova.delete.ports',
      call: 'neutron GET /v2.0/ports?device_id= -> 200',
      says: "the server's network port is gone with it",
      run: async ({ cloud }) => {
        expect((await cloud.neutron(`/ports?device_id=${stopped}`)).body).toEqual({ ports: [] });
      },
    },
    {
      id: 'nova.deleted.metadata',
      call: 'nova GET /v2.1/servers/detail?deleted=true&all_tenants=1 -> 200',
      says: 'a deleted server is still listed to an admin, without its metadata: what must outlive it goes into `extra`',
      run: async ({ cloud }) => {
        const path = '/servers/detail?deleted=true&all_tenants=1&limit=50';
        const answer = await cloud.nova<{ servers: { id: string }[] }>('GET', path);
        expect(answer.status).toBe(200);
        expect(answer.body.servers.find(({ id }) => id === stopped)).toMatchObject({ status: 'DELETED', metadata: {} });
      },
    },
    {
      id: 'ironic.protected',
      call: 'ironic PATCH /v1/nodes/{node} -> 200; PUT /v1/nodes/{node}/states/provision -> 403',
      says: 'a node in use can be protected, and then refuses to be undeployed',
      run: async (world) => {
        const protect = await world.patch(PROTECTED, { op: 'replace', path: '/protected', value: true });
        expect(protect.status).toBe(200);
        expect((await world.node(PROTECTED)).protected).toBe(true);
        const undeploy = await world.verb(PROTECTED, 'deleted');
        expect(undeploy.status).toBe(403);
        expect(fault(undeploy)).toContain('is protected and cannot be undeployed');
      },
    },
    {
      id: 'ironic.protected.extra',
      call: 'ironic PATCH /v1/nodes/{node} -> 200',
      says: 'a mark is put on a protected node and taken off it as from any other',
      run: async (world) => {
        const add = await world.patch(PROTECTED, { op: 'add', path: '/extra/ephyra', value: { epoch: 1 } });
        expect(add.status).toBe(200);
        expect((await world.patch(PROTECTED, { op: 'remove', path: '/extra/ephyra' })).status).toBe(200);
        expect((await world.node(PROTECTED)).extra).not.toHaveProperty('ephyra');
      },
    },
    {
      id: 'ironic.protected.delete',
      call: 'ironic DELETE /v1/nodes/{node} -> 409, 403',
      says: 'a protected node is not deleted, not even in maintenance',
      run: async (world) => {
        const gone = await world.cloud.ironic('DELETE', NODE(PROTECTED));
        expect(gone.status).toBe(409);
        expect(fault(gone)).toContain('is associated with instance');
        const maintenance = `${NODE(PROTECTED)}/maintenance`;
        ok(await world.cloud.ironic('PUT', maintenance, { reason: 'new fans' }), 202);
        const still = await world.cloud.ironic('DELETE', NODE(PROTECTED));
        ok(await world.cloud.ironic('DELETE', maintenance), 202);
        expect(still.status).toBe(403);
        expect(fault(still)).toContain('is protected and cannot be undeployed');
      },
    },
    {
      id: 'nova.delete.protected',
      call: 'nova DELETE /v2.1/servers/{server} -> 204, then ERROR',
      says: 'the delete of a server on a protected node is accepted and ends in ERROR, "Forbidden"',
      run: async (world) => {
        const id = await serverOn(world, PROTECTED);
        expect((await world.cloud.nova('DELETE', `/servers/${id}`)).status).toBe(204);
        const server = await world.serverIn(id, 'ERROR');
        expect(server.fault?.message).toBe('Forbidden');
        expect(await world.node(PROTECTED)).toMatchObject({ provision_state: 'active', instance_uuid: id });
      },
    },
    {
      id: 'nova.delete.from-error',
      call: 'nova DELETE /v2.1/servers/{server} -> 204, then 404',
      says: 'with the protection lifted the server is deleted from ERROR',
      run: async (world) => {
        const id = await serverOn(world, PROTECTED);
        ok(await world.patch(PROTECTED, { op: 'replace', path: '/protected', value: false }), 200);
        expect((await world.cloud.nova('DELETE', `/servers/${id}`)).status).toBe(204);
        await world.serverGone(id);
      },
    },
    {
      id: 'ironic.maintenance.delete-active',
      call: 'ironic DELETE /v1/nodes/{node} -> 204',
      says: 'in maintenance even a node in use is deleted: so maintenance is never a way to be safe',
      run: async (world) => {
        orphan = await serverOn(world, ORPHANED);
        ok(await world.cloud.ironic('PUT', `${NODE(ORPHANED)}/maintenance`, { reason: 'to be safe' }), 202);
        expect((await world.cloud.ironic('DELETE', NODE(ORPHANED))).status).toBe(204);
        expect((await world.cloud.ironic('GET', NODE(ORPHANED))).status).toBe(404);
      },
    },
    {
      id: 'nova.server.orphaned',
      call: 'nova GET /v2.1/servers/{server} -> 200',
      says: 'its server stays ACTIVE on nothing, so a server alone proves no node',
      run: async (world) => {
        expect((await world.server(orphan)).body.server.status).toBe('ACTIVE');
        expect((await world.cloud.nova('DELETE', `/servers/${orphan}`)).status).toBe(204);
        await world.serverGone(orphan);
      },
    },
    {
      id: 'nova.boot.stale-provider',
      call: 'nova POST /v2.1/servers -> 202, then ERROR',
      says: 'a node deleted and made again before the next look passes for free in enroll: the boot is accepted and fails',
      run: async (world) => {
        const attempt = async () => {
          // The moment of a look, so that the next is as far away as can be.
          await world.until('a look', async () => (await inventory(world, PROTECTED))?.reserved === 0);
          await world.remove(PROTECTED);
          await world.create(PROTECTED);
          await world.createPort(PROTECTED);
          const offered = await schedulable(world);
          const { id } = ok(await boot(world, PROTECTED), 202).body.server;
          const server = await world.serverIn(id, 'ERROR');
          ok(await world.cloud.nova('DELETE', `/servers/${id}`), 204);
          await world.serverGone(id);
          return { offered, said: server.fault?.message ?? '' };
        };
        let seen = await attempt();
        // On a busy machine the next look comes before the boot: then no host is offered at all.
        for (let tries = 1; tries < 4 && seen.said.startsWith('No valid host was found'); tries += 1) {
          await world.remove(PROTECTED);
          await world.enrolAvailable(PROTECTED);
          seen = await attempt();
        }
        expect(seen.offered).toContain(PROTECTED);
        expect(seen.said).toMatch(/^Exceeded maximum number of retries\. Exhausted all hosts/);
        expect(await world.node(PROTECTED)).toMatchObject({ provision_state: 'enroll', instance_uuid: null });
      },
    },
    {
      id: 'nova.delete.early',
      call: 'nova DELETE /v2.1/servers/{server} -> 204, then ACTIVE, then 404',
      says: 'a delete in `networking` waits for the end of the boot: the server is ACTIVE without a task before it goes',
      run: async (world) => {
        await world.until('the node to be schedulable', async () => (await inventory(world, STOPPED))?.reserved === 0);
        const { id } = ok(await boot(world, STOPPED), 202).body.server;
        const look = async () => {
          const { status, body } = await world.server(id);
          return status === 404 ? 'gone' : `${body.server.status} ${body.server['OS-EXT-STS:task_state']}`;
        };
        await world.until('networking', async () => (await look()) === 'BUILD networking');
        expect((await world.cloud.nova('DELETE', `/servers/${id}`)).status).toBe(204);
        const seen: string[] = [];
        await world.until('the server to be gone', async () => seen.push(await look()) > 0 && seen.at(-1) === 'gone');
        expect(seen).toContain('ACTIVE null');
        await world.until(
          'the node to be free',
          async () => (await world.node(STOPPED)).provision_state === 'available',
        );
        expect((await world.node(STOPPED)).instance_uuid).toBeNull();
      },
    },
    {
      id: 'placement.stale',
      call: 'placement GET /resource_providers/{provider}/inventories -> 200, then 404',
      says: "a deleted node's provider stays until Nova's next look, then is not found",
      run: async (world) => {
        // Deleted right after a look of Nova's, or that look may fall between the delete and the read.
        await world.until(
          'the node to be schedulable again',
          async () => (await inventory(world, STOPPED))?.reserved === 0,
        );
        expect((await world.cloud.ironic('DELETE', NODE(STOPPED))).status).toBe(204);
        expect(await inventory(world, STOPPED)).toMatchObject({ total: 1, reserved: 0 });
        await world.until('the provider to be gone', async () => (await inventory(world, STOPPED)) === undefined);
        expect((await world.cloud.placement(`/resource_providers/${nodeUuid(STOPPED)}`)).status).toBe(404);
      },
    },
  ];
}
