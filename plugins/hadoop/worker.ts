import { Failure } from '../../machines/errors.ts';
import type { ApplicationNode, NodeHealth, PluginContext } from '../../machines/plugin.ts';
import { throwIfAborted, toItsEnd, untilAborted } from '../support/wait.ts';
import { type Changed, type Cluster, refresh } from './cluster.ts';
import { type HadoopHosts, hadoopHosts } from './hosts.ts';
import { type Assessment, assess, type Half, notHeard, type Standing, unhide } from './membership.ts';
import type { RoleOptions } from './schema.ts';
import type { Snapshot } from './snapshot.ts';

/** Takes a worker out: written into the hosts files, refreshed, and read back until both halves say that it is out. */
export async function removeWorker(
  cluster: Cluster,
  node: ApplicationNode,
  role: RoleOptions,
  context: PluginContext,
): Promise<void> {
  const hosts = named(cluster, node);
  const asked = cluster.setup.now();
  throwIfAborted(context.signal);
  const changed = await toItsEnd(cluster.exclude(hosts.all, role, context.signal), context.signal);
  await settle(cluster, node, hosts, role, context, {
    verb: 'leave',
    changed,
    asked,
    // LOST and named in the exclude file: it cannot come back, so it is out.
    done: (half) => half.standing === 'out' || half.standing === 'absent' || half.standing === 'lost',
    reacted: (half) => half.standing !== 'serving' && half.standing !== 'failing' && half.standing !== 'dead',
  });
}

/**
 * Brings a worker back: once HDFS hears from it, out of the hosts files, refreshed, and read back until both halves have
 * it in service.
 */
export async function addWorker(
  cluster: Cluster,
  node: ApplicationNode,
  role: RoleOptions,
  context: PluginContext,
): Promise<void> {
  const hosts = named(cluster, node);
  if (role.hdfs !== false) await hearFrom(cluster, node, hosts, context);
  const asked = cluster.setup.now();
  throwIfAborted(context.signal);
  const changed = await toItsEnd(cluster.include(hosts, role), context.signal);
  const after: HadoopHosts = hosts.after.length > 0 ? { ...hosts, all: hosts.after } : hosts;
  await settle(cluster, node, after, role, context, {
    verb: 'join',
    changed,
    asked,
    done: (half) => half.standing === 'serving',
    reacted: (half) => half.standing === 'serving' || half.standing === 'failing',
  });
}

/**
 * Waits for the DataNode's heartbeat before it is put back into service. For ten minutes after a machine has stopped
 * the NameNode believes in the replicas on it: in service again, they would count, others would be given up for them,
 * and the machine comes back with empty disks. Refreshes, because a name that is looked up anew can be what lets it in.
 */
async function hearFrom(
  cluster: Cluster,
  node: ApplicationNode,
  hosts: HadoopHosts,
  context: PluginContext,
): Promise<void> {
  // By another name it is not excluded, and perhaps not yet on the list of those who may join.
  if (hosts.after.some((host) => !hosts.before.includes(host))) return;
  const { options, setup } = cluster;
  const since = setup.now();
  let refreshed: number | null = null;
  for (;;) {
    const missing = notHeard(
      node,
      hosts,
      await untilAborted(cluster.look(since), context.signal),
      options.limits.heartbeat,
    );
    if (missing === null) return;
    context.progress(`${node.name}: ${missing}`);
    const elapsed = setup.elapsed();
    if (elapsed >= context.deadline) throw late(node, 'join', missing, null);
    if (refreshed === null || elapsed - refreshed >= options.refreshAgain) {
      refreshed = elapsed;
      const problem = await refresh(cluster, { yarn: false, hdfs: true }, context);
      if (problem !== null) context.progress(`${node.name}: ${problem}`);
    }
    await pause(cluster, Math.max(0, Math.min(options.poll, context.deadline - elapsed)), context);
  }
}

