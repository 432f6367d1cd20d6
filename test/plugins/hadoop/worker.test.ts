import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, describe, expect, test } from 'vitest';
import { createPlugin } from '../../../plugins/hadoop/index.ts';
import { type Bench, bench, context, node, setup, until } from './bench.ts';

let b: Bench;
afterEach(() => b.close());

const worker = node('worker-1', { addressesBefore: ['10.1.1.1'] });
const moved = { ...worker, addressesAfter: ['10.2.1.1'] };
const yarnState = () => b.hadoop.fleet().nodes.find((n) => n.name === 'worker-1')?.state;
const HEALTHY = { health: 'healthy', membership: 'in', reasons: [] };

describe('a worker that moves', () => {
  test('leaves in order, is out, and comes back at its new address with nobody harmed', async () => {
    b = await bench();
    expect(await b.plugin.verifyNode(worker, context())).toEqual(HEALTHY);

    const leaving = context();
    const release = b.hadoop.fault({ kind: 'decommission-hangs', host: 'worker-1' });
    const going = b.plugin.removeNode(worker, leaving);
    const held = /worker-1: YARN: DECOMMISSIONING, 4 containers left; HDFS: Decommission In Progress, \d+ blocks left/;
    await until(() => leaving.said.some((line) => held.test(line)));
    expect(await b.plugin.verifyNode(worker, context())).toMatchObject({ health: 'unhealthy', membership: 'in' });
    release();
    await going;
    expect(await b.plugin.verifyNode(worker, context())).toMatchObject({ health: 'unhealthy', membership: 'out' });

    b.hadoop.setMachine('worker-1', false);
    const application = await b.plugin.verifyApplication(context());
    expect(application).toMatchObject({ health: 'healthy', unavailable: ['worker-1'], membersInService: 4 });

    b.hadoop.setMachine('worker-1', true, '10.2.1.1');
    await b.plugin.addNode(moved, context());
    expect(await b.plugin.verifyNode(moved, context())).toEqual(HEALTHY);
    expect((await b.plugin.verifyApplication(context())).unavailable).toEqual([]);
    expect(b.hadoop.harm()).toEqual([]);
    expect(await readFile(b.installation.yarnExclude, 'utf8')).toBe('');
    expect(JSON.parse(await readFile(b.installation.dfsHosts, 'utf8'))).toEqual([]);
  });

  test('is waited for, however far somebody sets the clock forward', async () => {
    b = await bench();
    let aheadMs = 0;
    const plugin = await createPlugin({ ...setup(b.options), now: () => Date.now() + aheadMs });
    const leaving = context();
    const release = b.hadoop.fault({ kind: 'decommission-hangs', host: 'worker-1' });
    const going = plugin.removeNode(worker, leaving);
    await until(() => leaving.said.length > 0);
    aheadMs = 3_600_000;
    const told = leaving.said.length;
    await until(() => leaving.said.length > told + 3);
    release();
    await going;
    expect(yarnState()).toBe('out');
    await plugin.close?.();
  });

  test('is put into maintenance where its disks stay, and taken out of it', async () => {
    b = await bench({
      options: (options) => ({
        ...options,
        roles: { 'hadoop-worker': { yarn: true, hdfs: 'maintenance' } },
        hdfs: { ...(options['hdfs'] as object), maintenanceFor: '6h' },
      }),
    });
    const started = Date.now();
    await b.plugin.removeNode(worker, context());
    const [entry] = JSON.parse(await readFile(b.installation.dfsHosts, 'utf8'));
    expect(entry).toMatchObject({ hostName: 'worker-1', adminState: 'IN_MAINTENANCE' });
    expect(entry.maintenanceExpireTimeInMS).toBeGreaterThanOrEqual(started + 6 * 3_600_000);
    const seen = await b.plugin.verifyNode(worker, context());
    expect(seen).toMatchObject({ membership: 'out', reasons: ['YARN: DECOMMISSIONED', 'HDFS: In Maintenance'] });
    b.hadoop.setMachine('worker-1', false);
    b.hadoop.setMachine('worker-1', true);
    await b.plugin.addNode(worker, context());
    expect(await b.plugin.verifyNode(worker, context())).toEqual(HEALTHY);
    expect(b.hadoop.harm()).toEqual([]);
  });

  test('leaves plain files and XML files of others as they were', async () => {
    b = await bench({
      options: (options, { folder }) => ({
        ...options,
        yarn: { ...(options['yarn'] as object), excludeFile: join(folder, 'conf', 'yarn.exclude.xml') },
      }),
    });
    const path = join(b.folder, 'conf', 'yarn.exclude.xml');
    const theirs = '<?xml version="1.0"?>\n<hosts>\n  <host><name>gone-1</name></host>\n</hosts>\n';
    await writeFile(path, theirs);
    b.files['yarnExclude'] = path;
    await b.plugin.removeNode(worker, context());
    expect(await readFile(path, 'utf8')).toContain('<host><name>worker-1</name><timeout>3600</timeout></host>');
    await b.plugin.addNode(worker, context());
    expect(await readFile(path, 'utf8')).toBe(theirs);
  });

  test('leaves with three others at the same time, and one that returns cuts nobody off', async () => {
    b = await bench({ workers: 9 });
    const names = ['worker-1', 'worker-2', 'worker-3'];
    await b.plugin.removeNode(node('worker-4'), context());
    b.hadoop.fault({ kind: 'decommission-hangs', host: 'worker-3' });
    const going = Promise.all(names.map((name) => b.plugin.removeNode(node(name), context())));
    await until(() => b.hadoop.fleet().nodes.find((n) => n.name === 'worker-3')?.state === 'leaving');
    await b.plugin.addNode(node('worker-4'), context());
    expect(b.hadoop.fleet().nodes.find((n) => n.name === 'worker-3')?.state).toBe('leaving');
    b.hadoop.clearFaults();
    await going;
    expect(b.hadoop.harm()).toEqual([]);
  });

  test('has its NodeManager started where nobody else does it', async () => {
    b = await bench({
      config: { supervised: false },
      options: (options, { folder }) => ({
        ...options,
        refreshAgain: '200ms',
        yarn: {
          ...(options['yarn'] as object),
          startNode: [join(folder, 'bin', 'yarn'), '--daemon', 'start', 'nodemanager', '{host}'],
        },
      }),
    });
    await b.plugin.removeNode(worker, context());
    await b.plugin.addNode(worker, context());
    expect(await b.plugin.verifyNode(worker, context())).toEqual(HEALTHY);
  });
});

