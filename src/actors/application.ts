import type { InstanceFacts, Marker, Move, NodeFacts, Observation } from '../../machines/domain.ts';
import type { ApplicationNode } from '../../machines/plugin.ts';

/** The claim on a node, wherever it is to be read. */
export function markerOf(...nodes: (NodeFacts | null)[]): Marker | null {
  for (const node of nodes) {
    if (node !== null && node.marker !== null && node.marker !== 'invalid') return node.marker;
  }
  return null;
}

/** The node as the plugin knows it: its host name, and its addresses where it leaves and where it arrives. */
export function applicationNode(
  move: Pick<Move, 'uuid' | 'name' | 'role'>,
  fromInstances: readonly InstanceFacts[],
  toInstances: readonly InstanceFacts[],
  marker: Marker | null,
): ApplicationNode {
  const recipe = marker?.instance ?? null;
  const here = fromInstances[0];
  const there = toInstances.find((instance) => instance.status === 'ACTIVE') ?? toInstances[0];
  return {
    uuid: move.uuid,
    name: move.name,
    role: move.role,
    instanceName: here?.name ?? there?.name ?? recipe?.name ?? null,
    // Where nothing runs that has an address, the application knows the node by what ran on it last.
    addressesBefore: here === undefined || here.addresses.length === 0 ? (recipe?.addresses ?? []) : here.addresses,
    addressesAfter: there?.addresses ?? [],
  };
}

/** The application counts on the node, or does not say that it does not. */
export const isInService = ({ membership }: Pick<Observation, 'membership'>): boolean =>
  !(membership.is === 'present' && membership.value === 'out');