/** Health and membership of a worker. */
export async function verifyWorker(
  cluster: Cluster,
  node: ApplicationNode,
  role: RoleOptions,
  context: PluginContext,
): Promise<NodeHealth> {
  const hosts = hadoopHosts(cluster.options, node);
  if (hosts.all.length === 0) {
    return { health: 'unknown', membership: 'unknown', reasons: [noName(cluster, node)] };
  }
  const snapshot = await untilAborted(cluster.look(), context.signal);
  const halves = halvesOf(await assessFully(cluster, node, hosts, role, snapshot, context));
  const standings = await Promise.all(halves.map((half) => firmly(cluster, hosts, half, context)));
  return verdict(standings, halves);
}

/** Where Hadoop has the worker; asks once more where JMX does not show it. */
async function assessFully(
  cluster: Cluster,
  node: ApplicationNode,
  hosts: HadoopHosts,
  role: RoleOptions,
  snapshot: Snapshot,
  context: PluginContext,
): Promise<Assessment> {
  const seen = assess(node, hosts, role, snapshot, cluster.options.limits.heartbeat);
  if (seen.hdfs?.standing !== 'hidden') return seen;
  try {
    return { ...seen, hdfs: unhide(node, hosts, await untilAborted(cluster.deadDataNodes(), context.signal)) };
  } catch (error) {
    throwIfAborted(context.signal);
    const why = error instanceof Error ? error.message : String(error);
    return { ...seen, hdfs: { standing: 'unknown', says: `${seen.hdfs.says}; ${why}` } };
  }
}

/**
 * A node that YARN has lost comes back by itself when it can, unless the exclude file forbids it: only then is it out.
 * The file is read only in this rare case.
 */
async function firmly(cluster: Cluster, hosts: HadoopHosts, half: Half, context: PluginContext): Promise<Standing> {
  if (half.standing !== 'lost') return half.standing;
  try {
    const excluded = await untilAborted(cluster.excludedFromYarn(), context.signal);
    return hosts.all.some((host) => excluded.has(host)) ? 'out' : 'unknown';
  } catch {
    throwIfAborted(context.signal);
    return 'unknown';
  }
}

function verdict(standings: readonly Standing[], halves: readonly Half[]): NodeHealth {
  const has = (...wanted: Standing[]) => standings.some((standing) => wanted.includes(standing));
  const says = halves.map((half) => half.says);
  const membership = has('serving', 'failing', 'leaving') ? 'in' : has('unknown', 'dead') ? 'unknown' : 'out';
  if (standings.every((standing) => standing === 'serving')) {
    return { health: 'healthy', membership: 'in', reasons: [] };
  }
  const bad = has('failing', 'leaving', 'out', 'absent', 'dead', 'lost');
  return { health: bad ? 'unhealthy' : 'unknown', membership, reasons: says };
}

interface Goal {
  readonly verb: 'leave' | 'join';
  /** What the hosts files changed in, and when that was asked for. */
  readonly changed: Changed;
  readonly asked: number;
  readonly done: (half: Half) => boolean;
  /** The refresh has had its effect on this half, or will not have one by being repeated. */
  readonly reacted: (half: Half) => boolean;
}

