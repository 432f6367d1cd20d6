import { describe, expect, it } from 'vitest';
import { serves } from '../support/world/application.ts';
import { begin, hasEnded, insist, play } from '../support/world/people.ts';
import { ALICE, BOB, World } from '../support/world/world.ts';

const placesOf = (world: World): Record<string, string> =>
  Object.fromEntries((world.record?.results ?? []).map(({ uuid, place }) => [uuid.slice(-2), place]));
const at = (world: World, name: string): number => world.mirror(name).nodes.size;

async function started(options: ConstructorParameters<typeof World>[0] = {}): Promise<World> {
  const world = new World(options);
  await world.start();
  return world;
}

describe('a whole deployment', () => {
  it('moves every node, workers before masters, one canary first', async () => {
    const world = await started({ nodes: 6, masters: 2 });
    expect(await play(world)).toBe('completed');
    expect(at(world, 'cp1')).toBe(0);
    expect(at(world, 'cp2')).toBe(6);
    const claims = world.writes.filter(({ write, at: plane }) => write === 'mark' && plane === 'cp1');
    expect(claims.map(({ node }) => world.roles.get(node ?? ''))).toEqual([
      ...Array(4).fill('hadoop-worker'),
      ...Array(2).fill('hadoop-master'),
    ]);
    const second = claims[1]?.sentAt ?? 0;
    const canary = world.record?.results.find(({ uuid }) => uuid === claims[0]?.node);
    expect(canary?.endedAt ?? Number.POSITIVE_INFINITY).toBeLessThan(second);
    // The soak lies between the canary and the others.
    expect(second - (canary?.endedAt ?? 0)).toBeGreaterThanOrEqual(world.config.deployment.soakMs);
  });

  it('gives every node another address and a whole definition', async () => {
    const world = await started();
    const before = new Map(world.application.members().map(({ uuid, address }) => [uuid, address]));
    await play(world);
    for (const member of world.application.members()) {
      expect(serves(member)).toBe(true);
      expect(member.address).not.toBe(before.get(member.uuid));
      expect(member.address).toMatch(/^10\.2\./);
    }
  });

  it('comes back by a deployment in the other direction', async () => {
    const world = await started();
    await play(world, { key: 'there' });
    expect(await play(world, { key: 'back', direction: ['cp2', 'cp1'] })).toBe('completed');
    expect(at(world, 'cp1')).toBe(3);
    expect(at(world, 'cp2')).toBe(0);
    // What ran there before is booted again: the same key pair, image and network as at first.
    for (const uuid of world.roles.keys()) {
      expect(world.mirror('cp1').instanceOn(uuid)).toMatchObject({ keyName: 'ops', status: 'ACTIVE' });
    }
  });

  it('moves only the nodes that it was asked to move', async () => {
    const world = await started({ nodes: 5 });
    expect(await play(world, { options: { nodes: ['node-02', 'node-04'] } })).toBe('completed');
    expect(at(world, 'cp2')).toBe(2);
    const touched = new Set(world.writes.flatMap(({ node }) => (node === null ? [] : [node])));
    expect(touched).toEqual(new Set([world.uuid('node-02'), world.uuid('node-04')]));
  });

  it('keeps the limit of a role below that of the deployment', async () => {
    const world = await started({
      nodes: 5,
      masters: 3,
      deployment: { maxUnavailable: 3 },
      roleMax: { 'hadoop-master': 1 },
    });
    expect(await play(world)).toBe('completed');
  });
});

