import { describe, expect, it } from 'vitest';
import type { InstanceFacts, NodeFacts } from '../../../machines/domain.ts';
import type { KnownNodesDeps } from '../../../src/actors/knownNodes.ts';
import { KnownNodes } from '../../../src/actors/knownNodes.ts';
import type { Question } from '../../../src/actors/survey.ts';
import { indexInstances } from '../../../src/actors/survey.ts';
import { instance, node } from '../../machines/observations.ts';

type Cloud = { nodes?: NodeFacts[]; instances?: InstanceFacts[] };

/** What the lists of two control planes say; `null` is a control plane that does not answer. */
function stage(clouds: Record<string, Cloud | null>, planned: KnownNodesDeps['planned'] = []) {
  const last = ({ of, at }: Question) => {
    const cloud = clouds[at];
    if (cloud === null || cloud === undefined) return { seq: 1, at: 0, answer: { ok: false, why: 'no route to host' } };
    const value =
      of === 'nodes'
        ? new Map((cloud.nodes ?? []).map((one) => [one.uuid, one]))
        : indexInstances(cloud.instances ?? []);
    return { seq: 1, at: 0, answer: { ok: true, value } };
  };
  const known = new KnownNodes({
    planned,
    controlPlanes: ['cp1', 'cp2'],
    survey: { last } as unknown as KnownNodesDeps['survey'],
    failureDomainOf: (extra) => (typeof extra['rack'] === 'string' ? extra['rack'] : null),
  });
  return { known, clouds };
}

const OURS = { uuid: 'n-1', name: 'node-01', role: 'worker', failureDomain: 'r1' };
const inRack = (uuid: string, rack: string | null, more: Partial<NodeFacts> = {}) =>
  node({
    uuid,
    name: `node-0${uuid.slice(-1)}`,
    instanceUuid: null,
    marker: null,
    extra: rack === null ? {} : { rack },
    ...more,
  });
const on = (uuid: string, name: string, address: string) =>
  instance({ id: `i-${name}`, nodeUuid: uuid, name, addresses: [address] });

describe('a name', () => {
  it('is that of a planned node, its instance or an address of it, whatever its case', () => {
    const { known } = stage({ cp1: { nodes: [inRack('n-1', 'r9')], instances: [on('n-1', 'Hadoop-1', '10.1.0.1')] } }, [
      OURS,
    ]);
    for (const name of ['n-1', 'node-01', 'NODE-01', 'hadoop-1', '10.1.0.1']) {
      // By the plan, whatever the lists say now.
      expect(known.called(name)).toMatchObject({ role: 'worker', failureDomain: 'r1' });
    }
    expect(known.called('10.1.0.2')).toMatchObject({ role: null, failureDomain: null });
  });

  it('stays known when the instance is gone', () => {
    const { known, clouds } = stage(
      { cp1: { nodes: [inRack('n-1', 'r1')], instances: [on('n-1', 'hadoop-1', '10.1.0.1')] } },
      [OURS],
    );
    clouds['cp1'] = null;
    expect(known.called('hadoop-1')).toMatchObject({ role: 'worker', failureDomain: 'r1' });
    expect(known.called('10.1.0.1').uuids).toEqual(['n-1']);
  });

  it('of a node that is not planned tells its failure domain, and no role', () => {
    const { known } = stage({ cp1: { nodes: [inRack('n-2', 'r2')], instances: [on('n-2', 'hadoop-2', '10.1.0.2')] } }, [
      OURS,
    ]);
    expect(known.called('hadoop-2')).toMatchObject({ role: null, failureDomain: 'r2' });
    expect(known.called('node-02')).toMatchObject({ role: null, failureDomain: 'r2' });
  });

  it('that two nodes had tells only what they have in common', () => {
    const [one, other] = [on('n-1', 'hadoop-1', '10.1.0.1'), on('n-2', 'hadoop-2', '10.1.0.1')];
    const racks = (rack: string) =>
      stage({ cp1: { nodes: [inRack('n-1', 'r1'), inRack('n-2', rack)], instances: [one, other] } }, [OURS]).known;
    expect(racks('r2').called('10.1.0.1')).toMatchObject({ role: null, failureDomain: null });
    expect(racks('r1').called('10.1.0.1')).toMatchObject({ role: null, failureDomain: 'r1' });
  });

  it('of a node that two control planes tell differently of tells nothing', () => {
    const { known } = stage({ cp1: { nodes: [inRack('n-2', 'r2')] }, cp2: { nodes: [inRack('n-2', 'r3')] } });
    expect(known.called('node-02')).toMatchObject({ role: null, failureDomain: null });
    const { known: half } = stage({ cp1: { nodes: [inRack('n-2', 'r2')] }, cp2: { nodes: [inRack('n-2', null)] } });
    expect(half.called('node-02').failureDomain).toBeNull();
  });

  it('is unknown where nobody answers', () => {
    const { known } = stage({ cp1: null, cp2: null }, [OURS]);
    expect(known.called('hadoop-2')).toMatchObject({ role: null, failureDomain: null });
    expect(known.called('node-01')).toMatchObject({ role: 'worker', failureDomain: 'r1' });
  });
});
