import { describe, expect, it } from 'vitest';
import type { InstanceFacts, Marker, NodeFacts } from '../../../machines/domain.ts';
import { METADATA } from '../../../machines/domain.ts';
import { indexInstances } from '../../../src/actors/survey.ts';
import { findingsOf, newcomersOf } from '../../../src/deployments/findings.ts';
import type { PairSight } from '../../../src/deployments/marks.ts';
import { SYSTEM } from '../../../src/deployments/service.ts';
import type { StoredDeployment, StoredResult } from '../../../src/store/types.ts';

import { node as aNode, instance as anInstance } from '../../machines/observations.ts';
import { NOW, record, state } from './support.ts';

const ID = 'd-20261122-aaaa';

const mark = (changes: Partial<Marker> = {}): Marker => ({
  v: 1,
  deployment: ID,
  epoch: 7,
  source: 'cp1',
  target: 'cp2',
  role: 'worker',
  instance: null,
  ...changes,
});

const wasAt = (at: string): Marker['instance'] => ({
  at,
  name: 'w',
  flavor: null,
  image: null,
  networks: [],
  keyName: null,
  configDrive: false,
  metadata: {},
  addresses: [],
});

function node(number: number, marker: NodeFacts['marker'], more: Partial<NodeFacts> = {}): NodeFacts {
  const name = `node-0${number}`;
  return aNode({ uuid: `n-${number}`, name, marker, instanceUuid: `i-${number}`, ...more });
}

const booted = (number: number, deployment = ID, role = 'worker'): InstanceFacts =>
  anInstance({
    id: `i-${number}`,
    nodeUuid: `n-${number}`,
    metadata: { [METADATA.deployment]: deployment, [METADATA.node]: `n-${number}`, [METADATA.role]: role },
  });

interface Cloud {
  readonly nodes?: readonly NodeFacts[];
  readonly instances?: readonly InstanceFacts[];
}

const pairOf = (cp1: Cloud, cp2: Cloud): PairSight =>
  new Map(
    Object.entries({ cp1, cp2 }).map(([name, { nodes = [], instances = [] }]) => [
      name,
      { nodes: new Map(nodes.map((one) => [one.uuid, one])), instances: indexInstances(instances) },
    ]),
  );

function judge(records: StoredDeployment[], pair: PairSight, behind: string | null = null) {
  return findingsOf(state({ deployments: records }), pair, {
    configured: ['cp1', 'cp2', 'cp3'],
    roles: [{ name: 'worker' }, { name: 'master' }],
    deployment: { maxUnavailable: 3, failureDomain: { extra: 'rack', maxUnavailable: null } },
    by: SYSTEM,
    now: NOW,
    behind,
    overtaken: new Set(),
  });
}

const result = (uuid: string, place: StoredResult['place'], attempts = 1): StoredResult => ({
  uuid,
  place,
  failure: null,
  startedAt: NOW,
  endedAt: null,
  attempts,
});

