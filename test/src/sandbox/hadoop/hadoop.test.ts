import { describe, expect, test } from 'vitest';
import type { CommandAnswer, HostsFiles } from '../../../../src/sandbox/hadoop/commands.ts';
import { createHadoop, type Hadoop } from '../../../../src/sandbox/hadoop/hadoop.ts';
import type { HadoopConfig, HadoopNodeSpec, ServiceId } from '../../../../src/sandbox/hadoop/model.ts';
import { fakeClock } from './clock.ts';

function fleet(workers: number): HadoopNodeSpec[] {
  return [
    { host: 'master-1', address: '10.1.0.1', role: 'master' },
    { host: 'master-2', address: '10.1.0.2', role: 'master' },
    ...Array.from(
      { length: workers },
      (_, i): HadoopNodeSpec => ({ host: `w${i + 1}`, address: `10.1.1.${i + 1}`, role: 'worker' }),
    ),
  ];
}

function world(workers = 6, more: Partial<HadoopConfig> = {}) {
  const clock = fakeClock();
  const hadoop = createHadoop({ clock, nodes: fleet(workers), ...more });
  return { clock, hadoop };
}

function get(hadoop: Hadoop, to: ServiceId, url: string) {
  const answer = hadoop.handle({ to, method: 'GET', url });
  if ('silent' in answer) return answer;
  return { ...answer, json: answer.headers['content-type']?.includes('json') ? JSON.parse(answer.body) : undefined };
}

function yarnNodes(hadoop: Hadoop, to: ServiceId = 'rm1') {
  const answer = get(hadoop, to, '/ws/v1/cluster/nodes');
  if ('silent' in answer) throw new Error('silent');
  return new Map<string, Record<string, unknown>>(
    (answer.json.nodes?.node ?? []).map((node: Record<string, unknown>) => [node['nodeHostName'], node]),
  );
}

function jmx(hadoop: Hadoop, name: string, to: ServiceId = 'nn1') {
  const answer = get(hadoop, to, `/jmx?qry=Hadoop:service=NameNode,name=${name}`);
  if ('silent' in answer) throw new Error('silent');
  return answer.json.beans[0] as Record<string, string | number>;
}

function table(hadoop: Hadoop, column: 'LiveNodes' | 'DeadNodes' | 'DecomNodes' | 'EnteringMaintenanceNodes') {
  return JSON.parse(jmx(hadoop, 'NameNodeInfo')[column] as string) as Record<string, Record<string, unknown>>;
}

function command(hadoop: Hadoop, line: string, files: HostsFiles = {}): CommandAnswer {
  const [program, ...argv] = line.split(' ');
  const answer = hadoop.handle({
    to: 'admin',
    method: 'POST',
    url: '/command',
    body: JSON.stringify({ program, argv, files }),
  });
  if ('silent' in answer) throw new Error('silent');
  return JSON.parse(answer.body) as CommandAnswer;
}

const excluding = (...hosts: string[]): HostsFiles => ({
  yarnExclude: { name: 'yarn.exclude', content: hosts.join('\n') },
  dfsHosts: {
    name: 'dfs.hosts.json',
    content: JSON.stringify(hosts.map((hostName) => ({ hostName, adminState: 'DECOMMISSIONED' }))),
  },
});

function decommission(hadoop: Hadoop, ...hosts: string[]) {
  expect(command(hadoop, 'yarn rmadmin -refreshNodes -g 3600 -server', excluding(...hosts)).exitCode).toBe(0);
  expect(command(hadoop, 'hdfs dfsadmin -refreshNodes', excluding(...hosts)).exitCode).toBe(0);
}

