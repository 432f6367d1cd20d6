import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import type { EphyraProcess } from '../../src/sandbox/process.ts';
import { Bench } from './support/bench.ts';

describe('What the running process tells monitoring', () => {
  let bench: Bench;
  let ephyra: EphyraProcess;

  beforeAll(async () => {
    bench = await Bench.set();
    ephyra = await bench.start(await bench.configuration());
    await bench.sandbox.slack.people.type('U0ALICE', 'C0OPSHADOOP', '/ephyra deploy cp1→cp2');
    const card = async (words: string): Promise<void> =>
      expect((await bench.see()).messages[0]?.plain).toContain(words);
    await vi.waitFor(() => card('[Approve]'), { timeout: 10_000 });
    await bench.press('U0BOB', 'ephyra:approve');
    await vi.waitFor(() => card('COMPLETED'), { timeout: 40_000, interval: 200 });
  });
  afterAll(() => bench?.clear());

  const get = async (path: string) => {
    const response = await fetch(ephyra.httpUrl + path);
    return { status: response.status, type: response.headers.get('content-type') ?? '', text: await response.text() };
  };
  /** Samples of a metric as [labels, value]. */
  const samples = async (name: string): Promise<[string, number][]> => {
    const { text } = await get('/metrics');
    return text
      .split('\n')
      .filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `))
      .map((line) => {
        const [, labels = '', value = ''] = /^[\w:]+(?:\{(.*)\})? (\S+)$/.exec(line) ?? [];
        return [labels, Number(value)];
      });
  };
  const sum = (found: readonly [string, number][]) => found.reduce((total, [, value]) => total + value, 0);

  test('it is alive and ready', async () => {
    expect(await get('/healthz')).toMatchObject({ status: 200, text: expect.stringContaining('"status":"ok"') });
    expect(JSON.parse((await get('/readyz')).text)).toMatchObject({ status: 'ok', checks: { started: 'ok' } });
  });

  test('the metrics are in the format of Prometheus, each with its help', async () => {
    const { status, type, text } = await get('/metrics');
    expect(status).toBe(200);
    expect(type).toContain('text/plain');
    const named = new Set([...text.matchAll(/^# TYPE (\S+)/gm)].map(([, name]) => name));
    expect(new Set([...text.matchAll(/^# HELP (\S+) \S/gm)].map(([, name]) => name))).toEqual(named);
  });

  test('deployments and nodes by state', async () => {
    expect(await samples('ephyra_deployments')).toContainEqual(['state="completed"', 1]);
    expect(await samples('ephyra_deployments_total')).toContainEqual(['outcome="completed"', 1]);
    expect(await samples('ephyra_nodes')).toContainEqual(['state="moved"', 4]);
    expect(sum(await samples('ephyra_nodes'))).toBe(4);
  });

  test('how long the steps took, every step of every node counted once', async () => {
    const counts = await samples('ephyra_step_duration_seconds_count');
    const steps = ['claim', 'remove', 'stop', 'release', 'copy', 'unenroll', 'enroll', 'boot', 'add', 'verify'];
    for (const step of steps) expect(counts).toContainEqual([`step="${step}",direction="forward"`, 4]);
    expect(sum(await samples('ephyra_step_duration_seconds_sum'))).toBeGreaterThan(0);
  });

  test('calls to OpenStack by control plane, service and status, as many as there were', async () => {
    const calls = await samples('ephyra_openstack_requests_total');
    const of = (...labels: string[]) => sum(calls.filter(([found]) => labels.every((label) => found.includes(label))));
    for (const service of ['keystone', 'ironic', 'nova', 'placement', 'neutron', 'glance'])
      expect(of(`service="${service}"`, 'control_plane="cp2"'), service).toBeGreaterThan(0);
    const writes = bench.writes.length;
    const counted = sum(calls.filter(([found]) => !/method="GET"|service="keystone"/.test(found)));
    expect(counted).toBe(writes);
    expect(of('method="POST"', 'route="/v2.1/servers"', 'status="202"')).toBe(4);
    // A label with an id would be a series for each node.
    expect(calls.map(([labels]) => labels).join('\n')).not.toMatch(/[0-9a-f]{8}-[0-9a-f]{4}-/);
  });

  test('calls to Slack', async () => {
    const calls = await samples('ephyra_slack_requests_total');
    expect(sum(calls.filter(([labels]) => labels.includes('method="chat.postMessage"')))).toBeGreaterThan(0);
    expect(sum(calls.filter(([labels]) => labels.includes('method="chat.update"')))).toBeGreaterThan(0);
  });

  test('no secret is in the metrics or in the log', async () => {
    const { app } = bench.sandbox.slack.core;
    const said = (await get('/metrics')).text + bench.log();
    for (const secret of [app.botToken, app.appToken, app.signingSecret, 'adminpass'])
      expect(said).not.toContain(secret);
    const { nodes } = bench.sandbox.controlPlanes[1]?.snapshot() ?? { nodes: [] };
    const passwords = nodes.map((node) => String(node.driver_info['ipmi_password']));
    expect(passwords).toHaveLength(4);
    for (const password of passwords) expect(said).not.toContain(password);
  });
});
