import type { MemberChange } from '../world/application.ts';
import type { Invariant, Watched } from './invariant.ts';

/**
 * Invariant 3, seen from the application: no machine stops under a member that is in service, unless a person or bad luck
 * stopped it.
 */
export class NoHarm implements Invariant {
  readonly name = 'no machine stops in service';
  readonly #world: Watched;
  /** When the machine of a member last began to run. */
  readonly #since = new Map<string, number>();

  constructor(world: Watched) {
    this.#world = world;
  }

  member({ before, after, by }: MemberChange): void {
    if (by !== 'machine') return;
    if (!before.up && after.up) this.#since.set(after.uuid, this.#world.time.now());
    if (!before.up || after.up) return;
    if (before.state !== 'in' && before.state !== 'draining') return;
    if (this.#world.blamed.has(before.uuid, ['machine', 'member', 'lie', 'late'], this.#since.get(before.uuid))) return;
    this.#world.violate(this.name, `the machine of ${before.name} has stopped while it was ${before.state}`);
  }
}