describe('an emulated ResourceManager', () => {
  test('says whether it is active, and the standby sends everything else to the active one', () => {
    const { hadoop } = world();
    hadoop.setUrl('rm1', 'http://127.0.0.1:1');
    expect(get(hadoop, 'rm1', '/ws/v1/cluster/info')).toMatchObject({ json: { clusterInfo: { haState: 'ACTIVE' } } });
    expect(get(hadoop, 'rm2', '/ws/v1/cluster/info')).toMatchObject({ json: { clusterInfo: { haState: 'STANDBY' } } });
    expect(get(hadoop, 'rm2', '/ws/v1/cluster/nodes')).toMatchObject({
      status: 307,
      headers: { location: 'http://127.0.0.1:1/ws/v1/cluster/nodes' },
      body: expect.stringContaining('This is standby RM'),
    });
  });

  test('drains a node gracefully and is done when its containers are', () => {
    const { clock, hadoop } = world(6, { timings: { containerMs: 100, tickMs: 10 } });
    decommission(hadoop, 'w1');
    expect(yarnNodes(hadoop).get('w1')).toMatchObject({ state: 'DECOMMISSIONING', numContainers: 4 });
    clock.advance(250);
    expect(yarnNodes(hadoop).get('w1')).toMatchObject({ state: 'DECOMMISSIONING', numContainers: 2 });
    clock.advance(200);
    expect(yarnNodes(hadoop).get('w1')).toMatchObject({ state: 'DECOMMISSIONED', nodeHTTPAddress: '' });
    expect(get(hadoop, 'rm1', '/ws/v1/cluster/metrics')).toMatchObject({
      json: { clusterMetrics: { totalNodes: 6, activeNodes: 5, decommissionedNodes: 1 } },
    });
    expect(hadoop.harm()).toEqual([]);
  });

  test('kills what still runs when the time is up, or when a refresh is not graceful, and that is harm', () => {
    const { clock, hadoop } = world(6, { timings: { containerMs: 10_000 } });
    command(hadoop, 'yarn rmadmin -refreshNodes -g 2 -server', excluding('w1'));
    clock.advance(1_900);
    expect(hadoop.harm()).toEqual([]);
    clock.advance(300);
    expect(hadoop.harm()).toMatchObject([{ host: 'w1', what: 'containers killed by forced decommission' }]);
    command(hadoop, 'yarn rmadmin -refreshNodes', excluding('w1', 'w2'));
    expect(hadoop.harm()).toMatchObject([{ host: 'w1' }, { host: 'w2', detail: '4 containers' }]);
  });

  test('goes by the time-out of a node in an XML file before that of the command', () => {
    const { clock, hadoop } = world(6, { timings: { containerMs: 10_000 } });
    const content =
      '<hosts><host><name>w1,w2</name><timeout>1</timeout></host><!-- <host><name>w3</name></host> --></hosts>';
    const files = { yarnExclude: { name: 'x.xml', content } };
    command(hadoop, 'yarn rmadmin -refreshNodes -g 3600 -server', files);
    clock.advance(1_500);
    const nodes = yarnNodes(hadoop);
    expect(['w1', 'w2', 'w3'].map((host) => nodes.get(host)?.['state'])).toEqual([
      'DECOMMISSIONED',
      'DECOMMISSIONED',
      'RUNNING',
    ]);
  });

  test.each(['-g', '-g 10', '-g -5 -server', '-f', '-g 10 -server now'])('refuses -refreshNodes %s', (args) => {
    const { hadoop } = world();
    expect(command(hadoop, `yarn rmadmin -refreshNodes ${args}`)).toMatchObject({
      exitCode: 255,
      stderr: expect.stringContaining('Usage'),
    });
  });

  test('tells a client that tracks the decommission itself how long to wait', () => {
    const { hadoop } = world();
    expect(command(hadoop, 'yarn rmadmin -refreshNodes -g 60 -client', excluding('w1')).waitSec).toBe(60);
    expect(command(hadoop, 'yarn rmadmin -refreshNodes -g -client', excluding('w1')).waitSec).toBe(-1);
    expect(command(hadoop, 'yarn rmadmin --check').stdout).toBe('w1');
  });

  test('cuts off draining nodes when another one takes over', () => {
    const { clock, hadoop } = world(6, { timings: { containerMs: 10_000, failoverMs: 100, heartbeatMs: 50 } });
    command(hadoop, 'yarn rmadmin -refreshNodes -g -server', excluding('w1'));
    hadoop.setMachine('master-1', false);
    expect(get(hadoop, 'rm1', '/ws/v1/cluster/info')).toEqual({ silent: 'refuse' });
    clock.advance(110);
    expect(hadoop.fleet().summary.activeResourceManager).toBe('rm2');
    expect([...yarnNodes(hadoop, 'rm2').keys()]).toEqual(['w1']);
    expect(hadoop.harm().map((harm) => harm.what)).toContain('containers killed by forced decommission');
    clock.advance(200);
    expect(yarnNodes(hadoop, 'rm2').size).toBe(6);
  });

  test('that becomes active cuts off whoever is in the exclude file', () => {
    const { hadoop } = world();
    command(hadoop, 'yarn rmadmin -transitionToStandby rm1');
    expect(command(hadoop, 'yarn rmadmin -refreshNodes -g -server').stderr).toContain('no active ResourceManager');
    expect(command(hadoop, 'yarn rmadmin -transitionToActive rm2', excluding('w1')).exitCode).toBe(0);
    expect(hadoop.harm()).toMatchObject([{ host: 'w1', what: 'containers killed by forced decommission' }]);
    expect(command(hadoop, 'yarn rmadmin -transitionToActive rm1').stderr).toContain('rm2 is already active');
  });

  test('takes a node back that is no longer excluded', () => {
    const { clock, hadoop } = world();
    decommission(hadoop, 'w1');
    clock.advance(3_000);
    decommission(hadoop);
    clock.advance(1_000);
    expect(yarnNodes(hadoop).get('w1')).toMatchObject({ state: 'RUNNING' });
  });
});

