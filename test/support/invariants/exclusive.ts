import { isEnded } from '../../../src/store/state.ts';
import type { DeepReadonly, StoreState } from '../../../src/store/types.ts';
import type { Invariant, Watched } from './invariant.ts';
import { markerIn } from './knowledge.ts';

/**
 * Invariant 8: one deployment at a time for each control plane, and none starts while a lock covers it - on disk, where
 * check and claim are one; and in the clouds, where no two deployments have marked nodes at the same time.
 */
export class OneDeployment implements Invariant {
  readonly name = 'one deployment per pair';
  readonly #world: Watched;
  readonly #started = new Set<string>();

  constructor(world: Watched) {
    this.#world = world;
  }

  stored({ deployments, locks }: DeepReadonly<StoreState>): void {
    const complain = (why: string) => this.#world.violate(this.name, why);
    // What was found by its marks stands still until a person has decided.
    const running = deployments.filter((record) => !isEnded(record) && record.state !== 'found');
    for (const [index, one] of running.entries()) {
      for (const other of running.slice(index + 1)) {
        const shared = [one.source, one.target].some((name) => name === other.source || name === other.target);
        if (shared) complain(`${one.id} is ${one.state} and ${other.id} is ${other.state}`);
      }
    }
    const now = this.#world.time.now();
    for (const record of running) {
      if (record.startedAt === null || this.#started.has(record.id)) continue;
      this.#started.add(record.id);
      const lock = locks.find(
        ({ scope, expiresAt }) =>
          (expiresAt === null || expiresAt > now) &&
          (scope === 'all' || scope === record.source || scope === record.target),
      );
      if (lock !== undefined) complain(`${record.id} has started under the lock on ${lock.scope}: ${lock.reason}`);
    }
    for (const record of deployments) if (isEnded(record)) this.#started.delete(record.id);
  }

  changed({ kind, uuid, after, controlPlane }: Parameters<NonNullable<Invariant['changed']>>[0]): void {
    if (kind !== 'node.marker' && kind !== 'node.created') return;
    const mine = markerIn((after?.['extra'] as Record<string, unknown> | undefined)?.['ephyra']);
    if (mine === null || mine === 'invalid' || !this.#isOurs(mine.deployment)) return;
    const owner = this.#world.disk.deployments.find(({ id }) => id === mine.deployment);
    if (owner !== undefined && isEnded(owner) && !this.#world.blamed.has(uuid)) {
      this.#world.violate(this.name, `a node of ${controlPlane} is marked for ${owner.id}, which is ${owner.state}`);
    }
  }

  /** Marks that people make up belong to no deployment that we know. */
  #isOurs(deployment: string): boolean {
    return this.#world.disk.deployments.some(({ id }) => id === deployment);
  }
}