describe('a deployment that only the marks know', () => {
  const pair = pairOf(
    { nodes: [node(1, mark({ role: 'master' })), node(3, mark({ epoch: 9 })), node(5, null)] },
    {
      nodes: [node(3, mark({ epoch: 9 })), node(2, null), node(4, null)],
      instances: [booted(2), booted(4, 'd-earlier')],
    },
  );

  it('is rebuilt as far as they say: its nodes under way, and those that have arrived', () => {
    const { found, goOn, odd, epoch } = judge([], pair);
    expect({ goOn, odd, epoch }).toEqual({ goOn: [], odd: [], epoch: 9 });
    expect(found).toHaveLength(1);
    expect(found[0]).toMatchObject({
      id: ID,
      epoch: 9,
      source: 'cp1',
      target: 'cp2',
      state: 'found',
      intent: 'forward',
      approval: null,
      startedAt: null,
      requestedBy: SYSTEM,
      options: { maxUnavailable: 3, failureDomain: 'rack', nodes: null },
    });
    // By roles as configured, then by name; what has neither begun nor arrived is not in it.
    expect(found[0]?.nodes).toEqual([
      { uuid: 'n-2', name: 'node-02', role: 'worker', failureDomain: null, instanceId: null },
      { uuid: 'n-3', name: 'node-03', role: 'worker', failureDomain: null, instanceId: null },
      { uuid: 'n-1', name: 'node-01', role: 'master', failureDomain: null, instanceId: null },
    ]);
    expect(found[0]?.results.map(({ uuid, place }) => `${uuid} ${place}`)).toEqual([
      'n-2 moved',
      'n-3 moving',
      'n-1 moving',
    ]);
  });

  it('is asked about once more when nodes have come to it since, with all that was known of the others', () => {
    const before = pairOf({ nodes: [node(1, mark({ role: 'master' }))] }, {});
    const [first] = judge([], before).found;
    if (first === undefined) throw new Error('nothing was found');
    const failed = { ...result('n-1', 'going_back'), attempts: 2 };
    for (const known of [
      { ...first, thread: { face: 'slack' as const, channel: 'C1', ts: '1.2' } },
      { ...first, state: 'rolling_back' as const, intent: 'abort' as const, startedAt: NOW, results: [failed] },
    ]) {
      const [again, ...more] = judge([known], pair).found;
      expect(more).toEqual([]);
      expect(again).toMatchObject({ id: ID, state: 'found', intent: 'forward', epoch: 9, thread: known.thread });
      expect(again?.nodes.map(({ name }) => name)).toEqual(['node-02', 'node-03', 'node-01']);
      expect(again?.results[0]).toEqual(known.results[0]);
      expect(again?.digest).not.toBe(first.digest);
      expect(again?.note).toMatch(
        /^Since it was found here, node-03, node-02 came to it\. Another Ephyra has gone on with it\. Under way: node-01/,
      );
      expect(again?.note).not.toContain('does not know it');
      // Nothing new: nothing is asked.
      if (again !== undefined) expect(judge([again], pair).found).toEqual([]);
    }
  });

  it('is not asked about again for what has arrived, unless that may be brought back', () => {
    const [first] = judge([], pairOf({ nodes: [node(1, mark())] }, {})).found;
    if (first === undefined) throw new Error('nothing was found');
    const arrived = pairOf({}, { nodes: [node(1, null), node(2, null)], instances: [booted(1), booted(2)] });
    const askedOf = (changes: Partial<StoredDeployment>) =>
      judge([{ ...first, startedAt: NOW, ...changes }], arrived).found.map(({ nodes }) => nodes.length);
    expect(askedOf({ state: 'found' })).toEqual([2]);
    expect(askedOf({ state: 'rolling_back', intent: 'abort' })).toEqual([2]);
    expect(askedOf({ state: 'rolling' })).toEqual([]);
    expect(askedOf({ state: 'completed', endedAt: NOW })).toEqual([]);
    expect(askedOf({ state: 'rolled_back', intent: 'abort', endedAt: NOW })).toEqual([]);
  });

  it('never gets an older epoch, nor loses who has approved', () => {
    const [first] = judge([], pairOf({ nodes: [node(1, mark({ epoch: 12 }))] }, {})).found;
    if (first === undefined) throw new Error('nothing was found');
    const approval = { by: SYSTEM, at: NOW };
    const [again] = judge([{ ...first, approval, state: 'rolling', startedAt: NOW }], pair).found;
    expect(again).toMatchObject({ epoch: 12, approval });
  });

  it('has what each node was claimed with, as far as its mark says', () => {
    const claimed = pairOf(
      { nodes: [node(1, mark({ instance: { ...wasAt('cp1'), id: 'i-7' } as Marker['instance'] })), node(3, mark())] },
      { nodes: [node(4, mark({ instance: { ...wasAt('cp2'), id: 'i-8' } as Marker['instance'] }))] },
    );
    expect(judge([], claimed).found[0]?.nodes.map(({ name, instanceId }) => `${name} ${instanceId}`)).toEqual([
      'node-01 i-7',
      'node-03 null',
      'node-04 null',
    ]);
  });

  it('has not moved what it booted and does not run, marked or not', () => {
    const still = pairOf(
      { nodes: [node(1, mark())] },
      { nodes: [node(2, null)], instances: [{ ...booted(2), status: 'BUILD' }] },
    );
    const [found] = judge([], still).found;
    expect(found?.results.map(({ uuid, place }) => `${uuid} ${place}`)).toEqual(['n-1 moving', 'n-2 moving']);
    expect(found?.note).toContain('node-02 (in cp2, without its mark)');
    expect(found?.note).not.toContain('Arrived');
  });

  it('has the failure domains that the definitions tell, wherever the nodes are', () => {
    const there = pairOf(
      { nodes: [node(1, mark({}), { extra: { rack: 'r1' } })] },
      { nodes: [node(2, null, { extra: { rack: 7 } })], instances: [booted(2)] },
    );
    const [found] = judge([], there).found;
    const both = pairOf(
      { nodes: [node(1, mark({}), { extra: { rack: 'r1' } })] },
      { nodes: [node(1, mark({}), { extra: { rack: 'r2' } })] },
    );
    expect(judge([], both).found[0]?.nodes[0]?.failureDomain).toBeNull();
    expect(found?.nodes.map(({ name, failureDomain }) => `${name} ${failureDomain}`)).toEqual([
      'node-01 r1',
      'node-02 7',
    ]);
  });

  it('is described with where each node is, and with what is not known', () => {
    const note = judge([], pair).found[0]?.note ?? '';
    expect(note).toContain('node-01 (in cp1)');
    expect(note).toContain('node-03 (in both)');
    expect(note).toContain('Arrived in cp2: node-02.');
    expect(note).toMatch(/Which other nodes were to follow is not known/);
    expect(note).toMatch(/Nothing moves until somebody decides/);
    expect(note.length).toBeLessThan(600);
  });

  it('says which nodes were on their way back', () => {
    const back = pairOf({}, { nodes: [node(1, mark({ instance: wasAt('cp2') }))] });
    expect(judge([], back).found[0]?.note).toContain('node-01 (in cp2, on its way back)');
  });

  it('is nothing without marks: what has arrived is at rest', () => {
    const rest = pairOf({ nodes: [node(1, null)] }, { nodes: [node(2, null)], instances: [booted(2)] });
    expect(judge([], rest)).toEqual({ found: [], goOn: [], odd: [], epoch: 0 });
  });

  it('puts the one that the store believes to be running in question, too, when it is the later one', () => {
    const later = pairOf({ nodes: [node(1, mark({ deployment: 'd-later', epoch: 8 }))] }, {});
    const { found, goOn } = judge([record()], later);
    expect(found.map(({ id }) => id)).toEqual([ID, 'd-later']);
    expect(found[0]?.note).toMatch(/later deployment.*older copy/);
    expect(goOn).toEqual([]);
    const earlier = pairOf({ nodes: [node(1, mark({ deployment: 'd-earlier', epoch: 6 }))] }, {});
    expect(judge([record()], earlier)).toMatchObject({ found: [{ id: 'd-earlier' }], goOn: [ID] });
  });
});

