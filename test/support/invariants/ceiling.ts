import type { Member, MemberChange } from '../world/application.ts';
import { serves } from '../world/application.ts';
import type { Invariant, Watched } from './invariant.ts';

/**
 * Invariant 4: Ephyra takes no node out of the application when with it more would be out than allowed - in all, of its
 * role, of its failure domain -, counting every node that is out for any reason. (Others may break the ceiling; Ephyra may
 * not add to it. Who went out after the application's last word before Ephyra asked does not count: nobody can know that.)
 */
export class UnavailabilityCeiling implements Invariant {
  readonly name = 'unavailability ceiling';
  readonly #world: Watched;
  /** By member that has gone out: when, and whether that was Ephyra's doing. */
  readonly #gone = new Map<string, { readonly at: number; readonly ours: boolean }>();

  constructor(world: Watched) {
    this.#world = world;
  }

  member({ before, after, by, knownAt = Number.POSITIVE_INFINITY }: MemberChange): void {
    if (serves(before) && !serves(after)) {
      this.#gone.set(after.uuid, { at: this.#world.time.now(), ours: by === 'ephyra' });
    }
    if (by !== 'ephyra' || after.state !== 'draining' || !serves(before)) return;
    const record = this.#world.record;
    if (record === undefined) return;
    const { roles, racks, options, application, blamed } = this.#world;
    const out = application.members().filter((member) => {
      // In the same millisecond, nobody can tell which came first.
      const gone = this.#gone.get(member.uuid);
      const unknown = member.uuid !== after.uuid && gone !== undefined && !gone.ours && gone.at >= knownAt;
      // An application that names nobody is asked of each one that is out, until it says that it serves: a lie is its last word.
      // And whoever takes its mark off by hand says that it has been let go of.
      const isTakenForServing = options.namesNobody === true && blamed.has(member.uuid, ['lie', 'mark'], gone?.at);
      return !serves(member) && !unknown && !isTakenForServing;
    });
    // Of whom nobody knows where he is, he may be in this very place.
    const sameAs = (of: ReadonlyMap<string, string>) =>
      out.filter(({ uuid }) => ['', of.get(after.uuid)].includes(of.get(uuid)));
    this.#hold(out, record.options.maxUnavailable, '');
    this.#hold(sameAs(roles), options.roleMax?.[after.role], ` of role ${after.role}`);
    const ofRack = options.deployment?.failureDomain?.maxUnavailable ?? undefined;
    this.#hold(sameAs(racks), ofRack, ` of rack ${racks.get(after.uuid)}`);
  }

  #hold(out: readonly Member[], limit: number | undefined, what: string): void {
    if (limit === undefined || out.length <= limit) return;
    const names = out.map(({ name, state }) => `${name} (${state})`).join(', ');
    this.#world.violate(this.name, `${out.length} of at most ${limit}${what} are out: ${names}`);
  }
}
