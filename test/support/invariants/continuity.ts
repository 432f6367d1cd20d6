import type { DeepReadonly, StoreState } from '../../../src/store/types.ts';
import type { Invariant, Watched } from './invariant.ts';

/**
 * Invariant 7, its other half: killed at any point and started again, the same deployment continues with the same nodes.
 * What is on disk of a deployment - between which control planes, which nodes in which roles - never
 * changes while it is there; and what is written to the clouds is about its nodes alone (see foreign nodes).
 */
export class SameNodes implements Invariant {
  readonly name = 'same nodes after a kill';
  readonly #world: Watched;
  #known = new Map<string, string>();

  constructor(world: Watched) {
    this.#world = world;
  }

  stored({ deployments }: DeepReadonly<StoreState>): void {
    const now = new Map<string, string>();
    for (const { id, source, target, nodes } of deployments) {
      const fleet = nodes.map(({ uuid, role }) => `${uuid} ${role}`).sort();
      const what = `${source} ${target}: ${fleet.join(', ')}`;
      const before = this.#known.get(id);
      if (before !== undefined && before !== what) {
        this.#world.violate(this.name, `${id} was "${before}" and is "${what}"`);
      }
      now.set(id, what);
    }
    this.#known = now;
  }
}
