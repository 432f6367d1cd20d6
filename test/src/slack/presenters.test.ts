import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { STEPS } from '../../../machines/domain.ts';
import { REASONS } from '../../../machines/errors.ts';
import {
  type Actor,
  type Change,
  DEPLOYMENT_STATES,
  type DeploymentEvent,
  type DeploymentView,
  FINAL_STATES,
  type NodePlace,
  type NodeView,
  REFUSALS,
} from '../../../src/deployments/types.ts';
import { message } from '../../../src/slack/blocks.ts';
import { readButtonValue } from '../../../src/slack/buttonValue.ts';
import { bar, presentCard } from '../../../src/slack/card.ts';
import { planMessage } from '../../../src/slack/commands/plan.ts';
import { COMMANDS } from '../../../src/slack/commands/registry.ts';
import { refusalMessage } from '../../../src/slack/refusal.ts';
import {
  lockLine,
  noticeLine,
  outcome,
  rollUp,
  type ThreadLine,
  threadLines,
  threadMessage,
} from '../../../src/slack/thread.ts';
import { NASTY, problemsOf, smuggled } from './support/blockRules.ts';
import { FakeDeployments, person } from './support/fakeDeployments.ts';

const AT = Date.UTC(2026, 10, 22, 3, 12, 0);
const PLACES: readonly NodePlace[] = ['waiting', 'moving', 'moved', 'going_back', 'back', 'stuck'];

function nodeAt(i: number, place: NodePlace, more: Partial<NodeView> = {}): NodeView {
  return {
    uuid: `uuid-${i}`,
    name: `worker-${String(i + 1).padStart(2, '0')}`,
    role: 'hadoop-worker',
    place,
    step: place === 'moving' ? 'boot' : null,
    attempt: 1,
    waiting: place === 'moving' ? { reason: 'instance to become ACTIVE', since: AT - 90_000 } : null,
    startedAt: place === 'waiting' ? null : AT - 300_000,
    endedAt: place === 'moved' ? AT - 60_000 : null,
    failure: null,
    addresses: place === 'moved' ? [`10.2.0.${i + 1}`] : [],
    ...more,
  };
}

function view(more: Partial<DeploymentView> = {}): DeploymentView {
  return {
    id: 'd-20261122-1',
    source: 'cp1',
    target: 'cp2',
    state: 'rolling',
    requestedBy: person('U0ALICE'),
    requestedAt: AT - 3_600_000,
    digest: 'a1b2c3d4e5f60718',
    maxUnavailable: 2,
    approval: { by: person('U0BOB'), at: AT - 3_000_000 },
    approvalExpiresAt: null,
    startedAt: AT - 3_000_000,
    endedAt: null,
    endedBy: null,
    note: null,
    nodes: [nodeAt(0, 'moved'), nodeAt(1, 'moving'), nodeAt(2, 'waiting')],
    excluded: [],
    etaMs: 1_200_000,
    thread: null,
    ...more,
  };
}

const outside = fc.oneof(
  { weight: 2, arbitrary: fc.constantFrom(...NASTY) },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 300 }) },
  { weight: 1, arbitrary: fc.constantFrom('worker-01', '10.0.0.1', 'cp1', 'disks') },
);
const actor: fc.Arbitrary<Actor> = fc.record({
  via: fc.constantFrom('slack', 'api', 'cli', 'webhook', 'system'),
  id: fc.oneof(fc.constant('U0ALICE'), outside),
  display: outside,
});
const failure = fc.record({
  reason: fc.constantFrom(...REASONS),
  next: fc.constantFrom('retry', 'stop', 'ask', 'cancelled'),
  message: outside,
  remedy: outside,
});
const time = fc.integer({ min: AT - 86_400_000, max: AT });
const node: fc.Arbitrary<NodeView> = fc.record({
  uuid: fc.uuid(),
  name: outside,
  role: outside,
  place: fc.constantFrom(...PLACES),
  step: fc.option(fc.constantFrom(...STEPS)),
  attempt: fc.integer({ min: 1, max: 9 }),
  waiting: fc.option(fc.record({ reason: outside, since: time })),
  startedAt: fc.option(time),
  endedAt: fc.option(time),
  failure: fc.option(failure),
  addresses: fc.array(outside, { maxLength: 8 }),
});
const nodes = fc
  .tuple(fc.constantFrom(0, 1, 12, 300), fc.array(node, { minLength: 1, maxLength: 6 }))
  .map(([n, some]) =>
    Array.from({ length: n }, (_, i) => ({ ...(some[i % some.length] as NodeView), uuid: `uuid-${i}` })),
  );
