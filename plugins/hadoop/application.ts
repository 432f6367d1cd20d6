import type { ApplicationHealth, PluginContext } from '../../machines/plugin.ts';
import { untilAborted } from '../support/wait.ts';
import type { Cluster } from './cluster.ts';
import { withoutSuffix } from './hosts.ts';
import type { HdfsNode, HdfsView } from './nameNode.ts';
import type { YarnNode, YarnView } from './resourceManager.ts';
import type { Endpoint } from './schema.ts';
import { knownLeaderless } from './services.ts';

/** The whole cluster from one reading. */
export async function verifyApplication(cluster: Cluster, context: PluginContext): Promise<ApplicationHealth> {
  const { yarn, hdfs } = await untilAborted(cluster.look(), context.signal);
  const bad: string[] = [];
  const unknown: string[] = [];
  const notes: string[] = [];
  const out = new Set<string>();
  const serving = new Set<string>();
  const name = (host: string) => withoutSuffix(cluster.options, host);

  if (yarn) judgeYarn(yarn, cluster, bad, unknown);
  if (hdfs) judgeHdfs(hdfs, yarn, cluster, bad, unknown);
  for (const service of [...(yarn?.services ?? []), ...(hdfs?.services ?? [])]) {
    if (service.state === 'active' || service.state === 'standby' || service.why === 'observer') continue;
    out.add(nodeOf(service.endpoint));
    notes.push(`${service.endpoint.id} ${service.state === 'silent' ? 'does not answer' : `is ${service.why}`}`);
  }
  const health = bad.length > 0 ? 'unhealthy' : unknown.length > 0 ? 'unknown' : 'healthy';
  const reasons = [...bad, ...unknown, ...notes];
  // Who is missing cannot be told from half of the lists.
  if ((yarn && yarn.problem !== null) || (hdfs && hdfs.problem !== null)) return { health, reasons };

  const ignored = ignoredHosts(cluster);
  for (const [host, nodes] of yarn?.nodes ?? []) {
    if (!ignored.has(host)) (yarnServes(nodes) ? serving : out).add(name(host));
  }
  for (const [host, nodes] of hdfs?.nodes ?? []) {
    if (!ignored.has(host)) (hdfsServes(nodes) ? serving : out).add(name(host));
  }
  return {
    health,
    reasons,
    unavailable: [...out].sort(),
    membersInService: [...serving].filter((host) => !out.has(host)).length,
  };
}

function judgeYarn(view: YarnView, cluster: Cluster, bad: string[], unknown: string[]): void {
  if (view.problem !== null) {
    (knownLeaderless(view.services) ? bad : unknown).push(view.problem);
    return;
  }
  const ignored = ignoredHosts(cluster);
  const members = [...view.nodes].filter(([host]) => !ignored.has(host));
  const unhealthy = members.filter(([, nodes]) => nodes.some((node) => node.state === 'UNHEALTHY'));
  if (unhealthy.length > cluster.options.limits.unhealthyNodes) {
    bad.push(`${unhealthy.length} unhealthy NodeManagers: ${list(unhealthy.map(([host]) => host))}`);
  }
  const lost = members.filter(([, nodes]) => !yarnServes(nodes) && nodes.some((node) => node.state === 'LOST'));
  if (lost.length > cluster.options.limits.deadNodes) {
    bad.push(`${lost.length} lost NodeManagers: ${list(lost.map(([host]) => host))}`);
  }
}

function judgeHdfs(view: HdfsView, yarn: YarnView | null, cluster: Cluster, bad: string[], unknown: string[]): void {
  const { limits } = cluster.options;
  if (view.problem !== null) {
    (knownLeaderless(view.services) ? bad : unknown).push(view.problem);
    return;
  }
  if (view.safeMode !== '') bad.push('HDFS is in safe mode');
  if (view.missingBlocks > 0) bad.push(`${view.missingBlocks} blocks are missing`);
  if (view.corruptBlocks > 0) bad.push(`${view.corruptBlocks} blocks are corrupt`);
  if (view.underReplicatedBlocks > limits.underReplicatedBlocks) {
    bad.push(`${view.underReplicatedBlocks} blocks have too few replicas (allowed: ${limits.underReplicatedBlocks})`);
  }
  // A machine that was taken out first is expected to be down while it moves.
  const ignored = ignoredHosts(cluster);
  const dead = [...view.nodes].filter(([host, nodes]) => {
    const last = latest(nodes);
    // JMX can hide it behind what it was under an earlier address; YARN knows that it was taken out.
    const inYarn = yarn?.nodes.get(host) ?? [];
    if (inYarn.length > 0 && inYarn.every((node) => node.state === 'DECOMMISSIONED')) return false;
    return !ignored.has(host) && last?.alive === false && last.adminState === 'In Service';
  });
  if (dead.length > limits.deadNodes) {
    bad.push(`${dead.length} dead DataNodes: ${list(dead.map(([host]) => host))}`);
  }
}

function ignoredHosts(cluster: Cluster): ReadonlySet<string> {
  return new Set(cluster.options.ignoreHosts.map((host) => host.toLowerCase()));
}

/** The entry that heard from the machine last: others of the same host are what it was under an earlier address. */
function latest(nodes: readonly HdfsNode[]): HdfsNode | undefined {
  return [...nodes].sort((a, b) => a.lastContact - b.lastContact)[0];
}

function yarnServes(nodes: readonly YarnNode[]): boolean {
  return nodes.some((node) => node.state === 'RUNNING');
}

function hdfsServes(nodes: readonly HdfsNode[]): boolean {
  return nodes.some((node) => node.alive && node.adminState === 'In Service');
}

/** The machine of a master as Ephyra may know it. */
function nodeOf(endpoint: Endpoint): string {
  return endpoint.node ?? new URL(endpoint.url).hostname;
}

const SHOWN = 5;

function list(hosts: readonly string[]): string {
  const more = hosts.length > SHOWN ? ` and ${hosts.length - SHOWN} more` : '';
  return `${hosts.slice(0, SHOWN).join(', ')}${more}`;
}