/** Refreshes as needed and looks until the goal is reached, the deadline has passed, or nobody answers any more. */
async function settle(
  cluster: Cluster,
  node: ApplicationNode,
  hosts: HadoopHosts,
  role: RoleOptions,
  context: PluginContext,
  goal: Goal,
): Promise<void> {
  const { options, setup } = cluster;
  let refreshed: number | null = null;
  let outcome: string | null = null;
  let failingSince: number | null = null;
  let refreshes = 0;
  // A file that already said so may have been written by a process that was killed before its refresh.
  const told = { yarn: false, hdfs: false };
  const refreshNow = async (what: Changed) => {
    outcome = await refresh(cluster, what, context);
    told.yarn ||= what.yarn;
    told.hdfs ||= what.hdfs;
    if (outcome === null) refreshes += 1;
    refreshed = setup.elapsed();
    failingSince = outcome === null ? null : (failingSince ?? refreshed);
    return setup.now();
  };
  // Only answers to questions sent after the refresh count.
  let notBefore = goal.changed.yarn || goal.changed.hdfs ? await refreshNow(goal.changed) : goal.asked;
  let silentSince: number | null = null;
  for (;;) {
    const snapshot = await untilAborted(cluster.look(notBefore), context.signal);
    const seen = await assessFully(cluster, node, hosts, role, snapshot, context);
    const halves = halvesOf(seen);
    const safeMode = snapshot.hdfs?.safeMode ? '; HDFS is in safe mode' : '';
    const says = halves.map((half) => half.says).join('; ') + safeMode;
    if (halves.every(goal.done)) {
      if (goal.verb === 'leave' && seen.hdfs?.dead === true) notTheLastCopy(node, snapshot);
      return;
    }
    context.progress(`${node.name}: ${says}`);

    const elapsed = setup.elapsed();
    silentSince = halves.some((half) => half.standing === 'unknown') ? (silentSince ?? elapsed) : null;
    if (silentSince !== null && elapsed - silentSince >= options.silence) throw silent(node, says);
    if (elapsed >= context.deadline) throw late(node, goal.verb, says, outcome);

    const waiting = staleHalves(seen, goal);
    if (waiting.yarn || waiting.hdfs) {
      const untold = (waiting.yarn && !told.yarn) || (waiting.hdfs && !told.hdfs);
      const since = refreshed === null || untold ? Number.POSITIVE_INFINITY : elapsed - refreshed;
      if (
        outcome !== null &&
        failingSince !== null &&
        elapsed - failingSince >= Math.min(REFUSED_AFTER_MS, options.silence)
      ) {
        throw refused(node, outcome, says);
      }
      // One that failed is tried again with every look: an active master may just have been missing.
      if (since >= (outcome === null ? options.refreshAgain : options.poll)) {
        if (goal.verb === 'leave' && refreshes >= MAX_REFRESHES) throw unnoticed(cluster, node, waiting, says);
        notBefore = await refreshNow(waiting);
        if (goal.verb === 'join' && waiting.yarn) await startNode(cluster, node, hosts, context);
        continue;
      }
    }
    // From here on readings are shared with all who wait: they are younger than `cache`, however many wait.
    await pause(cluster, Math.max(0, Math.min(options.poll, context.deadline - elapsed)), context);
  }
}

/** A refresh that said it failed may have reached the active master all the same: so long it gets to show it. */
const REFUSED_AFTER_MS = 20_000;

/** So many refreshes without any effect on a node that is to leave: Hadoop reads another file than we write. */
const MAX_REFRESHES = 3;

function staleHalves(seen: Assessment, goal: Goal): Changed {
  return {
    yarn: seen.yarn !== null && !goal.done(seen.yarn) && !goal.reacted(seen.yarn),
    hdfs: seen.hdfs !== null && !goal.done(seen.hdfs) && !goal.reacted(seen.hdfs),
  };
}

function halvesOf(seen: Assessment): Half[] {
  return [seen.yarn, seen.hdfs].filter((half) => half !== null);
}

/**
 * Starts the NodeManager that YARN told to shut down when the node had left. The machine may still be booting, and
 * then starts it by itself: a failure here is told and tried again with the next refresh.
 */
async function startNode(
  cluster: Cluster,
  node: ApplicationNode,
  hosts: HadoopHosts,
  context: PluginContext,
): Promise<void> {
  const argv = cluster.options.yarn.startNode;
  if (!argv) return;
  const host = hosts.after[0] ?? hosts.all[0] ?? '';
  try {
    await untilAborted(cluster.run([argv], { host }), context.signal);
  } catch (error) {
    throwIfAborted(context.signal);
    context.progress(`${node.name}: the NodeManager could not be started: ${(error as Error).message}`);
  }
}

