import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import {
  type OpenStoreDeps,
  openStore,
  type Store,
  type StoredDeployment,
  type StoredLock,
  StoreError,
} from '../../../src/store/index.ts';

const directories: string[] = [];

afterAll(() => {
  for (const directory of directories.splice(0)) rmSync(directory, { recursive: true, force: true });
});

/** A path in a directory of its own, which goes away with the test file. */
export function freshPath(): string {
  const directory = mkdtempSync(join(tmpdir(), 'ephyra-store-'));
  directories.push(directory);
  return join(directory, 'ephyra.json');
}

/** Opens a store whose loss would be a failure of the test. */
export function open(path: string, deps: Partial<OpenStoreDeps> = {}): Promise<Store> {
  return openStore(path, {
    onLost: (error) => {
      throw error;
    },
    ...deps,
  });
}

export async function storeErrorOf(promise: Promise<unknown>): Promise<StoreError> {
  try {
    await promise;
  } catch (thrown) {
    if (thrown instanceof StoreError) return thrown;
    throw thrown;
  }
  throw new Error('nothing was refused');
}

const JANE = { via: 'slack', id: 'U0000000001', display: 'Jane <&> "J"' } as const;

export function lock(id: string): StoredLock {
  return { id, scope: 'cp1', owner: JANE, reason: 'firmware ☃', since: 1_000, expiresAt: null };
}

export function deployment(id: string, change: Partial<StoredDeployment> = {}): StoredDeployment {
  return {
    id,
    epoch: 1,
    source: 'cp1',
    target: 'cp2',
    requestedBy: JANE,
    requestedAt: 1_000,
    options: { maxUnavailable: 2, failureDomain: 'rack', nodes: null },
    nodes: [{ uuid: 'u-1', name: 'worker-1', role: 'worker', failureDomain: 'r1', instanceId: 'i-1' }],
    excluded: [{ uuid: 'u-2', name: 'worker-2', reason: 'in maintenance' }],
    digest: 'abc123',
    approval: { by: JANE, at: 2_000 },
    approvalExpiresAt: 9_000,
    intent: 'forward',
    intentBy: null,
    state: 'rolling',
    startedAt: 3_000,
    endedAt: null,
    endedBy: null,
    note: null,
    thread: { face: 'slack', channel: 'C0000000001', ts: '1.2' },
    idempotencyKeys: ['k1'],
    results: [
      {
        uuid: 'u-1',
        place: 'back',
        failure: { reason: 'deploy_failed', next: 'stop', message: 'no', remedy: 'look' },
        startedAt: 4_000,
        endedAt: null,
        attempts: 1,
      },
    ],
    ...change,
  };
}
