import { describe, expect, it } from 'vitest';
import type { FailureData } from '../../../machines/errors.ts';
import type { Item } from '../../../machines/migration/items.ts';
import type { Consequence } from '../../../src/deployments/tracker.ts';
import { Tracker } from '../../../src/deployments/tracker.ts';
import { FORWARD } from '../../machines/observations.ts';
import { NOW, record } from './support.ts';

const FAILURE: FailureData = { reason: 'no_valid_host', next: 'stop', message: 'No valid host was found.' };
const MOVE = { ...FORWARD, uuid: 'n-1' };
const item = (place: Item['place'], changes: Partial<Item> = {}): Item => ({
  uuid: 'n-1',
  name: 'node-01',
  role: 'worker',
  failureDomain: null,
  instanceId: null,
  place,
  tries: 1,
  failure: null,
  ...changes,
});

function follow(state: Parameters<typeof record>[0] = {}) {
  let now = NOW;
  const draft = record(state);
  const tracker = new Tracker(draft.state, { now: () => now });
  return {
    tracker,
    draft,
    pass: (ms: number) => {
      now += ms;
    },
    /** As the crew does: the record first, then what is told. */
    take: ({ record: change, ...rest }: Consequence) => {
      change?.(draft);
      return rest.event?.();
    },
  };
}

describe('the tracker', () => {
  it('puts a change of phase into the record and tells it once', () => {
    const { tracker, draft, take } = follow({ state: 'canary' });
    expect(take(tracker.migration({ type: 'phase', phase: 'soaking', note: null }))).toEqual({
      type: 'state',
      from: 'canary',
      to: 'soaking',
    });
    expect(draft.state).toBe('soaking');
    expect(tracker.migration({ type: 'phase', phase: 'soaking', note: null })).toEqual({});
  });

  it('keeps what Ephyra has decided by itself as what is wanted, so that it outlives the process', () => {
    const back = follow();
    back.take(back.tracker.migration({ type: 'phase', phase: 'rolling_back', note: 'More nodes failed than may.' }));
    expect(back.draft).toMatchObject({ intent: 'abort', intentBy: null, note: 'More nodes failed than may.' });
    const stop = follow();
    stop.take(stop.tracker.migration({ type: 'phase', phase: 'stopping', note: null }));
    expect(stop.draft.intent).toBe('stop');
  });

  it('tells of the gate only when it says something new', () => {
    const { tracker, draft, take } = follow();
    const gate = (open: boolean, reason: string) => take(tracker.migration({ type: 'gate', open, reason }));
    expect(gate(true, '')).toBeUndefined();
    expect(gate(false, 'one block is missing')).toMatchObject({ type: 'gate', open: false });
    expect(draft.note).toBe('Waiting at the gate: one block is missing');
    expect(gate(false, 'one block is missing')).toBeUndefined();
    expect(gate(false, 'safe mode')).toMatchObject({ reason: 'safe mode' });
    expect(gate(true, '')).toMatchObject({ open: true });
    expect(draft.note).toBeNull();
  });

  it('writes when a node began and ended, and how long it took', () => {
    const { tracker, draft, take, pass } = follow();
    take(tracker.migration({ type: 'node_started', item: item('moving'), direction: 'forward' }));
    expect(draft.results[0]).toMatchObject({
      uuid: 'n-1',
      place: 'moving',
      startedAt: NOW,
      endedAt: null,
      attempts: 1,
    });
    pass(90_000);
    const settled = tracker.migration({ type: 'node_settled', item: item('moved') });
    settled.record?.(draft);
    expect(settled.event?.()).toMatchObject({ type: 'node_settled', place: 'moved', durationMs: 90_000 });
    expect(draft.results[0]).toMatchObject({ place: 'moved', endedAt: NOW + 90_000 });
  });

  it('counts the time of a node that was under way at a restart from its beginning', () => {
    const results = [
      { uuid: 'n-1', place: 'moving' as const, failure: null, startedAt: NOW - 60_000, endedAt: null, attempts: 1 },
    ];
    const { tracker, draft, take } = follow({ results });
    take(tracker.migration({ type: 'node_started', item: item('moving'), direction: 'forward' }));
    expect(draft.results[0]?.startedAt).toBe(NOW - 60_000);
  });

  it('writes down that a node has turned, and why, for a restart to know', () => {
    const { tracker, draft, take } = follow();
    take(tracker.migration({ type: 'node_started', item: item('moving'), direction: 'forward' }));
    const event = take(tracker.node({ type: 'turned', move: MOVE, failure: FAILURE }));
    expect(event).toEqual({ type: 'node_turned', uuid: 'n-1', failure: FAILURE });
    expect(draft.results[0]).toMatchObject({ place: 'going_back', failure: FAILURE });
    expect(tracker.live.get('n-1')).toMatchObject({ place: 'going_back', step: null });
  });

  it('knows the step under way, its try and its time', () => {
    const { tracker, take, pass } = follow();
    take(tracker.node({ type: 'step_started', move: MOVE, step: 'boot', attempt: 1 }));
    pass(5_000);
    take(tracker.node({ type: 'step_failed', move: MOVE, step: 'boot', failure: FAILURE, willRetry: true }));
    expect(tracker.live.get('n-1')?.failure).toEqual(FAILURE);
    pass(1_000);
    take(tracker.node({ type: 'step_started', move: MOVE, step: 'boot', attempt: 2 }));
    expect(tracker.live.get('n-1')).toMatchObject({ step: 'boot', attempt: 2 });
    pass(4_000);
    // The pause between the tries belongs to the step.
    expect(take(tracker.node({ type: 'step_done', move: MOVE, step: 'boot' }))).toMatchObject({ durationMs: 10_000 });
    expect(tracker.live.get('n-1')?.failure).toBeNull();
  });

  it('tells what a node waits for when the reason is a new one, and since when', () => {
    const { tracker, take, pass } = follow();
    expect(take(tracker.waiting('n-1', 'it is cleaning'))).toMatchObject({ type: 'waiting', reason: 'it is cleaning' });
    pass(5_000);
    expect(take(tracker.waiting('n-1', 'it is cleaning'))).toBeUndefined();
    expect(tracker.live.get('n-1')?.waiting).toEqual({ reason: 'it is cleaning', since: NOW });
    take(tracker.waiting('n-1', null));
    expect(tracker.live.get('n-1')?.waiting).toBeNull();
  });

  it('forgets what was live of a node that has settled', () => {
    const { tracker, take } = follow();
    take(tracker.waiting('n-1', 'x'));
    take(tracker.migration({ type: 'node_settled', item: item('back', { failure: FAILURE }) }));
    expect(tracker.live.size).toBe(0);
  });
});
