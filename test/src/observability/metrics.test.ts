import { describe, expect, test } from 'vitest';
import type { FailureData } from '../../../machines/errors.ts';
import { createMetrics, observeChanges } from '../../../src/observability/index.ts';
import { Door, LOCK, node, view } from './support.ts';

const FAILURE: FailureData = { reason: 'deploy_failed', next: 'stop', message: 'no' };

function observed() {
  const metrics = createMetrics({ version: '1.2.3', processMetrics: false });
  const door = new Door();
  const stop = observeChanges(door, metrics);
  /** Value of one sample, undefined when there is none. */
  const sample = async (series: string): Promise<number | undefined> => {
    const line = (await metrics.text()).split('\n').find((each) => each.startsWith(`${series} `));
    return line === undefined ? undefined : Number(line.slice(series.length + 1));
  };
  return { metrics, door, stop, sample };
}

describe('metrics of deployments', () => {
  test('show how many there are in each state, from the first reading on', async () => {
    const { door, sample } = observed();
    expect(await sample('ephyra_deployments{state="rolling"}')).toBe(0);
    door.shown = [view(), view({ id: 'd-0', state: 'completed' }), view({ id: 'd-00', state: 'completed' })];
    expect(await sample('ephyra_deployments{state="rolling"}')).toBe(1);
    expect(await sample('ephyra_deployments{state="completed"}')).toBe(2);
    expect(await sample('ephyra_deployments{state="stuck"}')).toBe(0);
  });

  test('show the nodes of what runs, else of what ran last', async () => {
    const { door, sample } = observed();
    const last = view({ state: 'completed', nodes: [node('u-1', 'moved'), node('u-2', 'back')] });
    const older = view({ id: 'd-0', state: 'completed', nodes: [node('u-9', 'moved')] });
    door.shown = [last, older];
    expect(await sample('ephyra_nodes{state="moved"}')).toBe(1);
    expect(await sample('ephyra_nodes{state="back"}')).toBe(1);
    door.shown = [view({ id: 'd-2' }), last];
    expect(await sample('ephyra_nodes{state="moving"}')).toBe(1);
    expect(await sample('ephyra_nodes{state="waiting"}')).toBe(1);
    expect(await sample('ephyra_nodes{state="moved"}')).toBe(0);
  });

  test('count each end once, by whatever events it is told', async () => {
    const { door, sample } = observed();
    const ended = view({ state: 'completed' });
    door.tell({ type: 'state', from: 'rolling', to: 'completed' }, ended);
    door.tell({ type: 'waiting', uuid: 'u-1', reason: 'x' }, ended);
    expect(await sample('ephyra_deployments_total{outcome="completed"}')).toBe(1);
    door.tell({ type: 'expired' }, view({ id: 'd-2', state: 'expired' }));
    expect(await sample('ephyra_deployments_total{outcome="expired"}')).toBe(1);
  });

  test('do not count what had ended before the start, but a new end of it', async () => {
    const metrics = createMetrics({ version: '1', processMetrics: false });
    const door = new Door();
    door.shown = [view({ state: 'stopped' })];
    observeChanges(door, metrics);
    door.tell({ type: 'waiting', uuid: 'u-1', reason: 'x' }, view({ state: 'stopped' }));
    expect(await metrics.text()).not.toContain('ephyra_deployments_total{');
    door.tell({ type: 'resumed', after: 'start' }, view({ state: 'rolling' }));
    door.tell({ type: 'state', from: 'rolling', to: 'stopped' }, view({ state: 'stopped' }));
    expect(await metrics.text()).toContain('ephyra_deployments_total{outcome="stopped"} 1');
  });

  test('time steps in seconds, by direction', async () => {
    const { door, sample } = observed();
    const at = (place: 'moving' | 'going_back' | 'stuck') => view({ nodes: [node('u-1', place)] });
    door.tell({ type: 'node_started', uuid: 'u-1', direction: 'back' }, at('going_back'));
    door.tell({ type: 'step_done', uuid: 'u-1', step: 'boot', durationMs: 90_000 }, at('moving'));
    door.tell({ type: 'step_done', uuid: 'u-1', step: 'boot', durationMs: 30_000 }, at('going_back'));
    door.tell({ type: 'step_done', uuid: 'u-1', step: 'boot', durationMs: 10_000 }, at('stuck'));
    expect(await sample('ephyra_step_duration_seconds_sum{step="boot",direction="forward"}')).toBe(90);
    expect(await sample('ephyra_step_duration_seconds_sum{step="boot",direction="back"}')).toBe(40);
    expect(await sample('ephyra_step_duration_seconds_bucket{le="60",step="boot",direction="back"}')).toBe(2);
    expect(await sample('ephyra_step_duration_seconds_bucket{le="14400",step="boot",direction="forward"}')).toBe(1);
  });

  test('count failures by reason and settled nodes by outcome', async () => {
    const { door, sample } = observed();
    door.tell({ type: 'step_failed', uuid: 'u-1', step: 'boot', failure: FAILURE, willRetry: true });
    door.tell({ type: 'step_failed', uuid: 'u-1', step: 'boot', failure: FAILURE, willRetry: false });
    door.tell({ type: 'node_settled', uuid: 'u-1', place: 'back', durationMs: 1 });
    expect(await sample('ephyra_step_failures_total{step="boot",reason="deploy_failed"}')).toBe(2);
    expect(await sample('ephyra_node_migrations_total{outcome="back"}')).toBe(1);
  });

  test('show a gate only while there is one to show', async () => {
    const { door, sample } = observed();
    const gate = 'ephyra_gate_open{source="cp1",target="cp2"}';
    expect(await sample(gate)).toBeUndefined();
    door.tell({ type: 'gate', open: false, reason: 'unhealthy' });
    expect(await sample(gate)).toBe(0);
    door.tell({ type: 'gate', open: true, reason: 'healthy' });
    expect(await sample(gate)).toBe(1);
    door.tell({ type: 'state', from: 'rolling', to: 'completed' }, view({ state: 'completed' }));
    expect(await sample(gate)).toBeUndefined();
  });

  test('show the locks', async () => {
    const { door, sample } = observed();
    door.lockViews = [LOCK, { ...LOCK, id: 'l-2' }];
    expect(await sample('ephyra_locks')).toBe(2);
  });

  test('go on no longer once stopped', async () => {
    const { door, stop, sample } = observed();
    stop();
    door.lockViews = [LOCK];
    door.tell({ type: 'node_settled', uuid: 'u-1', place: 'moved', durationMs: 1 });
    expect(await sample('ephyra_locks')).toBe(0);
    expect(await sample('ephyra_node_migrations_total{outcome="moved"}')).toBeUndefined();
  });
});

