import { isDeepStrictEqual } from 'node:util';
import type { ControlPlane } from './openstack/index.ts';
import type { Sandbox } from './sandbox.ts';

/** Looks at the emulated world itself, not at what Ephyra says of it. */
export interface OpenStackWitness {
  nodesIn(controlPlane: string): number;
  /** Nodes there that are active with an ACTIVE instance and carry no claim: at home. */
  movedTo(controlPlane: string): number;
  /** Names of the nodes that carry a claim, anywhere. */
  claimed(): string[];
  /** What makes the nodes what they are, by uuid, wherever they are. Secrets included: never to be printed. */
  definitions(): ReadonlyMap<string, unknown>;
  sameAs(before: ReadonlyMap<string, unknown>): boolean;
  /** Whether the node was created in cp1 again after it had been deleted there. */
  wentBack(name: string): boolean;
  /** Writes to either cloud since `ms` (epoch). */
  writesSince(ms: number): number;
  totals(): { calls: { reads: number; writes: number; byControlPlane: Record<string, number> }; rolledBack: string[] };
}

export function witness({ controlPlanes }: Sandbox): OpenStackWitness {
  const calls = { reads: 0, writes: 0, byControlPlane: {} as Record<string, number> };
  const returned = new Set<string>();
  const left = new Set<string>();
  let lastWrite = 0;
  let writes: number[] = [];
  for (const controlPlane of controlPlanes) {
    controlPlane.onRequest(({ method, service, at }) => {
      const isWrite = method !== 'GET' && method !== 'HEAD' && service !== 'keystone';
      if (isWrite) {
        calls.writes += 1;
        lastWrite = Math.max(lastWrite, at);
        writes = [...writes.filter((other) => other > at - 60_000), at];
      } else calls.reads += 1;
      calls.byControlPlane[controlPlane.name] = (calls.byControlPlane[controlPlane.name] ?? 0) + 1;
    });
    controlPlane.onChange(({ kind, before, after }) => {
      if (controlPlane.name !== 'cp1') return;
      if (kind === 'node.deleted') left.add(String(before?.['name']));
      if (kind === 'node.created' && left.has(String(after?.['name']))) returned.add(String(after?.['name']));
    });
  }
  const find = (name: string): ControlPlane | undefined => controlPlanes.find((each) => each.name === name);
  const fleet = (name: string) => find(name)?.fleet().nodes ?? [];
  const definitions = () => new Map(controlPlanes.flatMap((each) => definitionsOf(each)));
  return {
    nodesIn: (name) => fleet(name).length,
    movedTo: (name) =>
      fleet(name).filter(
        (node) => node.provisionState === 'active' && node.instance?.status === 'ACTIVE' && !node.claimed,
      ).length,
    claimed: () => [
      ...new Set(
        controlPlanes.flatMap((each) =>
          each.fleet().nodes.flatMap((node) => (node.claimed ? [node.name ?? node.uuid] : [])),
        ),
      ),
    ],
    definitions,
    sameAs: (before) => {
      const now = definitions();
      return now.size === before.size && [...before].every(([uuid, one]) => isDeepStrictEqual(now.get(uuid), one));
    },
    wentBack: (name) => returned.has(name),
    writesSince: (ms) => writes.filter((at) => at >= ms).length,
    totals: () => ({ calls: structuredClone(calls), rolledBack: [...returned].sort() }),
  };
}

const FIELDS = [
  'name',
  'driver',
  'driver_info',
  'properties',
  'resource_class',
  'description',
  'traits',
  'network_interface',
];

function definitionsOf(controlPlane: ControlPlane): [string, unknown][] {
  const { nodes, ports } = controlPlane.snapshot();
  return nodes.map((node) => {
    const record = node as unknown as Record<string, unknown>;
    const { ephyra: _claim, ...extra } = node.extra;
    const own = (ports as Record<string, unknown>[]).filter((port) => port['node_uuid'] === node.uuid);
    const plain = own.map(({ uuid, address, physical_network, local_link_connection, pxe_enabled }) => ({
      uuid,
      address,
      physical_network,
      local_link_connection,
      pxe_enabled,
    }));
    const traits = [...((record['traits'] as string[] | undefined) ?? [])].sort();
    return [node.uuid, { ...Object.fromEntries(FIELDS.map((field) => [field, record[field]])), traits, extra, plain }];
  });
}
