import { describe, expect, it } from 'vitest';
import { cutOff, isChange, pointsOf, STORIES } from './restart.ts';

/**
 * Killed right before or right after a change, in a cloud or on disk, and started again. Here every so-many-th point is
 * taken, others at each place of the list; `npm run simulate -- --restarts` takes all of them, reads included.
 */
const EVERY = 4;

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
