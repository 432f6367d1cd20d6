import type { DeepReadonly, StoreState } from '../../../src/store/types.ts';
import type { Invariant, Watched } from './invariant.ts';
import { markerIn } from './knowledge.ts';

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
  /** By deployment: all nodes that have ever borne its mark. */
  readonly #marked = new Map<string, Set<string>>();

  constructor(world: Watched) {
    this.#world = world;
  }

  changed({ kind, uuid, after }: Parameters<NonNullable<Invariant['changed']>>[0]): void {
    if (kind !== 'node.marker' && kind !== 'node.created') return;
    const mark = markerIn((after?.['extra'] as Record<string, unknown> | undefined)?.['ephyra']);
    if (mark === null || mark === 'invalid') return;
    const marked = this.#marked.get(mark.deployment) ?? new Set();
    this.#marked.set(mark.deployment, marked.add(uuid));
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
      if (before !== undefined && !this.#follows(id, before, now)) {
        this.#world.violate(this.name, `${id} was "${inWords(before)}" and is "${inWords(now)}"`);
      }
      all.set(id, now);
    }
    this.#known = all;
  }

  #follows(id: string, before: Known, now: Known): boolean {
    if (before.course !== now.course) return false;
    const keeps = [...before.fleet].every((node) => now.fleet.has(node));
    const added = [...now.fleet].filter((node) => !before.fleet.has(node));
    if (!now.rebuilt) return keeps && added.length === 0;
    if (!before.rebuilt) return added.length === 0;
    const isMarked = (node: string) => this.#marked.get(id)?.has(node.split(' ')[0] ?? '') === true;
    return keeps && (added.length === 0 || (now.asked && added.every(isMarked)));
  }
}

const inWords = ({ course, fleet }: Known): string => `${course}: ${[...fleet].sort().join(', ')}`;