const anyView: fc.Arbitrary<DeploymentView> = fc.record({
  // Ids are made by Ephyra, but what is written in a store may have been edited.
  id: outside.map((id) => (id === '' ? 'd-1' : id.slice(0, 100))),
  source: fc.constantFrom('cp1', 'Tokyo_1'),
  target: fc.constantFrom('cp2', 'a.b.c'),
  state: fc.constantFrom(...DEPLOYMENT_STATES),
  requestedBy: actor,
  requestedAt: time,
  digest: fc.string({ maxLength: 64 }),
  maxUnavailable: fc.integer({ min: 1, max: 99 }),
  approval: fc.option(fc.record({ by: actor, at: time })),
  approvalExpiresAt: fc.option(time),
  startedAt: fc.option(time),
  endedAt: fc.option(time),
  endedBy: fc.option(actor),
  note: fc.option(outside),
  nodes,
  excluded: fc.array(fc.record({ uuid: fc.uuid(), name: outside, reason: outside }), { maxLength: 40 }),
  etaMs: fc.option(fc.integer({ min: 0, max: 86_400_000 })),
  thread: fc.constant(null),
});
const uuid = fc.constantFrom('uuid-0', 'uuid-1', 'uuid-unknown');
const event: fc.Arbitrary<DeploymentEvent> = fc.oneof(
  fc.constant({ type: 'requested' as const }),
  fc.record({ type: fc.constant('approved' as const), by: actor }),
  fc.record({
    type: fc.constant('state' as const),
    from: fc.constant('rolling' as const),
    to: fc.constantFrom(...DEPLOYMENT_STATES),
  }),
  fc.record({ type: fc.constant('resumed' as const), after: fc.constantFrom('start' as const, 'lost lease' as const) }),
  fc.record({ type: fc.constant('stop_requested' as const), by: actor }),
  fc.record({ type: fc.constant('abort_requested' as const), by: fc.option(actor) }),
  fc.record({ type: fc.constant('gate' as const), open: fc.boolean(), reason: outside }),
  fc.record({ type: fc.constant('node_started' as const), uuid, direction: fc.constantFrom('forward', 'back') }),
  fc.record({
    type: fc.constant('step_failed' as const),
    uuid,
    step: fc.constantFrom(...STEPS),
    failure,
    willRetry: fc.boolean(),
  }),
  fc.record({ type: fc.constant('node_turned' as const), uuid, failure: fc.option(failure) }),
  fc.record({
    type: fc.constant('node_settled' as const),
    uuid,
    place: fc.constantFrom(...PLACES),
    durationMs: fc.nat(9_999_999),
  }),
) as fc.Arbitrary<DeploymentEvent>;

function words(blocks: readonly unknown[]): string {
  return JSON.stringify(blocks);
}

function actions(deployment: DeploymentView): string[] {
  const block = presentCard(deployment, AT, { buttons: true }).blocks.find((one) => one.type === 'actions');
  return block?.type === 'actions' ? block.elements.map((one) => (one as { action_id?: string }).action_id ?? '') : [];
}

