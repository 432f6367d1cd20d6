import { describe, expect, it } from 'vitest';
import type { Call } from '../support/world/calls.ts';
import type { Disturbance } from '../support/world/network.ts';
import { begin, hasEnded, insist, play } from '../support/world/people.ts';
import { ALICE, World, type WorldOptions } from '../support/world/world.ts';

/** Nodes with portgroups that get one try each: whatever makes a copy look unfinished is seen at once. */
const bonded = (nodes: number, options: WorldOptions = {}): World =>
  new World({
    nodes,
    masters: 0,
    bonded: Array.from({ length: nodes }, (_, index) => index + 1),
    deployment: { canary: 0, maxUnavailable: nodes, nodeAttempts: 1, failureBudget: 9 },
    ...options,
  });

async function abort(world: World): Promise<void> {
  await insist(world, (ephyra) => ephyra.abort({ by: ALICE }));
  await world.until(() => hasEnded(world), undefined, 'the end');
}

const isOfTheCopy = ({ write }: Call): boolean => write?.startsWith('create') === true || write === 'set traits';

const failures = (world: World) => world.record?.results.map(({ failure }) => failure?.message ?? null);

describe('nodes with portgroups', () => {
  it('move together, and come back', async () => {
    const world = bonded(3);
    await world.start();
    expect(await play(world), JSON.stringify(failures(world))).toBe('completed');
    await abort(world);
    expect(world.record?.state, JSON.stringify(failures(world))).toBe('rolled_back');
  });

  const fates: readonly Disturbance[] = [{ do: 'drop' }, { do: 'lose answer' }, { do: 'refuse', status: 503 }];
  it.each(fates)('move and come back though one write of the copy meets $do', async (what) => {
    const calm = bonded(1);
    await thereAndBack(calm);
    for (const { id, at, write } of calm.writes.filter(isOfTheCopy)) {
      const world = bonded(1, { disturb: (call) => (call.id === id ? what : null) });
      expect(await thereAndBack(world), `${write} in ${at}`).toEqual(['completed', 'rolled_back']);
    }
  });

  it('move and come back though Ephyra is killed at any point of the copy', async () => {
    const copying: number[] = [];
    let from = false;
    await thereAndBack(
      bonded(1, {
        kill: ({ index, what }) => {
          if (what.includes('POST /v1/nodes')) from = true;
          if (what.includes('DELETE /v1/nodes')) from = false;
          if (from) copying.push(index);
          return false;
        },
      }),
    );
    expect(copying.length).toBeGreaterThan(20);
    for (const point of copying) {
      const world = bonded(1, { kill: ({ index }) => index === point });
      world.keepRunning(() => 2_000);
      expect((await thereAndBack(world)).at(-1), `killed at ${point}`).toBe('rolled_back');
    }
  });

  it('are copied whole though a list of portgroups has a gap', async () => {
    for (const path of ['/v1/portgroups/detail?limit=1000', '/v1/portgroups/detail?limit=1000&node=']) {
      let had = false;
      const world = bonded(1, {
        disturb: (call) => {
          if (had || !(path.endsWith('=') ? call.path.startsWith(path) : call.path === path)) return null;
          had = true;
          return { do: 'partial', which: 0 };
        },
      });
      expect(await thereAndBack(world), path).toEqual(['completed', 'rolled_back']);
      expect(had).toBe(true);
    }
  });
});

/** How the move ended, and its abort. */
async function thereAndBack(world: World): Promise<(string | undefined)[]> {
  await world.start();
  await begin(world);
  await world.until(() => hasEnded(world), undefined, 'the end');
  const there = world.record?.state;
  await abort(world);
  return [there, world.record?.state];
}
