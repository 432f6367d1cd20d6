import type { Faults } from './faults.ts';
import type { DataNode, Hdfs } from './hdfs.ts';
import { ADMIN_STATES, type AdminState, type Clock, type ServiceId } from './model.ts';
import { type HttpAnswer, json } from './resourceManager.ts';
import type { Services } from './services.ts';

interface Means {
  readonly clock: Clock;
  readonly hdfs: Hdfs;
  readonly services: Services;
  readonly faults: Faults;
}

const PORT = 9866;
/** Blocks that are said to be missing while the application is made unhealthy. */
const MISSING_WHEN_UNHEALTHY = 3;

/** What the NameNode `id` answers on its web port: JMX, with `qry` a name or a pattern ending in `*`. */
export function answerNameNode(means: Means, id: ServiceId, path: string, query: URLSearchParams): HttpAnswer {
  if (path !== '/jmx') {
    return { status: 404, headers: { 'content-type': 'text/html' }, body: '<html><body>HTTP ERROR 404</body></html>' };
  }
  const qry = query.get('qry') ?? '*';
  const beans: Record<string, () => Record<string, unknown>> = {
    'Hadoop:service=NameNode,name=NameNodeStatus': () => status(means, id),
    'Hadoop:service=NameNode,name=NameNodeInfo': () => info(means),
    'Hadoop:service=NameNode,name=FSNamesystemState': () => state(means),
    'Hadoop:service=NameNode,name=FSNamesystem': () => system(means, id),
  };
  const matches = (name: string) => (qry.endsWith('*') ? name.startsWith(qry.slice(0, -1)) : name === qry);
  return json({
    beans: Object.entries(beans)
      .filter(([name]) => matches(name))
      .map(([name, read]) => ({ name, ...read() })),
  });
}

/** `hdfs dfsadmin -report -dead`: every dead DataNode, also those that share a name. */
export function reportDead(hdfs: Hdfs): string {
  const dead = [...[...hdfs.dataNodes.values()].filter((node) => !hdfs.alive(node.host)), ...hdfs.ghosts.values()].sort(
    (a, b) => a.address.localeCompare(b.address),
  );
  const blocks = dead.map(
    ({ host, address, admin }) =>
      `Name: ${address}:${PORT} (${host})\nHostname: ${host}\nDecommission Status : ${REPORTED[admin]}\nDFS Used: 0 (0 B)\n`,
  );
  return `Dead datanodes (${dead.length}):\n\n${blocks.join('\n\n')}`;
}

const REPORTED: Readonly<Record<AdminState, string>> = {
  'In Service': 'Normal',
  'Decommission In Progress': 'Decommission in progress',
  Decommissioned: 'Decommissioned',
  'Entering Maintenance': 'Entering maintenance',
  'In Maintenance': 'In maintenance',
};

function status(means: Means, id: ServiceId) {
  const told = means.services.told(id);
  return {
    modelerType: 'org.apache.hadoop.hdfs.server.namenode.NameNode',
    NNRole: 'NameNode',
    HostAndPort: `${means.services.get(id).host ?? id}:8020`,
    SecurityEnabled: false,
    LastHATransitionTime: 0,
    State: told === 'active' || told === 'standby' ? told : 'initializing',
  };
}

