import type { DeploymentId } from '../../machines/domain.ts';
import type { DeepReadonly, StoredDeployment, StoreState } from '../store/types.ts';
import { isOver, lockView } from './locks.ts';
import type { LockView } from './types.ts';

/** Whether there is a lock or a request for approval whose time has come. */
export const anythingOver = ({ locks, deployments }: DeepReadonly<StoreState>, now: number): boolean =>
  locks.some((lock) => isOver(lock, now)) || deployments.some((record) => isOverdue(record, now));

/** Ends them, and says which these were. */
export function endWhatIsOver(draft: StoreState, now: number): { expired: LockView[]; overdue: DeploymentId[] } {
  const expired = draft.locks.filter((lock) => isOver(lock, now)).map(lockView);
  draft.locks = draft.locks.filter((lock) => !isOver(lock, now));
  const records = draft.deployments.filter((record) => isOverdue(record, now));
  for (const record of records) {
    record.state = 'expired';
    record.endedAt = now;
    record.note = 'Nobody approved it in time.';
  }
  return { expired, overdue: records.map(({ id }) => id) };
}

const isOverdue = ({ state, approvalExpiresAt }: DeepReadonly<StoredDeployment>, now: number): boolean =>
  state === 'awaiting_approval' && approvalExpiresAt !== null && approvalExpiresAt <= now;
