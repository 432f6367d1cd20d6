import type {
  ControlPlaneName,
  DeploymentId,
  InstanceFacts,
  Marker,
  NodeFacts,
  NodeUuid,
} from '../../machines/domain.ts';
import { METADATA } from '../../machines/domain.ts';
import type { InstanceIndex } from '../actors/survey.ts';

/** What a control plane says: all nodes, and what runs on them. */
export interface PlaneSight {
  readonly nodes: ReadonlyMap<NodeUuid, NodeFacts>;
  readonly instances: InstanceIndex;
}

/** Both control planes of a pair, by name. */
export type PairSight = ReadonlyMap<ControlPlaneName, PlaneSight>;

/** A node that bears the mark of a deployment. */
export interface MarkedNode {
  readonly uuid: NodeUuid;
  readonly name: string;
  readonly role: string;
  /** Of its definitions, wherever it is seen. */
  readonly extras: readonly NodeFacts['extra'][];
  readonly seenIn: readonly ControlPlaneName[];
  /** It was claimed where it had arrived: only a deployment that takes its nodes back does that. */
  readonly comingBack: boolean;
  /** With what it was claimed in the source; null when its mark does not say. */
  readonly instanceId: string | null;
}

/** All that the marks of one deployment say together. */
export interface MarkedDeployment {
  readonly id: DeploymentId;
  /** The highest that any of its marks has. */
  readonly epoch: number;
  readonly source: ControlPlaneName;
  readonly target: ControlPlaneName;
  readonly nodes: readonly MarkedNode[];
}

/** A mark that nobody can act upon. */
export interface OddMark {
  readonly at: ControlPlaneName;
  readonly uuid: NodeUuid;
  readonly name: string;
  readonly why: string;
  readonly remedy: string;
}

interface Gathered {
  readonly marker: Marker;
  epoch: number;
  readonly nodes: Map<NodeUuid, MarkedNode>;
}

/**
 * Reads the marks in both control planes of a pair: by deployment, and those that make no sense. Marks of deployments
 * between other configured control planes are left to the look at those.
 */
export function readMarks(
  pair: PairSight,
  configured: readonly ControlPlaneName[],
): { marked: MarkedDeployment[]; odd: OddMark[] } {
  const gathered = new Map<DeploymentId, Gathered>();
  const odd: OddMark[] = [];
  // In one order, whoever looks: of marks that contradict each other the first one counts.
  const planes = [...pair].sort(([one], [other]) => (one < other ? -1 : 1));
  for (const [at, { nodes }] of planes) {
    for (const node of nodes.values()) {
      const { marker } = node;
      if (marker === null) continue;
      const strange = marker === 'invalid' ? unreadable(node) : misplaced(marker, at, configured);
      if (strange !== null || marker === 'invalid') {
        odd.push(oddMark(node, at, strange ?? 'it cannot be read'));
      } else if (pair.has(marker.source) && pair.has(marker.target)) {
        const before = gathered.get(marker.deployment);
        const why = before === undefined ? null : contradiction(before.marker, marker);
        if (why === null) gather(gathered, before, node, marker, at);
        else odd.push(oddMark(node, at, why));
      }
    }
  }
  const marked = [...gathered.values()].map(({ marker, epoch, nodes }) => ({
    id: marker.deployment,
    epoch,
    source: marker.source,
    target: marker.target,
    nodes: [...nodes.values()],
  }));
  return { marked, odd };
}

function gather(
  all: Map<DeploymentId, Gathered>,
  before: Gathered | undefined,
  node: NodeFacts,
  marker: Marker,
  at: ControlPlaneName,
): void {
  const one = before ?? { marker, epoch: marker.epoch, nodes: new Map() };
  all.set(marker.deployment, one);
  one.epoch = Math.max(one.epoch, marker.epoch);
  const known = one.nodes.get(node.uuid);
  one.nodes.set(node.uuid, {
    uuid: node.uuid,
    name: node.name ?? known?.name ?? node.uuid,
    role: marker.role,
    extras: [...(known?.extras ?? []), node.extra],
    seenIn: [...(known?.seenIn ?? []), at],
    comingBack: known?.comingBack === true || marker.instance?.at === marker.target,
    instanceId: known?.instanceId ?? (marker.instance?.at === marker.source ? (marker.instance.id ?? null) : null),
  });
}

function unreadable(node: NodeFacts): string {
  const found = node.extra['ephyra'];
  const version = typeof found === 'object' && found !== null && 'v' in found ? found.v : undefined;
  return typeof version === 'number' && version > 1
    ? `it has format ${version}, this Ephyra knows format 1`
    : 'it cannot be read';
}

function misplaced(
  { source, target, deployment }: Marker,
  at: ControlPlaneName,
  configured: readonly ControlPlaneName[],
): string | null {
  const unknown = [source, target].filter((name) => !configured.includes(name));
  if (unknown.length > 0) return `it names ${unknown.join(' and ')} (${deployment}), which is not configured`;
  if (source === target) return `it names ${source} as source and as target (${deployment})`;
  if (at !== source && at !== target) return `it is of ${deployment}, which is between ${source} and ${target}`;
  return null;
}

function contradiction(one: Marker, other: Marker): string | null {
  if (one.source === other.source && one.target === other.target) return null;
  return `it says ${other.deployment} goes ${other.source}→${other.target}, other nodes say ${one.source}→${one.target}`;
}

function oddMark(node: NodeFacts, at: ControlPlaneName, why: string): OddMark {
  return {
    at,
    uuid: node.uuid,
    name: node.name ?? node.uuid,
    why,
    remedy:
      'Ephyra leaves the node alone. Start the version or the configuration that knows this mark; or look at the node, ' +
      `finish it by hand and remove the mark: openstack --os-cloud ${at} baremetal node unset --extra ephyra ${node.uuid}`,
  };
}

/** What a deployment has booted on a node there. */
const bootedOn = (pair: PairSight, at: ControlPlaneName, node: NodeFacts, id: DeploymentId): readonly InstanceFacts[] =>
  (pair.get(at)?.instances.on(node.uuid, node.instanceUuid) ?? []).filter(
    ({ metadata }) => metadata[METADATA.deployment] === id,
  );

/** Nodes that only `at` has, unmarked, with an instance that the deployment booted there. */
export function bootedAt(pair: PairSight, at: ControlPlaneName, id: DeploymentId): NodeFacts[] {
  const here = pair.get(at);
  if (here === undefined) return [];
  const elsewhere = [...pair].filter(([name]) => name !== at);
  return [...here.nodes.values()].filter(
    (node) =>
      node.marker === null &&
      !elsewhere.some(([, { nodes }]) => nodes.has(node.uuid)) &&
      bootedOn(pair, at, node, id).length > 0,
  );
}

/** Whether what a deployment booted on a node there runs. */
export const runsAt = (pair: PairSight, at: ControlPlaneName, node: NodeFacts, id: DeploymentId): boolean =>
  bootedOn(pair, at, node, id).some(({ status }) => status === 'ACTIVE');

/** The role that an arrived node's instance says it has; null when it says none. */
export function roleOf(pair: PairSight, at: ControlPlaneName, node: NodeFacts, id: DeploymentId): string | null {
  const role = bootedOn(pair, at, node, id)[0]?.metadata[METADATA.role];
  return role === undefined || role === '' ? null : role;
}