function info(means: Means) {
  const { hdfs, faults, clock } = means;
  const now = clock.now();
  const live: Record<string, unknown> = {};
  const dead: Record<string, unknown> = {};
  const decommissioning: Record<string, unknown> = {};
  const entering: Record<string, unknown> = {};
  // In the order of addresses, as the real one: of two entries with the same name the last one stays.
  const entries = [
    ...[...hdfs.dataNodes.values()].filter((node) => hdfs.allowed(node.host, node.address)),
    ...[...hdfs.ghosts.values()].filter((ghost) => hdfs.allowed(ghost.address, ghost.address)),
  ].sort((a, b) => a.address.localeCompare(b.address));
  for (const [index, node] of entries.entries()) {
    if (faults.lies('short-list') && index % 2 === 0) continue;
    const key = `${node.host}:${PORT}`;
    const at = { xferaddr: `${node.address}:${PORT}`, location: '/default-rack' };
    if ('since' in node) {
      const lastContact = Math.floor((now - node.since) / 1000);
      const decommissioned = node.admin === ADMIN_STATES.decommissioned;
      dead[key] = { lastContact, decommissioned, adminState: node.admin, ...at };
      continue;
    }
    const adminState = told(means, node);
    const lastContact = Math.floor(hdfs.lastContactMs(node.host) / 1000);
    if (hdfs.alive(node.host)) {
      live[key] = {
        infoAddr: `${node.address}:9864`,
        infoSecureAddr: `${node.address}:0`,
        ...at,
        lastContact,
        adminState,
        numBlocks: hdfs.blocks.heldBy(node.host).size,
        version: '3.4.1',
        usedSpace: hdfs.blocks.heldBy(node.host).size * 134_217_728,
        capacity: 1_099_511_627_776,
        volfails: 0,
        lastBlockReport: 0,
      };
    } else {
      dead[key] = { lastContact, decommissioned: node.admin === ADMIN_STATES.decommissioned, adminState, ...at };
    }
    const leaving = {
      ...at,
      underReplicatedBlocks: hdfs.blocksLeft(node.host),
      underReplicateInOpenFiles: 0,
    };
    if (node.admin === ADMIN_STATES.decommissioning) {
      decommissioning[key] = { ...leaving, decommissionOnlyReplicas: 0, decommissionDuration: now - node.leavingSince };
    }
    if (node.admin === ADMIN_STATES.enteringMaintenance) entering[key] = { ...leaving, maintenanceOnlyReplicas: 0 };
  }
  return {
    modelerType: 'org.apache.hadoop.hdfs.server.namenode.FSNamesystem',
    Version: '3.4.1',
    Safemode: faults.safeMode() ? 'Safe mode is ON. The reported blocks 0 needs additional blocks.' : '',
    TotalBlocks: hdfs.blocks.total,
    NumberOfMissingBlocks: missing(means),
    NumberOfMissingBlocksWithReplicationFactorOne: 0,
    LiveNodes: JSON.stringify(live),
    DeadNodes: JSON.stringify(dead),
    DecomNodes: JSON.stringify(decommissioning),
    EnteringMaintenanceNodes: JSON.stringify(entering),
  };
}

/** While it lies, the list of live nodes runs ahead of the list of those being decommissioned. */
function told(means: Means, node: DataNode): string {
  if (!means.faults.lies('early')) return node.admin;
  if (node.admin === ADMIN_STATES.decommissioning) return ADMIN_STATES.decommissioned;
  return node.admin === ADMIN_STATES.enteringMaintenance ? ADMIN_STATES.inMaintenance : node.admin;
}

function missing(means: Means): number {
  return means.hdfs.shortages().missing.length + (means.faults.missingBlocks() ? MISSING_WHEN_UNHEALTHY : 0);
}

function state(means: Means) {
  const { hdfs, faults } = means;
  const nodes = [...hdfs.dataNodes.values()].filter((node) => hdfs.allowed(node.host, node.address));
  const live = nodes.filter((node) => hdfs.alive(node.host));
  const ghosts = [...hdfs.ghosts.values()].filter((ghost) => hdfs.allowed(ghost.address, ghost.address));
  const low = hdfs.shortages().low.length;
  return {
    modelerType: 'org.apache.hadoop.hdfs.server.namenode.FSNamesystem',
    FSState: faults.safeMode() ? 'safeMode' : 'Operational',
    BlocksTotal: hdfs.blocks.total,
    UnderReplicatedBlocks: low,
    LowRedundancyBlocks: low,
    PendingReplicationBlocks: 0,
    NumLiveDataNodes: live.length,
    NumDeadDataNodes: nodes.length - live.length + ghosts.length,
    NumDecomLiveDataNodes: live.filter((node) => node.admin === ADMIN_STATES.decommissioned).length,
    NumDecommissioningDataNodes: nodes.filter((node) => node.admin === ADMIN_STATES.decommissioning).length,
    NumInMaintenanceLiveDataNodes: live.filter((node) => node.admin === ADMIN_STATES.inMaintenance).length,
    NumEnteringMaintenanceDataNodes: nodes.filter((node) => node.admin === ADMIN_STATES.enteringMaintenance).length,
    NumStaleDataNodes: 0,
  };
}

function system(means: Means, id: ServiceId) {
  return {
    modelerType: 'FSNamesystem,sub=',
    'tag.HAState': means.services.told(id),
    'tag.Hostname': id,
    MissingBlocks: missing(means),
    CorruptBlocks: 0,
    UnderReplicatedBlocks: means.hdfs.shortages().low.length,
    BlocksTotal: means.hdfs.blocks.total,
  };
}
