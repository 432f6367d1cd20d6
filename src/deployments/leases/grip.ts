import type { ControlPlaneName } from '../../../machines/domain.ts';
import { claimed, granted, refused } from '../refusals.ts';
import type { Answer } from '../types.ts';
import type { Grip, Leases } from './leases.ts';

/** The leases on both control planes, or who has one of them. */
export async function gripOn(
  leases: Pick<Leases, 'take'>,
  { source, target }: { readonly source: ControlPlaneName; readonly target: ControlPlaneName },
): Promise<Answer<Grip>> {
  const answer = await claimed(leases.take([source, target]));
  if (!answer.ok) return answer;
  const taken = answer.value;
  if (taken.ok) return granted(taken.grip);
  const { kind, message, remedy } = taken.trouble;
  const sentence = `${message[0]?.toUpperCase()}${message.slice(1)}; nothing was changed.`;
  return refused(kind === 'unsure' ? 'lease_unsure' : 'held_elsewhere', sentence, remedy);
}

/** What was taken for an update of the store is given back when the update is not made. */
export async function underLease<T>(grip: Grip | undefined, update: () => Promise<T>): Promise<Answer<T>> {
  try {
    const answer = await claimed(update());
    if (!answer.ok) await grip?.release();
    return answer;
  } catch (error) {
    await grip?.release();
    throw error;
  }
}
