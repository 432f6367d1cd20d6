import type { NodeUuid, Step } from '../../machines/domain.ts';
import type { FailureData } from '../../machines/errors.ts';
import type { DeepReadonly, StoredDeployment, StoredResult } from '../store/types.ts';
import type { DeploymentView, NodePlace, NodeView } from './types.ts';

/** What only the running process knows of a node. */
export interface LiveNode {
  place?: NodePlace;
  step: Step | null;
  attempt: number;
  stepStartedAt: number | null;
  waiting: { reason: string; since: number } | null;
  failure: FailureData | null;
}

export type Live = ReadonlyMap<NodeUuid, LiveNode>;

const NOBODY: Live = new Map();

/** A deployment as people see it: the record, and over it what is going on right now. */
export function viewOf(
  record: DeepReadonly<StoredDeployment>,
  live: Live = NOBODY,
  addressesOf: (uuid: NodeUuid) => readonly string[] = () => [],
): DeploymentView {
  const results = byNode(record.results);
  const nodes = record.nodes.map((node): NodeView => {
    const result = results.get(node.uuid);
    const now = live.get(node.uuid);
    return {
      // One by one: copying a frozen object as a whole is slow, and a view is made for all that happens.
      uuid: node.uuid,
      name: node.name,
      role: node.role,
      place: now?.place ?? result?.place ?? 'waiting',
      step: now?.step ?? null,
      attempt: now?.attempt ?? 1,
      waiting: now?.waiting ?? null,
      startedAt: result?.startedAt ?? null,
      endedAt: result?.endedAt ?? null,
      failure: now?.failure ?? result?.failure ?? null,
      addresses: addressesOf(node.uuid),
    };
  });
  const { id, source, target, state, digest, approval, thread, note } = record;
  return {
    id,
    source,
    target,
    state,
    digest,
    note,
    requestedBy: record.requestedBy,
    requestedAt: record.requestedAt,
    maxUnavailable: record.options.maxUnavailable,
    approval,
    approvalExpiresAt: record.approvalExpiresAt,
    startedAt: record.startedAt,
    endedAt: record.endedAt,
    endedBy: record.endedBy,
    nodes,
    excluded: record.excluded,
    etaMs: etaOf(record, nodes),
    thread,
  };
}

const BY_NODE = new WeakMap<object, ReadonlyMap<NodeUuid, DeepReadonly<StoredResult>>>();

/** A record is written once and shown many times. */
function byNode(results: DeepReadonly<StoredDeployment>['results']): ReadonlyMap<NodeUuid, DeepReadonly<StoredResult>> {
  const known = BY_NODE.get(results) ?? new Map(results.map((result) => [result.uuid, result]));
  // What the store has given is frozen; a draft may still become another.
  if (Object.isFrozen(results)) BY_NODE.set(results, known);
  return known;
}

/** From the mean duration of the nodes that have moved; null when there is nothing to guess from. */
function etaOf(record: DeepReadonly<StoredDeployment>, nodes: readonly NodeView[]): number | null {
  if (record.state !== 'canary' && record.state !== 'soaking' && record.state !== 'rolling') return null;
  const took = record.results.filter((r) => r.place === 'moved').map(durationOf);
  if (took.length === 0) return null;
  const mean = took.reduce((sum, ms) => sum + ms, 0) / took.length;
  const left = nodes.filter((node) => node.place === 'waiting').length;
  const underWay = nodes.filter((node) => node.place === 'moving').length;
  const rounds = left / record.options.maxUnavailable + (underWay > 0 ? 0.5 : 0);
  return Math.round(rounds * mean);
}

export const durationOf = (result: DeepReadonly<StoredResult>): number =>
  result.startedAt === null || result.endedAt === null ? 0 : result.endedAt - result.startedAt;
