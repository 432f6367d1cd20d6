import { describe, expect, it } from 'vitest';
import { isEnded } from '../../src/store/state.ts';
import type { StoredDeployment } from '../../src/store/types.ts';
import type { Point } from '../support/world/installation.ts';
import { isChange, pointsOf, STORIES, type Story } from './restart.ts';
import { befallen, LOST, refused, STORE_FAULTS, toldOlderBy } from './storeFaults.ts';

/**
 * Killed right before or right after a change, and started again on a disk that holds something else. Here every
 * so-many-th point is taken; all of them are swept with `npm run simulate -- --store-faults`.
 */
const everyNth = (points: readonly Point[], n: number, from: number): Point[] =>
  points.filter((_, at) => at % n === from % n);

const known = new Map<Story, Promise<Point[]>>();

function changesOf(story: Story): Promise<Point[]> {
  const changes = known.get(story) ?? pointsOf(story).then((points) => points.filter(isChange));
  known.set(story, changes);
  return changes;
}

const running = ({ state, startedAt }: Pick<StoredDeployment, 'state' | 'startedAt'>): boolean =>
  startedAt !== null && !isEnded({ state });

const storyOf = (name: string): Story => {
  const story = STORIES.find((one) => one.name === name);
  if (story === undefined) throw new Error(`there is no story "${name}"`);
  return story;
};

describe.each(STORIES)('$name, and then', (story) => {
  it.each(STORE_FAULTS.map((fault, index) => ({ name: fault.name, fault, index })))(
    '$name: no node is lost, and it ends as people say',
    { timeout: 60_000 },
    async ({ fault, index }) => {
      const points = await changesOf(story);
      for (const point of everyNth(points, 64, index * 10 + 5)) {
        for (const choice of ['go on', 'bring back'] as const) {
          const { asked, copy, marked, world } = await befallen(story, point, fault, choice);
          expect(world.starts, `point ${point.index}`).toBe(2);
          // What only the marks know is asked about, and a copy that is known to be old is not gone on with unasked.
          const unsaid = fault === LOST ? marked > 0 : fault.told !== undefined && copy.deployments.some(running);
          if (unsaid) expect(asked, `point ${point.index}`).toBe(1);
          if (fault === LOST && marked === 0) expect(asked, `point ${point.index}`).toBe(0);
        }
      }
    },
  );
});

describe('the store', () => {
  it('lost while a node is under way: nothing moves before somebody has said so', async () => {
    const story = storyOf('success');
    const points = (await changesOf(story)).filter(({ kind, what }) => kind === 'answer' && what.includes('PATCH'));
    const [first] = points;
    if (first === undefined) throw new Error('nothing was marked');
    const { asked, writesBefore, writesWhenAsked, ends, world } = await befallen(story, first, LOST, 'go on');
    expect(asked).toBe(1);
    expect(writesWhenAsked).toBe(writesBefore);
    expect(ends).toEqual(['completed']);
    const [found] = world.disk.deployments;
    expect(found).toMatchObject({ source: 'cp1', target: 'cp2', requestedBy: { via: 'system' } });
    expect(found?.nodes).toHaveLength(1);
  });

  it('an older copy, known as such, of before an abort: the abort is not undone without a word', async () => {
    const story = storyOf('abort in the middle');
    const after = (await changesOf(story)).filter(({ kind, what }) => kind === 'written' && what === 'store');
    let tried = 0;
    for (const point of after.slice(8)) {
      if (tried >= 2) break;
      const { before, writesBefore, writesWhenAsked } = await befallen(story, point, toldOlderBy(1), 'bring back');
      const [record] = before.deployments;
      // The write before is that of the abort itself: the copy says forward.
      if (record?.intent !== 'abort' || record.state !== 'rolling_back') continue;
      tried += 1;
      expect(writesWhenAsked, `point ${point.index}`).toBe(writesBefore);
    }
    expect(tried).toBeGreaterThan(0);
  });

  it('that takes nothing for ten minutes stops no node, and has all of it in the end', {
    timeout: 60_000,
  }, async () => {
    for (const story of STORIES) {
      for (const point of everyNth(await changesOf(story), 48, 3)) {
        const world = await refused(story, point, { forMs: 600_000, killAfterMs: null });
        expect(world.starts).toBe(1);
      }
    }
  });

  it('that takes nothing when Ephyra is killed is caught up from what is seen', { timeout: 60_000 }, async () => {
    for (const story of STORIES) {
      for (const point of everyNth(await changesOf(story), 48, 9)) {
        const world = await refused(story, point, { forMs: 120_000, killAfterMs: 60_000 });
        expect(world.starts).toBe(2);
      }
    }
  });
});