describe('a worker that moves there, back and there again', () => {
  /** One move, with what the plugin says of the stopped machine once HDFS takes it for dead. */
  async function move(from: string, to: string) {
    const leaving = { ...worker, addressesBefore: [from] };
    const arriving = { ...leaving, addressesAfter: [to] };
    await b.plugin.removeNode(leaving, context());
    b.hadoop.setMachine('worker-1', false);
    const inService = () => b.hadoop.fleet().nodes.filter((n) => n.state === 'in service').length;
    await until(() => inService() === 4);
    await delay(450);
    const stopped = await b.plugin.verifyNode(leaving, context());
    const application = await b.plugin.verifyApplication(context());
    b.hadoop.setMachine('worker-1', true, to);
    await b.plugin.addNode(arriving, context());
    expect(await b.plugin.verifyNode(arriving, context())).toEqual(HEALTHY);
    return { stopped, application };
  }

  test('is not mistaken for what it was under its other address', async () => {
    b = await bench();
    const there = await move('10.1.1.1', '10.2.1.1');
    expect(there.stopped).toMatchObject({ membership: 'out' });
    expect((await b.plugin.verifyApplication(context())).unavailable).toEqual([]);

    // Its old self under 10.1.1.1 stays listed as dead: the one with the lower address, which JMX hides behind this one.
    const back = await move('10.2.1.1', '10.1.1.1');
    expect(back.stopped).toMatchObject({ membership: 'out' });

    // Now the old self is the one that JMX shows: HDFS has to be asked in another way.
    const again = await move('10.1.1.1', '10.2.1.1');
    expect(again.stopped).toMatchObject({
      membership: 'out',
      reasons: ['YARN: DECOMMISSIONED', 'HDFS: Decommissioned, dead'],
    });
    expect(again.application.unavailable).toEqual(['worker-1']);
    expect(again.application.health).toBe('healthy');
    expect(b.hadoop.harm()).toEqual([]);
  });

  test('is unknown when that cannot be asked', async () => {
    b = await bench();
    await move('10.1.1.1', '10.2.1.1');
    await move('10.2.1.1', '10.1.1.1');
    await b.plugin.removeNode({ ...worker, addressesBefore: ['10.1.1.1'] }, context());
    b.hadoop.setMachine('worker-1', false);
    await delay(500);
    b.hadoop.fault({ kind: 'refresh-fails' });
    const seen = await b.plugin.verifyNode({ ...worker, addressesBefore: ['10.1.1.1'] }, context());
    expect(seen).toMatchObject({ health: 'unhealthy', membership: 'unknown' });
    expect(seen.reasons.join()).toContain('listed with the former address 10.2.1.1 alone');
  });
});