describe('a node that fails', () => {
  it('is rolled back by itself, tried again and moved', async () => {
    const world = await started({ deployment: { retries: { attempts: 2, backoffMs: 500, maxBackoffMs: 1_000 } } });
    world.plane('cp2').faults.add({ match: { node: 'node-02' }, times: 2, effect: { kind: 'deploy-fails' } });
    expect(await play(world)).toBe('completed');
    const turned = world.writes.filter(({ write, at: plane }) => write === 'create node' && plane === 'cp1');
    expect(turned.map(({ node }) => node)).toEqual([world.uuid('node-02')]);
    expect(world.record?.results.find(({ uuid }) => uuid === world.uuid('node-02'))?.attempts).toBe(2);
  });

  it('stays home after its last try, in service, and the deployment says so', async () => {
    const world = await started({ deployment: { failureBudget: 5, nodeAttempts: 1 } });
    world.plane('cp2').faults.add({ match: { node: 'node-02' }, times: 0, effect: { kind: 'no-valid-host' } });
    expect(await play(world)).toBe('stopped');
    expect(placesOf(world)).toMatchObject({ '02': 'back', '03': 'moved', '01': 'moved' });
    expect(world.record?.note).toMatch(/1 of 3 nodes stayed/);
    const failed = world.record?.results.find(({ place }) => place === 'back');
    expect(failed?.failure).toMatchObject({
      reason: 'instance_error',
      message: expect.stringContaining('No valid host'),
    });
    expect(world.application.members().every(serves)).toBe(true);
  });

  it('takes everything back when more fail than the budget allows', async () => {
    const world = await started({ nodes: 4, deployment: { failureBudget: 0, nodeAttempts: 1 } });
    world.plane('cp2').faults.add({ match: { node: 'node-04' }, times: 0, effect: { kind: 'deploy-fails' } });
    expect(await play(world)).toBe('rolled_back');
    expect(at(world, 'cp2')).toBe(0);
    expect(world.record?.note).toMatch(/budget/);
  });

  it('ends stuck with a reason and a remedy when the way back fails, too', async () => {
    const world = await started({ deployment: { nodeAttempts: 1 } });
    world.plane('cp2').faults.add({ match: { node: 'node-02' }, times: 0, effect: { kind: 'no-valid-host' } });
    world.plane('cp1').faults.add({ match: { node: 'node-02' }, times: 0, effect: { kind: 'no-valid-host' } });
    expect(await play(world)).toBe('stuck');
    expect(world.record?.note).toContain('node-02');
    const stuck = world.record?.results.find(({ place }) => place === 'stuck');
    expect(stuck?.failure?.message).toContain('No valid host');
    expect(stuck?.failure?.remedy).toContain('Nova of cp1');
    // Nothing more is started: the nodes in line stay home.
    expect(at(world, 'cp2')).toBe(0);
  });

  it('can be aborted when it is stuck, once its trouble is mended', async () => {
    const world = await started({ deployment: { nodeAttempts: 1 } });
    const [there, home] = ['cp2', 'cp1'].map((name) =>
      world.plane(name).faults.add({ match: { node: 'node-02' }, times: 0, effect: { kind: 'no-valid-host' } }),
    );
    await play(world);
    world.plane('cp2').faults.remove(there ?? '');
    world.plane('cp1').faults.remove(home ?? '');
    await insist(world, (ephyra) => ephyra.abort({ by: ALICE }));
    await world.until(() => hasEnded(world));
    expect(world.record?.state).toBe('rolled_back');
    expect(world.application.members().every(serves)).toBe(true);
  });
});

