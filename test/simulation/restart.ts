import type { Point } from '../support/world/installation.ts';
import type { Wish } from '../support/world/people.ts';
import { play } from '../support/world/people.ts';
import type { WorldOptions } from '../support/world/world.ts';
import { World } from '../support/world/world.ts';

/** A deployment that is cut off at every point. */
export interface Story {
  readonly name: string;
  readonly wish: Wish;
  readonly options: WorldOptions;
  readonly prepare?: (world: World) => void;
  /** In which states it may end, cut off or not. */
  readonly ends: readonly string[];
}

export const STORIES: readonly Story[] = [
  { name: 'success', wish: {}, options: { nodes: 3 }, ends: ['completed'] },
  {
    name: 'a node fails, is rolled back and tried again',
    wish: {},
    options: { nodes: 3, deployment: { retries: { attempts: 2, backoffMs: 1_000, maxBackoffMs: 4_000 } } },
    prepare: (world) =>
      world.plane('cp2').faults.add({ match: { node: 'node-02' }, times: 2, effect: { kind: 'deploy-fails' } }),
    ends: ['completed'],
  },
  { name: 'abort in the middle', wish: { abortAfter: 1 }, options: { nodes: 3 }, ends: ['rolled_back', 'completed'] },
];

/** Every point at which a story can be cut off. */
export async function pointsOf(story: Story): Promise<Point[]> {
  const points: Point[] = [];
  await cutOff(story, (point) => {
    points.push(point);
    return false;
  });
  return points;
}

/** Where something changes: right before and right after each write to a cloud or to the disk. */
export const isChange = ({ kind, what }: Point): boolean =>
  kind === 'write' || kind === 'written' || !/^(GET|POST \/v3)/.test(what);

/** Plays a story, killed at the points that `kill` chooses and started again after `downMs`. Throws what breaks. */
export async function cutOff(
  story: Story,
  kill: (point: Point) => boolean,
  options: { readonly seed?: number; readonly downMs?: number } = {},
): Promise<World> {
  const world = new World({ ...story.options, seed: options.seed ?? 1, kill });
  world.keepRunning(() => options.downMs ?? 500);
  story.prepare?.(world);
  await world.start();
  const end = await play(world, story.wish);
  if (!story.ends.includes(end)) {
    const note = world.record?.note ?? '';
    throw new Error(`it ended ${end} (${note})\n${world.trace.last(60).join('\n')}`);
  }
  return world;
}
