import type { ControlPlaneName } from '../../machines/domain.ts';
import type { Clock } from '../openstack/clock.ts';
import type { ControlPlane } from '../openstack/control-plane.ts';
import type { Image } from '../openstack/glance/schema.ts';
import type { Network } from '../openstack/neutron/schema.ts';
import type { Flavor } from '../openstack/nova/schema.ts';

/** What the configuration calls by name, each as its service lists it. */
export interface Entries {
  flavor: Flavor;
  image: Image;
  network: Network;
}
export type NamedKind = keyof Entries;

/** Thrown when a name is not there, or more than once. */
export class NotInCatalogueError extends Error {
  override readonly name = 'NotInCatalogueError';
}

/** Names change rarely; read so often, they cost one call per kind, control plane and hour. */
const KEEP_MS = 3_600_000;

/**
 * What the configuration calls by name - flavors, images, networks - under the ids that the clouds want. Filled by the
 * plan's preflight, used by every boot.
 */
export class Catalogue {
  readonly #controlPlanes: ReadonlyMap<ControlPlaneName, ControlPlane>;
  readonly #clock: Pick<Clock, 'now'>;
  readonly #lists = new Map<string, { at: number; list: Promise<readonly Named[]> }>();

  constructor(controlPlanes: ReadonlyMap<ControlPlaneName, ControlPlane>, clock: Pick<Clock, 'now'>) {
    this.#controlPlanes = controlPlanes;
    this.#clock = clock;
  }

  /** Everything of a kind; with `fresh`, asked anew. Rejects with the client's error. */
  async list<K extends NamedKind>(at: ControlPlaneName, kind: K, fresh = false): Promise<readonly Entries[K][]> {
    const key = `${at} ${kind}`;
    const known = this.#lists.get(key);
    if (!fresh && known !== undefined && this.#clock.now() - known.at < KEEP_MS) {
      return known.list as Promise<readonly Entries[K][]>;
    }
    const list = this.#ask(at, kind);
    this.#lists.set(key, { at: this.#clock.now(), list });
    list.catch(() => this.#lists.delete(key));
    return list as Promise<readonly Entries[K][]>;
  }

  /** The id of what is called so (a name or an id). Throws {@link NotInCatalogueError} with the names that are there. */
  async idOf(at: ControlPlaneName, kind: NamedKind, nameOrId: string): Promise<string> {
    const list = await this.list(at, kind);
    const found = pick<Named>(list, nameOrId);
    if (found === undefined) throw new NotInCatalogueError(whyNotPicked(at, kind, nameOrId, list));
    return found.id;
  }

  /** Asks anew from now on: what is there is not what it was. */
  forget(at: ControlPlaneName): void {
    for (const key of this.#lists.keys()) if (key.startsWith(`${at} `)) this.#lists.delete(key);
  }

  async #ask(at: ControlPlaneName, kind: NamedKind): Promise<readonly Named[]> {
    const cloud = this.#controlPlanes.get(at);
    if (cloud === undefined) throw new Error(`${at} is not a configured control plane`);
    switch (kind) {
      case 'flavor':
        return cloud.nova.listFlavors();
      case 'image':
        return (await cloud.glance.listImages()).filter((image) => image.status === 'active');
      case 'network':
        return cloud.neutron.listNetworks();
    }
  }
}

type Named = { readonly id: string; readonly name: string | null };

/** By id, else by a name that only one has. */
export function pick<T extends Named>(list: readonly T[], nameOrId: string): T | undefined {
  const byId = list.find((entry) => entry.id === nameOrId);
  if (byId !== undefined) return byId;
  const byName = list.filter((entry) => entry.name === nameOrId);
  return byName.length === 1 ? byName[0] : undefined;
}

/** Why a name could not be picked, with what there is instead. */
export function whyNotPicked(at: ControlPlaneName, kind: NamedKind, nameOrId: string, list: readonly Named[]): string {
  const same = list.filter((entry) => entry.name === nameOrId);
  if (same.length > 1) return `${at} has ${same.length} ${kind}s called "${nameOrId}"; name one by its id`;
  const names = list.map((entry) => entry.name ?? entry.id);
  const shown =
    names.length === 0 ? 'none at all' : `${names.slice(0, 8).join(', ')}${names.length > 8 ? ', ...' : ''}`;
  return `${at} has no ${kind} "${nameOrId}"; it has ${shown}`;
}
