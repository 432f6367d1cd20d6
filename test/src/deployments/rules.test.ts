import { describe, expect, it } from 'vitest';
import { digestOf } from '../../../src/deployments/digest.ts';
import { holding, lockOn } from '../../../src/deployments/locks.ts';
import { Refused } from '../../../src/deployments/refusals.ts';
import {
  newRecord,
  refuseAbort,
  refuseApproval,
  refuseLocked,
  refuseReopening,
  refuseRequest,
  refuseScope,
  refuseStart,
  withdraw,
} from '../../../src/deployments/rules.ts';
import type { DeploymentState, DeployRequest, PlanView } from '../../../src/deployments/types.ts';
import { DEPLOYMENT_STATES, FINAL_STATES } from '../../../src/deployments/types.ts';
import type { StoredResult } from '../../../src/store/types.ts';
import { worldConfig } from '../../support/world/config.ts';
import { ALICE, BOB, lock, NOW, record, state } from './support.ts';

const PAIR = { source: 'cp1', target: 'cp2' };
const REQUEST: DeployRequest = { ...PAIR, by: ALICE };
const NAMES = ['cp1', 'cp2', 'cp3'];

const terms = (allowSelf = false) => ({ approval: { allowSelf }, failureBudget: 1 });

function refusalOf(rule: () => void): Refused['refusal'] | null {
  try {
    rule();
    return null;
  } catch (error) {
    if (error instanceof Refused) return error.refusal;
    throw error;
  }
}

