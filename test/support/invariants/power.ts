import { BmcWitness } from '../world/bmc.ts';
import type { Call } from '../world/calls.ts';
import type { Invariant, Watched } from './invariant.ts';

/**
 * Invariant 2: at most one Ironic manages a node's power. The witness is the BMC's side: which control plane could have
 * switched the machine at each instant. In the other Ironic the node is absent or in `enroll`, inert, and no power action
 * is asked of it there, or happens.
 */
export class OnePowerManager implements Invariant {
  readonly name = 'one power manager';
  readonly bmc: BmcWitness;
  readonly #world: Watched;

  constructor(world: Watched) {
    this.#world = world;
    this.bmc = new BmcWitness(world.planes, world.time.now);
  }

  changed(event: Parameters<NonNullable<Invariant['changed']>>[0]): void {
    this.bmc.follow(event);
    const { kind, uuid, controlPlane, after } = event;
    const managers = this.bmc.managers(uuid);
    if (kind === 'node.created' || kind === 'node.provision_state') {
      if (managers.length > 1) this.#world.violate(this.name, `${managers.join(' and ')} both manage ${uuid}`);
    }
    if (kind === 'node.power_state' && !managers.includes(controlPlane) && after?.['power_state'] !== null) {
      this.#world.violate(this.name, `${controlPlane} has switched ${uuid}, which it does not manage`);
    }
  }

  arrived({ write, node, at }: Call): void {
    if (node === null || (write !== 'power off' && write !== 'power on')) return;
    if (!this.bmc.managers(node).includes(at) && this.#world.mirror(at).nodes.has(node)) {
      this.#world.violate(this.name, `${write} of ${node} is asked of ${at}, where it is inert`);
    }
  }
}
