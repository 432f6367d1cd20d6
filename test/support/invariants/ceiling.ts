import type { MemberChange } from '../world/application.ts';
import { serves } from '../world/application.ts';
import type { Invariant, Watched } from './invariant.ts';

/**
 * Invariant 4: Ephyra takes no node out of the application when with it more would be out than allowed, counting every
 * node that is out for any reason. (Others may break the ceiling; Ephyra may not add to it.)
 */
export class UnavailabilityCeiling implements Invariant {
  readonly name = 'unavailability ceiling';
  readonly #world: Watched;

  constructor(world: Watched) {
    this.#world = world;
  }

  member({ before, after, by }: MemberChange): void {
    if (by !== 'ephyra' || after.state !== 'draining' || !serves(before)) return;
    const record = this.#world.record;
    if (record === undefined) return;
    const out = this.#world.application.members().filter((member) => !serves(member));
    const limit = record.options.maxUnavailable;
    const names = out.map(({ name, state }) => `${name} (${state})`).join(', ');
    if (out.length > limit) this.#world.violate(this.name, `${out.length} of at most ${limit} are out: ${names}`);
    const roleLimit = this.#world.options.roleMax?.[after.role];
    const ofRole = out.filter(({ role }) => role === after.role).length;
    if (roleLimit !== undefined && ofRole > roleLimit) {
      this.#world.violate(this.name, `${ofRole} of at most ${roleLimit} of role ${after.role} are out: ${names}`);
    }
  }
}
