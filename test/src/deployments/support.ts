import type { Actor } from '../../../src/deployments/types.ts';
import { emptyState } from '../../../src/store/state.ts';
import type { StoredDeployment, StoredLock, StoreState } from '../../../src/store/types.ts';

export const ALICE: Actor = { via: 'slack', id: 'U0ALICE', display: 'alice' };
export const BOB: Actor = { via: 'slack', id: 'U0BOB', display: 'bob' };
export const NOW = Date.UTC(2026, 10, 22, 12);

/** A deployment of two nodes that runs; what differs is given. */
export function record(changes: Partial<StoredDeployment> = {}): StoredDeployment {
  return {
    id: 'd-20261122-aaaa',
    epoch: 7,
    source: 'cp1',
    target: 'cp2',
    requestedBy: ALICE,
    requestedAt: NOW - 60_000,
    options: { maxUnavailable: 2, failureDomain: 'rack', nodes: null },
    nodes: [
      { uuid: 'n-1', name: 'node-01', role: 'worker', failureDomain: null, instanceId: null },
      { uuid: 'n-2', name: 'node-02', role: 'worker', failureDomain: null, instanceId: null },
    ],
    excluded: [],
    digest: 'abc123abc123',
    approval: { by: BOB, at: NOW - 50_000 },
    approvalExpiresAt: NOW + 3_600_000,
    intent: 'forward',
    intentBy: null,
    state: 'rolling',
    startedAt: NOW - 50_000,
    endedAt: null,
    endedBy: null,
    note: null,
    thread: null,
    idempotencyKeys: [],
    results: [],
    ...changes,
  };
}

export const lock = (changes: Partial<StoredLock> = {}): StoredLock => ({
  id: 'lock-1',
  scope: 'cp1',
  owner: BOB,
  reason: 'disks are being replaced',
  since: NOW - 1_000,
  expiresAt: null,
  ...changes,
});

export const state = (changes: Partial<StoreState> = {}): StoreState => ({ ...emptyState(), ...changes });
