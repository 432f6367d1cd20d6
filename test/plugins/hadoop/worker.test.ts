import { afterEach, describe, expect, test } from 'vitest';
import { type Bench, bench, context, node } from './bench.ts';

let b: Bench;
afterEach(() => b.close());

describe('a worker that moves', () => {
  test('leaves in order, is out, and comes back at its new address with nobody harmed', async () => {
    b = await bench();
    const before = node('worker-1', { addressesBefore: ['10.1.1.1'] });
    expect(await b.plugin.verifyNode(before, context())).toEqual({ health: 'healthy', membership: 'in', reasons: [] });

    const leaving = context();
    await b.plugin.removeNode(before, leaving);
    expect(leaving.said.join('\n')).toMatch(/worker-1: .*YARN: DECOMMISSIONING, \d containers? left/);
    expect(leaving.said.join('\n')).toMatch(/HDFS: Decommission In Progress, \d+ blocks? left/);
    const out = await b.plugin.verifyNode(before, context());
    expect(out).toMatchObject({ health: 'unhealthy', membership: 'out' });

    b.hadoop.setMachine('worker-1', false);
    const application = await b.plugin.verifyApplication(context());
    expect(application).toMatchObject({ health: 'healthy', unavailable: ['worker-1'], membersInService: 4 });

    b.hadoop.setMachine('worker-1', true, '10.2.1.1');
    const after = node('worker-1', { addressesBefore: ['10.1.1.1'], addressesAfter: ['10.2.1.1'] });
    await b.plugin.addNode(after, context());
    expect(await b.plugin.verifyNode(after, context())).toEqual({ health: 'healthy', membership: 'in', reasons: [] });
    expect((await b.plugin.verifyApplication(context())).unavailable).toEqual([]);
    expect(b.hadoop.harm()).toEqual([]);
  });
});
