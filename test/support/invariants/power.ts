import type { Call } from '../world/calls.ts';
import type { Invariant, Watched } from './invariant.ts';

/**
 * Invariant 2: at most one Ironic manages a node's power. The witness is the BMC's side: which control plane could have
 * switched the machine at each instant. In the other Ironic the node is absent or in `enroll`, inert, and no power action
 * is asked of it there.
 */
export class OnePowerManager implements Invariant {
  readonly name = 'one power manager';
  readonly #world: Watched;

  constructor(world: Watched) {
    this.#world = world;
  }

  changed({ kind, uuid }: Parameters<NonNullable<Invariant['changed']>>[0]): void {
    if (kind !== 'node.created' && kind !== 'node.provision_state') return;
    const managers = this.#world.planes.filter((plane) => plane.manages(uuid)).map(({ name }) => name);
    if (managers.length > 1) this.#world.violate(this.name, `${managers.join(' and ')} both manage ${uuid}`);
  }

  arrived({ write, node, at }: Call): void {
    if (node === null || (write !== 'power off' && write !== 'power on')) return;
    const manages = this.#world.plane(at).manages(node);
    if (!manages && this.#world.mirror(at).nodes.has(node)) {
      this.#world.violate(this.name, `${write} of ${node} is asked of ${at}, where it is inert`);
    }
  }
}