describe('removeNode', () => {
  test('has no effect and runs no command when asked again', async () => {
    b = await bench();
    await b.plugin.removeNode(worker, context());
    const commands = b.hadoop.requests()['admin'];
    await b.plugin.removeNode(worker, context());
    await (await createPlugin(setup(b.options))).removeNode(worker, context());
    expect(b.hadoop.requests()['admin']).toBe(commands);
  });

  test('carries on where another process was killed between file and refresh', async () => {
    b = await bench();
    await writeFile(b.installation.yarnExclude, 'worker-1\n');
    await writeFile(b.installation.dfsHosts, '[{"hostName":"worker-1","adminState":"DECOMMISSIONED"}]');
    await b.plugin.removeNode(worker, context());
    expect(yarnState()).toBe('out');
  });

  test('carries on where another process was killed with one of two files written, and waits for nothing', async () => {
    b = await bench({ options: (options) => ({ ...options, refreshAgain: '1h' }) });
    await writeFile(b.installation.dfsHosts, '[{"hostName":"worker-1","adminState":"DECOMMISSIONED"}]');
    await b.plugin.removeNode(worker, context());
    expect(yarnState()).toBe('out');
  });

  test('does not resolve while blocks cannot be moved, and says so at the deadline', async () => {
    // Three replicas and three workers: nowhere to go, as in a real cluster of that size.
    b = await bench({ workers: 3, config: { replication: 3 } });
    const stuck = b.plugin.removeNode(worker, context({ deadlineMs: 600 }));
    await expect(stuck).rejects.toMatchObject({
      reason: 'deadline',
      next: 'stop',
      message: expect.stringMatching(/did not leave in time: .*HDFS: Decommission In Progress, \d+ blocks left/),
    });
  });

  test('does not believe a NameNode that says "Decommissioned" and "leaving" at once', async () => {
    b = await bench({ config: { timings: { copiesPerSecond: 5, containerMs: 1, tickMs: 10, heartbeatMs: 40 } } });
    b.hadoop.fault({ kind: 'lying', about: 'early' });
    const going = b.plugin.removeNode(worker, context({ deadlineMs: 400 }));
    await expect(going).rejects.toMatchObject({ message: expect.stringContaining('yet listed as leaving') });
    expect(b.hadoop.fleet().nodes.find((n) => n.name === 'worker-1')?.state).toBe('leaving');
  });

  test('gives up when the masters do not answer, as unknown and not as done', async () => {
    b = await bench();
    b.hadoop.fault({ kind: 'silent', service: 'nn', how: 'refuse' });
    await expect(b.plugin.removeNode(worker, context())).rejects.toMatchObject({
      reason: 'application_unknown',
      next: 'retry',
    });
  });

  test('goes by what it reads back, not by the exit code, when one NameNode is down', async () => {
    b = await bench({ workers: 4, masters: 2 });
    // One NameNode down: dfsadmin reaches the other and ends with an error all the same.
    b.hadoop.setMachine('master-2', false);
    await b.plugin.removeNode(worker, context());
    expect(yarnState()).toBe('out');
  });

  test('fails with what the command said when Hadoop does not react', async () => {
    b = await bench();
    b.hadoop.fault({ kind: 'refresh-fails' });
    await expect(b.plugin.removeNode(worker, context())).rejects.toMatchObject({
      reason: 'application_refused',
      next: 'retry',
      message: expect.stringMatching(
        /yarn rmadmin -refreshNodes failed on local: exit code 255, ".*Connection refused"/,
      ),
    });
  });

  test('tries a refresh that failed again at once, not after a minute', async () => {
    b = await bench();
    const off = b.hadoop.fault({ kind: 'refresh-fails' });
    const going = b.plugin.removeNode(worker, context());
    await until(() => (b.hadoop.requests()['admin'] ?? 0) > 2);
    off();
    await going;
    expect(yarnState()).toBe('out');
  });

  test('says that Hadoop reads another file when refreshes change nothing', async () => {
    b = await bench({
      options: (options, { folder }) => ({
        ...options,
        refreshAgain: '50ms',
        yarn: { ...(options['yarn'] as object), excludeFile: join(folder, 'elsewhere') },
      }),
    });
    await expect(b.plugin.removeNode(worker, context())).rejects.toMatchObject({
      reason: 'application_refused',
      next: 'stop',
      message: expect.stringContaining('elsewhere: after 3 refreshes it is YARN: RUNNING'),
    });
  });

  test('stops at once when the command does not exist', async () => {
    b = await bench({ options: (o) => ({ ...o, hdfs: { ...(o['hdfs'] as object), command: ['/no/such/hdfs'] } }) });
    await expect(b.plugin.removeNode(worker, context())).rejects.toMatchObject({
      reason: 'application_refused',
      next: 'stop',
      remedy: expect.stringContaining('hdfs.command (/no/such/hdfs)'),
    });
  });

  test('leaves a hosts file that it cannot understand as it is', async () => {
    b = await bench();
    await writeFile(b.installation.dfsHosts, '{"hostName": "a"}');
    await expect(b.plugin.removeNode(worker, context())).rejects.toMatchObject({ next: 'stop' });
    expect(await readFile(b.installation.dfsHosts, 'utf8')).toBe('{"hostName": "a"}');
    expect(yarnState()).toBe('in service');
  });

  test('does not write anything when it was cancelled before it began', async () => {
    b = await bench();
    const told = context();
    told.abort();
    await expect(b.plugin.removeNode(worker, told)).rejects.toMatchObject({ reason: 'cancelled', next: 'cancelled' });
    expect(await readFile(b.installation.yarnExclude, 'utf8')).toBe('');
  });

  test('asks a person when the node is dead and blocks are missing', async () => {
    b = await bench();
    b.hadoop.setMachine('worker-1', false);
    await until(() => yarnState() === 'dead');
    b.hadoop.fault({ kind: 'unhealthy' });
    await expect(b.plugin.removeNode(worker, context())).rejects.toMatchObject({
      reason: 'application_refused',
      next: 'ask',
      message: expect.stringContaining('last copies'),
    });
    b.hadoop.clearFaults();
    await until(() => b.hadoop.fleet().summary.underReplicated === 0);
    await b.plugin.removeNode(worker, context());
  });

  test.each(['a\nworker-5', 'a b', 'worker-1 # x', '<x>', '-rf', ''])(
    'does not write %j into a hosts file',
    async (name) => {
      b = await bench();
      const strange = { ...worker, instanceName: name };
      await expect(b.plugin.removeNode(strange, context())).rejects.toMatchObject({ reason: 'application_unknown' });
      await expect(b.plugin.addNode(strange, context())).rejects.toMatchObject({ reason: 'application_unknown' });
      expect(await b.plugin.verifyNode(strange, context())).toMatchObject({ health: 'unknown', membership: 'unknown' });
      expect(await readFile(b.installation.yarnExclude, 'utf8')).toBe('');
    },
  );

  test('refuses a role that nobody described', async () => {
    b = await bench();
    await expect(b.plugin.removeNode({ ...worker, role: 'kafka' }, context())).rejects.toMatchObject({
      reason: 'application_refused',
      next: 'stop',
      message: expect.stringContaining('"kafka"'),
    });
  });
});