describe('the card', () => {
  it('is within the limits of Slack and lets nothing be smuggled in, with 0, 1, 12 and 300 nodes', () => {
    fc.assert(
      fc.property(anyView, fc.boolean(), (deployment, buttons) => {
        expect(problemsOf(presentCard(deployment, AT, { buttons }))).toEqual([]);
      }),
      { numRuns: 300 },
    );
  });

  it('says who, from where to where, how far and what is under way', () => {
    const card = presentCard(view(), AT, { buttons: true });
    const all = words(card.blocks);
    expect(card.text).toBe('🚚 cp1 → cp2: moving nodes. 1 of 3 nodes moved, 1 moving (d-20261122-1).');
    expect(all).toContain('🚚 cp1 → cp2: moving nodes');
    expect(all).toContain('<@U0ALICE>');
    expect(all).toContain('by <@U0BOB>');
    expect(all).toContain('*1 of 3 nodes moved* (33 %)');
    expect(all).toContain('🟩🟦⬜');
    expect(all).toContain('🟦 *worker-02*  boot: instance to become ACTIVE (since <!date^');
    expect(all).toContain('Done at about');
  });

  it('shows twelve of three hundred nodes under way and says how many more', () => {
    const many = Array.from({ length: 300 }, (_, i) => nodeAt(i, i < 40 ? 'moving' : 'waiting'));
    const all = words(presentCard(view({ nodes: many }), AT, { buttons: true }).blocks);
    expect(all).toContain('*worker-12*');
    expect(all).not.toContain('*worker-13*');
    expect(all).toContain('… and 28 more');
  });

  it('offers the decisions that make sense in a state, and none once it has ended', () => {
    const offered = Object.fromEntries(DEPLOYMENT_STATES.map((state) => [state, actions(view({ state }))]));
    expect(offered).toMatchObject({
      awaiting_approval: ['ephyra:approve', 'ephyra:abort'],
      found: ['ephyra:approve', 'ephyra:abort'],
      canary: ['ephyra:stop', 'ephyra:abort'],
      rolling: ['ephyra:stop', 'ephyra:abort'],
      stopping: ['ephyra:abort'],
      rolling_back: [],
    });
    for (const state of FINAL_STATES) expect(offered[state]).toEqual([]);
  });

  it('asks about what was found half-way, with the two ways out and no step that nobody is at', () => {
    const nodes = [nodeAt(0, 'moved'), nodeAt(1, 'moving', { step: null, waiting: null }), nodeAt(2, 'waiting')];
    const note = 'The store does not know it, the marks on its nodes do. Under way: worker-02 (in both).';
    const found = view({
      state: 'found',
      approval: null,
      startedAt: null,
      nodes,
      note,
      requestedBy: { via: 'system', id: 'ephyra', display: 'Ephyra' },
    });
    const { blocks } = presentCard(found, AT, { buttons: true });
    const all = words(blocks);
    expect(all).toContain('found half-way, somebody has to decide');
    expect(all).toContain('worker-02 (in both)');
    expect(all).toContain('a decision is needed');
    expect(all).toContain('*Standing half-way*');
    expect(all).not.toContain('beginning');
    const buttons = blocks.flatMap((one) => (one.type === 'actions' ? one.elements : []));
    expect(buttons.map((one) => (one.type === 'button' ? one.text.text : ''))).toEqual(['Finish moving', 'Bring back']);
    expect(JSON.stringify(buttons[0])).toContain(
      '1 node half-way will go on to cp2, and 1 that have not begun will follow.',
    );
    expect(problemsOf(presentCard(found, AT, { buttons: true }))).toEqual([]);
  });

  it('binds its buttons to the deployment, the plan and the state that it shows', () => {
    const block = presentCard(view(), AT, { buttons: true }).blocks.find((one) => one.type === 'actions');
    if (block?.type !== 'actions') throw new Error('no buttons');
    for (const element of block.elements) {
      expect(element.type === 'button' && readButtonValue(element.value)).toEqual({
        deployment: 'd-20261122-1',
        digest: 'a1b2c3d4e5f60718',
        state: 'rolling',
      });
      expect(element.type === 'button' && element.confirm).toBeTruthy();
    }
    for (const foreign of [
      undefined,
      '',
      'x',
      '{}',
      '{"deployment":"","digest":"x"}',
      '{"deployment":"d","digest":"x","state":"y"}',
      '[]',
    ]) {
      expect(readButtonValue(foreign)).toBeUndefined();
    }
  });

  it('puts stuck nodes first among the failures, with what to do', () => {
    const broken = {
      reason: 'clean_failed',
      next: 'ask',
      message: 'Cleaning failed.',
      remedy: 'Look at the BMC.',
    } as const;
    const failed = [
      nodeAt(0, 'back', { failure: { ...broken, message: 'Mended.' } }),
      nodeAt(1, 'stuck', { failure: broken }),
    ];
    const all = words(presentCard(view({ nodes: failed, state: 'stuck' }), AT, { buttons: true }).blocks);
    expect(all.indexOf('worker-02')).toBeLessThan(all.indexOf('worker-01'));
    expect(all).toContain('→ Look at the BMC.');
  });
});

