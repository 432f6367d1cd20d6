import { expect } from 'vitest';
import type { NodePage } from './ironic-list.ts';
import type { Case } from './suite.ts';
import { type Node, nodeUuid, ok, SPARE, type World } from './world.ts';

const MASK = '******';

async function masked<T>(world: World, run: () => Promise<T>): Promise<T> {
  await world.backend.setShowPassword(false);
  try {
    return await run();
  } finally {
    await world.backend.setShowPassword(true);
  }
}

async function listed(world: World): Promise<Node | undefined> {
  const { body } = ok(await world.cloud.ironic<NodePage>('GET', '/v1/nodes/detail'), 200);
  return body.nodes.find(({ uuid }) => uuid === nodeUuid(SPARE));
}

/** What policy hides in `driver_info`, and what becomes of a mask that is written back. */
export function ironicSecretCases(): readonly Case[] {
  return [
    {
      id: 'ironic.secrets.shown',
      call: 'ironic GET /v1/nodes/{node}, /v1/nodes/detail -> 200',
      says: 'an admin whom the policy allows reads the secrets, in one node and in the detailed list',
      run: async (world) => {
        await world.remove(SPARE);
        const created = await world.create(SPARE);
        expect(created.body.driver_info['ipmi_password']).toBe(`lab-secret-${SPARE}`);
        expect((await world.node(SPARE)).driver_info['ipmi_password']).toBe(`lab-secret-${SPARE}`);
        expect((await listed(world))?.driver_info['ipmi_password']).toBe(`lab-secret-${SPARE}`);
      },
    },
    {
      id: 'ironic.secrets.masked',
      call: 'ironic GET /v1/nodes/{node}, /v1/nodes/detail -> 200',
      says: 'without that policy passwords, secrets and tokens are masked, other keys are not',
      run: async (world) => {
        const secrets = { redfish_password: 'p', my_secret: 's', deploy_token: 't', Password: 'q', client_key: 'k' };
        for (const [key, value] of Object.entries(secrets)) {
          ok(await world.patch(SPARE, { op: 'add', path: `/driver_info/${key}`, value }), 200);
        }
        await masked(world, async () => {
          const expected = {
            ipmi_address: '10.9.9.9',
            ipmi_username: 'bmc-admin',
            ipmi_password: MASK,
            redfish_password: MASK,
            my_secret: MASK,
            deploy_token: MASK,
            Password: MASK,
            client_key: 'k',
          };
          expect((await world.node(SPARE)).driver_info).toEqual(expected);
          expect((await listed(world))?.driver_info).toEqual(expected);
        });
        expect((await world.node(SPARE)).driver_info).toMatchObject(secrets);
      },
    },
    {
      id: 'ironic.secrets.single-key',
      call: 'ironic PATCH /v1/nodes/{node} -> 200',
      says: 'writing a single key leaves masked secrets whole',
      run: async (world) => {
        await masked(world, async () => {
          const answer = await world.patch(SPARE, {
            op: 'replace',
            path: '/driver_info/ipmi_address',
            value: '10.9.9.8',
          });
          expect(answer.status).toBe(200);
          expect((answer.body as Node).driver_info['ipmi_password']).toBe(MASK);
        });
        expect((await world.node(SPARE)).driver_info).toMatchObject({
          ipmi_address: '10.9.9.8',
          ipmi_password: `lab-secret-${SPARE}`,
        });
      },
    },
    {
      id: 'ironic.secrets.mask-written',
      call: 'ironic PATCH /v1/nodes/{node} -> 200',
      says: 'a mask that is written back is accepted and destroys the secret',
      run: async (world) => {
        await masked(world, async () => {
          const { driver_info: value } = await world.node(SPARE);
          expect((await world.patch(SPARE, { op: 'replace', path: '/driver_info', value })).status).toBe(200);
        });
        expect((await world.node(SPARE)).driver_info['ipmi_password']).toBe(MASK);
      },
    },
    {
      id: 'ironic.secrets.mask-created',
      call: 'ironic POST /v1/nodes -> 201',
      says: 'a node created with a mask for a secret is accepted, and has none',
      run: async (world) => {
        await world.remove(SPARE);
        await world.create(SPARE, { driver_info: { ipmi_password: MASK } });
        expect((await world.node(SPARE)).driver_info['ipmi_password']).toBe(MASK);
        await world.remove(SPARE);
      },
    },
  ];
}