describe('an emulated NameNode', () => {
  test('says whether it is active', () => {
    const { hadoop } = world();
    expect(jmx(hadoop, 'NameNodeStatus')['State']).toBe('active');
    expect(jmx(hadoop, 'NameNodeStatus', 'nn2')['State']).toBe('standby');
  });

  test('answers names and patterns, and no beans for what it does not have', () => {
    const { hadoop } = world();
    const beans = (qry: string) =>
      (get(hadoop, 'nn1', `/jmx?qry=${qry}`) as { json: { beans: unknown[] } }).json.beans.length;
    expect(beans('Hadoop:service=NameNode,name=FSNamesystem*')).toBe(2);
    expect(beans('Hadoop:service=NameNode,name=FSNamesystem')).toBe(1);
    expect(beans('java.lang:type=Runtime')).toBe(0);
  });

  test('moves the blocks of a node away before it calls it decommissioned, and no block is short after that', () => {
    const { clock, hadoop } = world(6, { timings: { copiesPerSecond: 20, tickMs: 50 } });
    decommission(hadoop, 'w1');
    expect(table(hadoop, 'DecomNodes')['w1:9866']).toMatchObject({
      underReplicatedBlocks: 30,
      xferaddr: '10.1.1.1:9866',
    });
    expect(table(hadoop, 'LiveNodes')['w1:9866']).toMatchObject({ adminState: 'Decommission In Progress' });
    clock.advance(1_000);
    const left = table(hadoop, 'DecomNodes')['w1:9866']?.['underReplicatedBlocks'];
    expect(left).toBeGreaterThan(0);
    expect(left).toBeLessThan(30);
    clock.advance(2_000);
    expect(table(hadoop, 'DecomNodes')).toEqual({});
    expect(table(hadoop, 'LiveNodes')['w1:9866']).toMatchObject({ adminState: 'Decommissioned' });
    hadoop.setMachine('w1', false);
    clock.advance(20_000);
    expect(jmx(hadoop, 'FSNamesystemState')).toMatchObject({
      UnderReplicatedBlocks: 0,
      NumDeadDataNodes: 1,
      NumLiveDataNodes: 5,
    });
    expect(table(hadoop, 'DeadNodes')['w1:9866']).toMatchObject({ adminState: 'Decommissioned', decommissioned: true });
    expect(hadoop.harm()).toEqual([]);
  });

  test('never finishes when there is no place for the blocks', () => {
    const { clock, hadoop } = world(3, { replication: 3 });
    decommission(hadoop, 'w1');
    clock.advance(600_000);
    expect(table(hadoop, 'LiveNodes')['w1:9866']).toMatchObject({ adminState: 'Decommission In Progress' });
  });

  test('lets a node into maintenance as soon as one replica of each block is elsewhere, and ends it in time', () => {
    const { clock, hadoop } = world();
    const files = (until: number): HostsFiles => ({
      dfsHosts: {
        name: 'dfs.hosts',
        content: JSON.stringify([{ hostName: 'w1', adminState: 'IN_MAINTENANCE', maintenanceExpireTimeInMS: until }]),
      },
    });
    command(hadoop, 'hdfs dfsadmin -refreshNodes', files(clock.now() + 5_000));
    expect(table(hadoop, 'EnteringMaintenanceNodes')['w1:9866']).toMatchObject({ underReplicatedBlocks: 0 });
    clock.advance(200);
    expect(table(hadoop, 'LiveNodes')['w1:9866']).toMatchObject({ adminState: 'In Maintenance' });
    expect(jmx(hadoop, 'FSNamesystemState')).toMatchObject({ UnderReplicatedBlocks: 0 });
    clock.advance(5_000);
    expect(table(hadoop, 'LiveNodes')['w1:9866']).toMatchObject({ adminState: 'In Service' });
  });

  test('copies the blocks of a machine that died, after it is dead, and the stop is harm', () => {
    const { clock, hadoop } = world(6, { timings: { dataNodeExpiryMs: 5_000, copiesPerSecond: 100 } });
    hadoop.setMachine('w1', false);
    expect(hadoop.harm()).toMatchObject([
      { host: 'w1', what: 'stopped while in service', detail: 'NodeManager was RUNNING' },
      { host: 'w1', what: 'containers lost', detail: '4 containers' },
      { host: 'w1', what: 'stopped while in service', detail: 'DataNode was "In Service" and held 30 blocks' },
    ]);
    clock.advance(4_000);
    expect(jmx(hadoop, 'FSNamesystemState')['UnderReplicatedBlocks']).toBe(0);
    clock.advance(1_050);
    expect(jmx(hadoop, 'FSNamesystemState')['UnderReplicatedBlocks']).toBeGreaterThan(0);
    clock.advance(3_000);
    expect(jmx(hadoop, 'FSNamesystemState')['UnderReplicatedBlocks']).toBe(0);
  });

  test('reports blocks missing when too many machines are stopped at once', () => {
    const { clock, hadoop } = world(6, { timings: { dataNodeExpiryMs: 1_000, copiesPerSecond: 1 } });
    for (const host of ['w1', 'w2', 'w3', 'w4']) hadoop.setMachine(host, false);
    clock.advance(2_000);
    expect(jmx(hadoop, 'FSNamesystem')['MissingBlocks']).toBeGreaterThan(0);
    expect(hadoop.harm().filter((harm) => harm.what === 'block lost').length).toBeGreaterThan(0);
    expect(hadoop.fleet()).toMatchObject({ health: 'unhealthy' });
  });

  test('refuses a hosts file that the real one would refuse', () => {
    const { hadoop } = world();
    const files = (content: string): HostsFiles => ({ dfsHosts: { name: 'dfs.hosts', content } });
    for (const content of ['{"hostName":"w1"}', '[{"host":"w1"}]', '[{"hostName":"w1","note":"ours"}]', 'w1']) {
      expect(command(hadoop, 'hdfs dfsadmin -refreshNodes', files(content)).exitCode).toBe(255);
    }
  });

  test('lets nobody in who is not in a combined file that has an entry in service', () => {
    const { hadoop } = world();
    const content = JSON.stringify([{ hostName: 'w1' }, { hostName: 'w2', adminState: 'DECOMMISSIONED' }]);
    command(hadoop, 'hdfs dfsadmin -refreshNodes', { dfsHosts: { name: 'dfs.hosts', content } });
    expect(Object.keys(table(hadoop, 'LiveNodes')).sort()).toEqual(['w1:9866', 'w2:9866']);
  });

  test('reads plain files when there is an exclude file', () => {
    const { hadoop } = world();
    const files = {
      dfsHosts: { name: 'dfs.include', content: 'w1 w2 # two\n' },
      dfsExclude: { name: 'dfs.exclude', content: '# nobody\nw2\n' },
    };
    command(hadoop, 'hdfs dfsadmin -refreshNodes', files);
    expect(table(hadoop, 'LiveNodes')).toMatchObject({
      'w1:9866': { adminState: 'In Service' },
      'w2:9866': { adminState: 'Decommission In Progress' },
    });
  });
});