describe('the bar', () => {
  it('has at most twenty squares and at least one for everything that exists', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...PLACES), { minLength: 1, maxLength: 300 }), (places) => {
        const drawn = [...bar(places.map((place, i) => nodeAt(i, place)))];
        expect(drawn).toHaveLength(Math.min(20, places.length));
        expect(new Set(drawn).size).toBe(new Set(places).size);
      }),
    );
  });
});

describe('the thread', () => {
  it('is within the limits and lets nothing be smuggled in', () => {
    fc.assert(
      fc.property(
        anyView,
        fc.array(event, { minLength: 1, maxLength: 40 }),
        fc.nat(3),
        (deployment, events, dropped) => {
          const lines = events.flatMap((one) =>
            threadLines({ kind: 'deployment', at: AT, deployment, event: one } as Extract<
              Change,
              { kind: 'deployment' }
            >),
          );
          for (const line of lines) expect(smuggled(line.text)).toEqual([]);
          if (lines.length > 0) expect(problemsOf(threadMessage(lines, 'ephyra-line:x-1', dropped))).toEqual([]);
        },
      ),
      { numRuns: 300 },
    );
  });

  function told(one: DeploymentEvent, more: Partial<DeploymentView> = {}): string[] {
    return threadLines({ kind: 'deployment', at: AT, deployment: view(more), event: one }).map((line) => line.text);
  }

  it('asks in the channel what becomes of what was found half-way', () => {
    const found = view({ state: 'found', note: 'Under way: worker-02 (in both).' });
    const [line] = threadLines({ kind: 'deployment', at: AT, deployment: found, event: { type: 'found' } });
    expect(line).toMatchObject({ urgent: true, broadcast: true });
    expect(line?.text).toContain('worker-02 (in both)');
    expect(line?.text).toContain('`/ephyra approve d-20261122-1`');
    expect(line?.text).toContain('`/ephyra abort d-20261122-1`');
  });

  it('tells a move with its duration and new address', () => {
    expect(told({ type: 'node_settled', uuid: 'uuid-0', place: 'moved', durationMs: 252_000 })).toEqual([
      '✅ *worker-01* is in cp2 after 4 min 12 s, now `10.2.0.1`.',
    ]);
  });

  it('tells a failed step with the reason and what happens next', () => {
    const failed = {
      reason: 'clean_failed',
      next: 'stop',
      message: 'Cleaning failed.',
      remedy: 'See the BMC.',
    } as const;
    expect(told({ type: 'step_failed', uuid: 'uuid-1', step: 'release', failure: failed, willRetry: false })).toEqual([
      '❌ *worker-02*, release: Cleaning failed (`clean_failed`). The node goes back where it came from.\n      → See the BMC.',
    ]);
    expect(told({ type: 'step_failed', uuid: 'uuid-1', step: 'release', failure: failed, willRetry: true })).toEqual([
      '🔸 *worker-02*, release: Cleaning failed (`clean_failed`). It is tried again.',
    ]);
  });

  it('tells what ended before it began as what it is: nothing else will tell it', () => {
    const waiting = { startedAt: null, state: 'stopped' as const };
    const withdrawn = '⏹️ *WITHDRAWN* cp1 → cp2, asked for by <@U0BOB>: nothing was moved, nothing will be.';
    expect(told({ type: 'abort_requested', by: person('U0BOB') }, waiting)).toEqual([withdrawn]);
    expect(told({ type: 'stop_requested', by: person('U0BOB') }, waiting)).toEqual([withdrawn]);
    const expired = { startedAt: null, state: 'expired' as const };
    expect(told({ type: 'expired' }, expired)).toEqual([
      '⌛ *EXPIRED* cp1 → cp2: nobody approved in time, nothing was moved. To ask again: `/ephyra deploy cp1→cp2`',
    ]);
    expect(told({ type: 'state', from: 'awaiting_approval', to: 'expired' }, expired)).toEqual([]);
  });

  it('tells why everything goes back when nobody asked for it', () => {
    const back = { type: 'state', from: 'rolling', to: 'rolling_back' } as const;
    expect(told(back, { note: 'More nodes failed than the failure budget allows.' })).toEqual([
      '⏪ Everything goes back to cp1: More nodes failed than the failure budget allows.',
    ]);
    expect(told(back)).toEqual([]);
  });

  it('says nothing of single steps: the card shows them', () => {
    expect(told({ type: 'step_started', uuid: 'uuid-0', step: 'boot', attempt: 1 })).toEqual([]);
    expect(told({ type: 'step_done', uuid: 'uuid-0', step: 'boot', durationMs: 1 })).toEqual([]);
    expect(told({ type: 'waiting', uuid: 'uuid-0', reason: 'x' })).toEqual([]);
  });

  it('ends with the outcome in a word, the counts and the time', () => {
    const ended = { startedAt: AT - 3_000_000, endedAt: AT };
    const done = [nodeAt(0, 'moved'), nodeAt(1, 'moved', { endedAt: AT, startedAt: AT - 600_000 })];
    expect(outcome(view({ ...ended, state: 'completed', nodes: done }))).toBe(
      '✅ *COMPLETED* cp1 → cp2: 2 of 2 nodes moved in 50 min. The slowest was worker-02 with 10 min. To take back what has moved: `/ephyra abort d-20261122-1`.',
    );
    expect(outcome(view({ ...ended, state: 'rolled_back', nodes: [nodeAt(0, 'back'), nodeAt(1, 'waiting')] }))).toBe(
      '↩️ *ROLLED BACK* cp1 → cp2: 1 of 2 nodes are back in cp1 in 50 min, 1 had not been touched.',
    );
    expect(outcome(view({ ...ended, state: 'stopped', nodes: [nodeAt(0, 'moved'), nodeAt(1, 'waiting')] }))).toBe(
      '⏹️ *STOPPED* cp1 → cp2: 1 of 2 nodes are in cp2, 1 in cp1 in 50 min.\nTo go on with what is left: `/ephyra deploy cp1→cp2`. To take back what has moved: `/ephyra abort d-20261122-1`.',
    );
    const stuck = nodeAt(0, 'stuck', {
      step: 'release',
      failure: { reason: 'clean_failed', next: 'ask', message: 'Cleaning failed.', remedy: 'Look at the BMC.' },
    });
    expect(outcome(view({ ...ended, state: 'stuck', nodes: [stuck] }))).toBe(
      '🚨 *STUCK* cp1 → cp2: a person is needed for 1 node; 0 moved, 0 back, 0 not touched.\n' +
        '    • *worker-01* at release: Cleaning failed (`clean_failed`)\n      → Look at the BMC.\n' +
        'When they are mended: `/ephyra deploy cp1→cp2` goes on with what is left. To take them back: `/ephyra abort d-20261122-1`.',
    );
  });

  it('rolls many lines of one kind into one and keeps what is important', () => {
    const line = (kind: ThreadLine['kind'], name: string, text: string): ThreadLine => ({
      kind,
      name,
      text,
      urgent: false,
      broadcast: false,
    });
    const many = Array.from({ length: 20 }, (_, i) => line('started', `n${i}`, `▶️ n${i}`));
    const rolled = rollUp([
      ...many,
      line('other', '', '🚨 stuck'),
      line('moved', 'a', '✅ a'),
      line('moved', 'b', '✅ b'),
    ]);
    expect(rolled).toEqual([
      `▶️ 20 nodes started: ${many.map((one) => one.name).join(', ')}.`,
      '🚨 stuck',
      '✅ a',
      '✅ b',
    ]);
    expect(rollUp(many.slice(0, 12))).toHaveLength(12);
  });
});

