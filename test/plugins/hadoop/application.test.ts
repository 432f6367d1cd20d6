import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, describe, expect, test } from 'vitest';
import { type Bench, bench, context, node, until } from './bench.ts';

let b: Bench;
afterEach(() => b.close());
const look = () => b.plugin.verifyApplication(context());

describe('verifyApplication', () => {
  test('finds a cluster well, with everybody in service', async () => {
    b = await bench();
    expect(await look()).toEqual({ health: 'healthy', reasons: [], unavailable: [], membersInService: 5 });
  });

  test('names everybody who is out, for whatever reason', async () => {
    b = await bench({ workers: 8, options: (o) => ({ ...o, limits: { deadNodes: 2, underReplicatedBlocks: 1000 } }) });
    await b.plugin.removeNode(node('worker-1'), context());
    b.hadoop.fault({ kind: 'decommission-hangs', host: 'worker-2' });
    const leaving = context();
    const going = b.plugin.removeNode(node('worker-2'), leaving).catch(() => {});
    b.hadoop.fault({ kind: 'unhealthy', host: 'worker-3' });
    b.hadoop.setMachine('worker-4', false);
    await until(() => b.hadoop.fleet().nodes.find((n) => n.name === 'worker-4')?.state === 'dead');
    await until(() => b.hadoop.fleet().nodes.find((n) => n.name === 'worker-2')?.state === 'leaving');
    await delay(100);
    const seen = await look();
    expect(seen.unavailable).toEqual(['worker-1', 'worker-2', 'worker-3', 'worker-4']);
    expect(seen.membersInService).toBe(4);
    leaving.abort();
    await going;
  });

  test('names machines as Ephyra knows them, without the suffix', async () => {
    b = await bench({ options: (o) => ({ ...o, host: { from: 'instanceName', suffix: '-1' } }) });
    b.hadoop.setMachine('worker-1', false);
    await until(() => b.hadoop.fleet().nodes.find((n) => n.name === 'worker-1')?.state === 'dead');
    await delay(50);
    expect((await look()).unavailable).toEqual(['worker']);
  });

  test.each([
    ['blocks are missing', { kind: 'unhealthy' }, /3 blocks are missing/],
    ['HDFS is in safe mode', { kind: 'safe-mode' }, /safe mode/],
  ] as const)('finds it unhealthy when %s', async (_, fault, reason) => {
    b = await bench();
    b.hadoop.fault(fault);
    const seen = await look();
    expect(seen.health).toBe('unhealthy');
    expect(seen.reasons.join()).toMatch(reason);
  });

  test('finds it unhealthy when more machines died than allowed, naming them', async () => {
    b = await bench({ workers: 8 });
    b.hadoop.setMachine('worker-1', false);
    b.hadoop.setMachine('worker-2', false);
    await until(() => b.hadoop.fleet().nodes.filter((n) => n.state === 'dead').length === 2);
    await delay(100);
    const seen = await look();
    expect(seen.health).toBe('unhealthy');
    expect(seen.reasons.join()).toContain('2 dead DataNodes: worker-1, worker-2');
  });

  test('finds it unhealthy when too many blocks have too few replicas', async () => {
    b = await bench({
      workers: 6,
      config: { timings: { copiesPerSecond: 1, dataNodeExpiryMs: 100 } },
      options: (o) => ({ ...o, limits: { underReplicatedBlocks: 5 } }),
    });
    b.hadoop.setMachine('worker-1', false);
    // The NameNode counts now and then, and tells what it counted last.
    await expect
      .poll(async () => (await look()).reasons.join(), { timeout: 15_000 })
      .toMatch(/\d+ blocks have too few replicas \(allowed: 5\)/);
  });

  test('does not count the blocks of a node that is leaving as a fault', async () => {
    b = await bench({ workers: 6, options: (o) => ({ ...o, limits: { underReplicatedBlocks: 0 } }) });
    b.hadoop.fault({ kind: 'decommission-hangs' });
    const leaving = context();
    const going = b.plugin.removeNode(node('worker-1'), leaving).catch(() => {});
    await until(() => b.hadoop.fleet().summary.underReplicated > 0);
    await delay(50);
    expect(await look()).toMatchObject({ health: 'healthy', unavailable: ['worker-1'] });
    leaving.abort();
    await going;
  });

  test.each(['rm', 'nn'] as const)('is unknown, not healthy, when no %s answers', async (service) => {
    b = await bench();
    b.hadoop.fault({ kind: 'silent', service });
    const seen = await look();
    expect(seen.health).toBe('unknown');
    expect(seen.reasons.join()).toContain('does not answer');
    expect(seen.unavailable).toBeUndefined();
  });

  test('does not wait for ever for one that accepts and never answers', async () => {
    b = await bench({ options: (o) => ({ ...o, http: { timeout: '150ms' } }) });
    b.hadoop.fault({ kind: 'silent', service: 'rm2', how: 'hang' });
    const started = Date.now();
    const seen = await look();
    expect(Date.now() - started).toBeLessThan(5_000);
    expect(seen).toMatchObject({ health: 'healthy', unavailable: ['master-2'] });
    expect(seen.reasons.join()).toContain('rm2 does not answer');
  });

  test('is unhealthy, not unknown, when both answer and neither is active', async () => {
    b = await bench();
    b.hadoop.handle({
      to: 'admin',
      method: 'POST',
      url: '/command',
      body: JSON.stringify({ program: 'yarn', argv: ['rmadmin', '-transitionToStandby', 'rm1'], files: {} }),
    });
    const seen = await look();
    expect(seen.health).toBe('unhealthy');
    expect(seen.reasons.join()).toContain('no active ResourceManager');
  });

  test('finds the active ones after a failover by itself', async () => {
    b = await bench();
    b.hadoop.setMachine('master-1', false);
    await until(() => b.hadoop.fleet().summary.activeNameNode === 'nn2');
    await delay(150);
    expect(await look()).toMatchObject({ health: 'healthy', unavailable: ['master-1'], membersInService: 5 });
  });
});
