import type { NodeUuid } from '../../machines/domain.ts';
import type { Item } from '../../machines/migration/items.ts';

export type Leaver = Pick<Item, 'uuid' | 'name' | 'role' | 'failureDomain'>;
type Placed = Pick<Item, 'uuid' | 'place'>;

/** `under way`: whether it is still in service, nobody has said. */
type Standing = 'let go' | 'under way' | 'at rest' | 'stuck';

/**
 * The nodes that this deployment, or one before it, has taken out and that are not known to be in service again. One on its way
 * counts as out until it has come to rest. Of one at rest only the application can tell that it serves again, and of one that
 * is stuck it is asked each time anew: people lay hands on it.
 */
export class Away {
  readonly #nodes = new Map<NodeUuid, { readonly node: Leaver; readonly standing: Standing }>();

  /**
   * Where the record of the deployment has its nodes - those on their way may have come to rest since: who goes on with one
   * says so -, and whom earlier deployments have left on their way.
   */
  constructor(
    { nodes, results }: { readonly nodes: readonly Leaver[]; readonly results: readonly Placed[] },
    left: readonly Leaver[] = [],
  ) {
    for (const node of left) this.#put(node, 'stuck');
    const places = new Map(results.map(({ uuid, place }) => [uuid, place]));
    for (const node of nodes) {
      const place = places.get(node.uuid);
      if (place === 'stuck') this.#put(node, 'stuck');
      if (place === 'moving' || place === 'going_back') this.#put(node, 'at rest');
    }
  }

  letGo(node: Leaver): void {
    this.#put(node, 'let go');
  }

  started(node: Leaver): void {
    this.#put(node, 'under way');
  }

  settled(node: Leaver & Placed): void {
    this.#put(node, node.place === 'stuck' ? 'stuck' : 'at rest');
  }

  /** The application has it in service. That says nothing of one that has been let go: it may be about to leave. */
  serves(uuid: NodeUuid): void {
    const standing = this.#nodes.get(uuid)?.standing;
    if (standing === 'under way' || standing === 'at rest') this.#nodes.delete(uuid);
  }

  onTheirWay(): Leaver[] {
    return this.#those('let go', 'under way');
  }

  atRest(): Leaver[] {
    return this.#those('at rest', 'stuck');
  }

  #those(...standings: Standing[]): Leaver[] {
    return [...this.#nodes.values()].flatMap(({ node, standing }) => (standings.includes(standing) ? [node] : []));
  }

  #put({ uuid, name, role, failureDomain }: Leaver, standing: Standing): void {
    this.#nodes.set(uuid, { node: { uuid, name, role, failureDomain }, standing });
  }
}
