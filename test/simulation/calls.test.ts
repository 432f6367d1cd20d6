import { describe, expect, it } from 'vitest';
import type { Call } from '../support/world/calls.ts';
import { isWrite } from '../support/world/calls.ts';
import { POLL_MS } from '../support/world/config.ts';
import { play } from '../support/world/people.ts';
import type { WorldOptions } from '../support/world/world.ts';
import { World } from '../support/world/world.ts';

/** The most writes that the move of a node with one port may make. */
const MOST_WRITES = 12;

async function played(options: WorldOptions, nodes?: readonly string[]): Promise<World> {
  const world = new World(options);
  await world.start();
  expect(await play(world, nodes === undefined ? {} : { options: { nodes } })).toBe('completed');
  return world;
}

/** Reads of a running deployment, the preflight left out. */
const runningReads = (world: World): Call[] => {
  const first = world.writes.find(isWrite)?.id ?? 0;
  return world.reads.filter(({ id }) => id > first);
};
const isList = ({ path }: Call): boolean => /^\/v1\/nodes\?|\/servers\/detail|^\/resource_providers/.test(path);

describe('the calls of a deployment', () => {
  it(`are at most ${MOST_WRITES} writes for a node with one port`, async () => {
    const world = await played({ nodes: 3 });
    for (const uuid of world.roles.keys()) {
      const writes = world.writes.filter((call) => isWrite(call) && call.node === uuid).map(({ write }) => write);
      expect(writes.length, writes.join(', ')).toBeLessThanOrEqual(MOST_WRITES);
    }
    const unassigned = world.writes.filter((call) => isWrite(call) && call.node === null);
    expect(unassigned).toEqual([]);
  });

  it('read each list at most once a tick, however many nodes wait for it', async () => {
    const world = await played({ nodes: 8, masters: 0, deployment: { maxUnavailable: 8, canary: 0 } });
    const ticks = new Map<string, number>();
    for (const call of runningReads(world).filter(isList)) {
      // At a tick nodes look; between ticks a node may look again after a change of its own.
      if (call.sentAt % POLL_MS !== 0) continue;
      const key = `${call.sentAt} ${call.at} ${call.path}`;
      ticks.set(key, (ticks.get(key) ?? 0) + 1);
    }
    const most = Math.max(...ticks.values());
    expect(ticks.size).toBeGreaterThan(5);
    // Once for the tick; once more for those whose own change at this very tick made the first answer old.
    expect(most).toBeLessThanOrEqual(2);
  });

  it('do not grow with the number of nodes: 300 are read like 3', { timeout: 60_000 }, async () => {
    const nodes = ['node-02', 'node-03', 'node-04'];
    const few = await played({ nodes: 4, masters: 1 }, nodes);
    const many = await played({ nodes: 300, masters: 1, invariants: [] }, nodes);
    expect(runningReads(many).length).toBe(runningReads(few).length);
    expect(many.writes.length).toBe(few.writes.length);
  });

  it('with all of 100 nodes under way at once are lists shared by all, and what a single node needs', async () => {
    const world = await played({
      nodes: 100,
      masters: 0,
      invariants: [],
      deployment: { maxUnavailable: 100, canary: 0 },
      drainMs: [1_000, 1_000],
      joinMs: [1_000, 1_000],
    });
    const lists = runningReads(world).filter(isList).length;
    const single = runningReads(world).length - lists;
    expect(lists).toBeLessThan(150);
    expect(single / 100).toBeLessThanOrEqual(8);
  });

  it('look for portgroups in one list where there are none, and for a node that has some only in that node', async () => {
    const options = { nodes: 4, masters: 0, deployment: { maxUnavailable: 4, canary: 0 } };
    const groups = (world: World) => world.reads.filter(({ path }) => path.startsWith('/v1/portgroups'));
    const none = await played(options);
    expect(groups(none).map(({ at, path }) => `${at} ${path}`)).toEqual(['cp1 /v1/portgroups/detail?limit=1000']);
    // Each of both is looked for in both Ironics.
    const two = await played({ ...options, bonded: [1, 2] });
    const single = groups(two).filter(({ path }) => path.includes('node='));
    expect(groups(two).length - single.length).toBe(1);
    expect(single.map(({ at }) => at).sort()).toEqual(['cp1', 'cp1', 'cp2', 'cp2']);
    const more = two.network.requests - none.network.requests;
    // And created: a portgroup and a second port for each.
    expect(more).toBe(single.length + 2 * 2);
  });

  it('are only those for lists that some node waits for', async () => {
    const world = await played({ nodes: 1, masters: 0, drainMs: [60_000, 60_000] });
    const marked = world.writes.find(({ write }) => write === 'mark')?.servedAt ?? 0;
    const stopped = world.writes.find(({ write }) => write === 'stop')?.sentAt ?? 0;
    expect(stopped - marked).toBeGreaterThanOrEqual(60_000);
    // While the application drains, no cloud is asked for anything.
    const between = world.reads.filter(({ sentAt }) => sentAt > marked + POLL_MS && sentAt < stopped - POLL_MS);
    expect(between.map(({ path }) => path)).toEqual([]);
    // Placement is asked only where a node is to be offered or an old provider to be gone.
    const placement = runningReads(world).filter(({ service }) => service === 'placement');
    expect(placement.every(({ at }) => at === 'cp2')).toBe(true);
  });

  it('are none at all when there is nothing to do', async () => {
    const world = await played({ nodes: 1, masters: 0 });
    const before = world.network.requests;
    await world.pass(3_600_000);
    expect(world.network.requests).toBe(before);
  });
});