describe('a machine of the emulated cluster', () => {
  test('comes back empty from a move and fills again', () => {
    const { clock, hadoop } = world();
    decommission(hadoop, 'w1');
    clock.advance(5_000);
    hadoop.setMachine('w1', false);
    decommission(hadoop);
    hadoop.setMachine('w1', true, '10.2.1.1');
    expect(hadoop.fleet().nodes.find((node) => node.name === 'w1')).toMatchObject({
      state: 'starting',
      address: '10.2.1.1',
    });
    clock.advance(650);
    expect(table(hadoop, 'LiveNodes')['w1:9866']).toMatchObject({
      xferaddr: '10.2.1.1:9866',
      adminState: 'In Service',
    });
    expect(yarnNodes(hadoop).get('w1')).toMatchObject({ state: 'RUNNING' });
    clock.advance(10_000);
    expect(table(hadoop, 'LiveNodes')['w1:9866']?.['numBlocks']).toBeGreaterThan(20);
    expect(jmx(hadoop, 'FSNamesystemState')['UnderReplicatedBlocks']).toBe(0);
    expect(hadoop.harm()).toEqual([]);
  });

  test('keeps its blocks over a restart, and loses them with another instance', () => {
    const { clock, hadoop } = world();
    const blocks = () => hadoop.fleet().summary.underReplicated;
    hadoop.setMachine('w1', true, '10.1.1.1', 'instance-1');
    hadoop.setMachine('w1', false, '10.1.1.1', 'instance-1');
    hadoop.setMachine('w1', true, '10.1.1.1', 'instance-1');
    clock.advance(620);
    expect(blocks()).toBe(0);
    hadoop.setMachine('w1', true, '10.1.1.1', 'instance-2');
    clock.advance(620);
    expect(blocks()).toBeGreaterThan(0);
  });

  test('that is told the same twice does nothing', () => {
    const { clock, hadoop } = world();
    hadoop.setMachine('w1', true, '10.1.1.1');
    hadoop.setMachine('nobody', false);
    clock.advance(1_000);
    expect(hadoop.harm()).toEqual([]);
    expect(yarnNodes(hadoop).get('w1')).toMatchObject({ state: 'RUNNING' });
  });

  test('that carries the active masters is missed', () => {
    const { clock, hadoop } = world();
    hadoop.setMachine('master-1', false);
    expect(hadoop.harm().map((harm) => harm.detail)).toEqual(['rm1', 'nn1']);
    clock.advance(1_000);
    hadoop.setMachine('master-1', true);
    clock.advance(1_000);
    expect(
      hadoop
        .fleet()
        .nodes.slice(0, 2)
        .map((node) => node.state),
    ).toEqual(['standby', 'active']);
  });
});

