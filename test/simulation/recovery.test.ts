import { describe, expect, it } from 'vitest';
import type { Change } from '../../src/deployments/types.ts';
import { emptyState, isEnded } from '../../src/store/state.ts';
import { isWrite } from '../support/world/calls.ts';
import { Meddler } from '../support/world/meddler.ts';
import { begin, play } from '../support/world/people.ts';
import { ALICE, BOB, World, type WorldOptions } from '../support/world/world.ts';
import { granted } from './storeFaults.ts';

const FORTH = { source: 'cp1', target: 'cp2', by: ALICE } as const;
const ENDED = { timeoutMs: 24 * 3_600_000 };

/** A world in which the first node is half-way, Ephyra killed, and the store lost. */
async function halfWay(options: WorldOptions = {}): Promise<{ world: World; id: string; told: Change[] }> {
  const told: Change[] = [];
  const world = new World({ ...options, listener: (change) => told.push(change) });
  await world.start();
  const id = await begin(world);
  await world.until(() => world.writes.some(({ write }) => write === 'delete node'));
  world.kill();
  world.disk = emptyState();
  told.length = 0;
  return { world, id, told };
}

const found = (world: World) => world.disk.deployments.filter(({ state }) => state === 'found');
const notices = (told: readonly Change[]) => told.filter((change) => change.kind === 'notice');
/** What was written to the clouds; a lease is nothing about any node. */
const changesSince = (world: World, writes: number) =>
  world.writes.slice(writes).filter((call) => isWrite(call) && call.node !== null);
const whyNot = (answer: Awaited<ReturnType<World['ephyra']['stop']>> | null) =>
  answer?.ok === false ? answer.refusal : null;

async function asked(world: World): Promise<void> {
  await world.until(() => found(world).length > 0, 3_600_000, 'a question');
}

/** Asked for until it is granted: a lease of the process before may have to run out first. */
const decide = (world: World, question: Parameters<typeof granted>[2]) => granted(world, () => false, question);

async function over(world: World): Promise<string | undefined> {
  await world.until(() => world.record !== undefined && isEnded(world.record), ENDED.timeoutMs, 'the end');
  return world.record?.state;
}