describe('a deployment that runs by the store', () => {
  const moving = pairOf({ nodes: [node(1, mark()), node(2, null)] }, {});

  it('goes on, also when the store has not heard of what has moved since', () => {
    expect(judge([record()], moving)).toMatchObject({ found: [], goOn: [ID] });
    const further = pairOf({ nodes: [node(2, mark())] }, { nodes: [node(1, null)], instances: [booted(1)] });
    expect(judge([record()], further)).toMatchObject({ found: [], goOn: [ID] });
    expect(judge([record({ results: [result('n-1', 'moving')] })], further)).toMatchObject({ goOn: [ID] });
  });

  it('is asked about when a node of it was claimed on its way back, and nothing says why', () => {
    const back = pairOf({}, { nodes: [node(1, mark({ instance: wasAt('cp2') }))] });
    const { found, goOn } = judge([record({ results: [result('n-1', 'moved')] })], back);
    expect(goOn).toEqual([]);
    expect(found[0]).toMatchObject({ id: ID, state: 'found', approval: record().approval });
    expect(found[0]?.note).toMatch(/node-01 went back: it was aborted since/);
    for (const known of [record({ intent: 'abort' }), record({ results: [result('n-1', 'going_back')] })]) {
      expect(judge([known], back).found).toEqual([]);
    }
  });

  it('is asked about when a node has come home of which it does not know that it had left', () => {
    const home = pairOf({ nodes: [node(1, null), node(2, null)], instances: [booted(1)] }, {});
    expect(judge([record()], home).found).toHaveLength(1);
    expect(judge([record({ results: [result('n-1', 'moved')] })], home).found).toHaveLength(1);
    expect(judge([record({ results: [result('n-1', 'moving')] })], home).found).toHaveLength(1);
  });

  it.each([
    ['it was sent back', [result('n-1', 'going_back')]],
    ['it came back', [result('n-1', 'back')]],
    ['it waits for its next try', [result('n-1', 'waiting')]],
    ['it is being tried again', [result('n-1', 'moving', 2)]],
  ])('goes on when a node is home and the store knows why: %s', (_why, results) => {
    const home = pairOf({ nodes: [node(1, null)], instances: [booted(1)] }, {});
    expect(judge([record({ results })], home)).toMatchObject({ found: [], goOn: [ID] });
  });

  it('is asked about when the store itself is known to be an older copy', () => {
    const { found, goOn } = judge([record()], moving, 'The store is an older copy.');
    expect(goOn).toEqual([]);
    expect(found[0]?.note).toMatch(/^The store is an older copy\. Under way: node-01/);
  });

  it('is left to the look at its own control planes', () => {
    const other = record({ id: 'd-other', source: 'cp2', target: 'cp3' });
    expect(judge([other], moving)).toMatchObject({ found: [{ id: ID }], goOn: [] });
  });
});

