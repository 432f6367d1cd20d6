import { describe, expect, it } from 'vitest';
import { allInvariants } from '../support/invariants/index.ts';
import { type MemberChange, serves } from '../support/world/application.ts';
import { Meddler } from '../support/world/meddler.ts';
import { begin, hasEnded, insist, play } from '../support/world/people.ts';
import type { WorldOptions } from '../support/world/world.ts';
import { ALICE, World } from '../support/world/world.ts';

const MARK = { v: 1, deployment: 'd-somebody-else', epoch: 1, source: 'cp1', target: 'cp2', role: 'x', instance: null };

async function meddled(
  atMs: number,
  deed: (meddler: Meddler, uuid: string, world: World) => void,
  options: WorldOptions = {},
): Promise<World> {
  const world = new World({ deployment: { nodeAttempts: 1 }, ...options });
  const meddler = new Meddler(world);
  await world.start();
  await begin(world);
  world.time.after(atMs, () => deed(meddler, world.uuid('node-02'), world));
  await world.until(() => hasEnded(world));
  return world;
}

/** The machine of node-03 dies and stays dead until another instance is deployed on it. */
async function dead(options: WorldOptions, when: 'before' | 'after'): Promise<World> {
  const world = new World(options);
  await world.start();
  if (when === 'before') await begin(world);
  else await play(world);
  const uuid = world.uuid('node-03');
  const instance = () => world.mirror('cp1').instanceOn(uuid) ?? world.mirror('cp2').instanceOn(uuid);
  const died = instance()?.id;
  const { application } = world;
  const follow = application.machine.bind(application);
  application.machine = (of, up, address) => follow(of, up && !(of === uuid && instance()?.id === died), address);
  new Meddler(world).crash(uuid);
  if (when === 'after') await insist(world, (ephyra) => ephyra.abort({ by: ALICE }));
  await world.until(() => hasEnded(world));
  return world;
}

const resultOf = (world: World) => world.record?.results.find(({ uuid }) => uuid === world.uuid('node-02'));

/** Moments in the move of the first node: drained, stopped, released, enrolled, booted, verified. */
const MOMENTS = [500, 4_500, 9_000, 13_000, 21_000, 30_000, 38_000];

describe('a node that the application cannot spare yet', () => {
  for (const [what, meddle] of [
    ['has lost its mark', (meddler: Meddler, uuid: string) => meddler.mark(uuid, undefined)],
    ['was claimed by others', (meddler: Meddler, uuid: string) => meddler.mark(uuid, MARK)],
    ['was put into maintenance', (meddler: Meddler, uuid: string) => meddler.maintenance(uuid, 'cp1', true)],
  ] as const) {
    it(`is not taken out of service for as long as it ${what} meanwhile`, async () => {
      /** What the node was when it left. */
      const left: { readonly marked: boolean; readonly maintenance: boolean }[] = [];
      const world = new World({
        nodes: 1,
        masters: 0,
        invariants: [...allInvariants, () => ({ name: 'leavers', member: leaves })],
      });
      const meddler = new Meddler(world);
      const uuid = world.uuid('node-01');
      const node = () => world.mirror('cp1').nodes.get(uuid);
      function leaves({ before, after }: MemberChange): void {
        if (!serves(before) || serves(after)) return;
        const mark = node()?.extra['ephyra'] as { deployment?: string } | undefined;
        left.push({ marked: mark?.deployment === world.record?.id, maintenance: node()?.maintenance === true });
      }
      let claimed = false;
      world.plane('cp1').onChange(({ kind }) => {
        if (kind !== 'node.marker' || claimed) return;
        claimed = true;
        // The gate has let it go; from here on nobody looks at the clouds.
        world.application.faults.unhealthy = 'three blocks are missing';
        world.time.after(60_000, () => meddle(meddler, uuid));
        world.time.after(150_000, () => {
          world.application.faults.unhealthy = null;
        });
      });
      await world.start();
      await begin(world);
      await world.until(() => claimed);
      await world.pass(200_000);
      // One that has only lost its mark is claimed again before.
      expect(left).toEqual(what === 'has lost its mark' ? [{ marked: true, maintenance: false }] : []);
    });
  }
});

