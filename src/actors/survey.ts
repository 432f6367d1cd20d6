import type { ControlPlaneName, InstanceFacts, NodeFacts, NodeUuid } from '../../machines/domain.ts';
import { METADATA } from '../../machines/domain.ts';
import type { Clock } from '../openstack/clock.ts';
import type { ControlPlane } from '../openstack/control-plane.ts';
import { OpenStackError } from '../openstack/errors.ts';
import { toNodeFacts } from '../openstack/ironic/facts.ts';
import { toInstanceFacts } from '../openstack/nova/facts.ts';

/** One bulk question: one list call to one service, whatever the number of nodes. */
export type Question =
  | { readonly of: 'nodes' | 'instances' | 'providers'; readonly at: ControlPlaneName }
  | { readonly of: 'schedulable'; readonly at: ControlPlaneName; readonly resourceClass: string };

/** The answer to a bulk question. `seq` orders questions and changes; `at` is when the question was sent. */
export interface Reading<T> {
  readonly seq: number;
  readonly at: number;
  readonly answer: { readonly ok: true; readonly value: T } | { readonly ok: false; readonly why: string };
}

/** All instances of a control plane, ready for the question "what is on this node?". */
export interface InstanceIndex {
  on(uuid: NodeUuid, instanceUuid: string | null): readonly InstanceFacts[];
}

/** What the answer to each kind of question is. */
export interface Answers {
  nodes: ReadonlyMap<NodeUuid, NodeFacts>;
  instances: InstanceIndex;
  providers: ReadonlySet<NodeUuid>;
  schedulable: ReadonlySet<NodeUuid>;
}

/**
 * Reads the clouds in bulk and shares the answers: nodes that wait for the same list at the same time cost one call. A
 * list is either complete or no answer at all, so "not in it" is positive knowledge.
 */
export class Survey {
  readonly #controlPlanes: ReadonlyMap<ControlPlaneName, ControlPlane>;
  readonly #clock: Pick<Clock, 'now'>;
  readonly #last: Answered = new Map();
  /** The newest question of each kind that has been asked; `reading` is null when it is answered. */
  readonly #underWay = new Map<string, { seq: number; at: number; reading: Promise<Reading<unknown>> | null }>();
  #seq = 0;

  constructor(controlPlanes: ReadonlyMap<ControlPlaneName, ControlPlane>, clock: Pick<Clock, 'now'>) {
    this.#controlPlanes = controlPlanes;
    this.#clock = clock;
  }

  /** A point in the order of events: answers to questions asked from now on have a larger `seq`. */
  mark(): number {
    this.#seq += 1;
    return this.#seq;
  }

  /** The last answer, however old; undefined when nobody has asked, or answers have overtaken each other. */
  last<Q extends Question>(question: Q): Reading<Answers[Q['of']]> | undefined {
    return this.#last.get(question.at)?.get(keyOf(question)) as Reading<Answers[Q['of']]> | undefined;
  }

  /**
   * An answer to a question that was asked after `afterSeq` and not before `notBefore` (ms, by the survey's clock): the last
   * one when it qualifies, one that is on its way, or a new one. Never rejects; a cloud that does not answer is an answer too.
   */
  async read<Q extends Question>(question: Q, afterSeq: number, notBefore = 0): Promise<Reading<Answers[Q['of']]>> {
    const { at: place } = question;
    const key = `${place} ${keyOf(question)}`;
    const last = this.last(question);
    const recent = ({ seq, at }: { seq: number; at: number }) => seq > afterSeq && at >= notBefore;
    if (last !== undefined && recent(last)) return last;
    const current = this.#underWay.get(key);
    if (current?.reading && recent(current)) return (await current.reading) as Reading<Answers[Q['of']]>;
    const seq = this.mark();
    const at = this.#clock.now();
    const reading = this.#ask(question).then(
      (value): Reading<unknown> => ({ seq, at, answer: { ok: true, value } }),
      (error): Reading<unknown> => ({
        seq,
        at,
        answer: { ok: false, why: error instanceof Error ? error.message : String(error) },
      }),
    );
    const asked: { seq: number; at: number; reading: typeof reading | null } = { seq, at, reading };
    this.#underWay.set(key, asked);
    const result = await reading;
    asked.reading = null;
    const newest = this.last(question);
    if (newest === undefined || newest.seq < seq) {
      const there = this.#last.get(place) ?? new Map<string, Reading<unknown>>();
      this.#last.set(place, there.set(keyOf(question), result));
    } else if (result.answer.ok) {
      // A request may have been sent again meanwhile: which of the two answers is the newer one, nobody knows.
      this.#last.get(place)?.delete(keyOf(question));
      return this.read(question, seq, at);
    }
    return result as Reading<Answers[Q['of']]>;
  }

  async #ask(question: Question): Promise<unknown> {
    const cloud = this.#controlPlanes.get(question.at);
    if (cloud === undefined) throw new Error(`${question.at} is not a configured control plane`);
    switch (question.of) {
      case 'nodes': {
        const nodes = await cloud.ironic.listNodes();
        return new Map(nodes.map((node) => [node.uuid, toNodeFacts(node)]));
      }
      case 'instances': {
        const servers = await cloud.nova.listServers();
        return indexInstances(servers.map(toInstanceFacts));
      }
      case 'providers': {
        const providers = await cloud.placement.listProviders();
        return new Set(providers.map((provider) => provider.uuid));
      }
      case 'schedulable': {
        // Placement itself answers "who has room for one of these": reserved 0 and no usage.
        try {
          const providers = await cloud.placement.listProviders({ resources: `${question.resourceClass}:1` });
          return new Set(providers.map((provider) => provider.uuid));
        } catch (error) {
          // A class that no node there has ever had is refused as unknown (seen on an empty cloud): nobody has it.
          if (error instanceof OpenStackError && error.kind === 'bad_request') return new Set();
          throw error;
        }
      }
    }
  }
}

/** By control plane and {@link keyOf}: looked up some hundred times for each look, so no text is put together for it. */
type Answered = Map<ControlPlaneName, Map<string, Reading<unknown>>>;

/** Tells questions to one control plane from each other. */
const keyOf = (question: Question): string =>
  question.of === 'schedulable' ? `schedulable ${question.resourceClass}` : question.of;

export function indexInstances(instances: readonly InstanceFacts[]): InstanceIndex {
  const byId = new Map<string, InstanceFacts>();
  const byNode = new Map<NodeUuid, InstanceFacts[]>();
  for (const instance of instances) {
    byId.set(instance.id, instance);
    // Not yet on a node (scheduling, or NoValidHost): the node that it was meant for is in its metadata.
    const node = instance.nodeUuid ?? instance.metadata[METADATA.node];
    if (node === undefined) continue;
    const there = byNode.get(node);
    if (there === undefined) byNode.set(node, [instance]);
    else there.push(instance);
  }
  return {
    on(uuid, instanceUuid) {
      const there = byNode.get(uuid) ?? [];
      const named = instanceUuid === null ? undefined : byId.get(instanceUuid);
      return named === undefined || there.includes(named) ? there : [named, ...there];
    },
  };
}

/** The Placement resource class of an Ironic resource class, as Nova derives it. */
export const placementClass = (resourceClass: string): string =>
  `CUSTOM_${resourceClass.toUpperCase().replace(/[^A-Z0-9]+/g, '_')}`;
