import type { ApplicationNode } from '../../machines/plugin.ts';
import type { HadoopHosts } from './hosts.ts';
import type { HdfsNode } from './nameNode.ts';
import type { YarnNode } from './resourceManager.ts';
import type { RoleOptions } from './schema.ts';
import type { Snapshot } from './snapshot.ts';

/**
 * Where one half of Hadoop has a machine:
 * - `serving`: it counts on it and all is well; `failing`: it counts on it and something is wrong;
 * - `leaving`: it is being taken out; `out`: it said that the machine is out;
 * - `absent`: it lists everybody, and this machine is not among them;
 * - `lost`: YARN gave it up without having been asked to let go of it: it may come back at any time;
 * - `dead`: HDFS misses its heartbeats, and its blocks were never moved;
 * - `hidden`: HDFS shows only what the machine was under an earlier address;
 * - `unknown`: no trustworthy answer, or answers that contradict each other.
 */
export type Standing = 'serving' | 'failing' | 'leaving' | 'out' | 'absent' | 'lost' | 'dead' | 'hidden' | 'unknown';

export interface Half {
  readonly standing: Standing;
  /** What was seen, for people: "YARN: DECOMMISSIONING, 3 containers left". */
  readonly says: string;
  /** HDFS: it was not alive when it said so. */
  readonly dead?: boolean;
}

export interface Assessment {
  /** Null where the role has no part in it. */
  readonly yarn: Half | null;
  readonly hdfs: Half | null;
}

/** States in which YARN has given a node up; another NodeState counts as part of the cluster. */
const YARN_GONE = new Set(['LOST', 'SHUTDOWN']);
/** YARN states that come before service. */
const YARN_COMING = new Set(['NEW', 'REBOOTED']);

/** Where Hadoop has a worker, from one reading. `heartbeatMs`: an older DataNode heartbeat is not fresh. */
export function assess(
  node: ApplicationNode,
  hosts: HadoopHosts,
  role: RoleOptions,
  snapshot: Snapshot,
  heartbeatMs: number,
): Assessment {
  return {
    yarn: role.yarn ? yarnHalf(hosts, snapshot) : null,
    hdfs: role.hdfs === false ? null : hdfsHalf(node, hosts, snapshot, heartbeatMs),
  };
}

function yarnHalf(hosts: HadoopHosts, snapshot: Snapshot): Half {
  const view = snapshot.yarn;
  if (!view) return { standing: 'unknown', says: 'YARN: nobody to ask' };
  if (view.problem !== null) return { standing: 'unknown', says: `YARN: ${view.problem}` };
  const entries = hosts.all.flatMap((host) => view.nodes.get(host) ?? []);
  if (entries.length === 0) {
    const alias = lookalike(hosts, view.nodes.keys());
    if (alias !== undefined) return { standing: 'unknown', says: misnamed('YARN', alias) };
    if (!view.complete) return { standing: 'unknown', says: 'YARN: not in its list, which is not complete' };
    if (!view.settled) return { standing: 'unknown', says: 'YARN: not known yet to a ResourceManager that is new' };
    return { standing: 'absent', says: 'YARN: not known' };
  }
  // Any registration that is still part of the cluster outweighs those that are history.
  const worst = [...entries].sort((a, b) => yarnRank(b) - yarnRank(a))[0];
  return worst ? yarnNode(worst) : { standing: 'unknown', says: 'YARN: not known' };
}

function yarnRank(node: YarnNode): number {
  if (node.state === 'DECOMMISSIONED') return 0;
  if (YARN_GONE.has(node.state)) return 1;
  if (YARN_COMING.has(node.state)) return 2;
  return node.state === 'RUNNING' ? 4 : 3;
}

function yarnNode(node: YarnNode): Half {
  const says = `YARN: ${node.state}`;
  if (node.state === 'RUNNING') return { standing: 'serving', says };
  if (node.state === 'DECOMMISSIONING') {
    return { standing: 'leaving', says: `${says}, ${count(node.containers, 'container')} left` };
  }
  if (node.state === 'DECOMMISSIONED') {
    if (node.containers > 0) {
      return { standing: 'unknown', says: `${says}, yet ${count(node.containers, 'container')} on it` };
    }
    return { standing: 'out', says };
  }
  if (YARN_GONE.has(node.state)) return { standing: 'lost', says };
  if (YARN_COMING.has(node.state)) return { standing: 'unknown', says };
  return {
    standing: 'failing',
    says: node.healthReport === '' ? says : `${says} (${node.healthReport.slice(0, 120)})`,
  };
}

