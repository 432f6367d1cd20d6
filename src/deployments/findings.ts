import type { DeploymentId, NodeFacts } from '../../machines/domain.ts';
import { common } from '../actors/knownNodes.ts';
import { failureDomainOf } from '../config/roles.ts';
import type { DeploymentConfig, RoleConfig } from '../config/types.ts';
import { isEnded } from '../store/state.ts';
import type { DeepReadonly, StoredDeployment, StoredResult, StoreState } from '../store/types.ts';
import { digestOf } from './digest.ts';
import type { MarkedDeployment, MarkedNode, OddMark, PairSight } from './marks.ts';
import { bootedAt, readMarks, roleOf, runsAt } from './marks.ts';
import type { Actor, PlannedNode } from './types.ts';

/** What a start makes of a pair of control planes: pure, so that it can run inside the update that acts upon it. */
export interface Findings {
  /** Records as they shall be: each one waits for a person. */
  readonly found: readonly StoredDeployment[];
  /** Running, and what is seen does not speak against going on. */
  readonly goOn: readonly DeploymentId[];
  readonly odd: readonly OddMark[];
  /** The highest epoch of any deployment that is in question. */
  readonly epoch: number;
}

export interface FindingsDeps {
  readonly configured: readonly string[];
  readonly roles: readonly Pick<RoleConfig, 'name'>[];
  readonly deployment: Pick<DeploymentConfig, 'maxUnavailable' | 'failureDomain'>;
  readonly by: Actor;
  readonly now: number;
  /** Why the store itself is known to be older than it should be; null when nothing says so. */
  readonly behind: string | null;
  /** About these another Ephyra may have been told other things meanwhile. */
  readonly overtaken: ReadonlySet<DeploymentId>;
}

type Stored = DeepReadonly<StoredDeployment>;

/**
 * Holds what the store says against the marks. Asked is about a deployment that bears marks and is not known to run,
 * and about one that runs by the store while the clouds show that people have wanted something else since.
 */
export function findingsOf(state: DeepReadonly<StoreState>, pair: PairSight, deps: FindingsDeps): Findings {
  const { marked, odd } = readMarks(pair, deps.configured);
  const known = new Map(state.deployments.map((record) => [record.id, record]));
  const strangers = odd.slice();
  const newcomers: StoredDeployment[] = [];
  for (const marks of marked) {
    const record = known.get(marks.id);
    if (record === undefined) newcomers.push(rebuilt(marks, pair, deps));
    else if (record.source !== marks.source || record.target !== marks.target) {
      strangers.push(...marks.nodes.flatMap((node) => otherWay(node, marks, record)));
    }
  }
  const outrun = Math.max(0, ...newcomers.map(({ epoch }) => epoch));
  const found: StoredDeployment[] = [];
  const goOn: DeploymentId[] = [];
  for (const record of state.deployments) {
    if (!pair.has(record.source) || !pair.has(record.target)) continue;
    const marks = marksOf(record, marked);
    const joined = joinedSince(record, marks, pair);
    if (joined.length > 0) found.push(completed(record, marks, joined, pair, deps));
    if (joined.length > 0 || record.state === 'found') continue;
    const why = questionAbout(record, marks, pair, outrun, deps);
    if (why !== null) found.push(questioned(record, marks, pair, why));
    else if (!isEnded(record) && record.state !== 'awaiting_approval') goOn.push(record.id);
  }
  found.push(...newcomers);
  return { found, goOn, odd: strangers, epoch: Math.max(0, ...found.map(({ epoch }) => epoch)) };
}

/** Why a person has to say how it goes on with a record; null when nobody has to. */
function questionAbout(
  record: Stored,
  marks: MarkedDeployment | null,
  pair: PairSight,
  outrun: number,
  { behind, overtaken }: Pick<FindingsDeps, 'behind' | 'overtaken'>,
): string | null {
  if (record.startedAt === null) {
    const booted = bootedAt(pair, record.target, record.id).length + bootedAt(pair, record.source, record.id).length;
    if (marks === null && booted === 0) return null;
    return 'By the store it was never approved, but its nodes have been moved: the store is an older copy.';
  }
  if (isEnded(record)) {
    const stuck = new Set(record.results.filter(({ place }) => place === 'stuck').map(({ uuid }) => uuid));
    const left = marks?.nodes.filter(({ uuid }) => !stuck.has(uuid)) ?? [];
    if (left.length === 0) return null;
    return `By the store it has ended (${record.state.replaceAll('_', ' ')}), but nodes still bear its mark.`;
  }
  if (overtaken.has(record.id)) return OVERTAKEN;
  if (behind !== null) return behind;
  if (outrun > record.epoch) return 'Marks of a later deployment were found: the store is an older copy.';
  if (record.intent === 'abort') return null;
  const results = new Map(record.results.map((result) => [result.uuid, result]));
  const returning = marks?.nodes.filter(
    ({ uuid, comingBack }) => comingBack && results.get(uuid)?.place !== 'going_back',
  );
  const home = bootedAt(pair, record.source, record.id).filter(({ uuid }) => !knewOfReturn(results.get(uuid)));
  const names = [...(returning ?? []), ...home].map(nameOf);
  if (names.length === 0) return null;
  return `By the store its nodes go to ${record.target}, but ${listed(names)} went back: it was aborted since, the store is an older copy.`;
}

