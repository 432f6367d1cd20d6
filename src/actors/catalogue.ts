import type { ControlPlaneName } from '../../machines/domain.ts';
import type { ControlPlane } from '../openstack/control-plane.ts';
import type { Clock } from '../openstack/http.ts';

export type NamedKind = 'flavor' | 'image' | 'network';

export interface Named {
  readonly id: string;
  readonly name: string | null;
}

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
  readonly #clock: Clock;
  readonly #lists = new Map<string, { at: number; list: Promise<readonly Named[]> }>();

  constructor(controlPlanes: ReadonlyMap<ControlPlaneName, ControlPlane>, clock: Clock) {
    this.#controlPlanes = controlPlanes;
    this.#clock = clock;
  }

  /** Everything of a kind; with `fresh`, asked anew. Rejects with the client's error. */
  async list(at: ControlPlaneName, kind: NamedKind, fresh = false): Promise<readonly Named[]> {
    const key = `${at} ${kind}`;
    const known = this.#lists.get(key);
    if (!fresh && known !== undefined && this.#clock.now() - known.at < KEEP_MS) return known.list;
    const list = this.#ask(at, kind);
    this.#lists.set(key, { at: this.#clock.now(), list });
    list.catch(() => this.#lists.delete(key));
    return list;
  }

  /** The id of what is called so (a name or an id). Throws {@link NotInCatalogueError} with the names that are there. */
  async idOf(at: ControlPlaneName, kind: NamedKind, nameOrId: string): Promise<string> {
    const list = await this.list(at, kind);
    return pick(list, nameOrId) ?? this.#complain(at, kind, nameOrId, list);
  }

  async #ask(at: ControlPlaneName, kind: NamedKind): Promise<readonly Named[]> {
    const cloud = this.#controlPlanes.get(at);
    if (cloud === undefined) throw new Error(`${at} is not a configured control plane`);
    if (kind === 'flavor') return (await cloud.nova.listFlavors()).map(({ id, name }) => ({ id, name }));
    if (kind === 'image') {
      const images = await cloud.glance.listImages();
      return images.filter((image) => image.status === 'active').map(({ id, name }) => ({ id, name }));
    }
    return (await cloud.neutron.listNetworks()).map(({ id, name }) => ({ id, name }));
  }

  #complain(at: ControlPlaneName, kind: NamedKind, nameOrId: string, list: readonly Named[]): never {
    const same = list.filter((entry) => entry.name === nameOrId);
    if (same.length > 1) {
      throw new NotInCatalogueError(`${at} has ${same.length} ${kind}s called "${nameOrId}"; name one by its id`);
    }
    const names = list.map((entry) => entry.name ?? entry.id).slice(0, 8);
    throw new NotInCatalogueError(
      `${at} has no ${kind} "${nameOrId}"; it has ${names.length === 0 ? 'none at all' : names.join(', ')}`,
    );
  }
}

function pick(list: readonly Named[], nameOrId: string): string | undefined {
  const byId = list.find((entry) => entry.id === nameOrId);
  if (byId !== undefined) return byId.id;
  const byName = list.filter((entry) => entry.name === nameOrId);
  return byName.length === 1 ? byName[0]?.id : undefined;
}