describe('the last word of the application before a node leaves', () => {
  it('may be slow, and costs no try', async () => {
    const failed: string[] = [];
    const world = new World({
      nodes: 5,
      masters: 0,
      deployment: { maxUnavailable: 2, nodeAttempts: 1, canary: 0 },
      applicationMs: [12_000, 12_000],
      listener: (change) => {
        if (change.kind === 'deployment' && change.event.type === 'step_failed')
          failed.push(change.event.failure.message);
      },
    });
    await world.start();
    // Who is out and not of the deployment is looked for in the clouds, and the application is asked once more.
    world.application.operate(world.uuid('node-05'), 'out');
    expect(await play(world, { options: { nodes: ['node-01', 'node-02'] } })).toBe('completed');
    expect(failed).toEqual([]);
  });

  it('is not acted upon when it has come so late that the node may be anybody’s by now', async () => {
    const world = new World({ nodes: 1, masters: 0 });
    const meddler = new Meddler(world);
    const uuid = world.uuid('node-01');
    const { application } = world;
    const pluginOf = application.plugin.bind(application);
    let claimed = false;
    let asked = 0;
    world.plane('cp1').onChange(({ kind }) => {
      claimed ||= kind === 'node.marker';
    });
    application.plugin = (process) => {
      const plugin = pluginOf(process);
      const verifyApplication: typeof plugin.verifyApplication = (context) => {
        asked += claimed ? 1 : 0;
        // Once it is asked before the evidence, and again at the act.
        if (asked === 2) {
          application.faults.unhealthy = 'three blocks are missing';
          meddler.mark(uuid, MARK);
          world.time.after(150_000, () => {
            application.faults.unhealthy = null;
          });
        }
        return plugin.verifyApplication(context);
      };
      return { ...plugin, verifyApplication };
    };
    await world.start();
    await begin(world);
    await world.until(() => hasEnded(world));
    expect(asked).toBeGreaterThan(2);
    expect(application.get(uuid)?.state).toBe('in');
    expect(world.record?.results[0]?.failure?.reason).toBe('node_foreign');
  });
});