describe('a request', () => {
  it('names two control planes that are configured', () => {
    expect(refuseRequest(REQUEST, NAMES)).toBeNull();
    expect(refuseRequest({ ...REQUEST, target: 'cp9' }, NAMES)).toMatchObject({
      refusal: {
        code: 'unknown_control_plane',
        message: expect.stringContaining('cp9'),
        remedy: expect.stringContaining('cp3'),
      },
    });
    expect(refuseRequest({ ...REQUEST, source: 'CP1' }, NAMES)).toMatchObject({
      refusal: { code: 'unknown_control_plane' },
    });
  });

  it('names two different ones', () => {
    expect(refuseRequest({ ...REQUEST, target: 'cp1' }, NAMES)).toMatchObject({
      refusal: { code: 'same_control_plane', remedy: expect.stringContaining('cp1→cp2') },
    });
  });

  it('lets out at least one node, a whole number', () => {
    for (const maxUnavailable of [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(refuseRequest({ ...REQUEST, options: { maxUnavailable } }, NAMES), `${maxUnavailable}`).toMatchObject({
        refusal: { code: 'bad_option', message: expect.stringContaining(String(maxUnavailable)) },
      });
    }
    expect(refuseRequest({ ...REQUEST, options: { maxUnavailable: 5 } }, NAMES)).toBeNull();
  });

  it('for a lock names a control plane or all', () => {
    expect(refuseScope('all', NAMES)).toBeNull();
    expect(refuseScope('cp3', NAMES)).toBeNull();
    expect(refuseScope('cp4', NAMES)).toMatchObject({ refusal: { code: 'unknown_control_plane' } });
  });
});

describe('a start', () => {
  it('is free when nothing runs and nothing is locked', () => {
    expect(refusalOf(() => refuseStart(state(), PAIR, NOW))).toBeNull();
  });

  it('is refused while a deployment has not ended that shares a control plane', () => {
    for (const running of DEPLOYMENT_STATES.filter((one) => !FINAL_STATES.includes(one))) {
      for (const other of [PAIR, { source: 'cp2', target: 'cp1' }, { source: 'cp3', target: 'cp2' }]) {
        const busy = refusalOf(() =>
          refuseStart(state({ deployments: [record({ ...other, state: running })] }), PAIR, NOW),
        );
        expect(busy, `${running} ${other.source}`).toMatchObject({
          code: 'busy',
          message: expect.stringContaining('d-20261122-aaaa'),
        });
      }
    }
    const apart = state({ deployments: [record({ source: 'cp3', target: 'cp4' })] });
    expect(refusalOf(() => refuseStart(apart, PAIR, NOW))).toBeNull();
    const over = state({ deployments: FINAL_STATES.map((ended, at) => record({ id: `d-${at}`, state: ended })) });
    expect(refusalOf(() => refuseStart(over, PAIR, NOW))).toBeNull();
  });

  it('is refused by a lock on either side or on everything, with owner, reason and remedy', () => {
    for (const scope of ['cp1', 'cp2', 'all'] as const) {
      expect(refusalOf(() => refuseLocked(state({ locks: [lock({ scope })] }), PAIR, NOW))).toMatchObject({
        code: 'locked',
        message: expect.stringMatching(/bob.*disks are being replaced/),
        remedy: expect.stringContaining('/ephyra unlock'),
      });
    }
    expect(refusalOf(() => refuseLocked(state({ locks: [lock({ scope: 'cp3' })] }), PAIR, NOW))).toBeNull();
  });

  it('is free again at the very millisecond at which the lock expires', () => {
    const locks = [lock({ expiresAt: NOW })];
    expect(lockOn(locks, ['cp1'], NOW - 1)).toBeDefined();
    expect(lockOn(locks, ['cp1'], NOW)).toBeUndefined();
    expect(holding([...locks, lock({ id: 'lock-2', scope: 'cp2' })], NOW).map(({ id }) => id)).toEqual(['lock-2']);
  });
});

describe('an approval', () => {
  const waiting = record({ state: 'awaiting_approval', approval: null, startedAt: null });
  const approve = (changes: object, by = BOB, allowSelf = false, now = NOW) =>
    refusalOf(() => refuseApproval({ ...waiting, ...changes }, { by }, terms(allowSelf), now));

  it('is taken from somebody else, in time, for this plan', () => {
    expect(approve({})).toBeNull();
    expect(refusalOf(() => refuseApproval(waiting, { by: BOB, digest: waiting.digest }, terms(), NOW))).toBeNull();
  });

  it('is not taken from the requester, unless the configuration allows it', () => {
    expect(approve({}, ALICE)).toMatchObject({ code: 'self_approval' });
    expect(approve({}, ALICE, true)).toBeNull();
  });

  it('is not taken for another plan', () => {
    const refused = refusalOf(() => refuseApproval(waiting, { by: BOB, digest: 'ffffffffffff' }, terms(), NOW));
    expect(refused).toMatchObject({ code: 'digest_changed' });
  });

  it('is not taken too late', () => {
    expect(approve({ approvalExpiresAt: NOW })).toMatchObject({ code: 'approval_expired' });
    expect(approve({ approvalExpiresAt: NOW + 1 })).toBeNull();
  });

  it('is not taken for one that would bring everything back at once: its failures are more than its budget', () => {
    const failure = { reason: 'deploy_failed' as const, next: 'retry' as const, message: 'The disk is gone.' };
    const found = (place: StoredResult['place'], ...attempts: number[]) => ({
      state: 'found' as const,
      results: attempts.map((tries, index) => ({
        uuid: `n-${index + 1}`,
        place,
        failure,
        startedAt: NOW,
        endedAt: NOW,
        attempts: tries,
      })),
    });
    expect(approve(found('back', 1))).toBeNull();
    // One that is stuck, or on its way there, is gone on with: the try under way has not failed.
    for (const place of ['stuck', 'moving'] as const) {
      expect(approve(found(place, 1, 1))).toBeNull();
      expect(approve(found(place, 2))).toBeNull();
      expect(approve(found(place, 3))).toMatchObject({ code: 'over_budget' });
    }
    for (const spent of [found('back', 2), found('back', 1, 1), found('waiting', 2), found('going_back', 2)]) {
      expect(approve(spent)).toMatchObject({
        code: 'over_budget',
        message: expect.stringContaining('have failed 2 times, with a failure budget of 1'),
        remedy: expect.stringMatching(/abort d-\S+; or raise deployment\.failureBudget/),
      });
    }
  });

  it('is not taken for what runs or has ended, and says who was first', () => {
    expect(approve({ state: 'rolling', approval: { by: BOB, at: NOW } })).toMatchObject({
      code: 'wrong_state',
      message: expect.stringContaining('approved by bob'),
    });
  });
});

describe('reopening', () => {
  const ended = record({ id: 'd-1', state: 'completed', endedAt: NOW });

  it('is free while nothing has been built upon the deployment', () => {
    const withdrawn = record({ id: 'd-2', state: 'stopped', startedAt: null, endedAt: NOW });
    expect(refusalOf(() => refuseReopening(state({ deployments: [ended, withdrawn] }), ended, NOW))).toBeNull();
  });

  it('is refused once a later one has started, with the way to go instead', () => {
    const later = record({ id: 'd-2', state: 'completed', endedAt: NOW });
    expect(refusalOf(() => refuseReopening(state({ deployments: [ended, later] }), ended, NOW))).toMatchObject({
      code: 'wrong_state',
      message: expect.stringContaining('d-2'),
      remedy: expect.stringContaining('cp2→cp1'),
    });
  });

  it('is refused by locks like a start', () => {
    const locked = state({ deployments: [ended], locks: [lock({ scope: 'all' })] });
    expect(refusalOf(() => refuseReopening(locked, ended, NOW))).toMatchObject({ code: 'locked' });
  });
});

describe('a decision on a card', () => {
  const outdated = { code: 'wrong_state', message: expect.stringContaining('The card is out of date') };
  const abort = (now: DeploymentState, shown?: DeploymentState) =>
    refusalOf(() => refuseAbort(state(), record({ state: now }), { by: BOB, ...(shown && { shown }) }, NOW));

  it('is taken only as long as it means what was shown', () => {
    const running: DeploymentState[] = ['canary', 'soaking', 'rolling', 'stopping', 'rolling_back'];
    for (const now of DEPLOYMENT_STATES.filter((one) => one !== 'rolled_back' && one !== 'expired')) {
      expect(abort(now), now).toBeNull();
      for (const shown of DEPLOYMENT_STATES.filter((one) => !FINAL_STATES.includes(one))) {
        const same = now === shown || (running.includes(now) && running.includes(shown));
        expect(abort(now, shown), `${shown}, then ${now}`).toEqual(same ? null : expect.objectContaining(outdated));
      }
    }
  });

  it('to move what is planned does not finish what was found, nor the other way round', () => {
    const approve = (now: DeploymentState, shown: DeploymentState) =>
      refusalOf(() => refuseApproval(record({ state: now }), { by: BOB, shown }, terms(), NOW));
    expect(approve('awaiting_approval', 'awaiting_approval')).toBeNull();
    expect(approve('found', 'found')).toBeNull();
    expect(approve('found', 'awaiting_approval')).toMatchObject(outdated);
    expect(approve('awaiting_approval', 'found')).toMatchObject(outdated);
  });

  it('says what has become of it, and what can be done', () => {
    expect(abort('rolling', 'awaiting_approval')).toMatchObject({
      message: 'The card is out of date: d-20261122-aaaa is rolling now, approved by bob.',
      remedy: expect.stringContaining('/ephyra abort d-20261122-aaaa'),
    });
    expect(abort('found', 'rolling')).toMatchObject({ remedy: expect.stringContaining('/ephyra approve') });
  });
});

describe('withdrawing', () => {
  it('ends what nobody has approved, and leaves what runs to the crew', () => {
    const waiting = record({ state: 'awaiting_approval' });
    expect(withdraw(waiting, ALICE, NOW)).toBe('withdrawn');
    expect(waiting).toMatchObject({ state: 'stopped', endedAt: NOW, endedBy: ALICE });
    const running = record();
    expect(withdraw(running, ALICE, NOW)).toBe('running');
    expect(running).toEqual(record());
  });
});

describe('the record of a new deployment', () => {
  const plan: PlanView = {
    ...PAIR,
    nodes: [{ uuid: 'n-1', name: 'node-01', role: 'worker', failureDomain: 'r1', instanceId: 'i-1' }],
    excluded: [{ uuid: 'n-2', name: 'node-02', reason: 'it is protected' }],
    digest: 'abc',
    maxUnavailable: 3,
  };
  const make = (config = worldConfig({}).deployment, lastEpoch = 0) =>
    newRecord({ ...REQUEST, idempotencyKey: 'k' }, plan, { config, now: NOW, nonce: 'k3f9', lastEpoch });

  it('waits for approval where that is needed, else begins at once', () => {
    expect(make()).toMatchObject({ state: 'awaiting_approval', startedAt: null, idempotencyKeys: ['k'] });
    const config = worldConfig({}).deployment;
    const free = { ...config, approval: { ...config.approval, required: false } };
    expect(make(free)).toMatchObject({ state: 'canary', startedAt: NOW, approvalExpiresAt: null });
    expect(make({ ...free, canary: 0 })).toMatchObject({ state: 'rolling' });
  });

  it('has an id that people can read and an epoch that never goes back', () => {
    expect(make().id).toBe('d-20261122-k3f9');
    expect(make(undefined, 0).epoch).toBe(NOW / 1000);
    expect(make(undefined, 2_000_000_000).epoch).toBe(2_000_000_001);
  });
});

describe('a digest', () => {
  const plan = { ...PAIR, maxUnavailable: 2, nodes: record().nodes };

  it('is for the nodes, their roles and order, the direction, and how many at once', () => {
    const digests = [
      plan,
      { ...plan, source: 'cp2', target: 'cp1' },
      { ...plan, maxUnavailable: 3 },
      { ...plan, nodes: [...plan.nodes].reverse() },
      { ...plan, nodes: plan.nodes.slice(1) },
      { ...plan, nodes: plan.nodes.map((node) => ({ ...node, role: 'master' })) },
    ].map(digestOf);
    expect(new Set(digests).size).toBe(digests.length);
    expect(digestOf(structuredClone(plan))).toBe(digests[0]);
    // Renaming a node does not make it another.
    expect(digestOf({ ...plan, nodes: plan.nodes.map((node) => ({ ...node, name: 'x' })) })).toBe(digests[0]);
  });
});
