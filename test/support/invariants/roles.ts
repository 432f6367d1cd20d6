import type { DeepReadonly, StoreState } from '../../../src/store/types.ts';
import { serves } from '../world/application.ts';
import type { Invariant, Watched } from './invariant.ts';

/**
 * Invariant 6: every role has as many healthy members at the end as at the start, or the deployment did not end
 * `completed`; and what `completed` and `rolled_back` say of where the nodes are is true.
 */
export class RolesWhole implements Invariant {
  readonly name = 'roles whole at the end';
  readonly #world: Watched;
  readonly #judged = new Set<string>();

  constructor(world: Watched) {
    this.#world = world;
  }

  stored({ deployments }: DeepReadonly<StoreState>): void {
    for (const record of deployments) {
      if (record.state !== 'completed' && record.state !== 'rolled_back') {
        this.#judged.delete(record.id);
        continue;
      }
      if (this.#judged.has(record.id)) continue;
      this.#judged.add(record.id);
      this.#judge(record);
    }
  }

  #judge({ id, state, source, target, nodes, startedAt }: DeepReadonly<StoreState>['deployments'][number]): void {
    if (startedAt === null) return;
    const complain = (why: string) => this.#world.violate(this.name, `${id} ended ${state}, but ${why}`);
    const [at, gone] = state === 'completed' ? [target, source] : [source, target];
    for (const { uuid, name } of nodes) {
      if (this.#world.blamed.has(uuid)) continue;
      if (this.#world.mirror(gone).nodes.has(uuid)) complain(`${name} is still in ${gone}`);
      if (this.#world.mirror(at).running(uuid) === null) complain(`${name} does not run in ${at}`);
      const member = this.#world.application.get(uuid);
      if (member !== undefined && !serves(member)) complain(`${member.name} is ${member.state}`);
      const extra = this.#world.mirror(at).nodes.get(uuid)?.extra;
      if (extra?.['ephyra'] !== undefined) complain(`${name} still bears its mark`);
    }
  }
}
