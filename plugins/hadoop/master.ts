import { Failure } from '../../machines/errors.ts';
import type { ApplicationNode, NodeHealth, PluginContext } from '../../machines/plugin.ts';
import { untilAborted } from '../support/wait.ts';
import type { Cluster } from './cluster.ts';
import { hadoopHosts } from './hosts.ts';
import type { Endpoint } from './schema.ts';
import { type ServiceView, theActive } from './services.ts';
import type { Snapshot } from './snapshot.ts';
import { pause } from './worker.ts';

type Kind = 'ResourceManager' | 'NameNode';

/** A ResourceManager or NameNode that runs on the node, and its peers elsewhere. */
interface Bound {
  readonly kind: Kind;
  readonly here: ServiceView;
  readonly peers: readonly ServiceView[];
}

/** Whether a ResourceManager or NameNode runs on the node: named by the option `node`, or by the host in its address. */
export function isBound(cluster: Cluster, node: ApplicationNode): boolean {
  const at = binder(cluster, node);
  return [...cluster.resourceManagers, ...cluster.nameNodes].some(at);
}

function binder(cluster: Cluster, node: ApplicationNode): (endpoint: Endpoint) => boolean {
  const names = new Set([node.name.toLowerCase(), (node.instanceName ?? node.name).toLowerCase()]);
  const hosts = new Set([
    ...hadoopHosts(cluster.options, node).all,
    ...names,
    ...[...node.addressesBefore, ...node.addressesAfter].map((address) => address.toLowerCase()),
  ]);
  return (endpoint) => {
    if (endpoint.node !== null) return names.has(endpoint.node.toLowerCase());
    return hosts.has(new URL(endpoint.url).hostname.replace(/^\[|\]$/g, '').toLowerCase());
  };
}

function boundOf(cluster: Cluster, node: ApplicationNode, snapshot: Snapshot): Bound[] {
  const at = binder(cluster, node);
  const of = (kind: Kind, services: readonly ServiceView[] | undefined): Bound[] =>
    (services ?? [])
      .filter((service) => at(service.endpoint))
      .map((here) => ({ kind, here, peers: (services ?? []).filter((service) => service !== here) }));
  return [...of('ResourceManager', snapshot.yarn?.services), ...of('NameNode', snapshot.hdfs?.services)];
}

/**
 * A master is out when none of its services is the active one and each has an active peer: stopping it then costs
 * redundancy, not service. Fails over where a command for it is configured.
 */
export async function removeMaster(cluster: Cluster, node: ApplicationNode, context: PluginContext): Promise<void> {
  let notBefore = cluster.setup.now();
  let silentSince: number | null = null;
  const failedOver = new Map<string, number>();
  for (;;) {
    const snapshot = await untilAborted(cluster.look(notBefore), context.signal);
    const bound = boundOf(cluster, node, snapshot);
    if (await takenUp(cluster, node, bound, context)) {
      notBefore = cluster.setup.now();
      continue;
    }
    const states = bound.map((one) => standing(cluster, one));
    if (states.every((state) => state.is === 'out')) {
      // In the same turn as the look, so that of two who leave at the same time the second sees the first.
      for (const { kind, here } of bound) cluster.letGo.add(`${kind} ${here.endpoint.id}`);
      return;
    }
    const says = states.map((state) => state.says).join('; ');
    context.progress(`${node.name}: ${says}`);
    const elapsed = cluster.setup.elapsed();

    const active = bound.find((_, index) => states[index]?.is === 'active');
    if (active) {
      const { id } = active.here.endpoint;
      const since = failedOver.get(id);
      if (since === undefined) {
        if (await untilAborted(failOver(cluster, node, active, context), context.signal)) {
          failedOver.set(id, cluster.setup.elapsed());
          notBefore = cluster.setup.now();
          continue;
        }
      } else if (elapsed - since >= cluster.options.silence) {
        throw refusal(`${id} on ${node.name} is still active after the failover.`, 'retry');
      }
    }
    silentSince = states.some((state) => state.is === 'unknown') ? (silentSince ?? elapsed) : null;
    const silentFor = silentSince === null ? 0 : elapsed - silentSince;
    if (silentFor >= cluster.options.silence || elapsed >= context.deadline) {
      throw new Failure({
        reason: 'application_unknown',
        next: 'retry',
        message: `Whether ${node.name} can be spared is not known: ${says}.`,
      });
    }
    await pause(cluster, Math.min(cluster.options.poll, Math.max(0, context.deadline - elapsed)), context);
  }
}

/**
 * Makes a peer active in place of the service on this node. Resolves with whether it did: not while nodes are draining.
 * Throws when it cannot be done.
 */