describe('what only the marks know', () => {
  it('is asked about once, and nothing moves however long nobody answers', async () => {
    const { world, id, told } = await halfWay();
    await world.start();
    await asked(world);
    const before = world.network.requests;
    await world.pass(24 * 3_600_000);
    expect(world.network.requests).toBe(before);
    expect(told.filter((change) => change.kind === 'deployment')).toMatchObject([
      { event: { type: 'found' }, deployment: { id, state: 'found' } },
    ]);
    world.kill();
    await world.start();
    await world.pass(60_000);
    expect(found(world)).toHaveLength(1);
    expect(told.filter((change) => change.kind === 'deployment')).toHaveLength(1);
  });

  it('keeps every other deployment of its control planes from starting, and says what to do', async () => {
    const { world, id } = await halfWay();
    await world.start();
    await asked(world);
    for (const pair of [FORTH, { ...FORTH, source: 'cp2', target: 'cp1' }]) {
      const refusal = whyNot(await world.ask((ephyra) => ephyra.deploy(pair)));
      expect(refusal?.code).toBe('busy');
      expect(refusal?.remedy).toContain(`/ephyra approve ${id}`);
      expect(refusal?.remedy).toContain(`/ephyra abort ${id}`);
    }
    expect(whyNot(await world.ask((ephyra) => ephyra.stop({ by: BOB })))).toMatchObject({ code: 'wrong_state' });
    await decide(world, (ephyra) => ephyra.approve({ id, by: BOB }));
    expect(await over(world)).toBe('completed');
    expect(await play(world, { key: 'the rest' })).toBe('completed');
    expect(world.mirror('cp1').nodes.size).toBe(0);
  });

  it('is brought back when people say so, with what has arrived', async () => {
    const world = new World({ nodes: 4, deployment: { maxUnavailable: 1 } });
    await world.start();
    const id = await begin(world);
    await world.until(() => (world.record?.results.filter(({ place }) => place === 'moved').length ?? 0) >= 2);
    await world.until(() => world.record?.results.some(({ place }) => place === 'moving') === true);
    world.kill();
    world.disk = emptyState();
    await world.start();
    await asked(world);
    expect(world.record?.nodes).toHaveLength(3);
    await decide(world, (ephyra) => ephyra.abort({ id, by: BOB }));
    expect(await over(world)).toBe('rolled_back');
    expect(world.mirror('cp2').nodes.size).toBe(0);
  });

  it('does not start under a lock, neither way', async () => {
    const { world, id } = await halfWay();
    await world.start();
    await asked(world);
    await world.ask((ephyra) => ephyra.lock({ by: BOB, scope: 'cp2', reason: 'disks are being replaced' }));
    for (const decide of ['approve', 'abort'] as const) {
      expect(whyNot(await world.ask((ephyra) => ephyra[decide]({ id, by: BOB })))?.code).toBe('locked');
    }
    expect(found(world)).toHaveLength(1);
    await world.ask((ephyra) => ephyra.unlock({ by: BOB, scope: 'cp2' }));
    await decide(world, (ephyra) => ephyra.approve({ id, by: BOB }));
    expect(await over(world)).toBe('completed');
  });

  it('is not concluded from a control plane that does not answer: that is told, and asked again', async () => {
    const { world, id, told } = await halfWay();
    const down = world
      .plane('cp2')
      .faults.add({ match: { service: 'ironic' }, effect: { kind: 'service-down', answer: 503 } });
    await world.start();
    await world.pass(120_000);
    expect(found(world)).toEqual([]);
    expect(notices(told)).toHaveLength(1);
    expect(notices(told)[0]).toMatchObject({
      message: expect.stringMatching(/cannot see what is under way.*cp1 and cp2/),
    });
    const refusal = whyNot(await world.ask((ephyra) => ephyra.deploy(FORTH)));
    expect(['busy', 'plan_failed']).toContain(refusal?.code);
    world.plane('cp2').faults.remove(down);
    await asked(world);
    await decide(world, (ephyra) => ephyra.approve({ id, by: BOB }));
    expect(await over(world)).toBe('completed');
  });

  it('is left to whoever finished it by hand: approved, it looks, and ends', async () => {
    const { world, id } = await halfWay({ nodes: 1, masters: 0 });
    await world.start();
    await asked(world);
    await decide(world, (ephyra) => ephyra.approve({ id, by: BOB }));
    expect(await over(world)).toBe('completed');
    const late = world.writes.length;
    world.disk = {
      ...world.disk,
      deployments: world.disk.deployments.map((one) => ({ ...one, state: 'found', endedAt: null })),
    };
    world.kill();
    await world.start();
    await world.pass(60_000);
    await decide(world, (ephyra) => ephyra.approve({ id, by: BOB }));
    expect(await over(world)).toBe('completed');
    expect(changesSince(world, late)).toEqual([]);
  });

  it('of two deployments is asked about each, and one moves at a time', async () => {
    const { world, id } = await halfWay();
    const other = 'd-20261101-000001';
    const claimed = world.mirror('cp1').instanceOn(world.uuid('node-03'));
    const unsaid = { flavor: null, image: null, networks: [], keyName: null, metadata: {}, addresses: [] };
    const instance = { at: 'cp1', id: claimed?.id, name: claimed?.name, configDrive: false, ...unsaid };
    const mark = { v: 1, deployment: other, epoch: 5, source: 'cp1', target: 'cp2', role: 'hadoop-worker', instance };
    new Meddler(world).mark(world.uuid('node-03'), mark);
    await world.start();
    await asked(world);
    expect(found(world).map((one) => one.id)).toEqual([other, id]);
    await decide(world, (ephyra) => ephyra.approve({ id, by: BOB }));
    expect(whyNot(await world.ask((ephyra) => ephyra.abort({ id: other, by: BOB })))?.code).toBe('busy');
    await world.until(() => world.disk.deployments.some((one) => one.id === id && isEnded(one)), ENDED.timeoutMs);
    await decide(world, (ephyra) => ephyra.abort({ id: other, by: BOB }));
    await world.until(() => world.disk.deployments.every(isEnded), ENDED.timeoutMs);
    expect(world.disk.deployments.map(({ state }) => state)).toEqual(['rolled_back', 'completed']);
    expect(world.mirror('cp1').nodes.has(world.uuid('node-03'))).toBe(true);
  });
});

describe('marks that nobody can act upon', () => {
  it('are told once, with node and remedy, and left alone', async () => {
    const told: Change[] = [];
    const world = new World({ nodes: 4, listener: (change) => told.push(change) });
    const meddler = new Meddler(world);
    meddler.mark(world.uuid('node-01'), 'hands off');
    meddler.mark(world.uuid('node-02'), { v: 2, deployment: 'd-of-tomorrow', plan: {} });
    await world.start();
    await world.pass(120_000);
    const texts = notices(told).map((change) => `${change.message} ${change.remedy}`);
    expect(texts).toHaveLength(2);
    expect(texts[0]).toMatch(/node-01 in cp1 is not understood: it cannot be read\./);
    expect(texts[1]).toMatch(/node-02 in cp1 is not understood: it has format 2, this Ephyra knows format 1\./);
    for (const text of texts) expect(text).toContain('baremetal node unset --extra ephyra');
    expect(world.disk.deployments).toEqual([]);
    expect(await play(world)).toBe('completed');
    const touched = new Set(world.writes.flatMap(({ node }) => (node === null ? [] : [node])));
    expect(touched).toEqual(new Set([world.uuid('node-03'), world.uuid('node-04')]));
  });
});