describe('faults of the emulated cluster', () => {
  test('can be switched on, listed and off', () => {
    const { hadoop } = world();
    const off = hadoop.fault({ kind: 'silent', service: 'rm' });
    hadoop.fault({ kind: 'silent', service: 'nn1', how: 'hang' });
    expect(get(hadoop, 'rm2', '/ws/v1/cluster/info')).toEqual({ silent: 'refuse' });
    expect(get(hadoop, 'nn1', '/jmx')).toEqual({ silent: 'hang' });
    expect(get(hadoop, 'nn2', '/jmx')).toMatchObject({ status: 200 });
    off();
    expect(get(hadoop, 'rm2', '/ws/v1/cluster/info')).toMatchObject({ status: 200 });
    expect(hadoop.faults()).toHaveLength(1);
    hadoop.clearFaults();
    expect(hadoop.faults()).toEqual([]);
  });

  test('hold a node that is leaving, one that registers, and the truth', () => {
    const { clock, hadoop } = world();
    hadoop.fault({ kind: 'decommission-hangs', host: 'w1' });
    decommission(hadoop, 'w1', 'w2');
    clock.advance(60_000);
    expect(
      hadoop
        .fleet()
        .nodes.filter((node) => node.state === 'leaving')
        .map((node) => node.name),
    ).toEqual(['w1']);
    hadoop.fault({ kind: 'lying', about: 'early' });
    expect(yarnNodes(hadoop).get('w1')).toMatchObject({ state: 'DECOMMISSIONED' });
    expect(table(hadoop, 'LiveNodes')['w1:9866']).toMatchObject({ adminState: 'Decommissioned' });
    hadoop.fault({ kind: 'never-registers', host: 'w3' });
    clock.advance(10_000);
    expect(yarnNodes(hadoop).get('w3')).toMatchObject({ state: 'LOST' });
    expect(Object.keys(table(hadoop, 'DeadNodes'))).toEqual(['w3:9866']);
  });

  test('make a NodeManager ill and well again', () => {
    const { clock, hadoop } = world();
    const off = hadoop.fault({ kind: 'unhealthy', host: 'w1' });
    clock.advance(200);
    expect(yarnNodes(hadoop).get('w1')).toMatchObject({
      state: 'UNHEALTHY',
      healthReport: expect.stringContaining('bad'),
    });
    off();
    clock.advance(200);
    expect(yarnNodes(hadoop).get('w1')).toMatchObject({ state: 'RUNNING' });
  });
});

test('three hundred workers are looked after in little time', () => {
  const { clock, hadoop } = world(300, { timings: { tickMs: 100, copiesPerSecond: 2_000 } });
  const hosts = Array.from({ length: 20 }, (_, i) => `w${i + 1}`);
  decommission(hadoop, ...hosts);
  const started = performance.now();
  clock.advance(10_000);
  expect(Object.keys(table(hadoop, 'DecomNodes'))).toEqual([]);
  // A hundred looks of the monitors: a tenth of the time that they cover.
  expect(performance.now() - started).toBeLessThan(3_000);
});
