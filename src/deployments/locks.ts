import type { ControlPlaneName } from '../../machines/domain.ts';
import type { DeepReadonly, StoredLock, StoreState } from '../store/types.ts';
import type { LockView } from './types.ts';

type Locks = DeepReadonly<StoreState>['locks'];

/** Locks that hold at `now`; the expired ones are as good as gone. */
export const holding = (locks: Locks, now: number): DeepReadonly<StoredLock>[] =>
  locks.filter((lock) => lock.expiresAt === null || lock.expiresAt > now);

/** The first lock that forbids a deployment which touches these control planes. */
export function lockOn(locks: Locks, controlPlanes: readonly ControlPlaneName[], now: number): LockView | undefined {
  const lock = holding(locks, now).find(({ scope }) => scope === 'all' || controlPlanes.includes(scope));
  return lock === undefined ? undefined : lockView(lock);
}

export const lockView = (lock: DeepReadonly<StoredLock>): LockView => ({ ...lock, owner: { ...lock.owner } });
