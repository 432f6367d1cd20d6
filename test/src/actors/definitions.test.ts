import { expect, it } from 'vitest';
import type { Move } from '../../../machines/domain.ts';
import { refuseBusy, refusePartial } from '../../../src/actors/definitions.ts';
import { nodeDetailSchema } from '../../../src/openstack/ironic/index.ts';
import { sample } from '../openstack/support.ts';

const NODE = nodeDetailSchema.parse(sample('ironic-node-active').response.body);

it('a node that shows fewer parts than its mark says is not taken for the whole original', () => {
  const move = { uuid: NODE.uuid, name: 'node-01', from: 'cp2' } as unknown as Move;
  const mark = { v: 1, deployment: 'd-1', epoch: 5, source: 'cp1', target: 'cp2', role: 'worker', instance: null };
  const shown = (ports: number, parts?: object) => ({
    node: { ...NODE, extra: { ephyra: { ...mark, ...(parts === undefined ? {} : { parts }) } } },
    ports: Array.from({ length: ports }, (_, at) => ({ uuid: `${at}`, address: '', node_uuid: NODE.uuid })),
    portgroups: [],
    traits: ['CUSTOM_X'],
  });
  const parts = { ports: 2, portgroups: 0, traits: 1 };
  expect(() => refusePartial(shown(1), move)).not.toThrow();
  expect(() => refusePartial(shown(2, parts), move)).not.toThrow();
  expect(() => refusePartial(shown(3, parts), move)).not.toThrow();
  expect(() => refusePartial(shown(1, parts), move)).toThrow(
    'cp2 shows 1 ports of node-01, which was put there with 2',
  );
  expect(() => refusePartial(shown(2, { ...parts, traits: 2 }), move)).toThrow(/1 traits/);
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
