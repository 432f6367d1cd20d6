import type { InstanceFacts, NodeFacts, NodeUuid } from '../../machines/domain.ts';
import { isMarkOf, METADATA } from '../../machines/domain.ts';
import type { Item, Place } from '../../machines/migration/items.ts';
import type { Survey } from '../actors/survey.ts';
import { isEnded } from '../store/state.ts';
import type { DeepReadonly, StoredDeployment, StoredResult } from '../store/types.ts';
import { isRebuilt, newcomersOf } from './findings.ts';
import type { PlannedNode } from './types.ts';

/** What both Ironics and the target's Nova say of one node. */
export interface Sighting {
  readonly inSource: NodeFacts | null;
  readonly inTarget: NodeFacts | null;
  readonly instancesInTarget: readonly InstanceFacts[];
}

/** How a note begins that says so, until it can be told. */
export const CANNOT_TELL = 'Cannot tell where the nodes are: ';

/**
 * Looks where the nodes of a deployment are, and who has come to it since it was put together from marks; the reason when that
 * cannot be told now.
 */
export async function sight(
  record: DeepReadonly<StoredDeployment>,
  survey: Survey,
): Promise<{ ok: true; seen: Map<string, Sighting>; newcomers: readonly string[] } | { ok: false; why: string }> {
  const after = survey.mark();
  const [source, target, instances] = await Promise.all([
    survey.read({ of: 'nodes', at: record.source }, after),
    survey.read({ of: 'nodes', at: record.target }, after),
    survey.read({ of: 'instances', at: record.target }, after),
  ]);
  if (!source.answer.ok) return { ok: false, why: source.answer.why };
  if (!target.answer.ok) return { ok: false, why: target.answer.why };
  if (!instances.answer.ok) return { ok: false, why: instances.answer.why };
  const seen = new Map<string, Sighting>();
  for (const { uuid } of record.nodes) {
    const inTarget = target.answer.value.get(uuid) ?? null;
    seen.set(uuid, {
      inSource: source.answer.value.get(uuid) ?? null,
      inTarget,
      instancesInTarget: instances.answer.value.on(uuid, inTarget?.instanceUuid ?? null),
    });
  }
  const pair = new Map([
    [record.source, { nodes: source.answer.value, instances: { on: () => [] } }],
    [record.target, { nodes: target.answer.value, instances: instances.answer.value }],
  ]);
  return { ok: true, seen, newcomers: newcomersOf(record, pair) };
}

/**
 * Where each node of a deployment goes on after a start. What is seen decides; the record only adds what cannot be
 * seen: which nodes were on their way back, how often each was tried, and the order in which they arrived.
 */
export function itemsOf(
  record: DeepReadonly<StoredDeployment>,
  seen: ReadonlyMap<string, Sighting>,
  reopened: boolean,
): Item[] {
  const results = new Map(record.results.map((result) => [result.uuid, result]));
  const items = record.nodes.map((node): Item => {
    const result = results.get(node.uuid);
    const place = placeOf(record, seen.get(node.uuid), result, reopened);
    // What an abort takes back has not failed; everything else keeps the failure that sent it home.
    const taken = record.intent === 'abort' && (reopened || result?.place === 'moving');
    return {
      ...node,
      place,
      tries: triesOf(place, result),
      failure: place === 'moving' || place === 'moved' || taken ? null : (result?.failure ?? null),
    };
  });
  // The machine takes the order of arrival from the order of the items that have moved.
  const arrivedAt = (item: Item) => results.get(item.uuid)?.endedAt ?? 0;
  const moved = items.filter((item) => item.place === 'moved').sort((a, b) => arrivedAt(a) - arrivedAt(b));
  return [...moved, ...items.filter((item) => item.place !== 'moved')];
}

/** Whether nothing is done with it any more. */
export function isAtRest({ place }: Item, intent: StoredDeployment['intent']): boolean {
  if (place === 'moved') return intent !== 'abort';
  if (place === 'waiting') return intent !== 'forward';
  return place === 'back' || place === 'stuck';
}

function triesOf(place: Place, result: DeepReadonly<StoredResult> | undefined): number {
  if (result === undefined) return place === 'waiting' ? 0 : 1;
  return result.attempts;
}

/** Writes into the record what has come to rest unseen, e.g. in the instant in which the process was killed. */
export function bringUpToDate(draft: StoredDeployment, items: readonly Item[], now: number): void {
  for (const { uuid, place, tries, failure } of items) {
    const result = draft.results.find((other) => other.uuid === uuid);
    const atRest = place === 'moved' || place === 'back' || place === 'waiting';
    if (result === undefined || result.place === place || !atRest) continue;
    Object.assign(result, { place, attempts: tries, failure: failure === null ? null : { ...failure } });
    result.endedAt ??= now;
  }
}

