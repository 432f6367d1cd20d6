import { expect, it } from 'vitest';
import { Definitions } from '../../../src/actors/definitions.ts';
import type { ControlPlane } from '../../../src/openstack/control-plane.ts';
import { nodeDetailSchema } from '../../../src/openstack/ironic/index.ts';
import { sample } from '../openstack/support.ts';

const NODE = nodeDetailSchema.parse(sample('ironic-node-active').response.body);
const HOUR = 3_600_000;

it('a definition that was read before the clock was set back is read again', async () => {
  let now = 10 * HOUR;
  let description = 'rack 1';
  const ironic = {
    getNode: async () => ({ ...NODE, description }),
    listPorts: async () => [],
    listPortgroups: async () => [],
  };
  const planes = new Map([['cp1', { name: 'cp1', ironic } as unknown as ControlPlane]]);
  const clock = { now: () => now, sleep: async () => undefined };
  const definitions = new Definitions(planes, new Map([['cp1', null]]), clock);

  await definitions.of(NODE.uuid, 'cp1', now);
  now -= HOUR;
  description = 'rack 2';
  const read = await definitions.of(NODE.uuid, 'cp1', now - 10_000);
  expect(read?.node.description).toBe('rack 2');
});