describe('stop and abort', () => {
  it('stop finishes what is on its way and starts no more; a later deployment moves the rest', async () => {
    const world = await started({ nodes: 5 });
    expect(await play(world, { key: 'first', stopAfter: 1 })).toBe('stopped');
    const moved = at(world, 'cp2');
    expect(moved).toBeGreaterThanOrEqual(1);
    expect(moved).toBeLessThan(5);
    expect(await play(world, { key: 'second' })).toBe('completed');
    expect(at(world, 'cp2')).toBe(5);
  });

  it('abort takes the nodes back, the newest first', async () => {
    const world = await started({ nodes: 5, deployment: { maxUnavailable: 1 } });
    expect(await play(world, { abortAfter: 3 })).toBe('rolled_back');
    expect(at(world, 'cp2')).toBe(0);
    const boots = world.writes.filter(({ write }) => write === 'boot');
    const there = boots.filter(({ at: plane }) => plane === 'cp2').map(({ node }) => node);
    const back = boots.filter(({ at: plane }) => plane === 'cp1').map(({ node }) => node);
    expect(back.slice(-3)).toEqual(there.slice(0, 3).reverse());
  });

  it('abort after completion brings everything back', async () => {
    const world = await started();
    await play(world);
    await insist(world, (ephyra) => ephyra.abort({ by: ALICE }));
    expect(world.record?.state).toBe('rolling_back');
    await world.until(() => hasEnded(world));
    expect(world.record?.state).toBe('rolled_back');
    expect(at(world, 'cp1')).toBe(3);
  });

  it('abort brings a node back whose instance somebody else had booted, with a key pair of their own', async () => {
    const world = new World({ nodes: 2, masters: 0 });
    for (const role of world.config.roles) {
      Object.assign(role, { boot: { ...role.boot, cp1: { ...role.boot['cp1'], keyPair: null } } });
    }
    await world.start();
    await begin(world);
    world.plane('cp1').forget({ keypair: 'ops' });
    await world.pass(20_000);
    await insist(world, (ephyra) => ephyra.abort({ by: ALICE }));
    await world.until(() => hasEnded(world));
    expect(world.record?.state).toBe('rolled_back');
    for (const uuid of world.roles.keys()) expect(world.mirror('cp1').instanceOn(uuid)?.status).toBe('ACTIVE');
  });

  for (const when of ['is on its way', 'has arrived'] as const) {
    it(`abort boots what ran in the source, not what the file says, when the node ${when}`, async () => {
      const world = new World({ nodes: 1, masters: 0, deployment: { canary: 0 } });
      for (const { boot } of world.config.roles as readonly { boot: Record<string, object> }[]) {
        boot['cp1'] = { ...boot['cp1'], keyPair: null };
        boot['cp2'] = { ...boot['cp2'], metadata: { role: 'another', plane: 'cp2' } };
      }
      const uuid = world.uuid('node-01');
      const inSource = () => {
        const { name, keyName, imageId, flavor, networkIds, metadata } = world.mirror('cp1').instanceOn(uuid) ?? {};
        const own = Object.entries(metadata ?? {}).filter(([key]) => !key.startsWith('ephyra_'));
        return { name, keyName, imageId, flavor, networkIds, metadata: Object.fromEntries(own) };
      };
      const ran = inSource();
      expect(ran).toMatchObject({ keyName: 'ops', metadata: { role: 'hadoop-worker' } });
      await world.start();
      await begin(world);
      const there = () => world.mirror('cp2').instanceOn(uuid);
      await world.until(() => (when === 'has arrived' ? hasEnded(world) : there() !== undefined));
      expect(there()?.metadata).toMatchObject({ role: 'another', plane: 'cp2' });
      await insist(world, (ephyra) => ephyra.abort({ by: ALICE }));
      await world.until(() => hasEnded(world));
      expect(world.record?.state).toBe('rolled_back');
      expect(inSource()).toEqual(ran);
    });
  }

  it('abort is refused once another deployment has been built upon it', async () => {
    const world = await started();
    await play(world, { key: 'there' });
    await play(world, { key: 'back', direction: ['cp2', 'cp1'] });
    const [, first] = world.ephyra.list();
    const answer = await world.ask((ephyra) => ephyra.abort({ by: ALICE, id: first?.id ?? '' }));
    expect(answer).toMatchObject({ ok: false, refusal: { code: 'wrong_state' } });
  });

  it('a deployment that nobody has approved is withdrawn without a trace in the clouds', async () => {
    const world = await started();
    await insist(world, (ephyra) => ephyra.deploy({ source: 'cp1', target: 'cp2', by: ALICE }));
    await insist(world, (ephyra) => ephyra.stop({ by: ALICE }));
    expect(world.record?.state).toBe('stopped');
    expect(world.writes.filter(({ write }) => write !== 'token')).toEqual([]);
  });
});