/** A failed try that went home, or the start of one. */
const knewOfReturn = (result: DeepReadonly<StoredResult> | undefined): boolean =>
  result !== undefined &&
  (result.attempts > 1 || result.place === 'waiting' || result.place === 'back' || result.place === 'going_back');

function questioned(record: Stored, marks: MarkedDeployment | null, pair: PairSight, why: string): StoredDeployment {
  const copy = structuredClone(record) as StoredDeployment;
  return {
    ...copy,
    ...ASKED,
    epoch: Math.max(copy.epoch, marks?.epoch ?? 0),
    note: `${why} ${whereabouts(marks ?? { ...record, nodes: [] }, pair)} ${DECIDE}`,
  };
}

/** What a record says while it waits for a person, whatever it said before. */
const ASKED = {
  state: 'found',
  intent: 'forward',
  intentBy: null,
  approvalExpiresAt: null,
  endedAt: null,
  endedBy: null,
} as const;

const OVERTAKEN =
  'For a while this Ephyra did not hold both control planes, and another one was at work there or may have been: what that one was told is not known here.';
const REST =
  'Which other nodes were to follow is not known; they stay. If another Ephyra carries it out, leave it to that one.';
const DECIDE = 'Nothing moves until somebody decides.';

/** The record of a deployment of which only the marks are left. */
function rebuilt(marks: MarkedDeployment, pair: PairSight, deps: FindingsDeps): StoredDeployment {
  const { id, epoch, source, target } = marks;
  const arrived = arrivedOf(pair, marks);
  const { maxUnavailable, failureDomain } = deps.deployment;
  const domainOf = (extras: readonly NodeFacts['extra'][]) =>
    common(extras.map((extra) => failureDomainOf(extra, failureDomain.extra)));
  const nodes = inOrder(
    [
      ...marks.nodes.map((node) => ({
        uuid: node.uuid,
        name: node.name,
        role: node.role,
        failureDomain: domainOf(node.extras),
        instanceId: node.instanceId,
      })),
      ...arrived.map((node) => ({
        uuid: node.uuid,
        name: nameOf(node),
        role: roleOf(pair, target, node, id) ?? deps.roles[0]?.name ?? 'unknown',
        failureDomain: domainOf([node.extra]),
        instanceId: null,
      })),
    ],
    deps.roles,
  );
  // What was booted and does not run has not arrived, marked or not.
  const there = new Set(arrived.filter((node) => runsAt(pair, target, node, id)).map(({ uuid }) => uuid));
  const { now } = deps;
  return {
    id,
    epoch,
    source,
    target,
    requestedBy: { ...deps.by },
    requestedAt: now,
    options: { maxUnavailable, failureDomain: failureDomain.extra, nodes: null },
    nodes,
    excluded: [],
    digest: digestOf({ source, target, maxUnavailable, nodes }),
    approval: null,
    approvalExpiresAt: null,
    intent: 'forward',
    intentBy: null,
    state: 'found',
    startedAt: null,
    endedAt: null,
    endedBy: null,
    note: `The store does not know it, the marks on its nodes do. ${whereabouts(marks, pair)} ${REST} ${DECIDE}`,
    thread: null,
    idempotencyKeys: [],
    results: nodes.map(({ uuid }) => ({
      uuid,
      place: there.has(uuid) ? ('moved' as const) : ('moving' as const),
      failure: null,
      startedAt: null,
      endedAt: there.has(uuid) ? now : null,
      attempts: 1,
    })),
  };
}

/** It was put together from its marks: who wanted it, and its plan, are not known here. */
export const isRebuilt = ({ requestedBy }: Pick<Stored, 'requestedBy'>): boolean => requestedBy.via === 'system';

/**
 * Names of the nodes that have come to a deployment since it was put together from its marks, and about which is to be asked:
 * another Ephyra, which knows its plan, has gone on meanwhile.
 */
