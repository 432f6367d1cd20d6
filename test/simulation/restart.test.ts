import { describe, expect, it } from 'vitest';
import { play } from '../support/world/people.ts';
import { World } from '../support/world/world.ts';
import { cutOff, isChange, pointsOf, STORIES } from './restart.ts';

/**
 * Killed right before or right after a change, in a cloud or on disk, and started again. Here every so-many-th point is
 * taken, others at each place of the list; `npm run simulate -- --restarts` takes all of them, reads included.
 */
const EVERY = 4;

const isAdding = (body: unknown) => JSON.stringify(body).includes('"add"');

describe('a deployment that is killed and started again', () => {
  for (const [index, story] of STORIES.entries()) {
    it(`goes on with the same nodes: ${story.name}`, async () => {
      const points = (await pointsOf(story)).filter(isChange);
      expect(points.length).toBeGreaterThan(50);
      const chosen = points.filter((_, at) => at % EVERY === index % EVERY);
      for (const point of chosen) {
        const world = await cutOff(story, ({ index: at }) => at === point.index);
        expect(world.starts, `killed at point ${point.index}`).toBe(2);
        expect(world.disk.deployments).toHaveLength(1);
      }
    });
  }

  it('survives being killed again while it resumes', async () => {
    const [story] = STORIES;
    if (story === undefined) throw new Error('there are no stories');
    const points = (await pointsOf(story)).filter(isChange);
    for (const point of points.filter((_, at) => at % 16 === 5)) {
      let kills = 0;
      const world = await cutOff(story, ({ index, process }) => {
        const now = index === point.index || (process > 1 && process <= 4 && index % (3 + process) === 0);
        kills += now ? 1 : 0;
        return now;
      });
      expect(world.starts).toBe(kills + 1);
    }
  });

  for (const [what, place, failureBudget, state] of [
    ['a node is stuck', 'stuck', 9, 'stuck'],
    ['more have failed than may', 'back', 0, 'rolled_back'],
  ] as const) {
    it(`starts no more nodes when ${what}, though it was killed before it had said so`, async () => {
      let killedAt: number | null = null;
      const world: World = new World({
        nodes: 5,
        masters: 0,
        // One at a time, and room for another beside one that is stuck.
        deployment: { canary: 5, maxUnavailable: 2, nodeAttempts: 1, failureBudget },
        kill: ({ kind }) => {
          const { results, intent } = world.record ?? { results: [] };
          if (killedAt !== null || kind !== 'written' || intent !== 'forward') return false;
          if (results.every((result) => result.place !== place)) return false;
          killedAt = world.time.now();
          return true;
        },
      });
      world.keepRunning(() => 2_000);
      const failing = (effect: 'verify-fails' | 'deploy-fails') =>
        ({ match: { node: 'node-02' }, times: 0, effect: { kind: effect } }) as const;
      world.plane('cp2').faults.add(failing('verify-fails'));
      if (place === 'stuck') world.plane('cp1').faults.add(failing('deploy-fails'));
      await world.start();
      expect(await play(world)).toBe(state);
      expect(killedAt).not.toBeNull();
      const claims = world.writes.filter(({ write, at, body }) => write === 'mark' && at === 'cp1' && isAdding(body));
      expect(claims.filter(({ sentAt }) => sentAt > (killedAt ?? 0))).toEqual([]);
    });
  }

  it('moves no node more often than it may, though it came home in the instant of the kill', async () => {
    let killed = false;
    const world: World = new World({
      nodes: 3,
      masters: 0,
      deployment: { canary: 0, maxUnavailable: 1, nodeAttempts: 1, failureBudget: 3 },
      kill: ({ kind }) => {
        const last = world.writes.at(-1);
        if (killed || kind !== 'answer' || last?.write !== 'mark' || last.at !== 'cp1' || isAdding(last.body))
          return false;
        killed = true;
        return true;
      },
    });
    world.keepRunning(() => 2_000);
    world.plane('cp2').faults.add({ match: { node: 'node-01' }, times: 9, effect: { kind: 'verify-fails' } });
    await world.start();
    expect(await play(world)).toBe('stopped');
    expect(killed).toBe(true);
    const uuid = world.uuid('node-01');
    const copies = world.writes.filter(
      ({ write, at, node }) => write === 'create node' && at === 'cp2' && node === uuid,
    );
    expect(copies).toHaveLength(1);
    const result = world.record?.results.find((one) => one.uuid === uuid);
    expect(result).toMatchObject({ place: 'back', attempts: 1, failure: { reason: 'verify_failed_bmc' } });
  });

  it('looks again within ten seconds of its start', async () => {
    const [story] = STORIES;
    if (story === undefined) throw new Error('there are no stories');
    const points = (await pointsOf(story)).filter(isChange);
    const middle = points[Math.floor(points.length / 2)];
    const world = await cutOff(story, ({ index }) => index === middle?.index);
    const first = world.reads.find(({ process }) => process === 2);
    expect((first?.sentAt ?? Number.POSITIVE_INFINITY) - world.startedAt(2)).toBeLessThan(10_000);
  });
});