describe('people with other tools', () => {
  it('maintenance set on a node before its turn leaves it alone, and says why', async () => {
    const world = new World({ deployment: { nodeAttempts: 1, failureBudget: 3, canary: 0, maxUnavailable: 1 } });
    const meddler = new Meddler(world);
    await world.start();
    await begin(world);
    meddler.maintenance(world.uuid('node-03'), 'cp1', true);
    await world.until(() => hasEnded(world));
    expect(world.record?.state).toBe('stopped');
    const left = world.record?.results.find(({ uuid }) => uuid === world.uuid('node-03'));
    expect(left).toMatchObject({ place: 'back', failure: { reason: 'node_maintenance' } });
    expect(world.writes.filter(({ node }) => node === world.uuid('node-03'))).toEqual([]);
  });

  it('maintenance in the middle of a move stops it there until it ends', async () => {
    for (const atMs of MOMENTS) {
      for (const plane of ['cp1', 'cp2']) {
        const world = await meddled(atMs, (meddler, uuid, here) => {
          meddler.maintenance(uuid, plane, true);
          here.time.after(60_000, () => meddler.maintenance(uuid, plane, false));
        });
        expect(['completed', 'stopped', 'rolled_back', 'stuck'], `${plane} at ${atMs}`).toContain(world.record?.state);
      }
    }
  });

  it('nothing is written to a node while it is in maintenance', async () => {
    const world = await meddled(9_000, (meddler, uuid) => meddler.maintenance(uuid, 'cp1', true));
    const since = world.writes.filter(
      ({ node, servedAt, at }) =>
        node === world.uuid('node-02') && at === 'cp1' && (servedAt ?? 0) > world.startedAt(1) + 16_000,
    );
    expect(since).toEqual([]);
    expect(world.record?.state).toBe('stuck');
    expect(resultOf(world)?.failure?.message).toBeTruthy();
  });

  it('an instance deleted by hand in the middle never loses the node', async () => {
    for (const atMs of MOMENTS) {
      const world = await meddled(atMs, (meddler, uuid) => meddler.instance(uuid, 'delete'));
      expect(['completed', 'stopped', 'rolled_back', 'stuck'], `at ${atMs}`).toContain(world.record?.state);
    }
  });

  it('an instance stopped by hand in the target is started again', async () => {
    const world = await meddled(27_500, (meddler, uuid) => meddler.instance(uuid, 'stop'));
    expect(['completed', 'stopped']).toContain(world.record?.state);
  });

  it('a mark of somebody else stops everything for that node: a person is asked', async () => {
    for (const value of [MARK, { ...MARK, epoch: 9e9 }, 'hands off', { v: 7 }]) {
      const world = await meddled(2_000, (meddler, uuid) => meddler.mark(uuid, value));
      expect(world.record?.state).toBe('stuck');
      expect(resultOf(world)).toMatchObject({ place: 'stuck', failure: { reason: 'node_foreign', next: 'ask' } });
      expect(resultOf(world)?.failure?.remedy).toMatch(/extra\.ephyra/);
    }
  });

  it('a mark removed by hand in the middle ends with the node where it is, and nothing destroyed', async () => {
    for (const atMs of MOMENTS) {
      const world = await meddled(atMs, (meddler, uuid) => meddler.mark(uuid, undefined));
      expect(['completed', 'stopped', 'rolled_back', 'stuck'], `at ${atMs}`).toContain(world.record?.state);
      // Who has lost its instance and its place in the application has not come back.
      const running = ['cp1', 'cp2'].some((plane) => world.mirror(plane).running(world.uuid('node-02')) !== null);
      if (!running) expect(resultOf(world), `at ${atMs}`).toMatchObject({ place: 'stuck', failure: { next: 'ask' } });
    }
  });

  it('a mark that is gone in the very instant in which it is taken off is no reason to go back', async () => {
    let gone = false;
    const world = new World({
      disturb: (call) => {
        const takesOff = call.write === 'mark' && call.at === 'cp2' && JSON.stringify(call.body).includes('remove');
        if (takesOff && call.node !== null && !gone) {
          gone = true;
          new Meddler(world).mark(call.node, undefined);
        }
        return null;
      },
    });
    await world.start();
    expect(await play(world)).toBe('completed');
    expect(gone).toBe(true);
    expect(world.writes.filter(({ write, at }) => write === 'stop' && at === 'cp2')).toEqual([]);
  });

  it('what a person changes in the definition arrives in the target, unless it is changed while it is copied', async () => {
    let taken = 0;
    for (const atMs of MOMENTS) {
      let editedAt = Number.NaN;
      const world = await meddled(atMs, (meddler, uuid, here) => {
        if (meddler.define(uuid, 'asset_tag', 'A-17')) editedAt = here.time.now();
      });
      expect(world.record?.state).toBe('completed');
      const uuid = world.uuid('node-02');
      const tag = world.mirror('cp2').nodes.get(uuid)?.properties['asset_tag'];
      if (Number.isNaN(editedAt)) {
        expect(tag, `at ${atMs}`).toBeUndefined();
        continue;
      }
      // Ironic has no way to delete a node only if it is still what was read: so long nobody can tell.
      const read = world.reads.findLast(({ at, path }) => at === 'cp1' && path === `/v1/nodes/${uuid}`);
      const deleted = world.writes.find(({ write, node }) => write === 'delete node' && node === uuid);
      const unseen = editedAt >= (read?.servedAt ?? 0) && editedAt <= (deleted?.servedAt ?? 0);
      taken += unseen ? 0 : 1;
      if (!unseen) expect(tag, `at ${atMs}`).toBe('A-17');
    }
    expect(taken).toBeGreaterThan(2);
  });

  it('a copy that was changed in the target is not taken for a copy', async () => {
    let changed = false;
    const world = new World({
      deployment: { nodeAttempts: 1 },
      disturb: (call) => {
        if (call.write === 'set traits' && call.at === 'cp2' && !changed) {
          changed = true;
          new Meddler(world).request('cp2', 'ironic', 'PATCH', `/v1/nodes/${call.node}`, [
            { op: 'add', path: '/driver_info/ipmi_password', value: 'bmc-secret-other' },
          ]);
        }
        return null;
      },
    });
    await world.start();
    const end = await play(world);
    expect(changed).toBe(true);
    expect(end).not.toBe('completed');
    expect(world.record?.results[0]?.failure).toMatchObject({ reason: 'definition_differs' });
    expect(world.record?.results[0]?.failure?.message).toMatch(/ipmi_password differs/);
  });

  it('a node made protected in the middle is not released', async () => {
    const world = await meddled(2_000, (meddler, uuid) => meddler.protect(uuid));
    expect(resultOf(world)?.failure?.reason).toBe('node_protected');
    expect(world.mirror('cp1').nodes.has(world.uuid('node-02'))).toBe(true);
  });

  it('a node that is retired before its turn is left alone, and why is said', async () => {
    const world = new World({ deployment: { nodeAttempts: 1, failureBudget: 3, canary: 0, maxUnavailable: 1 } });
    const meddler = new Meddler(world);
    await world.start();
    await begin(world);
    const uuid = world.uuid('node-03');
    expect(meddler.retire(uuid, true)).toBe(true);
    await world.until(() => hasEnded(world));
    expect(world.record?.state).toBe('stopped');
    const left = world.record?.results.find((result) => result.uuid === uuid);
    expect(left).toMatchObject({ place: 'back', failure: { reason: 'node_retired' } });
    expect(left?.failure?.remedy).toMatch(/unset --retired/);
    expect(world.writes.filter(({ node }) => node === uuid)).toEqual([]);
  });

  it('a node that is retired in the middle is left with a running instance', async () => {
    for (const atMs of MOMENTS) {
      let taken = false;
      const world = await meddled(atMs, (meddler, uuid) => {
        taken = meddler.retire(uuid, true);
      });
      const { state } = world.record ?? {};
      expect(['completed', 'stopped', 'rolled_back'], `at ${atMs}`).toContain(state);
      if (taken && state !== 'completed') expect(resultOf(world)?.failure?.reason, `at ${atMs}`).toBe('node_retired');
      const running = ['cp1', 'cp2'].filter((plane) => world.mirror(plane).running(world.uuid('node-02')) !== null);
      expect(running, `at ${atMs}`).toHaveLength(1);
    }
  });

  for (const forMs of [60_000, null]) {
    const what = forMs === null ? 'is stuck there, and why is said' : 'goes on when it is retired no more';
    it(`a node that is retired while it has no instance waits where it is, and ${what}`, async () => {
      const waited: string[] = [];
      const world = new World({
        deployment: { nodeAttempts: 1 },
        listener: (change) => {
          if (change.kind === 'deployment' && change.event.type === 'waiting') waited.push(change.event.reason);
        },
      });
      const meddler = new Meddler(world);
      const uuid = world.uuid('node-02');
      let taken = false;
      world.plane('cp2').onChange(({ kind, uuid: changed, after }) => {
        if (kind !== 'node.provision_state' || changed !== uuid || after?.['provision_state'] !== 'manageable') return;
        world.time.after(0, () => {
          taken = meddler.retire(uuid, true);
        });
        if (forMs !== null) world.time.after(forMs, () => void meddler.retire(uuid, false));
      });
      await world.start();
      await begin(world);
      await world.until(() => hasEnded(world));
      expect(taken).toBe(true);
      const said = /is retired in cp2 and has no instance; .* unset --retired b0000000/;
      expect(waited.filter((reason) => said.test(reason))).not.toEqual([]);
      const removed = world.writes.filter(
        ({ node, write, at }) => node === uuid && write === 'delete node' && at === 'cp2',
      );
      expect(removed).toEqual([]);
      if (forMs !== null) {
        expect(world.record?.state).toBe('completed');
        return;
      }
      expect(world.record?.state).toBe('stuck');
      expect(resultOf(world)).toMatchObject({ place: 'stuck', failure: { reason: 'deadline' } });
      expect(resultOf(world)?.failure?.message).toMatch(said);
    });
  }

  it('when Ironic refuses a verb again and again, what it says is what people read', async () => {
    let refused = 0;
    const world: World = new World({
      deployment: { nodeAttempts: 1 },
      disturb: ({ write, node, at }) => {
        if (write !== 'provide' || at !== 'cp2' || node !== world.uuid('node-02')) return null;
        // Whoever looks before or after that sees nothing of it.
        if (meddler.retire(node, true)) refused += 1;
        world.time.after(500, () => void meddler.retire(node, false));
        return null;
      },
    });
    const meddler = new Meddler(world);
    await world.start();
    await begin(world);
    await world.until(() => hasEnded(world));
    expect(refused).toBeGreaterThan(1);
    expect(resultOf(world)).toMatchObject({ place: 'back', failure: { reason: 'cloud_refused' } });
    expect(resultOf(world)?.failure?.message).toMatch(
      /^ironic of cp2: PUT .* answered 400: The providing operation can't be performed on node .* because it is retired/,
    );
  });

  it('a node that is in both clouds is left to people', async () => {
    const world = new World({ deployment: { nodeAttempts: 1 } });
    const meddler = new Meddler(world);
    await world.start();
    await begin(world);
    await world.pass(2_000);
    const uuid = world.uuid('node-02');
    meddler.request('cp2', 'ironic', 'POST', '/v1/nodes', { uuid, name: 'node-02', driver: 'fake-hardware' });
    await world.until(() => hasEnded(world));
    expect(world.record?.state).toBe('stuck');
    expect(resultOf(world)?.failure?.reason).toBe('node_foreign');
    expect(world.mirror('cp1').instanceOn(uuid)?.status).toBeDefined();
  });

  it('a machine that crashes counts as out: no more leave than may', async () => {
    const world = new World({ nodes: 5, deployment: { maxUnavailable: 2 } });
    const meddler = new Meddler(world);
    await world.start();
    await begin(world);
    world.time.after(45_000, () => meddler.crash(world.uuid('node-05')));
    await world.until(() => hasEnded(world));
    expect(['completed', 'stopped', 'rolled_back']).toContain(world.record?.state);
  });

  it('a member whose machine has died in the target, or before its turn, moves all the same: it is let go of first', async () => {
    const there = await dead({}, 'after');
    expect(there.record?.state).toBe('rolled_back');
    expect(there.mirror('cp1').nodes.size).toBe(3);
    const here = await dead({ deployment: { nodeAttempts: 1 } }, 'before');
    expect(here.record?.state).toBe('completed');
  });

  it('aborting while nodes are in every step brings all of them back', async () => {
    for (let atMs = 1_000; atMs <= 46_000; atMs += 3_000) {
      const world = new World({ nodes: 4, deployment: { maxUnavailable: 3, canary: 0 } });
      await world.start();
      await begin(world);
      await world.pass(atMs);
      await insist(world, (ephyra) => ephyra.abort({ by: ALICE }));
      await world.until(() => hasEnded(world));
      expect(world.record?.state, `aborted after ${atMs} ms`).toBe('rolled_back');
      expect(world.mirror('cp1').nodes.size).toBe(4);
    }
  });
});
