import type { Faults } from './faults.ts';
import type { Clock, Machine, ServiceId } from './model.ts';
import type { Services } from './services.ts';
import type { NodeManager, Yarn } from './yarn.ts';

export interface HttpAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export function json(value: unknown, status = 200): HttpAnswer {
  return { status, headers: { 'content-type': 'application/json;charset=utf-8' }, body: JSON.stringify(value) };
}

interface Means {
  readonly clock: Clock;
  readonly yarn: Yarn;
  readonly services: Services;
  readonly faults: Faults;
  readonly machines: ReadonlyMap<string, Machine>;
  /** Where the active ResourceManager listens, for the redirect of its standby. */
  readonly urlOf: (id: ServiceId) => string;
}

const VERSION = '3.4.1';

/** What the ResourceManager `id` answers on its web port. */
export function answerResourceManager(means: Means, id: ServiceId, path: string): HttpAnswer {
  const told = means.services.told(id);
  if (path === '/ws/v1/cluster/info' || path === '/ws/v1/cluster') return json({ clusterInfo: info(means, id) });
  if (told !== 'active') return standby(means, path);
  if (path === '/ws/v1/cluster/metrics') return json({ clusterMetrics: metrics(means) });
  if (path === '/ws/v1/cluster/nodes') {
    let nodes = means.yarn.known().map((node) => nodeInfo(means, node));
    if (means.faults.lies('short-list')) nodes = nodes.slice(0, Math.floor(nodes.length / 2));
    return json({ nodes: nodes.length === 0 ? null : { node: nodes } });
  }
  return { status: 404, headers: { 'content-type': 'text/html' }, body: '<html><body>HTTP ERROR 404</body></html>' };
}

/** As the filter in front of a standby's pages: a redirect when it knows the active one, else a promise. */
function standby(means: Means, path: string): HttpAnswer {
  const active = means.services.active('rm');
  if (active) {
    return {
      status: 307,
      headers: { 'content-type': 'text/plain;charset=utf-8', location: `${means.urlOf(active.id)}${path}` },
      body: `This is standby RM. The redirect url is: ${path}\n`,
    };
  }
  return {
    status: 307,
    headers: { 'content-type': 'text/plain;charset=utf-8', refresh: '5' },
    body: 'Can not find any active RM. Will retry in next 5 seconds.\n',
  };
}

function info(means: Means, id: ServiceId) {
  const told = means.services.told(id);
  return {
    id: means.services.get(id).startedAt,
    startedOn: means.services.get(id).startedAt,
    state: 'STARTED',
    haState: told === 'active' ? 'ACTIVE' : told === 'standby' ? 'STANDBY' : 'INITIALIZING',
    rmStateStoreName: 'org.apache.hadoop.yarn.server.resourcemanager.recovery.ZKRMStateStore',
    resourceManagerVersion: VERSION,
    hadoopVersion: VERSION,
    haZooKeeperConnectionState: 'CONNECTED',
  };
}

function told(means: Means, node: NodeManager): string {
  return node.state === 'DECOMMISSIONING' && means.faults.lies('early') ? 'DECOMMISSIONED' : node.state;
}

function nodeInfo(means: Means, node: NodeManager) {
  const state = told(means, node);
  const active = state === 'RUNNING' || state === 'UNHEALTHY' || state === 'DECOMMISSIONING';
  return {
    rack: '/default-rack',
    state,
    id: `${node.host}:45454`,
    nodeHostName: node.host,
    nodeHTTPAddress: active ? `${node.host}:8042` : '',
    lastHealthUpdate: Math.max(node.registeredAt, means.clock.now() - 1_000),
    version: VERSION,
    healthReport: state === 'UNHEALTHY' ? '1/1 local-dirs are bad: /data/yarn' : '',
    numContainers: node.containers,
    usedMemoryMB: node.containers * 1024,
    availMemoryMB: active ? 65_536 - node.containers * 1024 : 0,
    usedVirtualCores: node.containers,
    availableVirtualCores: active ? 32 - node.containers : 0,
    nodeLabels: [],
  };
}

function metrics(means: Means) {
  const states = means.yarn.known().map((node) => told(means, node));
  const count = (state: string) => states.filter((s) => s === state).length;
  return {
    appsRunning: 1,
    containersAllocated: means.yarn.known().reduce((sum, node) => sum + node.containers, 0),
    totalNodes: states.length,
    activeNodes: count('RUNNING'),
    lostNodes: count('LOST'),
    unhealthyNodes: count('UNHEALTHY'),
    decommissioningNodes: count('DECOMMISSIONING'),
    decommissionedNodes: count('DECOMMISSIONED'),
    rebootedNodes: 0,
    shutdownNodes: 0,
  };
}