/** Sleeps; an abort is a {@link Failure} whatever the signal's reason. */
export async function pause(cluster: Cluster, ms: number, context: PluginContext): Promise<void> {
  throwIfAborted(context.signal);
  await cluster.setup.sleep(ms, context.signal).catch((error: unknown) => {
    throwIfAborted(context.signal);
    throw error;
  });
}

function named(cluster: Cluster, node: ApplicationNode): HadoopHosts {
  const hosts = hadoopHosts(cluster.options, node);
  if (hosts.all.length > 0) return hosts;
  throw new Failure({
    reason: 'application_unknown',
    next: 'retry',
    message: noName(cluster, node),
    remedy: 'Check the option "host" of the hadoop plugin: it says how a node is called in Hadoop.',
  });
}

function noName(cluster: Cluster, node: ApplicationNode): string {
  const { from } = cluster.options.host;
  const name = from === 'instanceName' ? node.instanceName : from === 'nodeName' ? node.name : null;
  const why = name ? `its ${from} ${JSON.stringify(name)} is not a host name` : `it has no ${from}`;
  return `How Hadoop calls ${node.name} is not known: ${why}.`;
}

/**
 * HDFS calls a dead DataNode decommissioned without having moved a block. When blocks are missing at that time, its
 * disks may hold the last copies, and the move would wipe them.
 */
function notTheLastCopy(node: ApplicationNode, snapshot: Snapshot): void {
  const missing = snapshot.hdfs?.missingBlocks ?? 0;
  if (missing === 0) return;
  throw new Failure({
    reason: 'application_refused',
    next: 'ask',
    message: `The DataNode of ${node.name} is dead and ${missing} blocks are missing: its disks may hold the last copies of them.`,
    remedy: 'Start the DataNode again, or decide that the blocks are lost, before the machine is reinstalled.',
  });
}

function silent(node: ApplicationNode, says: string): Failure {
  return new Failure({
    reason: 'application_unknown',
    next: 'retry',
    message: `Nothing certain is known of ${node.name} in Hadoop: ${says}.`,
  });
}

function late(node: ApplicationNode, verb: 'leave' | 'join', says: string, outcome: string | null): Failure {
  const also = outcome === null ? '' : ` The last refresh: ${outcome}.`;
  return new Failure({
    reason: 'deadline',
    next: 'stop',
    message: `${node.name} did not ${verb} in time: ${says}.${also}`,
    ...(verb === 'leave'
      ? {
          remedy:
            'Look for blocks that cannot be placed elsewhere (too few nodes or racks) and for containers that do not end.',
        }
      : { remedy: 'Look at the logs of NodeManager and DataNode on the machine, and at its name in DNS.' }),
  });
}

function unnoticed(cluster: Cluster, node: ApplicationNode, what: Changed, says: string): Failure {
  const { yarn, hdfs } = cluster.options;
  const files = [
    what.yarn ? yarn.excludeFile : undefined,
    what.hdfs ? (hdfs.hostsFile ?? hdfs.excludeFile) : undefined,
  ];
  const named = files.filter((file) => file !== undefined).join(' and ');
  return new Failure({
    reason: 'application_refused',
    next: 'stop',
    message: `Hadoop takes no notice of ${node.name} in ${named}: after ${MAX_REFRESHES} refreshes it is ${says}.`,
    remedy: 'Check that Hadoop is configured to read these very files on these hosts, and the option "host".',
  });
}

function refused(node: ApplicationNode, outcome: string, says: string): Failure {
  return new Failure({
    reason: 'application_refused',
    next: 'retry',
    message: `Hadoop did not take notice of ${node.name} (${says}): ${outcome}.`,
    remedy: 'Run the command by hand where Ephyra runs it, as the same user.',
  });
}