function hdfsHalf(node: ApplicationNode, hosts: HadoopHosts, snapshot: Snapshot, heartbeatMs: number): Half {
  const view = snapshot.hdfs;
  if (!view) return { standing: 'unknown', says: 'HDFS: nobody to ask' };
  if (view.problem !== null) return { standing: 'unknown', says: `HDFS: ${view.problem}` };
  const entries = hosts.all.flatMap((host) => view.nodes.get(host) ?? []);
  if (entries.length === 0) {
    const addresses = new Set([...node.addressesBefore, ...node.addressesAfter]);
    const other = [...view.nodes.values()].flat().find((entry) => entry.alive && addresses.has(entry.address));
    const alias = other?.host ?? lookalike(hosts, view.nodes.keys());
    if (alias !== undefined) return { standing: 'unknown', says: misnamed('HDFS', alias) };
    if (!view.complete) return { standing: 'unknown', says: 'HDFS: not in its lists, which are not complete' };
    if (view.safeMode !== '') return { standing: 'unknown', says: 'HDFS: not known while in safe mode' };
    return { standing: 'absent', says: 'HDFS: not known' };
  }
  // A machine that came back reinstalled under another address stays listed as dead under the old one, with the same
  // name, until the NameNode is restarted: what was heard from last is what it is now.
  const alive = entries.filter((entry) => entry.alive);
  const last = [...entries].sort((a, b) => a.lastContact - b.lastContact).slice(0, 1);
  const ours = new Set([...node.addressesBefore, ...node.addressesAfter]);
  const [only] = last;
  if (alive.length === 0 && only && ours.size > 0 && only.address !== '' && !ours.has(only.address)) {
    return { standing: 'hidden', says: `HDFS: dead, listed with the former address ${only.address} alone` };
  }
  const halves = (alive.length > 0 ? alive : last).map((entry) => hdfsNode(entry, node, heartbeatMs));
  return halves.sort((a, b) => hdfsRank(b) - hdfsRank(a))[0] ?? { standing: 'unknown', says: 'HDFS: not known' };
}

/**
 * Whether HDFS hears from the DataNode where it is now, in whatever admin state: null when it does, else what it says.
 */
export function notHeard(
  node: ApplicationNode,
  hosts: HadoopHosts,
  snapshot: Snapshot,
  heartbeatMs: number,
): string | null {
  const view = snapshot.hdfs;
  if (!view || view.problem !== null) return `HDFS: ${view?.problem ?? 'nobody to ask'}`;
  const alive = hosts.all.flatMap((host) => view.nodes.get(host) ?? []).filter((entry) => entry.alive);
  const fresh = alive.filter((entry) => entry.lastContact * 1000 <= heartbeatMs);
  const there = fresh.filter(
    (entry) => node.addressesAfter.length === 0 || node.addressesAfter.includes(entry.address),
  );
  if (there.length > 0) return null;
  const where = node.addressesAfter.length === 0 ? '' : ` at ${node.addressesAfter.join(', ')}`;
  return `HDFS: no heartbeat${where} yet`;
}

/** What HDFS has of a machine that JMX hides, from the full list of the dead. */
export function unhide(node: ApplicationNode, hosts: HadoopHosts, dead: readonly HdfsNode[]): Half {
  const ours = new Set([...node.addressesBefore, ...node.addressesAfter]);
  const entries = dead.filter((entry) => hosts.all.includes(entry.host) && ours.has(entry.address));
  const halves = entries.map((entry) => hdfsNode(entry, node, 0)).sort((a, b) => hdfsRank(b) - hdfsRank(a));
  return halves[0] ?? { standing: 'unknown', says: 'HDFS: dead, and not listed with its present address' };
}

const HDFS_RANK: readonly Standing[] = ['out', 'dead', 'unknown', 'leaving', 'failing', 'serving'];
const hdfsRank = (half: Half) => HDFS_RANK.indexOf(half.standing);

function hdfsNode(entry: HdfsNode, node: ApplicationNode, heartbeatMs: number): Half {
  const says = `HDFS: ${entry.adminState}${entry.alive ? '' : ', dead'}`;
  const blocks = entry.blocksLeft === null ? '' : `, ${count(entry.blocksLeft, 'block')} left`;
  switch (entry.adminState) {
    case 'Decommissioned':
    case 'In Maintenance':
      // The lists of one answer contradict each other: neither is believed.
      if (entry.blocksLeft !== null) return { standing: 'unknown', says: `${says}, yet listed as leaving${blocks}` };
      return { standing: 'out', says, dead: !entry.alive };
    case 'Decommission In Progress':
    case 'Entering Maintenance':
      return { standing: 'leaving', says: `${says}${blocks}` };
    case 'In Service': {
      if (!entry.alive) return { standing: 'dead', says };
      if (entry.lastContact * 1000 > heartbeatMs) {
        return { standing: 'failing', says: `${says}, last heartbeat ${entry.lastContact} s ago` };
      }
      if (node.addressesAfter.length > 0 && entry.address !== '' && !node.addressesAfter.includes(entry.address)) {
        return { standing: 'failing', says: `${says}, still known at ${entry.address}` };
      }
      return { standing: 'serving', says };
    }
    default:
      return { standing: 'unknown', says };
  }
}

/**
 * A listed host that is probably ours under another name: with or without its domain, or as Nova makes a host name of
 * an instance's name (blanks, underscores and dots become hyphens). Then the option `host` is wrong, and that the name
 * is not listed says nothing.
 */
function lookalike(hosts: HadoopHosts, listed: Iterable<string>): string | undefined {
  const address = (host: string) => /^[\d.]+$|:/.test(host);
  const forms = (host: string) =>
    address(host) ? [host] : [host.split('.')[0] ?? host, host].map((form) => form.replaceAll(/[._\s]+/g, '-'));
  const ours = new Set(hosts.all.flatMap(forms));
  for (const host of listed) if (forms(host).some((form) => ours.has(form))) return host;
  return undefined;
}

function misnamed(half: string, alias: string): string {
  return `${half}: knows the machine as ${alias}; check the option "host" (from, suffix)`;
}

function count(n: number, what: string): string {
  return `${n} ${what}${n === 1 ? '' : 's'}`;
}
