import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, describe, expect, test } from 'vitest';
import { type Bench, bench, context, node, until } from './bench.ts';

let b: Bench;
afterEach(() => b.close());

const first = node('master-1');
const second = node('master-2');
const active = () => {
  const { activeResourceManager, activeNameNode } = b.hadoop.fleet().summary;
  return [activeResourceManager, activeNameNode];
};

describe('a master that moves', () => {
  test('hands over first, is out, and is well again as a standby', async () => {
    b = await bench();
    expect(active()).toEqual(['rm1', 'nn1']);
    expect(await b.plugin.verifyNode(first, context())).toEqual({ health: 'healthy', membership: 'in', reasons: [] });
    await b.plugin.removeNode(first, context());
    expect(active()).toEqual(['rm2', 'nn2']);
    expect(await b.plugin.verifyNode(first, context())).toEqual({ health: 'healthy', membership: 'out', reasons: [] });

    b.hadoop.setMachine('master-1', false);
    await delay(30);
    const away = await b.plugin.verifyNode(first, context());
    expect(away).toMatchObject({ health: 'unknown', membership: 'out' });
    const application = await b.plugin.verifyApplication(context());
    expect(application).toMatchObject({ health: 'healthy', unavailable: ['master-1'] });

    b.hadoop.setMachine('master-1', true, '10.2.0.1');
    await b.plugin.addNode(first, context());
    expect(await b.plugin.verifyNode(first, context())).toMatchObject({ health: 'healthy' });
    expect((await b.plugin.verifyApplication(context())).unavailable).toEqual([]);
    expect(b.hadoop.harm()).toEqual([]);
  });

  test('that is the standby only needs the other to be active', async () => {
    b = await bench();
    await b.plugin.removeNode(second, context());
    expect(b.hadoop.requests()['admin']).toBeUndefined();
    expect(active()).toEqual(['rm1', 'nn1']);
  });

  test('is not given up when the other one is down', async () => {
    b = await bench();
    b.hadoop.setMachine('master-2', false);
    await expect(b.plugin.removeNode(first, context())).rejects.toMatchObject({
      reason: 'application_refused',
      next: 'retry',
      message: expect.stringContaining('the only ResourceManager that can serve (rm1)'),
    });
    expect(await b.plugin.verifyNode(first, context())).toMatchObject({ membership: 'in' });
  });

  test('is not given up when there is no other one', async () => {
    b = await bench({
      options: (o) => ({
        ...o,
        resourceManagers: (o['resourceManagers'] as unknown[]).slice(0, 1),
        nameNodes: (o['nameNodes'] as unknown[]).slice(0, 1),
      }),
    });
    await expect(b.plugin.removeNode(first, context())).rejects.toMatchObject({
      reason: 'application_refused',
      next: 'stop',
      message: expect.stringContaining('there is no other'),
    });
  });

  test('is left to a person when no command for the failover is configured', async () => {
    b = await bench({ options: (o) => ({ ...o, yarn: { ...(o['yarn'] as object), failover: [] } }) });
    await expect(b.plugin.removeNode(first, context())).rejects.toMatchObject({
      reason: 'application_refused',
      next: 'stop',
      remedy: expect.stringContaining('yarn.failover'),
    });
    expect(active()).toEqual(['rm1', 'nn1']);
  });

  test('is not the heir of another when it has been let go itself: the other waits until it is back', async () => {
    b = await bench();
    await b.plugin.removeNode(second, context());
    const told = context();
    const other = b.plugin.removeNode(first, told);
    await until(() => told.said.some((line) => line.includes('rm2 is on its way out')));
    expect(active()).toEqual(['rm1', 'nn1']);
    await b.plugin.addNode(second, context());
    await other;
    expect(active()).toEqual(['rm2', 'nn2']);
  });

  test('is not out because of another that became active on its own way out', async () => {
    b = await bench();
    await b.plugin.removeNode(second, context());
    // What a failover does that was begun a moment before, or a person.
    const { quick } = b;
    await Promise.all([
      quick('yarn', ['rmadmin', '-transitionToStandby', '--forcemanual', 'rm1']),
      quick('hdfs', ['haadmin', '-failover', 'nn1', 'nn2']),
    ]);
    await quick('yarn', ['rmadmin', '-transitionToActive', '--forcemanual', 'rm2']);
    await until(() => active().join() === 'rm2,nn2');
    await delay(50);
    expect((await b.plugin.verifyNode(first, context())).membership).not.toBe('out');
  });

  describe('whose failover broke off between its two commands', () => {
    /** The second command fails as often as there are files to take away. */
    const broken = (times: number) => ({
      options: (o: Record<string, unknown>, { folder }: { folder: string }) => {
        const [standby = [], toActive = []] = (o['yarn'] as { failover: string[][] }).failover;
        const left = join(folder, 'left');
        const script = `n=$(cat ${left} 2>/dev/null || echo ${times}); if [ "$n" -gt 0 ]; then echo $((n-1)) > ${left}; exit 1; fi; exec "$@"`;
        return {
          ...o,
          yarn: { ...(o['yarn'] as object), failover: [standby, ['/bin/sh', '-c', script, 'sh', ...toActive]] },
        };
      },
    });

    test('has it finished at the next try: nobody else would make a ResourceManager active', async () => {
      b = await bench(broken(1));
      await expect(b.plugin.removeNode(first, context())).rejects.toMatchObject({ next: 'retry' });
      expect(active()[0]).toBeNull();
      await b.plugin.removeNode(first, context());
      expect(active()).toEqual(['rm2', 'nn2']);
      expect(b.hadoop.harm()).toEqual([]);
    });

    test('has it finished on its way back, too', async () => {
      b = await bench(broken(1));
      await expect(b.plugin.removeNode(first, context())).rejects.toMatchObject({ next: 'retry' });
      await b.plugin.addNode(first, context());
      expect(active()[0]).toBe('rm2');
    });

    test('and fails again is told with what the command said', async () => {
      b = await bench(broken(9));
      await expect(b.plugin.removeNode(first, context())).rejects.toMatchObject({ next: 'retry' });
      await expect(b.plugin.removeNode(first, context())).rejects.toMatchObject({
        reason: 'application_refused',
        message: expect.stringContaining('-transitionToActive'),
      });
    });
  });

  test('does not hand YARN over before the last node has drained', async () => {
    b = await bench();
    const release = b.hadoop.fault({ kind: 'decommission-hangs', host: 'worker-1' });
    const draining = b.plugin.removeNode(node('worker-1'), context());
    await until(() => b.hadoop.fleet().nodes.find((n) => n.name === 'worker-1')?.state === 'leaving');
    const told = context();
    const handing = b.plugin.removeNode(first, told);
    await until(() => told.said.some((line) => line.includes('no failover from rm1 yet: worker-1 still draining')));
    expect(active()[0]).toBe('rm1');
    release();
    await Promise.all([draining, handing]);
    expect(active()).toEqual(['rm2', 'nn2']);
    expect(b.hadoop.harm()).toEqual([]);
  });

  test('and workers that begin to leave at the same moment do each other no harm', async () => {
    b = await bench({ workers: 8 });
    const workers = ['worker-1', 'worker-2', 'worker-3'].map((name) => node(name));
    await Promise.all([first, ...workers].map((one) => b.plugin.removeNode(one, context())));
    for (const one of [first, ...workers]) {
      expect(await b.plugin.verifyNode(one, context())).toMatchObject({ membership: 'out' });
    }
    expect(b.hadoop.harm()).toEqual([]);
  });

  test('is unknown when both of a pair say that they are active', async () => {
    b = await bench();
    b.hadoop.fault({ kind: 'lying', about: 'two-actives' });
    const seen = await b.plugin.verifyNode(first, context());
    expect(seen.membership).toBe('unknown');
    expect(await b.plugin.verifyApplication(context())).toMatchObject({
      health: 'unknown',
      reasons: [
        'rm1 and rm2 both say that they are the active ResourceManager',
        'nn1 and nn2 both say that they are the active NameNode',
      ],
    });
    await expect(b.plugin.removeNode(first, context())).rejects.toMatchObject({ reason: 'application_unknown' });
  });

  test('must be named as the machine of a service, or is refused', async () => {
    b = await bench();
    await expect(b.plugin.removeNode(node('master-9'), context())).rejects.toMatchObject({
      reason: 'application_refused',
      next: 'stop',
      message: expect.stringContaining('no ResourceManager or NameNode is said to run on it'),
    });
    expect(await b.plugin.verifyNode(node('master-9'), context())).toMatchObject({ membership: 'unknown' });
  });

  test('is recognised by the host in the address of its service', async () => {
    b = await bench({
      options: (o) => ({
        ...o,
        resourceManagers: (o['resourceManagers'] as { id: string; url: string }[]).map(({ id, url }) => ({ id, url })),
        nameNodes: (o['nameNodes'] as { id: string; url: string }[]).map(({ id, url }) => ({ id, url })),
      }),
    });
    // Everything listens on 127.0.0.1 here, so this node carries both of each pair: none may be stopped.
    const local = { ...first, addressesBefore: ['127.0.0.1'] };
    expect(await b.plugin.verifyNode(local, context())).toMatchObject({ health: 'healthy', membership: 'in' });
  });

  test('that does not come back is not taken for well', async () => {
    b = await bench();
    await b.plugin.removeNode(first, context());
    b.hadoop.setMachine('master-1', false);
    await expect(b.plugin.addNode(first, context({ deadlineMs: 200 }))).rejects.toMatchObject({
      reason: 'deadline',
      next: 'stop',
      message: expect.stringContaining('ResourceManager rm1 does not answer'),
    });
  });
});

describe('a node without any part in YARN or HDFS', () => {
  test('is given up only while the masters are seen to be well', async () => {
    b = await bench({ options: (o) => ({ ...o, roles: { edge: {} } }) });
    const edge = node('edge-1', { role: 'edge' });
    await b.plugin.removeNode(edge, context());
    await b.plugin.addNode(edge, context());
    expect(await b.plugin.verifyNode(edge, context())).toEqual({ health: 'healthy', membership: 'out', reasons: [] });
    b.hadoop.fault({ kind: 'silent', service: 'nn' });
    await expect(b.plugin.removeNode(edge, context())).rejects.toMatchObject({ reason: 'application_unknown' });
  });
});