describe('an older copy of the store', () => {
  it('in which the approval is missing: the card of then decides nothing', async () => {
    const world = new World({});
    await world.start();
    await world.ask((ephyra) => ephyra.deploy(FORTH));
    const copy = world.disk;
    await decide(world, (ephyra) => ephyra.approve({ by: BOB }));
    await world.until(() => world.writes.some(({ write }) => write === 'stop'));
    world.kill();
    world.disk = copy;
    await world.start();
    // Pressed in the very moment of the start, before anything was looked at.
    const refusal = whyNot(
      await world.ask((ephyra) => ephyra.approve({ by: BOB, digest: copy.deployments[0]?.digest ?? '' })),
    );
    expect(refusal).toMatchObject({ code: 'wrong_state', message: expect.stringContaining('never approved') });
    expect(found(world)).toHaveLength(1);
    await decide(world, (ephyra) => ephyra.abort({ by: BOB }));
    expect(await over(world)).toBe('rolled_back');
  });

  it('in which a completed deployment runs: it is seen to have ended, and nothing is done', async () => {
    const world = new World({});
    await world.start();
    await begin(world);
    await world.until(() => world.record?.state === 'rolling');
    const copy = world.disk;
    expect(await over(world)).toBe('completed');
    world.kill();
    world.disk = copy;
    const late = world.writes.length;
    await world.start();
    expect(await over(world)).toBe('completed');
    expect(changesSince(world, late)).toEqual([]);
  });

  it('in which a deployment runs that has been taken back since: nobody is moved again unasked', async () => {
    const world = new World({});
    await world.start();
    await begin(world);
    await world.until(() => (world.record?.results.length ?? 0) >= 2);
    const copy = world.disk;
    await decide(world, (ephyra) => ephyra.abort({ by: BOB }));
    expect(await over(world)).toBe('rolled_back');
    world.kill();
    world.disk = copy;
    const late = world.writes.length;
    await world.start();
    await world.pass(3_600_000);
    expect(found(world)).toHaveLength(1);
    expect(found(world)[0]?.note).toMatch(/it was aborted since, the store is an older copy/);
    expect(changesSince(world, late)).toEqual([]);
    await decide(world, (ephyra) => ephyra.abort({ by: BOB }));
    expect(await over(world)).toBe('rolled_back');
  });

  it('is asked about even if it was written and started again before all clouds had answered', async () => {
    const world = new World({ nodes: 6, masters: 0, deployment: { maxUnavailable: 1 } });
    await world.start();
    await begin(world);
    await world.until(() => world.record?.results.some(({ place }) => place === 'moved') === true);
    const copy = world.disk;
    expect((await world.ask((ephyra) => ephyra.stop({ by: ALICE })))?.ok).toBe(true);
    expect(await over(world)).toBe('stopped');
    world.kill();
    world.disk = copy;
    world.diskBehind = 'The store is an older copy.';
    const ironic = world.plane('cp2').faults;
    const down = ironic.add({ match: { service: 'ironic' }, effect: { kind: 'service-down', answer: 503 } });
    await world.start();
    await world.pass(30_000);
    expect(world.record?.note).toMatch(/^Cannot tell where the nodes are/);
    for (const what of ['stop', 'abort'] as const) {
      // It would be forgotten over the question.
      expect(whyNot(await world.ask((ephyra) => ephyra[what]({ by: ALICE })))?.code).toBe('busy');
    }
    world.kill();
    ironic.remove(down);
    const late = world.writes.length;
    await world.start();
    await asked(world);
    expect(found(world)[0]?.note).toMatch(/^The store is an older copy/);
    expect(changesSince(world, late)).toEqual([]);
    await decide(world, (ephyra) => ephyra.approve({ by: BOB }));
    // Answered once, it is a store like any other.
    await world.until(() => (world.record?.results.filter(({ place }) => place === 'moved').length ?? 0) >= 3);
    world.kill();
    await world.start();
    expect(await over(world)).toBe('completed');
  });

  it('keeps the rule that whoever asked for it does not approve it', async () => {
    const world = new World({});
    await world.start();
    await begin(world);
    await world.until(() => world.writes.some(({ write }) => write === 'stop'));
    world.kill();
    world.diskBehind = 'The store is an older copy.';
    await world.start();
    await asked(world);
    expect(whyNot(await world.ask((ephyra) => ephyra.approve({ by: ALICE })))?.code).toBe('self_approval');
    await decide(world, (ephyra) => ephyra.approve({ by: BOB }));
    expect(await over(world)).toBe('completed');
  });
});

describe('a stuck deployment', () => {
  it('is not asked about at each start: that was told when it ended', async () => {
    const told: Change[] = [];
    const world = new World({ nodes: 2, masters: 0, listener: (change) => told.push(change) });
    await world.start();
    await begin(world);
    await world.until(() => world.writes.some(({ write }) => write === 'stop'));
    new Meddler(world).instance(world.uuid('node-01'), 'delete');
    world.plane('cp2').faults.add({ times: 0, effect: { kind: 'no-valid-host' } });
    world.plane('cp1').faults.add({ times: 0, effect: { kind: 'no-valid-host' } });
    expect(await over(world)).toBe('stuck');
    world.kill();
    told.length = 0;
    await world.start();
    await world.pass(120_000);
    expect(told).toEqual([]);
    expect(world.record?.state).toBe('stuck');
  });
});
