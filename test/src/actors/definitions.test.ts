import { expect, it } from 'vitest';
import type { Move } from '../../../machines/domain.ts';
import { Definitions, refuseBusy } from '../../../src/actors/definitions.ts';
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

it('a node that shows itself in maintenance is neither copied nor taken for the whole original', () => {
  const move = {
    uuid: NODE.uuid,
    name: 'node-01',
    role: 'worker',
    deployment: 'd-1',
    epoch: 5,
    source: 'cp1',
    from: 'cp1',
    to: 'cp2',
    target: 'cp2',
  } as unknown as Move;
  const extra = {
    ephyra: { v: 1, deployment: 'd-1', epoch: 5, source: 'cp1', target: 'cp2', role: 'worker', instance: null },
  };
  const rest = { ...NODE, provision_state: 'available', instance_uuid: null, extra };
  const definition = (node: typeof NODE) => ({ node, ports: [], portgroups: [], traits: [] });
  expect(() => refuseBusy(definition({ ...rest, maintenance: false }), move)).not.toThrow();
  expect(() => refuseBusy(definition({ ...rest, maintenance: true }), move)).toThrow(/available in maintenance in cp1/);
});