describe('metrics of calls', () => {
  test('count requests to OpenStack by route, and never by id', async () => {
    const { metrics, sample } = observed();
    const call = { controlPlane: 'cp1', service: 'ironic', method: 'GET', status: 200, ms: 250 };
    metrics.openstackCall({ ...call, route: '/v1/nodes/{uuid}' });
    metrics.openstackCall({ ...call, route: '/v1/nodes/9f1c2d3e-0000-4000-8000-0123456789ab?fields=x' });
    metrics.openstackCall({ ...call, route: '/v1/nodes/9f1c2d3e-0000-4000-8000-0123456789ac', status: 'error' });
    const labels = 'control_plane="cp1",service="ironic",method="GET"';
    expect(await sample(`ephyra_openstack_requests_total{${labels},route="/v1/nodes/{uuid}",status="200"}`)).toBe(1);
    expect(await sample(`ephyra_openstack_requests_total{${labels},route="/v1/nodes/{id}",status="200"}`)).toBe(1);
    expect(await sample(`ephyra_openstack_requests_total{${labels},route="/v1/nodes/{id}",status="error"}`)).toBe(1);
    expect(await sample(`ephyra_openstack_request_duration_seconds_sum{${labels}}`)).toBe(0.75);
  });

  test('count calls to Slack, commands from it and how fast they were acknowledged', async () => {
    const { metrics, sample } = observed();
    metrics.slackCall({ method: 'chat.update', outcome: 'ratelimited' });
    metrics.slackCommand('deploy', 120);
    metrics.slackCommand('rm -rf "$HOME"');
    expect(await sample('ephyra_slack_requests_total{method="chat.update",status="ratelimited"}')).toBe(1);
    expect(await sample('ephyra_slack_commands_total{command="deploy"}')).toBe(1);
    expect(await sample('ephyra_slack_commands_total{command="unknown"}')).toBe(1);
    expect(await sample('ephyra_slack_ack_duration_seconds_bucket{le="0.2"}')).toBe(1);
    expect(await sample('ephyra_slack_ack_duration_seconds_count')).toBe(1);
  });
});

describe('metrics of the process', () => {
  test('say what is running', async () => {
    const metrics = createMetrics({ version: '1.2.3' });
    const text = await metrics.text();
    expect(text).toContain(`ephyra_build_info{version="1.2.3",nodejs="${process.version}"} 1`);
    expect(text).toContain('process_resident_memory_bytes');
    expect(text).toContain('nodejs_eventloop_lag_seconds');
  });

  test('of two do not meet', async () => {
    const one = createMetrics({ version: '1', processMetrics: false });
    const two = createMetrics({ version: '2', processMetrics: false });
    one.slackCommand('help');
    expect(await two.text()).not.toContain('command="help"');
  });
});