async function failOver(
  cluster: Cluster,
  node: ApplicationNode,
  { kind, here, peers }: Bound,
  context: PluginContext,
): Promise<boolean> {
  const { id } = here.endpoint;
  const able = peers.filter((peer) => peer.state === 'standby' && peer.safeMode !== true);
  const heir = able.find((peer) => !cluster.letGo.has(`${kind} ${peer.endpoint.id}`));
  if (!heir && able.length > 0) {
    const leaving = able.map((peer) => peer.endpoint.id).join(', ');
    context.progress(`${node.name}: no failover from ${id} yet: ${leaving} is on its way out`);
    return false;
  }
  if (!heir) {
    const others = peers.map((peer) => `${peer.endpoint.id}: ${peer.safeMode ? 'in safe mode' : peer.why}`).join(', ');
    throw refusal(
      `${node.name} runs the only ${kind} that can serve (${id}); ${others === '' ? 'there is no other' : `of the others, ${others}`}.`,
      peers.length === 0 ? 'stop' : 'retry',
      'Bring up a healthy standby first.',
    );
  }
  if (commandsFor(cluster, kind).length === 0) {
    throw refusal(
      `${node.name} runs the active ${kind} (${id}).`,
      'stop',
      `Fail over to ${heir.endpoint.id} by hand, or set ${kind === 'NameNode' ? 'hdfs' : 'yarn'}.failover to the commands that do it.`,
    );
  }
  const run = async () => {
    context.progress(`${node.name}: failing over from ${id} to ${heir.endpoint.id}`);
    await hand(cluster, kind, { from: id, to: heir.endpoint.id });
    return true;
  };
  if (kind === 'NameNode') return run();
  return cluster.alone(async () => {
    // A ResourceManager that becomes active reads the exclude file without mercy and does not know of graceful
    // decommissions (YARN-5464): whoever is in the file and still has containers is cut off.
    const [{ yarn }, excluded] = await Promise.all([cluster.look(cluster.setup.now()), cluster.excludedFromYarn()]);
    const leaving = [...(yarn?.nodes.values() ?? [])].flat().filter(({ host, state }) => {
      return state === 'DECOMMISSIONING' || (excluded.has(host) && (state === 'RUNNING' || state === 'UNHEALTHY'));
    });
    if (yarn?.problem !== null || leaving.length > 0 || context.signal.aborted) {
      const why = yarn?.problem ?? `${leaving.map((one) => one.host).join(', ')} still draining`;
      context.progress(`${node.name}: no failover from ${id} yet: ${why}`);
      return false;
    }
    return run();
  });
}

function commandsFor(cluster: Cluster, kind: Kind): readonly (readonly string[])[] {
  const { hdfs, yarn } = cluster.options;
  if (kind === 'ResourceManager') return yarn.failover;
  return hdfs.failover ?? [[...hdfs.command, 'haadmin', '-failover', '{from}', '{to}']];
}

/** Runs the commands of a failover; one that breaks off stays in mind. */
async function hand(cluster: Cluster, kind: Kind, values: { from: string; to: string }): Promise<void> {
  cluster.begun.set(kind, { ...values, running: true });
  try {
    await cluster.run(commandsFor(cluster, kind), values);
    cluster.begun.delete(kind);
  } catch (error) {
    cluster.begun.set(kind, { ...values, running: false });
    throw error;
  }
}

/**
 * Runs the commands of a failover of ours again that broke off and has left nobody active: nobody else would make it
 * right. Resolves with whether there was one. Throws when a command fails.
 */
async function takenUp(
  cluster: Cluster,
  node: ApplicationNode,
  bound: readonly Bound[],
  context: PluginContext,
): Promise<boolean> {
  for (const { kind, here, peers } of bound) {
    const begun = cluster.begun.get(kind);
    if (begun === undefined || begun.running) continue;
    const services = [here, ...peers];
    if (!('problem' in theActive(kind, services))) cluster.begun.delete(kind);
    if (!services.every((service) => service.state === 'standby')) continue;
    context.progress(`${node.name}: taking up the failover from ${begun.from} to ${begun.to}`);
    await untilAborted(
      cluster.alone(async () => {
        if (cluster.begun.get(kind) === begun) await hand(cluster, kind, begun);
      }),
      context.signal,
    );
    return true;
  }
  return false;
}

