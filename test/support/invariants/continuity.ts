import type { DeepReadonly, StoreState } from '../../../src/store/types.ts';
import type { Invariant, Watched } from './invariant.ts';

/** What the disk said of a deployment. */
interface Known {
  readonly course: string;
  /** uuid and role. */
  readonly fleet: ReadonlySet<string>;
  /** By Ephyra itself, from marks alone. */
  readonly rebuilt: boolean;
}

/**
 * Invariant 7, its other half: killed at any point and started again, the same deployment continues with the same nodes.
 * What is on disk of a deployment - between which control planes, which nodes in which roles - never
 * changes while it is there; and what is written to the clouds is about its nodes alone (see foreign nodes). Of a deployment
 * that the disk has lost, some of the nodes may come back, and none that had not been of it.
 */
export class SameNodes implements Invariant {
  readonly name = 'same nodes after a kill';
  readonly #world: Watched;
  #known = new Map<string, Known>();

  constructor(world: Watched) {
    this.#world = world;
  }

  stored({ deployments }: DeepReadonly<StoreState>): void {
    const all = new Map<string, Known>();
    for (const { id, source, target, nodes, requestedBy } of deployments) {
      const now: Known = {
        course: `${source} ${target}`,
        fleet: new Set(nodes.map(({ uuid, role }) => `${uuid} ${role}`)),
        rebuilt: requestedBy.via === 'system',
      };
      const before = this.#known.get(id);
      if (before !== undefined && !follows(before, now)) {
        this.#world.violate(this.name, `${id} was "${inWords(before)}" and is "${inWords(now)}"`);
      }
      all.set(id, now);
    }
    this.#known = all;
  }
}

function follows(before: Known, now: Known): boolean {
  if (before.course !== now.course || [...now.fleet].some((node) => !before.fleet.has(node))) return false;
  return now.fleet.size === before.fleet.size || (now.rebuilt && !before.rebuilt);
}

const inWords = ({ course, fleet }: Known): string => `${course}: ${[...fleet].sort().join(', ')}`;