describe('addNode', () => {
  test('leaves the node excluded until HDFS hears from it at its new address', async () => {
    b = await bench();
    await b.plugin.removeNode(worker, context());
    const told = context();
    let done = false;
    const going = b.plugin.addNode(moved, told).then(() => {
      done = true;
    });
    await until(() => told.said.some((line) => line.includes('no heartbeat at 10.2.1.1 yet')));
    expect(done).toBe(false);
    expect(await readFile(b.installation.dfsHosts, 'utf8')).toContain('worker-1');
    b.hadoop.setMachine('worker-1', false);
    b.hadoop.setMachine('worker-1', true, '10.2.1.1');
    await going;
  });

  test('does not resolve for a node that never registers', async () => {
    b = await bench();
    await b.plugin.removeNode(worker, context());
    b.hadoop.setMachine('worker-1', false);
    b.hadoop.fault({ kind: 'never-registers', host: 'worker-1' });
    b.hadoop.setMachine('worker-1', true, '10.2.1.1');
    await expect(b.plugin.addNode(moved, context({ deadlineMs: 900 }))).rejects.toMatchObject({
      reason: 'deadline',
      next: 'stop',
      message: expect.stringContaining('did not join in time'),
    });
  });

  test('undoes a remove that was cancelled half way', async () => {
    b = await bench();
    b.hadoop.fault({ kind: 'decommission-hangs' });
    const told = context();
    const going = b.plugin.removeNode(worker, told);
    await until(() => yarnState() === 'leaving');
    told.abort();
    await expect(going).rejects.toMatchObject({ reason: 'cancelled' });
    await b.plugin.addNode(worker, context());
    expect(yarnState()).toBe('in service');
    expect(b.hadoop.harm()).toEqual([]);
  });
});