describe('a deployment that does not run by the store', () => {
  const marked = pairOf({ nodes: [node(1, mark({ epoch: 12 }))] }, {});

  it.each(['completed', 'stopped', 'rolled_back'] as const)('%s, is asked about when nodes bear its mark', (ended) => {
    const { found } = judge([record({ state: ended, endedAt: NOW })], marked);
    expect(found[0]).toMatchObject({ state: 'found', epoch: 12, endedAt: null, nodes: record().nodes });
    expect(found[0]?.note).toContain(`it has ended (${ended.replace('_', ' ')})`);
  });

  it('stuck, is not asked about again: its marks stay until a person has been there', () => {
    const stuck = record({ state: 'stuck', endedAt: NOW, results: [result('n-1', 'stuck')] });
    expect(judge([stuck], marked)).toMatchObject({ found: [], goOn: [] });
    const another = pairOf({ nodes: [node(1, mark()), node(2, mark())] }, {});
    expect(judge([stuck], another).found).toHaveLength(1);
  });

  it.each(['awaiting_approval', 'expired', 'stopped'] as const)(
    '%s and never approved, is asked about when its nodes have been moved',
    (before) => {
      const waiting = record({ state: before, startedAt: null, approval: null });
      const arrived = pairOf({}, { nodes: [node(1, null)], instances: [booted(1)] });
      for (const pair of [marked, arrived]) {
        expect(judge([waiting], pair).found[0]?.note).toMatch(/never approved, but its nodes have been moved/);
      }
      expect(judge([waiting], pairOf({ nodes: [node(1, null)] }, {}))).toMatchObject({ found: [], goOn: [] });
    },
  );

  it('found before, waits on as it is', () => {
    const asked = record({ state: 'found', note: 'as it was' });
    expect(judge([asked], marked)).toMatchObject({ found: [], goOn: [] });
  });
});

describe('a mark that nobody can act upon', () => {
  it.each([
    ['cannot be read', node(1, 'invalid', { extra: { ephyra: 'hands off' } }), 'it cannot be read'],
    ['is of a newer version', node(1, 'invalid', { extra: { ephyra: { v: 2, of: 'tomorrow' } } }), 'format 2'],
    [
      'names an unknown control plane',
      node(1, mark({ target: 'cp9' })),
      'cp9 (d-20261122-aaaa), which is not configured',
    ],
    ['goes nowhere', node(1, mark({ target: 'cp1' })), 'as source and as target'],
    ['is where it does not belong', node(1, mark({ source: 'cp2', target: 'cp3' })), 'between cp2 and cp3'],
  ])('%s: told with the node and what to do, and nothing else', (_what, strange, why) => {
    const { found, goOn, odd } = judge([record()], pairOf({ nodes: [strange] }, {}));
    expect(found).toEqual([]);
    expect(goOn).toEqual([ID]);
    expect(odd).toHaveLength(1);
    expect(odd[0]).toMatchObject({ at: 'cp1', uuid: 'n-1', name: 'node-01', why: expect.stringContaining(why) });
    expect(odd[0]?.remedy).toContain('baremetal node unset --extra ephyra n-1');
  });

  it('contradicts the others of its deployment, or the store', () => {
    const both = pairOf({ nodes: [node(1, mark()), node(2, mark({ source: 'cp2', target: 'cp1' }))] }, {});
    const alone = judge([], both);
    expect(alone.found[0]?.nodes.map(({ uuid }) => uuid)).toEqual(['n-1']);
    expect(alone.odd).toMatchObject([{ uuid: 'n-2', why: expect.stringContaining('other nodes say cp1→cp2') }]);
    const other = judge([record({ source: 'cp2', target: 'cp1' })], pairOf({ nodes: [node(1, mark())] }, {}));
    expect(other.odd).toMatchObject([{ uuid: 'n-1', why: expect.stringContaining('the store says cp2→cp1') }]);
    expect(other.found).toEqual([]);
  });

  it('says the same to whoever looks, in whichever order the control planes come', () => {
    const pair = pairOf({ nodes: [node(1, mark())] }, { nodes: [node(2, mark({ source: 'cp2', target: 'cp1' }))] });
    const [rebuilt] = judge([], pair).found;
    expect(rebuilt).toMatchObject({ source: 'cp1', nodes: [{ uuid: 'n-1' }] });
    const back = { ...(rebuilt as StoredDeployment), source: 'cp2', target: 'cp1' };
    const turned: PairSight = new Map([...pair].reverse());
    expect(newcomersOf(back, turned)).toEqual(newcomersOf(back, pair));
    expect(newcomersOf({ ...(rebuilt as StoredDeployment), nodes: [] }, turned)).toEqual(['node-01']);
    expect(judge([], turned)).toEqual(judge([], pair));
  });
});
