import type { ControlPlaneName, FailureDomain, NodeFacts, NodeUuid, RoleName } from '../../machines/domain.ts';
import { markerOf } from './application.ts';
import type { Survey } from './survey.ts';

/** What is known of a member of the application; null is what is not known. */
export interface Known {
  readonly role: RoleName | null;
  readonly failureDomain: FailureDomain | null;
}

/** Whoever goes by a name: which nodes have gone by it, and what they have in common. */
export interface Called extends Known {
  readonly uuids: readonly NodeUuid[];
}

type Planned = Known & { readonly uuid: NodeUuid; readonly name: string };

export interface KnownNodesDeps {
  /** The nodes of the deployment. */
  readonly planned: readonly Planned[];
  readonly controlPlanes: readonly ControlPlaneName[];
  readonly survey: Pick<Survey, 'last'>;
  readonly failureDomainOf: (extra: NodeFacts['extra']) => FailureDomain | null;
}

/**
 * Tells nodes by the names under which the application may know them: their own, those of their instances, their
 * addresses. What was seen since the start stays known: an instance that somebody has deleted is still what the application
 * misses.
 */
export class KnownNodes {
  readonly #deps: KnownNodesDeps;
  readonly #names: Map<NodeUuid, Set<string>>;
  readonly #planned: ReadonlyMap<NodeUuid, Planned>;
  #lists: readonly unknown[] | null = null;
  #index = new Map<string, Set<NodeUuid>>();

  constructor(deps: KnownNodesDeps) {
    this.#deps = deps;
    this.#planned = new Map(deps.planned.map((node) => [node.uuid, node]));
    this.#names = new Map(deps.planned.map(({ uuid, name }) => [uuid, new Set([uuid, name])]));
    this.learn();
  }

  /** All names of a node, by what the control planes have said last and before. */
  #namesOf(uuid: NodeUuid): ReadonlySet<string> {
    const names = this.#names.get(uuid) ?? new Set([uuid]);
    this.#names.set(uuid, names);
    for (const at of this.#deps.controlPlanes) {
      const node = this.#nodesAt(at)?.get(uuid);
      if (node !== undefined && node.name !== null) names.add(node.name);
      const recipe = node === undefined ? null : (markerOf(node)?.instance ?? null);
      const index = this.#deps.survey.last({ of: 'instances', at });
      const there = index?.answer.ok ? index.answer.value.on(uuid, node?.instanceUuid ?? null) : [];
      for (const { name, addresses } of recipe === null ? there : [recipe, ...there]) {
        names.add(name);
        for (const address of addresses) names.add(address);
      }
    }
    return names;
  }

  /** What is known of whoever goes by this name. Where several have gone by it, what they have in common. */
  called(name: string): Called {
    // Host names know no case: an instance "Worker-01" is "worker-01" to its application, and not one more that is out.
    const uuids = [...(this.learn().get(name.toLowerCase()) ?? [])];
    const found = uuids.map((uuid) => this.#planned.get(uuid) ?? this.#stranger(uuid));
    return {
      uuids,
      role: common(found.map(({ role }) => role)),
      failureDomain: common(found.map(({ failureDomain }) => failureDomain)),
    };
  }

  /** Takes in what the lists say. Names in lower case to who has gone by them; made anew only when a list is a newer one. */
  learn(): ReadonlyMap<string, ReadonlySet<NodeUuid>> {
    const { controlPlanes, survey } = this.#deps;
    const lists = controlPlanes.flatMap((at) => [
      survey.last({ of: 'nodes', at }),
      survey.last({ of: 'instances', at }),
    ]);
    if (this.#lists !== null && lists.every((list, index) => list === this.#lists?.[index])) return this.#index;
    this.#lists = lists;
    this.#index = new Map();
    for (const uuid of this.#everybody()) {
      for (const name of this.#namesOf(uuid)) {
        const key = name.toLowerCase();
        this.#index.set(key, (this.#index.get(key) ?? new Set<NodeUuid>()).add(uuid));
      }
    }
    return this.#index;
  }

  /** A node that is not of the deployment: its definitions tell its failure domain, and no role. */
  #stranger(uuid: NodeUuid): Known {
    const definitions = this.#deps.controlPlanes.flatMap((at) => this.#nodesAt(at)?.get(uuid) ?? []);
    return { role: null, failureDomain: common(definitions.map(({ extra }) => this.#deps.failureDomainOf(extra))) };
  }

  #everybody(): Set<NodeUuid> {
    const listed = this.#deps.controlPlanes.flatMap((at) => [...(this.#nodesAt(at)?.keys() ?? [])]);
    return new Set([...this.#names.keys(), ...listed]);
  }

  #nodesAt(at: ControlPlaneName): ReadonlyMap<NodeUuid, NodeFacts> | undefined {
    const nodes = this.#deps.survey.last({ of: 'nodes', at });
    return nodes?.answer.ok ? nodes.answer.value : undefined;
  }
}

/** What all of them are; null when they differ, or when there is none. */
export const common = <T>(values: readonly (T | null)[]): T | null =>
  new Set(values).size === 1 ? (values[0] ?? null) : null;