/** A master is back when all its services answer as active or standby, a NameNode out of safe mode. */
export async function addMaster(cluster: Cluster, node: ApplicationNode, context: PluginContext): Promise<void> {
  let notBefore = cluster.setup.now();
  for (;;) {
    const snapshot = await untilAborted(cluster.look(notBefore), context.signal);
    const bound = boundOf(cluster, node, snapshot);
    if (await takenUp(cluster, node, bound, context)) {
      notBefore = cluster.setup.now();
      continue;
    }
    const problems = bound.flatMap((one) => notServing(one));
    if (problems.length === 0) {
      for (const { kind, here } of bound) cluster.letGo.delete(`${kind} ${here.endpoint.id}`);
      return;
    }
    context.progress(`${node.name}: ${problems.join('; ')}`);
    const elapsed = cluster.setup.elapsed();
    if (elapsed >= context.deadline) {
      throw new Failure({
        reason: 'deadline',
        next: 'stop',
        message: `${node.name} did not come back in time: ${problems.join('; ')}.`,
        remedy: 'Look at the logs of ResourceManager and NameNode on the machine, and at its name in DNS.',
      });
    }
    await pause(cluster, Math.min(cluster.options.poll, Math.max(0, context.deadline - elapsed)), context);
  }
}

export async function verifyMaster(
  cluster: Cluster,
  node: ApplicationNode,
  context: PluginContext,
): Promise<NodeHealth> {
  const snapshot = await untilAborted(cluster.look(), context.signal);
  const bound = boundOf(cluster, node, snapshot);
  const states = bound.map((one) => standing(cluster, one));
  const problems = bound.flatMap((one) => notServing(one));
  const membership = states.some((state) => state.is === 'active')
    ? 'in'
    : states.every((state) => state.is === 'out')
      ? 'out'
      : 'unknown';
  if (problems.length === 0) return { health: 'healthy', membership, reasons: [] };
  const silentOnly = bound.every((one) => one.here.state === 'silent' || notServing(one).length === 0);
  return { health: silentOnly ? 'unknown' : 'unhealthy', membership, reasons: problems };
}

/**
 * `out`: another one is active, so this one is not, whether it answers or not. `held`: the active one was let go itself, and
 * this one may yet have to take its place.
 */
function standing(
  cluster: Cluster,
  { kind, here, peers }: Bound,
): { is: 'out' | 'active' | 'held' | 'unknown'; says: string } {
  const { id } = here.endpoint;
  const active = theActive(kind, [here, ...peers]);
  if ('problem' in active) return { is: 'unknown', says: active.problem };
  if (active.endpoint.id === id) return { is: 'active', says: `${id} is the active ${kind}` };
  if (cluster.letGo.has(`${kind} ${active.endpoint.id}`)) {
    return { is: 'held', says: `${active.endpoint.id} is the active ${kind}, and on its way out` };
  }
  return { is: 'out', says: `${active.endpoint.id} is the active ${kind}` };
}

function notServing({ kind, here }: Bound): string[] {
  const { id } = here.endpoint;
  if (here.state === 'silent') return [`${kind} ${id} does not answer (${here.why})`];
  if (here.state === 'other' && here.why !== 'observer') return [`${kind} ${id} is ${here.why}`];
  return here.safeMode === true ? [`${kind} ${id} is in safe mode`] : [];
}

/**
 * A node without any part in YARN or HDFS (an edge node, a ZooKeeper): nothing to take out, but nothing is stopped
 * while the masters elsewhere are not seen to be well.
 */
export async function removeOther(cluster: Cluster, node: ApplicationNode, context: PluginContext): Promise<void> {
  const [since, began] = [cluster.setup.now(), cluster.setup.elapsed()];
  for (;;) {
    const snapshot = await untilAborted(cluster.look(since), context.signal);
    const problem = snapshot.yarn?.problem ?? snapshot.hdfs?.problem ?? null;
    if (problem === null) return;
    context.progress(`${node.name}: ${problem}`);
    const elapsed = cluster.setup.elapsed();
    if (elapsed - began >= cluster.options.silence || elapsed >= context.deadline) {
      throw new Failure({
        reason: 'application_unknown',
        next: 'retry',
        message: `${node.name} is not taken away while the masters are not seen to be well: ${problem}.`,
      });
    }
    await pause(cluster, Math.min(cluster.options.poll, Math.max(0, context.deadline - elapsed)), context);
  }
}

/** The same for a look: out of service as long as the masters are seen to be well, and else not known. */
export async function verifyOther(cluster: Cluster, context: PluginContext): Promise<NodeHealth> {
  const { yarn, hdfs } = await untilAborted(cluster.look(), context.signal);
  const reasons = [yarn?.problem, hdfs?.problem].filter((problem) => typeof problem === 'string');
  if (reasons.length > 0) return { health: 'unknown', membership: 'unknown', reasons };
  return { health: 'healthy', membership: 'out', reasons: [] };
}

function refusal(message: string, next: 'retry' | 'stop', remedy?: string): Failure {
  return new Failure({ reason: 'application_refused', next, message, ...(remedy === undefined ? {} : { remedy }) });
}