export function newcomersOf(record: Stored, pair: PairSight): string[] {
  if (!isRebuilt(record)) return [];
  return joinedSince(record, marksOf(record, readMarks(pair, [record.source, record.target]).marked), pair);
}

function joinedSince(record: Stored, marks: MarkedDeployment | null, pair: PairSight): string[] {
  // Of one that was planned here the plan says which nodes are its own.
  if (!isRebuilt(record)) return [];
  const known = new Set(record.nodes.map(({ uuid }) => uuid));
  // Those that have arrived matter only to whoever may bring them back.
  const mayComeBack = !isEnded(record) && (record.state === 'found' || record.intent === 'abort');
  const all = [...(marks?.nodes ?? []), ...(mayComeBack ? arrivedOf(pair, record) : [])];
  return all.filter(({ uuid }) => !known.has(uuid)).map(nameOf);
}

const marksOf = (record: Stored, marked: readonly MarkedDeployment[]): MarkedDeployment | null =>
  marked.find(({ id, source }) => id === record.id && source === record.source) ?? null;

/** A record that was put together from marks, with what they show since; of the nodes that it has it knows more. */
function completed(
  record: Stored,
  marks: MarkedDeployment | null,
  joined: readonly string[],
  pair: PairSight,
  deps: FindingsDeps,
): StoredDeployment {
  const seen = marks ?? { ...record, nodes: [] };
  const now = rebuilt(seen, pair, deps);
  const copy = structuredClone(record) as StoredDeployment;
  const isNew = ({ uuid }: { readonly uuid: string }) => copy.nodes.every((node) => node.uuid !== uuid);
  const nodes = inOrder([...copy.nodes, ...now.nodes.filter(isNew)], deps.roles);
  const why = deps.behind ?? 'Another Ephyra has gone on with it.';
  return {
    ...copy,
    ...ASKED,
    epoch: Math.max(copy.epoch, now.epoch),
    nodes,
    digest: digestOf({ ...copy, maxUnavailable: copy.options.maxUnavailable, nodes }),
    results: [...copy.results, ...now.results.filter(isNew)],
    note: `Since it was found here, ${listed(joined)} came to it. ${why} ${whereabouts(seen, pair)} ${REST} ${DECIDE}`,
  };
}

const arrivedOf = (pair: PairSight, { id, target }: Pick<Stored, 'id' | 'target'>): NodeFacts[] =>
  bootedAt(pair, target, id);

function whereabouts(marks: Pick<MarkedDeployment, 'id' | 'target' | 'nodes'>, pair: PairSight): string {
  const { id, target, nodes } = marks;
  const arrived = arrivedOf(pair, marks);
  const running = arrived.filter((node) => runsAt(pair, target, node, id));
  const place = ({ seenIn, comingBack }: MarkedNode) =>
    `${seenIn.length > 1 ? 'in both' : `in ${seenIn[0]}`}${comingBack ? ', on its way back' : ''}`;
  const under = [
    ...nodes.map((node) => `${node.name} (${place(node)})`),
    ...arrived
      .filter((node) => !running.includes(node))
      .map((node) => `${nameOf(node)} (in ${target}, without its mark)`),
  ];
  const parts = [
    under.length === 0 ? 'No node is under way.' : `Under way: ${listed(under)}.`,
    running.length === 0 ? '' : `Arrived in ${target}: ${listed(running.map(nameOf))}.`,
  ];
  return parts.filter((part) => part !== '').join(' ');
}

function inOrder(nodes: readonly PlannedNode[], roles: FindingsDeps['roles']): PlannedNode[] {
  const rank = new Map(roles.map(({ name }, index) => [name, index]));
  const rankOf = ({ role }: PlannedNode) => rank.get(role) ?? roles.length;
  return [...nodes].sort((a, b) => rankOf(a) - rankOf(b) || a.name.localeCompare(b.name, 'en', { numeric: true }));
}

function otherWay(node: MarkedNode, marks: MarkedDeployment, record: Stored): OddMark[] {
  return node.seenIn.map((at) => ({
    at,
    uuid: node.uuid,
    name: node.name,
    why: `it says ${marks.id} goes ${marks.source}→${marks.target}, the store says ${record.source}→${record.target}`,
    remedy: `Ephyra leaves the node alone. When the mark is wrong: openstack --os-cloud ${at} baremetal node unset --extra ephyra ${node.uuid}`,
  }));
}

const nameOf = (node: { readonly name: string | null; readonly uuid: string }): string => node.name ?? node.uuid;

const SHOWN = 8;
const listed = (names: readonly string[]): string =>
  names.length <= SHOWN ? names.join(', ') : `${names.slice(0, SHOWN).join(', ')} and ${names.length - SHOWN} more`;
