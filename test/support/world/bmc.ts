import type { ControlPlane } from '../../../src/sandbox/openstack/index.ts';
import type { ChangeEvent } from '../../../src/sandbox/openstack/types.ts';

/** From `since` on, and until the next of its kind, these control planes could have switched the machine. */
export interface Reign {
  readonly since: number;
  readonly managers: readonly string[];
}

/**
 * The machines' own side: for each of them, which control plane could have powered it at each instant. It asks the
 * emulators, which know what their Ironic would do, and nobody else.
 */
export class BmcWitness {
  readonly #planes: readonly ControlPlane[];
  readonly #now: () => number;
  readonly #reigns = new Map<string, Reign[]>();

  /** @param now milliseconds since the epoch */
  constructor(planes: readonly ControlPlane[], now: () => number) {
    this.#planes = planes;
    this.#now = now;
    for (const plane of planes) for (const { uuid } of plane.snapshot().nodes) this.#look(uuid);
  }

  /** To be told of every change, before anybody judges by what is recorded here. */
  follow({ kind, uuid }: ChangeEvent): void {
    if (kind === 'node.created' || kind === 'node.deleted' || kind === 'node.provision_state') this.#look(uuid);
  }

  #look(uuid: string): void {
    const managers = this.#planes.filter((plane) => plane.manages(uuid)).map(({ name }) => name);
    const all = this.#reigns.get(uuid) ?? [];
    this.#reigns.set(uuid, all);
    if (all.at(-1)?.managers.join() !== managers.join()) all.push({ since: this.#now(), managers });
  }

  /** Everything that was ever so, oldest first; what took no time is there, too. */
  history(uuid: string): readonly Reign[] {
    return this.#reigns.get(uuid) ?? [];
  }

  /** Who could switch the machine now. */
  managers(uuid: string): readonly string[] {
    return this.history(uuid).at(-1)?.managers ?? [];
  }
}