function placeOf(
  record: DeepReadonly<StoredDeployment>,
  sighting: Sighting | undefined,
  result: DeepReadonly<StoredResult> | undefined,
  reopened: boolean,
): Place {
  const abort = record.intent === 'abort';
  const underWay: Place = abort || result?.place === 'going_back' ? 'going_back' : 'moving';
  if (sighting === undefined) return underWay;
  const { inSource, inTarget } = sighting;
  if (isOurs(inSource, record.id) || isOurs(inTarget, record.id)) {
    // A person was called for it and nobody has said that it may go on.
    return result?.place === 'stuck' && !reopened ? 'stuck' : underWay;
  }
  if (inTarget !== null && inSource === null) {
    const booted = sighting.instancesInTarget.filter(({ metadata }) => metadata[METADATA.deployment] === record.id);
    // One that has arrived may have been stopped since; of one whose mark somebody took off while it booted nothing is recorded.
    // Whoever is to bring it back does so with either, in its turn.
    const hasArrived = booted.some(({ status }) => abort || status === 'ACTIVE' || result?.place === 'moved');
    // With somebody else's mark on it, or one that cannot be read, it has not arrived: the node machine says why. One that is on its
    // way back may have been claimed for that, and the list behind.
    const hasTurned = abort && result?.place === 'going_back';
    return hasArrived && inTarget.marker === null && !hasTurned ? 'moved' : underWay;
  }
  if (inSource !== null && inTarget === null) {
    // One that is said to be elsewhere may be so, and the lists behind: the node machine sees through that.
    if (abort) return result === undefined || result.place === 'back' || result.place === 'waiting' ? 'back' : underWay;
    // Of one that was put together from its marks, another Ephyra has brought home whoever was away and is there without a mark.
    const wasAway = result?.place === 'moved' || (result?.place === 'moving' && result.failure === null);
    const isBrought = isRebuilt(record) && wasAway;
    if (result?.place === 'back' || isBrought) return 'back';
    const isForward = record.intent === 'forward';
    // Said to be on its way or there, and unmarked at home by a list, which may be from before: the node machine asks closer.
    switch (result?.place) {
      case 'moved':
        return 'moving';
      case 'moving':
        return isForward ? 'moving' : 'going_back';
      case 'going_back':
        return isForward && result.failure === null ? 'moving' : 'going_back';
      case 'stuck':
        return isForward || reopened ? 'waiting' : 'stuck';
      default:
        return 'waiting';
    }
  }
  // In neither, or unmarked in both: the node machine looks closer and says so.
  return underWay;
}

/** A node that an ended deployment has left on its way, and between which control planes. */
export interface Left {
  readonly node: PlannedNode;
  readonly course: Pick<StoredDeployment, 'source' | 'target'>;
}

/**
 * Which nodes ended deployments have left on their way, by the newest that has moved each: as far as is recorded, nobody has
 * brought them back into service. Those that `record` itself has moved are its own affair.
 */
export function leftOnTheWay(
  deployments: readonly DeepReadonly<StoredDeployment>[],
  record: DeepReadonly<StoredDeployment>,
): ReadonlyMap<NodeUuid, Left> {
  const newest = new Map<NodeUuid, { by: DeepReadonly<StoredDeployment>; place: Place }>();
  for (const by of deployments) for (const { uuid, place } of by.results) newest.set(uuid, { by, place });
  const planned = new Set(record.nodes.map(({ uuid }) => uuid));
  const left = new Map<NodeUuid, Left>();
  for (const [uuid, { by, place }] of newest) {
    if (by.id === record.id || !isEnded(by) || !ON_THE_WAY.has(place)) continue;
    const node = by.nodes.find((other) => other.uuid === uuid);
    if (node !== undefined) left.set(uuid, { node, course: planned.has(uuid) ? record : by });
  }
  return left;
}

const ON_THE_WAY: ReadonlySet<Place> = new Set(['moving', 'going_back', 'stuck']);

/** Nodes that the deployment has begun with, as far as is recorded, and that are not at home again. */
export const begunOf = ({ results }: DeepReadonly<StoredDeployment>): ReadonlySet<NodeUuid> =>
  new Set(results.filter(({ place }) => place !== 'waiting' && place !== 'back').map(({ uuid }) => uuid));

const isOurs = (node: NodeFacts | null, deployment: string): boolean =>
  node !== null && isMarkOf(node.marker, deployment);