describe('locks', () => {
  it('keep a deployment from being asked for and from being approved', async () => {
    const world = await started();
    await insist(world, (ephyra) => ephyra.lock({ by: BOB, scope: 'cp2', reason: 'switch maintenance' }));
    const refused = await world.ask((ephyra) => ephyra.deploy({ source: 'cp1', target: 'cp2', by: ALICE }));
    expect(refused).toMatchObject({
      ok: false,
      refusal: { code: 'locked', message: expect.stringContaining('switch') },
    });
    await insist(world, (ephyra) => ephyra.unlock({ by: BOB, scope: 'cp2' }));
    await insist(world, (ephyra) => ephyra.deploy({ source: 'cp1', target: 'cp2', by: ALICE }));
    await insist(world, (ephyra) => ephyra.lock({ by: BOB, scope: 'all', reason: 'incident' }));
    const unapproved = await world.ask((ephyra) => ephyra.approve({ by: BOB }));
    expect(unapproved).toMatchObject({ ok: false, refusal: { code: 'locked' } });
  });

  it('end by themselves when their time has come', async () => {
    const world = await started();
    await insist(world, (ephyra) => ephyra.lock({ by: BOB, scope: 'cp1', reason: 'short', forMs: 10_000 }));
    await world.pass(10_001);
    await world.ephyra.sweep();
    expect(world.ephyra.locks()).toEqual([]);
    expect(await play(world)).toBe('completed');
  });

  it('do not touch what is under way', async () => {
    const world = await started();
    await begin(world);
    await insist(world, (ephyra) => ephyra.lock({ by: BOB, scope: 'all', reason: 'too late' }));
    await world.until(() => hasEnded(world));
    expect(world.record?.state).toBe('completed');
  });

  it('of two deployments asked for at the same time one begins', async () => {
    const world = await started();
    const answers: unknown[] = [];
    for (const key of ['a', 'b']) {
      void world.ephyra
        .deploy({ source: 'cp1', target: 'cp2', by: ALICE, idempotencyKey: key })
        .then((answer) => answers.push(answer.ok ? 'granted' : answer.refusal.code));
    }
    await world.until(() => answers.length === 2);
    expect(answers.sort()).toEqual(['busy', 'granted']);
  });
});

describe('the application', () => {
  it('keeps the gate shut while it is unhealthy, and the deployment stops when that lasts', async () => {
    const world = await started();
    await begin(world);
    await world.until(() => world.record?.state === 'soaking');
    world.application.faults.unhealthy = 'two blocks are missing';
    await world.until(() => hasEnded(world));
    expect(world.record?.state).toBe('stopped');
    expect(world.record?.note).toMatch(/did not stay healthy during the soak: .*two blocks are missing/);
    expect(at(world, 'cp2')).toBe(1);
  });

  it('lets the deployment go on when it recovers in time', async () => {
    const world = await started();
    await begin(world);
    world.application.faults.silent = true;
    world.time.after(90_000, () => {
      world.application.faults.silent = false;
    });
    await world.until(() => hasEnded(world));
    expect(world.record?.state).toBe('completed');
  });

  it('that never gets a node drained has it taken back into service, and nothing was stopped', async () => {
    const world = await started({ deployment: { nodeAttempts: 1 } });
    world.application.faults.drainHangs.add(world.uuid('node-02'));
    expect(await play(world)).toBe('stopped');
    const stops = world.writes.filter(({ write, node }) => write === 'stop' && node === world.uuid('node-02'));
    expect(stops).toEqual([]);
  });

  it('that never answers at all does not hold the deployment for ever', async () => {
    const world = await started({ deployment: { nodeAttempts: 1 } });
    await begin(world);
    await world.pass(2_000);
    world.application.faults.hangs = true;
    await world.until(() => hasEnded(world), 3_600_000);
    expect(['stuck', 'stopped']).toContain(world.record?.state);
  });
});

describe('closing', () => {
  it('lets go of what is under way; the next start goes on with it', async () => {
    const world = await started();
    await begin(world);
    await world.pass(9_000);
    await world.close();
    await world.pass(120_000);
    await world.start();
    await world.until(() => hasEnded(world));
    expect(world.record?.state).toBe('completed');
    expect(world.starts).toBe(2);
  });

  it('refuses new requests while it closes', async () => {
    const world = await started();
    const { ephyra } = world;
    await world.close();
    expect(await ephyra.deploy({ source: 'cp1', target: 'cp2', by: ALICE })).toMatchObject({
      ok: false,
      refusal: { code: 'shutting_down' },
    });
  });
});
