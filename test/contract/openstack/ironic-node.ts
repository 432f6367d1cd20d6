import { expect } from 'vitest';
import { fault } from './cloud.ts';
import type { Answer } from './http.ts';
import type { Case } from './suite.ts';
import { nodeUuid, SPARE } from './world.ts';

const NODE = `/v1/nodes/${nodeUuid(SPARE)}`;

function expectStateRefusal(answer: Answer, verb: string, state: string): void {
  expect({ status: answer.status, fault: fault(answer) }).toEqual({
    status: 400,
    fault: `The requested action "${verb}" can not be performed on node "${nodeUuid(SPARE)}" while it is in state "${state}".`,
  });
}

/** The life of one spare node: each case takes it up where the one before left it. */
export function ironicNodeCases(): readonly Case[] {
  return [
    {
      id: 'ironic.extra.patch',
      call: 'ironic PATCH /v1/nodes/{node} -> 200',
      says: 'single keys of `extra` are added, replaced and removed, the others stay',
      run: async (world) => {
        await world.remove(SPARE);
        await world.create(SPARE);
        const add = await world.patch(SPARE, { op: 'add', path: '/extra/ephyra', value: { epoch: 1 } });
        expect(add.status).toBe(200);
        expect(add.body).toMatchObject({ uuid: nodeUuid(SPARE), extra: { ephyra: { epoch: 1 }, rack: 'r9' } });
        await world.patch(SPARE, { op: 'add', path: '/extra/ephyra', value: { epoch: 2 } });
        expect((await world.node(SPARE)).extra).toEqual({ lab: true, rack: 'r9', ephyra: { epoch: 2 } });
        expect((await world.patch(SPARE, { op: 'remove', path: '/extra/ephyra' })).status).toBe(200);
        expect((await world.node(SPARE)).extra).toEqual({ lab: true, rack: 'r9' });
      },
    },
    {
      id: 'ironic.extra.patch.remove-missing',
      call: 'ironic PATCH /v1/nodes/{node} -> 400',
      says: 'removing a key that is not there is refused',
      run: async (world) => {
        expect((await world.patch(SPARE, { op: 'remove', path: '/extra/ephyra' })).status).toBe(400);
      },
    },
    {
      id: 'ironic.extra.patch.part',
      call: 'ironic PATCH /v1/nodes/{node} -> 200, 400',
      says: 'a part of a key of `extra` is written once more as it is; where the part or the key is not there, that is refused',
      run: async (world) => {
        await world.patch(SPARE, { op: 'add', path: '/extra/ephyra', value: { v: 1, epoch: 2 } });
        const before = await world.node(SPARE);
        const again = () => world.patch(SPARE, { op: 'replace', path: '/extra/ephyra/v', value: 1 });
        expect((await again()).status).toBe(200);
        const after = await world.node(SPARE);
        for (const key of Object.keys(before) as (keyof typeof before)[]) {
          if ((key as string) !== 'updated_at') expect(after[key], key).toEqual(before[key]);
        }
        const other = await world.patch(SPARE, { op: 'replace', path: '/extra/ephyra/w', value: 1 });
        expect(other.status).toBe(400);
        await world.patch(SPARE, { op: 'remove', path: '/extra/ephyra' });
        expect((await again()).status).toBe(400);
        await world.patch(SPARE, { op: 'add', path: '/extra/ephyra', value: 'no map' });
        expect((await again()).status).toBe(400);
        await world.patch(SPARE, { op: 'remove', path: '/extra/ephyra' });
      },
    },
    {
      id: 'ironic.patch.test-op',
      call: 'ironic PATCH /v1/nodes/{node} -> 400',
      says: 'there is no compare-and-set: the `test` operation is refused',
      run: async (world) => {
        const answer = await world.patch(
          SPARE,
          { op: 'test', path: '/extra/rack', value: 'r9' },
          { op: 'add', path: '/extra/rack', value: 'r8' },
        );
        expect(answer.status).toBe(400);
        expect((await world.node(SPARE)).extra).toMatchObject({ rack: 'r9' });
      },
    },
    {
      id: 'ironic.patch.read-only',
      call: 'ironic PATCH /v1/nodes/{node} -> 400',
      says: 'the uuid and the provision state cannot be written',
      run: async (world) => {
        for (const path of ['/uuid', '/provision_state']) {
          expect((await world.patch(SPARE, { op: 'replace', path, value: 'available' })).status).toBe(400);
        }
      },
    },
    {
      id: 'ironic.patch.unknown',
      call: 'ironic PATCH /v1/nodes/{node} -> 404',
      says: 'an unknown node is not found',
      run: async ({ cloud }) => {
        const path = '/v1/nodes/00000000-0000-4000-8000-000000000000';
        expect((await cloud.ironic('PATCH', path, [{ op: 'add', path: '/extra/x', value: 1 }])).status).toBe(404);
        const part = { op: 'replace', path: '/extra/ephyra/v', value: 1 };
        expect((await cloud.ironic('PATCH', path, [part])).status).toBe(404);
      },
    },
    {
      id: 'ironic.provision.from-enroll',
      call: 'ironic PUT /v1/nodes/{node}/states/provision -> 400',
      says: '`provide` is refused in enroll, and so is a verb that does not exist',
      run: async (world) => {
        expectStateRefusal(await world.verb(SPARE, 'provide'), 'provide', 'enroll');
        expect((await world.verb(SPARE, 'no-such-verb')).status).toBe(400);
      },
    },
    {
      id: 'ironic.provision.manage',
      call: 'ironic PUT /v1/nodes/{node}/states/provision -> 202',
      says: '`manage` leads from enroll to manageable and answers with an empty body',
      run: async (world) => {
        const answer = await world.verb(SPARE, 'manage');
        expect(answer.status).toBe(202);
        expect(answer.text).toBe('');
        expect(answer.headers.location).toMatch(new RegExp(`${NODE}/states$`));
        const node = await world.until('manageable', async () => {
          const now = await world.node(SPARE);
          expect(['enroll', 'verifying', 'manageable']).toContain(now.provision_state);
          return now.provision_state === 'manageable' && now.reservation === null && now;
        });
        expect(node.target_provision_state).toBeNull();
      },
    },
    {
      id: 'ironic.provision.repeated',
      call: 'ironic PUT /v1/nodes/{node}/states/provision -> 400',
      says: 'a verb that is already fulfilled is refused with 400, never 409',
      run: async (world) => {
        expectStateRefusal(await world.verb(SPARE, 'manage'), 'manage', 'manageable');
      },
    },
    {
      id: 'ironic.power',
      call: 'ironic PUT /v1/nodes/{node}/states/power -> 202',
      says: 'the power state is unknown until it is set, and is read back',
      run: async (world) => {
        expect((await world.node(SPARE)).power_state).toBeNull();
        await world.powerOn(SPARE);
        expect((await world.cloud.ironic('PUT', `${NODE}/states/power`, { target: 'sideways' })).status).toBe(400);
      },
    },
    {
      id: 'ironic.clean-failed',
      call: 'ironic PUT /v1/nodes/{node}/states/provision -> 202',
      says: 'a clean that fails ends in `clean failed`, with the goal and the error kept',
      run: async (world) => {
        await world.backend.failCleaning(world, SPARE, true);
        const node = await world.provision(SPARE, 'provide', 'clean failed');
        expect(node).toMatchObject({ target_provision_state: 'available', maintenance: false, instance_uuid: null });
        expect(node.last_error).toMatch(/clean/i);
      },
    },
    {
      id: 'ironic.clean-failed.provide',
      call: 'ironic PUT /v1/nodes/{node}/states/provision -> 400',
      says: '`provide` is refused after a failed clean',
      run: async (world) => {
        expectStateRefusal(await world.verb(SPARE, 'provide'), 'provide', 'clean failed');
      },
    },
    {
      id: 'ironic.clean-failed.delete',
      call: 'ironic DELETE /v1/nodes/{node} -> 409',
      says: 'a node in `clean failed` cannot be deleted',
      run: async (world) => {
        const answer = await world.cloud.ironic('DELETE', NODE);
        expect(answer.status).toBe(409);
        expect(fault(answer)).toContain('while it is in provision state "clean failed"');
      },
    },
    {
      id: 'ironic.clean-failed.manage',
      call: 'ironic PUT /v1/nodes/{node}/states/provision -> 202',
      says: '`manage` leads out of `clean failed`, and the old error stays: judge by the state',
      run: async (world) => {
        const node = await world.provision(SPARE, 'manage', 'manageable');
        expect(node.target_provision_state).toBeNull();
        expect(node.last_error).toMatch(/clean/i);
      },
    },
    {
      id: 'ironic.provision.provide',
      call: 'ironic PUT /v1/nodes/{node}/states/provision -> 202',
      says: '`provide` cleans and leads to available',
      run: async (world) => {
        await world.backend.failCleaning(world, SPARE, false);
        const node = await world.provision(SPARE, 'provide', 'available');
        expect(node).toMatchObject({ target_provision_state: null, instance_uuid: null });
        expectStateRefusal(await world.verb(SPARE, 'provide'), 'provide', 'available');
      },
    },
    {
      id: 'ironic.provision.deleted',
      call: 'ironic PUT /v1/nodes/{node}/states/provision -> 202',
      says: '`deleted` undeploys a node that Nova left behind in `deploy failed`: it forgets the instance and comes back',
      run: async (world) => {
        const instance = 'c0000000-0000-4000-8000-000000000001';
        await world.backend.strandNode(nodeUuid(SPARE), instance);
        expect(await world.node(SPARE)).toMatchObject({ provision_state: 'deploy failed', instance_uuid: instance });
        const node = await world.provision(SPARE, 'deleted', 'available');
        expect(node).toMatchObject({ instance_uuid: null, target_provision_state: null });
        expect(node.extra).toEqual({ lab: true, rack: 'r9' });
      },
    },
    {
      id: 'ironic.protected.not-active',
      call: 'ironic PATCH /v1/nodes/{node} -> 409',
      says: '`protected` can be set on nodes in use alone',
      run: async (world) => {
        const answer = await world.patch(SPARE, { op: 'replace', path: '/protected', value: true });
        expect(answer.status).toBe(409);
      },
    },
    {
      id: 'ironic.maintenance',
      call: 'ironic PUT, DELETE /v1/nodes/{node}/maintenance -> 202',
      says: 'maintenance shows in the list with its reason, and is lifted',
      run: async (world) => {
        const look = async () =>
          (await world.cloud.ironic('GET', `${NODE}?fields=maintenance,maintenance_reason`)).body;
        expect((await world.cloud.ironic('PUT', `${NODE}/maintenance`, { reason: 'new fans' })).status).toBe(202);
        expect(await look()).toMatchObject({ maintenance: true, maintenance_reason: 'new fans' });
        expect((await world.cloud.ironic('DELETE', `${NODE}/maintenance`)).status).toBe(202);
        expect(await look()).toMatchObject({ maintenance: false, maintenance_reason: null });
      },
    },
    {
      id: 'ironic.locked',
      call: 'ironic PATCH, PUT, DELETE, POST -> 409',
      says: 'while a conductor holds the node every write is refused, and reads show who holds it',
      run: async (world) => {
        const { cloud, backend } = world;
        await backend.lockNode(nodeUuid(SPARE));
        try {
          expect((await world.node(SPARE)).reservation).toMatch(/\S/);
          // At once: the real service tries for two seconds before it refuses.
          const port = { node_uuid: nodeUuid(SPARE), address: '52:54:00:ee:00:01' };
          const answers = await Promise.all([
            cloud.ironic('PATCH', NODE, [{ op: 'add', path: '/extra/x', value: 1 }]),
            cloud.ironic('PUT', `${NODE}/states/provision`, { target: 'manage' }),
            cloud.ironic('PUT', `${NODE}/states/power`, { target: 'power off' }),
            cloud.ironic('PUT', `${NODE}/traits`, { traits: ['CUSTOM_LAB'] }),
            cloud.ironic('POST', '/v1/ports', port),
            cloud.ironic('DELETE', NODE),
          ]);
          for (const answer of answers) {
            expect(answer.status, answer.method).toBe(409);
            expect(fault(answer)).toMatch(/^Node \S+ is locked by host \S+, please retry/);
          }
        } finally {
          await backend.unlockNode(nodeUuid(SPARE));
        }
        expect((await world.patch(SPARE, { op: 'add', path: '/extra/x', value: 1 })).status).toBe(200);
      },
    },
    {
      id: 'ironic.transition',
      call: 'ironic PATCH, DELETE /v1/nodes/{node} -> 409',
      says: 'while a node moves between states it can be neither patched nor deleted',
      run: async (world) => {
        const { cloud, backend } = world;
        await backend.beginTransition(nodeUuid(SPARE));
        try {
          const patch = await cloud.ironic('PATCH', NODE, [{ op: 'add', path: '/extra/x', value: 2 }]);
          expect(patch.status).toBe(409);
          expect(fault(patch)).toContain('can not be updated while a state transition is in progress');
          const gone = await cloud.ironic('DELETE', NODE);
          expect(gone.status).toBe(409);
          expect(fault(gone)).toContain('while it is in provision state "cleaning"');
          expectStateRefusal(await world.verb(SPARE, 'provide'), 'provide', 'cleaning');
        } finally {
          await backend.settleNode(nodeUuid(SPARE), 'available');
        }
        expect((await world.node(SPARE)).extra).toMatchObject({ x: 1 });
      },
    },
    {
      id: 'ironic.provision.back',
      call: 'ironic PUT /v1/nodes/{node}/states/provision -> 202',
      says: '`manage` leads back from available, at once',
      run: async (world) => {
        await world.provision(SPARE, 'manage', 'manageable');
      },
    },
    {
      id: 'ironic.delete.manageable',
      call: 'ironic DELETE /v1/nodes/{node} -> 204',
      says: 'a node in manageable is deleted; a repeat is not found',
      run: async ({ cloud }) => {
        expect((await cloud.ironic('DELETE', NODE)).status).toBe(204);
        expect((await cloud.ironic('DELETE', NODE)).status).toBe(404);
      },
    },
    {
      id: 'ironic.chassis.claim',
      call: 'ironic POST /v1/chassis -> 201, 409',
      says: 'of eight creates of the same chassis at once just one succeeds',
      run: async ({ cloud }) => {
        const uuid = 'b0000000-0000-4000-8000-0000000000c1';
        await cloud.ironic('DELETE', `/v1/chassis/${uuid}`);
        const body = { uuid, description: 'claim', extra: { epoch: 1 } };
        const answers = await Promise.all(Array.from({ length: 8 }, () => cloud.ironic('POST', '/v1/chassis', body)));
        const statuses = answers.map((answer) => answer.status).toSorted();
        expect(statuses).toEqual([201, 409, 409, 409, 409, 409, 409, 409]);
        const refused = answers.find((answer) => answer.status === 409);
        expect(refused && fault(refused)).toBe(`A chassis with UUID ${uuid} already exists.`);
      },
    },
    {
      id: 'ironic.chassis.list',
      call: 'ironic GET /v1/chassis/detail -> 200',
      says: 'all claims are seen by all, whole',
      run: async ({ cloud }) => {
        const answer = await cloud.ironic<{ chassis: unknown[] }>('GET', '/v1/chassis/detail?limit=1000');
        expect(answer.status).toBe(200);
        const uuid = 'b0000000-0000-4000-8000-0000000000c1';
        expect(answer.body.chassis).toContainEqual(
          expect.objectContaining({ uuid, description: 'claim', extra: { epoch: 1 } }),
        );
      },
    },
    {
      id: 'ironic.chassis.release',
      call: 'ironic GET, PATCH, DELETE /v1/chassis/{chassis} -> 200, 204, 404',
      says: 'the claim is read, renewed in `extra` and released once',
      run: async ({ cloud }) => {
        const path = '/v1/chassis/b0000000-0000-4000-8000-0000000000c1';
        expect((await cloud.ironic('GET', path)).body).toMatchObject({ description: 'claim', extra: { epoch: 1 } });
        const renewal = [{ op: 'replace', path: '/extra/epoch', value: 2 }];
        expect((await cloud.ironic('PATCH', path, renewal)).status).toBe(200);
        expect((await cloud.ironic('GET', path)).body).toMatchObject({ extra: { epoch: 2 } });
        expect((await cloud.ironic('DELETE', path)).status).toBe(204);
        expect((await cloud.ironic('DELETE', path)).status).toBe(404);
        expect((await cloud.ironic('GET', path)).status).toBe(404);
      },
    },
  ];
}
