import type { DeepReadonly, StoreState } from '../../../src/store/types.ts';
import type { Invariant, Watched } from './invariant.ts';

/** What the disk said of a deployment. */
interface Known {
  readonly course: string;
  /** uuid and role. */
  readonly fleet: ReadonlySet<string>;
  /** By Ephyra itself, from marks alone. */
  readonly rebuilt: boolean;
  /** A person is asked how it goes on. */
  readonly asked: boolean;
}

/**
 * Invariant 7, its other half: killed at any point and started again, the same deployment continues with the same nodes.
 * What is on disk of a deployment - between which control planes, which nodes in which roles - never
 * changes while it is there; and what is written to the clouds is about its nodes alone (see foreign nodes). Of a deployment
 * that the disk has lost, some of the nodes may come back, and none that had not been of it; those that come to it later, because
 * another Ephyra has gone on with it, are asked about.
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
    for (const { id, source, target, nodes, requestedBy, state } of deployments) {
      const now: Known = {
        course: `${source} ${target}`,
        fleet: new Set(nodes.map(({ uuid, role }) => `${uuid} ${role}`)),
        rebuilt: requestedBy.via === 'system',
        asked: state === 'found',
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
  if (before.course !== now.course) return false;
  const keeps = isPartOf(before.fleet, now.fleet);
  const adds = !isPartOf(now.fleet, before.fleet);
  if (!now.rebuilt) return keeps && !adds;
  return before.rebuilt ? keeps && (!adds || now.asked) : !adds;
}

const isPartOf = (some: ReadonlySet<string>, all: ReadonlySet<string>): boolean =>
  [...some].every((one) => all.has(one));

const inWords = ({ course, fleet }: Known): string => `${course}: ${[...fleet].sort().join(', ')}`;
