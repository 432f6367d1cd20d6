import { describe, expect, test } from 'vitest';
import type { FailureData } from '../../../machines/errors.ts';
import type { DeploymentEvent } from '../../../src/deployments/types.ts';
import { createLogger, logChanges } from '../../../src/observability/index.ts';
import { Door, JANE, LOCK } from './support.ts';

const FAILURE: FailureData = { reason: 'deploy_failed', next: 'stop', message: 'node-7 of jane: no' };

/** One of each, so that the compiler misses none. */
const EVENTS: { readonly [Type in DeploymentEvent['type']]: Extract<DeploymentEvent, { type: Type }> } = {
  requested: { type: 'requested' },
  approved: { type: 'approved', by: JANE },
  expired: { type: 'expired' },
  state: { type: 'state', from: 'rolling', to: 'stuck' },
  resumed: { type: 'resumed', after: 'start' },
  found: { type: 'found' },
  stop_requested: { type: 'stop_requested', by: JANE },
  abort_requested: { type: 'abort_requested', by: null },
  gate: { type: 'gate', open: false, reason: 'a jane-shaped reason' },
  node_started: { type: 'node_started', uuid: 'u-1', direction: 'forward' },
  step_started: { type: 'step_started', uuid: 'u-1', step: 'boot', attempt: 2 },
  step_done: { type: 'step_done', uuid: 'u-1', step: 'boot', durationMs: 5 },
  step_failed: { type: 'step_failed', uuid: 'u-1', step: 'boot', failure: FAILURE, willRetry: true },
  waiting: { type: 'waiting', uuid: 'u-1', reason: 'jane' },
  node_turned: { type: 'node_turned', uuid: 'u-1', failure: FAILURE },
  node_settled: { type: 'node_settled', uuid: 'u-1', place: 'stuck', durationMs: 5 },
};

function logged(events: readonly DeploymentEvent[]): Record<string, unknown>[] {
  const lines: Record<string, unknown>[] = [];
  const log = createLogger({ level: 'trace', destination: { write: (line) => lines.push(JSON.parse(line)) } });
  const door = new Door();
  logChanges(door, log);
  for (const event of events) door.tell(event);
  return lines;
}

describe('changes in the log', () => {
  test('each give one line with a constant message and the data in fields', () => {
    const lines = logged(Object.values(EVENTS));
    expect(lines).toHaveLength(Object.keys(EVENTS).length);
    for (const line of lines) {
      expect(line).toMatchObject({ deployment: 'd-1', source: 'cp1', target: 'cp2' });
      expect(line['msg']).toMatch(/^[a-z ]+$/);
      expect(line['msg']).not.toMatch(/jane|node-7|cp1|d-1/);
    }
    expect(new Set(lines.map((line) => line['msg'])).size).toBe(lines.length);
  });

  test('name the node, and keep reason and remedy of a failure', () => {
    expect(logged([EVENTS.step_failed])).toEqual([
      expect.objectContaining({
        level: 'warn',
        msg: 'step failed',
        node: 'u-1',
        name: 'name-u-1',
        step: 'boot',
        willRetry: true,
        failure: FAILURE,
      }),
    ]);
  });

  test('that need a person stand out', () => {
    const levels = logged([
      EVENTS.state,
      EVENTS.node_settled,
      { ...EVENTS.step_failed, willRetry: false },
      { type: 'state', from: 'rolling', to: 'rolling_back' },
      { type: 'state', from: 'rolling', to: 'completed' },
      EVENTS.step_started,
    ]).map((line) => line['level']);
    expect(levels).toEqual(['error', 'error', 'error', 'warn', 'info', 'debug']);
  });

  test('of locks say who and why', () => {
    const lines: unknown[] = [];
    const log = createLogger({ level: 'info', destination: { write: (line) => lines.push(JSON.parse(line)) } });
    const door = new Door();
    const stop = logChanges(door, log);
    door.say({ kind: 'lock', at: 1, lock: LOCK, event: 'unlocked', by: { ...JANE, id: 'U2' } });
    stop();
    door.say({ kind: 'lock', at: 1, lock: LOCK, event: 'locked', by: JANE });
    expect(lines).toEqual([
      expect.objectContaining({ msg: 'lock released', scope: 'cp1', owner: JANE.id, by: 'U2', reason: 'firmware' }),
    ]);
  });
});
