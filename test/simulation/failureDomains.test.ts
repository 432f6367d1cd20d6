import { describe, expect, it } from 'vitest';
import { STEPS, type Step } from '../../machines/domain.ts';
import { UnavailabilityCeiling } from '../support/invariants/ceiling.ts';
import { serves } from '../support/world/application.ts';
import { Meddler } from '../support/world/meddler.ts';
import { begin, hasEnded, insist, play } from '../support/world/people.ts';
import { ALICE, World, type WorldOptions } from '../support/world/world.ts';

const at = (world: World, name: string): number => world.mirror(name).nodes.size;

describe('a limit for each failure domain', () => {
  const limited = (maxUnavailable: number | null) => ({
    nodes: 7,
    deployment: { maxUnavailable: 3, canary: 0, failureDomain: { extra: 'rack', maxUnavailable } },
  });
  /** The racks of those who are out, at every moment at which one more went out. */
  const watched = (options: ConstructorParameters<typeof World>[0]) => {
    const outs: string[] = [];
    const world = new World({
      ...options,
      invariants: [
        (each) => ({
          name: 'racks',
          member: ({ before, after }) => {
            if (!serves(before) || serves(after)) return;
            const out = each.application.members().filter((member) => !serves(member));
            outs.push(
              out
                .map(({ uuid }) => each.racks.get(uuid))
                .sort()
                .join(' '),
            );
          },
        }),
      ],
    });
    return { world, outs };
  };
  const twice = (out: string) => new Set(out.split(' ')).size < out.split(' ').length;

  it('takes nodes from other racks meanwhile, and masters still last', async () => {
    const { world, outs } = watched(limited(1));
    await world.start();
    expect(await play(world)).toBe('completed');
    expect(outs.filter(twice)).toEqual([]);
    // Three at once there are, for racks that have two each.
    expect(outs.some((out) => out.split(' ').length === 3)).toBe(true);
    const claims = world.writes.filter(({ write, at: plane }) => write === 'mark' && plane === 'cp1');
    expect(claims.map(({ node }) => world.roles.get(node ?? '')).at(-1)).toBe('hadoop-master');
  });

  it('that is not there lets nodes of one rack go together', async () => {
    const { world, outs } = watched(limited(null));
    await world.start();
    expect(await play(world)).toBe('completed');
    expect(outs.some(twice)).toBe(true);
  });

  it('holds on the way back, too', async () => {
    const { world, outs } = watched(limited(1));
    await world.start();
    expect(await play(world, { key: 'first', abortAfter: 5 })).toBe('rolled_back');
    expect(outs.filter(twice)).toEqual([]);
  });
});

/** Six workers in three racks, of which one each may be out; people lay hands on some, so only the ceiling is watched. */
function racks(more: WorldOptions['deployment'] = {}, options: WorldOptions = {}) {
  const world = new World({
    invariants: [(each) => new UnavailabilityCeiling(each)],
    nodes: 6,
    masters: 0,
    ...options,
    deployment: { maxUnavailable: 3, canary: 0, failureDomain: { extra: 'rack', maxUnavailable: 1 }, ...more },
  });
  const told: string[] = [];
  return {
    world,
    told,
    meddler: new Meddler(world),
    start: async () => {
      await world.start();
      world.ephyra.onChange((change) => {
        if (change.kind === 'deployment' && change.event.type === 'gate') told.push(change.event.reason);
      });
    },
  };
}
/** All but node-03, which is in rack r2 with node-04. */
const OTHERS = ['node-01', 'node-02', 'node-04', 'node-05', 'node-06'];
const setRack = (world: World, meddler: Meddler, name: string, value: string | null): void =>
  void meddler.request('cp1', 'ironic', 'PATCH', `/v1/nodes/${world.uuid(name)}`, [
    value === null ? { op: 'remove', path: '/extra/rack' } : { op: 'add', path: '/extra/rack', value },
  ]);

describe('who is out without Ephyra', () => {
  it('keeps those of the same rack in, and no others, and people are told', async () => {
    const { world, told, start } = racks();
    await start();
    // Not of the deployment: its rack is known all the same.
    world.application.operate(world.uuid('node-03'), 'out');
    expect(await play(world, { options: { nodes: OTHERS } })).toBe('stopped');
    expect(at(world, 'cp2')).toBe(4);
    expect(told).toContainEqual(
      expect.stringMatching(/^1 of at most 1 nodes of failure domain r2 are out of service: \S+-node-03$/),
    );
  });

  it('is known by name when an earlier process moved it', async () => {
    const { world, start } = racks();
    await world.start();
    expect(await play(world, { key: 'first', options: { nodes: ['node-01'] } })).toBe('completed');
    await world.close();
    await start();
    world.application.operate(world.uuid('node-01'), 'out');
    expect(await play(world, { key: 'rest' })).toBe('stopped');
    // Node-02 shares a rack with it.
    expect(at(world, 'cp2')).toBe(5);
  });

  it('counts for every rack while his own is not known, and only so long', async () => {
    const { world, told, start, meddler } = racks();
    setRack(world, meddler, 'node-03', null);
    await start();
    world.application.operate(world.uuid('node-03'), 'out');
    await begin(world, { options: { nodes: OTHERS } });
    await world.pass(30_000);
    expect(told.at(-1)).toMatch(
      /^1 of at most 1 nodes of failure domain r1 are out of service: \S+-node-03 \(failure domain not known\)$/,
    );
    expect(at(world, 'cp2')).toBe(0);
    setRack(world, meddler, 'node-03', 'r2');
    await world.until(() => hasEnded(world));
    expect(at(world, 'cp2')).toBe(4);
  });

  it('is told by what the plan told racks by, whatever the configuration has said since', async () => {
    const { world } = racks({ canary: 1 });
    await world.start();
    await begin(world, { options: { nodes: OTHERS } });
    await world.until(() => world.record?.state === 'soaking');
    world.kill();
    Object.assign(world.config.deployment.failureDomain, { extra: 'role' });
    await world.start();
    world.application.operate(world.uuid('node-03'), 'out');
    await world.until(() => hasEnded(world));
    expect(world.record?.state).toBe('stopped');
    expect(at(world, 'cp2')).toBe(4);
  });
});

describe('a gate that is shut', () => {
  it('is waited at as long as nodes of ours may come back and open it', async () => {
    const deadlinesMs = Object.fromEntries(
      STEPS.map((step) => [step, step === 'remove' ? 1_200_000 : 300_000]),
    ) as Record<Step, number>;
    const { world, start } = racks(
      { deadlinesMs, failureDomain: { extra: 'rack', maxUnavailable: null } },
      { nodes: 8, drainMs: [600_000, 600_000] },
    );
    await start();
    world.application.operate(world.uuid('node-03'), 'out');
    const nodes = ['node-01', 'node-05', 'node-06', 'node-07', 'node-08'];
    expect(await play(world, { options: { nodes } })).toBe('completed');
  });

  it('on the way back leaves behind whom it keeps in, and they are named', async () => {
    const { world } = racks({ failureBudget: 2 });
    await world.start();
    for (const plane of world.planes) {
      plane.faults.add({ match: { node: 'node-02' }, times: 0, effect: { kind: 'no-valid-host' } });
    }
    expect(await play(world)).toBe('stuck');
    await insist(world, (ephyra) => ephyra.abort({ by: ALICE }));
    await world.until(() => hasEnded(world));
    expect(world.record?.state).toBe('stuck');
    expect(world.record?.note).toBe(
      'A person has to look at node-02. The application could not spare one more node in time. In the target still: node-01.',
    );
  });
});
