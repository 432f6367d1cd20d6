import type { ControlPlaneName } from '../../machines/domain.ts';
import type { DeepReadonly, StoredLock, StoreState } from '../store/types.ts';
import type { RefusedAnswer } from './refusals.ts';
import { Refused, refused } from './refusals.ts';
import type { LockRequest, LockView, UnlockRequest } from './types.ts';

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

export function refuseReason({ reason }: LockRequest): RefusedAnswer | null {
  if (reason.trim() !== '') return null;
  return refused('bad_option', 'A lock needs a reason.', 'Say why: /ephyra lock cp1 disks are being replaced');
}

/** Takes the lock, in the update that looks whether it is free. Throws {@link Refused} `already_locked`. */
export function addLock(draft: StoreState, request: LockRequest, id: string, now: number): LockView {
  draft.locks = draft.locks.filter((lock) => !isOver(lock, now));
  const held = draft.locks.find(({ scope }) => scope === request.scope);
  if (held !== undefined) {
    throw new Refused(
      'already_locked',
      `${scopeName(request.scope)} is locked by ${held.owner.display}: ${held.reason}`,
      `/ephyra unlock${scopeWord(request.scope)} first, with --steal if it is not yours.`,
    );
  }
  const lock = {
    id,
    scope: request.scope,
    owner: request.by,
    reason: request.reason.trim(),
    since: now,
    expiresAt: request.forMs === undefined ? null : now + request.forMs,
  };
  draft.locks.push(lock);
  return lockView(lock);
}

/** Takes the lock away; another's only with `steal`. Throws {@link Refused} `not_locked` or `lock_held_by_other`. */
export function removeLock(draft: StoreState, request: UnlockRequest, now: number): LockView {
  const lock = draft.locks.find(({ scope }) => scope === request.scope);
  if (lock === undefined || isOver(lock, now)) {
    const others = holding(draft.locks, now).map(({ scope }) => scopeName(scope));
    throw new Refused(
      'not_locked',
      `${scopeName(request.scope)} is not locked.`,
      others.length === 0 ? 'There are no locks at all.' : `Locked: ${others.join(', ')}.`,
    );
  }
  if (lock.owner.id !== request.by.id && request.steal !== true) {
    throw new Refused(
      'lock_held_by_other',
      `${lock.owner.display} holds the lock on ${scopeName(lock.scope)}: ${lock.reason}`,
      `Ask them; or take it away: /ephyra unlock${scopeWord(lock.scope)} --steal`,
    );
  }
  draft.locks = draft.locks.filter((other) => other !== lock);
  return lockView(lock);
}

export const isOver = ({ expiresAt }: DeepReadonly<StoredLock>, now: number): boolean =>
  expiresAt !== null && expiresAt <= now;

export const scopeName = (scope: string): string => (scope === 'all' ? 'Everything' : scope);
export const scopeWord = (scope: string): string => (scope === 'all' ? '' : ` ${scope}`);
