import type { Faults } from './faults.ts';
import type { Hdfs } from './hdfs.ts';
import { ADMIN_STATES, type Clock, type HadoopRole, type Machine } from './model.ts';
import type { Services } from './services.ts';
import type { Yarn } from './yarn.ts';

/** The cluster as a page shows it: the truth of the emulator, not what its services answer. */
export interface HadoopFleet {
  readonly health: 'healthy' | 'unhealthy';
  readonly reasons: readonly string[];
  readonly nodes: readonly HadoopFleetNode[];
  readonly summary: {
    readonly workers: number;
    readonly inService: number;
    readonly blocks: number;
    readonly underReplicated: number;
    readonly missing: number;
    readonly containers: number;
    readonly activeResourceManager: string | null;
    readonly activeNameNode: string | null;
  };
}

export interface HadoopFleetNode {
  readonly name: string;
  readonly address: string;
  readonly role: HadoopRole;
  /** One or two words: `in service`, `leaving`, `out`, `starting`, `stopped`, `dead`, `active`, `standby`, `up`. */
  readonly state: string;
  /** e.g. "12 blocks left, 3 containers left"; empty when there is nothing to add. */
  readonly detail: string;
}

interface Means {
  readonly clock: Clock;
  readonly machines: ReadonlyMap<string, Machine>;
  readonly yarn: Yarn;
  readonly hdfs: Hdfs;
  readonly services: Services;
  readonly faults: Faults;
}

export function fleetOf(means: Means): HadoopFleet {
  const { hdfs, yarn, services, faults, machines } = means;
  const { low, missing } = hdfs.shortages();
  const lost = missing.length + (faults.missingBlocks() ? 3 : 0);
  const nodes = [...machines.values()].map((machine) => nodeOf(means, machine));
  const reasons: string[] = [];
  const rm = services.active('rm');
  const nn = services.active('nn');
  if (!rm) reasons.push('no active ResourceManager');
  if (!nn) reasons.push('no active NameNode');
  if (lost > 0) reasons.push(`${lost} blocks missing`);
  if (faults.safeMode()) reasons.push('HDFS is in safe mode');
  const dead = nodes.filter((node) => node.state === 'dead').map((node) => node.name);
  if (dead.length > 0) reasons.push(`dead: ${dead.join(', ')}`);
  return {
    health: reasons.length === 0 ? 'healthy' : 'unhealthy',
    reasons,
    nodes,
    summary: {
      workers: nodes.filter((node) => node.role === 'worker').length,
      inService: nodes.filter((node) => node.role === 'worker' && node.state === 'in service').length,
      blocks: hdfs.blocks.total,
      underReplicated: low.length,
      missing: lost,
      containers: [...yarn.nodeManagers.values()].reduce((sum, node) => sum + node.containers, 0),
      activeResourceManager: rm?.id ?? null,
      activeNameNode: nn?.id ?? null,
    },
  };
}

function nodeOf(means: Means, machine: Machine): HadoopFleetNode {
  const base = { name: machine.host, address: machine.address, role: machine.role };
  if (machine.role === 'worker') return { ...base, ...workerState(means, machine) };
  if (!machine.up) return { ...base, state: 'stopped', detail: '' };
  if (!machine.daemons) return { ...base, state: 'starting', detail: '' };
  const here = means.services.all().filter((service) => service.host === machine.host);
  if (here.length === 0) return { ...base, state: 'up', detail: '' };
  const active = here.some((service) => service.state === 'active');
  return {
    ...base,
    state: active ? 'active' : 'standby',
    detail: here.map((service) => `${service.id} ${service.state}`).join(', '),
  };
}

function workerState(means: Means, machine: Machine): { state: string; detail: string } {
  const { hdfs, yarn } = means;
  const dataNode = hdfs.dataNodes.get(machine.host);
  const nodeManager = yarn.nodeManagers.get(machine.host);
  const left = hdfs.blocksLeft(machine.host);
  const draining = nodeManager?.state === 'DECOMMISSIONING' ? nodeManager.containers : 0;
  const detail = [left > 0 ? `${left} blocks left` : '', draining > 0 ? `${draining} containers left` : '']
    .filter((part) => part !== '')
    .join(', ');
  const hdfsOut = dataNode?.admin === ADMIN_STATES.decommissioned || dataNode?.admin === ADMIN_STATES.inMaintenance;
  const yarnOut = !nodeManager || nodeManager.state === 'DECOMMISSIONED' || nodeManager.state === 'LOST';
  if (dataNode && !hdfsOut && !hdfs.alive(machine.host)) return { state: 'dead', detail: `${dataNode.admin}` };
  if (!machine.up) return { state: hdfsOut && yarnOut ? 'stopped' : 'failing', detail };
  if (!machine.daemons) return { state: 'starting', detail };
  if (hdfsOut && yarnOut) return { state: 'out', detail: dataNode.admin };
  if (dataNode?.admin === ADMIN_STATES.inService && nodeManager?.state === 'RUNNING') {
    return { state: 'in service', detail: `${hdfs.blocks.heldBy(machine.host).size} blocks` };
  }
  if (nodeManager?.state === 'UNHEALTHY') return { state: 'unhealthy', detail: 'bad disks' };
  const wantedOut = yarn.excluded(machine.host) || (dataNode && dataNode.admin !== ADMIN_STATES.inService);
  return { state: wantedOut ? 'leaving' : 'joining', detail };
}