describe('locks, plans and refusals', () => {
  const lock = fc.record({
    id: fc.constant('l-1'),
    scope: fc.constantFrom('all', 'cp1'),
    owner: actor,
    reason: outside,
    since: time,
    expiresAt: fc.option(time),
  });

  it('are within the limits and let nothing be smuggled in', () => {
    fc.assert(
      fc.property(lock, fc.constantFrom('locked', 'unlocked', 'expired'), actor, (one, what, by) => {
        const text = lockLine({ kind: 'lock', at: AT, lock: one, event: what, by } as Extract<
          Change,
          { kind: 'lock' }
        >);
        expect(problemsOf(message(text))).toEqual([]);
      }),
    );
    fc.assert(
      fc.property(outside, outside, (what, remedy) => {
        const text = noticeLine({ kind: 'notice', at: AT, message: what, remedy });
        expect(problemsOf(message(text))).toEqual([]);
        expect(smuggled(text)).toEqual([]);
      }),
    );
    const problem = fc.record({ field: outside, message: outside, remedy: outside });
    fc.assert(
      fc.property(
        fc.constantFrom(...REFUSALS),
        outside,
        outside,
        fc.array(problem, { maxLength: 40 }),
        (code, what, remedy, problems) => {
          expect(problemsOf(refusalMessage({ code, message: what, remedy, problems }))).toEqual([]);
        },
      ),
    );
    const planned = fc.record({
      uuid: fc.uuid(),
      name: outside,
      role: outside,
      failureDomain: fc.option(outside),
      instanceId: fc.option(fc.uuid()),
    });
    fc.assert(
      fc.property(
        fc.array(planned, { maxLength: 5 }),
        fc.constantFrom(1, 12, 60),
        anyView,
        (some, times, { excluded }) => {
          const all = Array.from({ length: times }, () => some).flat();
          const plan = { source: 'cp1', target: 'cp2', nodes: all, excluded, digest: 'abc', maxUnavailable: 1 };
          expect(problemsOf(planMessage(plan, '/ephyra'))).toEqual([]);
        },
      ),
    );
  });
});

describe('private answers', () => {
  const asking = COMMANDS.filter((command) => command.rights === null && !command.slow);

  it('are within the limits and let nothing be smuggled in, whatever the deployments hold', async () => {
    const lock = fc.record({
      id: fc.constant('l'),
      scope: fc.constant('all'),
      owner: actor,
      reason: outside,
      since: time,
      expiresAt: fc.option(time),
    });
    await fc.assert(
      fc.asyncProperty(
        anyView,
        fc.array(lock, { maxLength: 30 }),
        fc.constantFrom(...asking),
        async (deployment, locks, command) => {
          const deployments = Object.assign(new FakeDeployments({ now: () => AT }), {
            list: () => Array.from({ length: 30 }, () => deployment),
            get: () => deployment,
            locks: () => locks,
          });
          const ready = command.prepare('', deployments);
          if (!ready.ok) throw new Error(ready.mistake.message);
          const context = {
            deployments,
            by: person('U1'),
            now: AT,
            key: 'k',
            home: 'C1',
            channel: 'C1',
            prefix: '/ephyra',
          };
          const reply = await ready.value(context);
          expect(reply === null ? [] : problemsOf(reply)).toEqual([]);
        },
      ),
      { numRuns: 300 },
    );
  });
});