describe('verifyNode', () => {
  test('calls nothing out that it has not seen out', async () => {
    b = await bench();
    b.hadoop.setMachine('worker-1', false);
    await until(() => yarnState() === 'dead');
    await delay(50);
    expect(await b.plugin.verifyNode(worker, context())).toMatchObject({ health: 'unhealthy', membership: 'unknown' });
  });

  test('calls a node out that neither knows, once their lists are complete', async () => {
    b = await bench();
    const stranger = node('worker-99');
    await b.plugin.verifyNode(stranger, context());
    await delay(400);
    expect(await b.plugin.verifyNode(stranger, context())).toMatchObject({ membership: 'out' });
    b.hadoop.fault({ kind: 'lying', about: 'short-list' });
    await delay(50);
    expect(await b.plugin.verifyNode(stranger, context())).toMatchObject({
      health: 'unknown',
      membership: 'unknown',
    });
  });

  test('does not call a node out because a new ResourceManager has not heard of it yet', async () => {
    b = await bench({
      config: { timings: { heartbeatMs: 500, failoverMs: 20, tickMs: 20 } },
      options: (options) => ({
        ...options,
        roles: { ...(options['roles'] as object), 'hadoop-worker': { yarn: true } },
      }),
    });
    expect(await b.plugin.verifyNode(worker, context())).toEqual(HEALTHY);
    await delay(350);
    b.hadoop.setMachine('master-1', false);
    await delay(80);
    const seen = await b.plugin.verifyNode(worker, context());
    expect(seen).toMatchObject({ health: 'unknown', membership: 'unknown' });
    expect(seen.reasons.join()).toContain('new');
  });

  test('says that a machine goes by another name rather than that it is not there', async () => {
    b = await bench({ options: (options) => ({ ...options, host: { from: 'instanceName', suffix: '.example.com' } }) });
    await b.plugin.verifyNode(worker, context());
    await delay(400);
    const seen = await b.plugin.verifyNode(worker, context());
    expect(seen).toMatchObject({ health: 'unknown', membership: 'unknown' });
    expect(seen.reasons.join()).toContain('knows the machine as worker-1');
    const byAddress = await b.plugin.verifyNode({ ...worker, instanceName: 'else' }, context());
    expect(byAddress.reasons.join()).toContain('HDFS: knows the machine as worker-1');
  });

  test('takes a name as Nova writes it on the machine for the same machine', async () => {
    b = await bench();
    const stranger = node('worker_1');
    await b.plugin.verifyNode(stranger, context());
    await delay(400);
    const seen = await b.plugin.verifyNode(stranger, context());
    expect(seen).toMatchObject({ health: 'unknown', membership: 'unknown' });
    expect(seen.reasons.join()).toContain('YARN: knows the machine as worker-1');
  });

  test('needs no more questions for three hundred nodes than for three', async () => {
    b = await bench({ workers: 300, config: { blocksPerWorker: 6 }, options: (o) => ({ ...o, cache: '5s' }) });
    const names = (count: number) => Array.from({ length: count }, (_, i) => node(`worker-${i + 1}`));
    await Promise.all(names(300).map((one) => b.plugin.verifyNode(one, context())));
    await b.plugin.verifyApplication(context());
    const { rm1 = 0, rm2 = 0, nn1 = 0, nn2 = 0 } = b.hadoop.requests();
    expect({ rm1, rm2, nn1, nn2 }).toEqual({ rm1: 3, rm2: 1, nn1: 4, nn2: 2 });
  });
});
