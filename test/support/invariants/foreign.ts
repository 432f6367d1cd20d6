import type { Call } from '../world/calls.ts';
import { describe, isWrite } from '../world/calls.ts';
import type { World } from '../world/world.ts';
import type { Invariant } from './invariant.ts';
import { Knowledge, type NodeSaid } from './knowledge.ts';

/**
 * Invariant 5: a node that Ephyra did not claim is never changed. What is written to a node belongs to a deployment that
 * has it in its plan, and the process has been told that the node bears that deployment's mark, or none when it is the
 * mark that is written. A mark that somebody else sets in the very last moment cannot be seen: Ironic has no
 * compare-and-set.
 */
export class ForeignUntouched implements Invariant {
  readonly name = 'foreign nodes untouched';
  readonly #world: World;
  readonly #knowledge = new Knowledge();

  constructor(world: World) {
    this.#world = world;
  }

  delivered(call: Call, body: unknown): void {
    this.#knowledge.delivered(call, body);
  }

  sent(call: Call): void {
    const why = isWrite(call) ? this.#objection(call) : null;
    if (why !== null) this.#world.violate(this.name, `${describe(call)}: ${why}`);
  }

  #objection({ write, node, process }: Call): string | null {
    if (write === 'other' || write === 'patch') return 'Ephyra has no use for such a write';
    if (node === null) return write === 'create chassis' ? null : 'no node of ours is named';
    const record = this.#world.disk.deployments.findLast(
      (one) => one.nodes.some(({ uuid }) => uuid === node) && one.startedAt !== null,
    );
    if (record === undefined) return 'it is in no plan';
    const told = [...this.#world.mirrors.keys()].map((at) => this.#knowledge.node(process, at, node)?.node ?? null);
    for (const said of told) {
      const why = said === null ? null : strange(said, record.id, record.epoch);
      if (why !== null) return why;
    }
    const marked = told.some((said) => said !== null && said.marker !== null);
    return marked || write === 'mark' ? null : 'it bears no mark';
  }
}

function strange({ marker }: NodeSaid, deployment: string, epoch: number): string | null {
  if (marker === null) return null;
  if (marker === 'invalid') return 'its mark cannot be read';
  if (marker.deployment !== deployment) return `it belongs to ${marker.deployment}`;
  return marker.epoch > epoch ? `it bears the newer epoch ${marker.epoch}` : null;
}
