import type { LockView } from '../../deployments/types.ts';
import { lines, message } from '../blocks.ts';
import { safe } from '../escape.ts';
import { at, duration, who } from '../words.ts';
import { defineCommand, noWords } from './command.ts';

/** One line a lock; empty when there is none. */
export function lockLines(locks: readonly LockView[], now: number): string {
  const shown = locks.map((lock) => {
    const scope = lock.scope === 'all' ? 'everything' : safe(lock.scope, 60);
    const until = lock.expiresAt === null ? 'until unlocked' : `until ${at(lock.expiresAt)}`;
    return `🔒 *${scope}*, ${until}, by ${who(lock.owner)} ${duration(now - lock.since)} ago: ${safe(lock.reason, 300)}`;
  });
  return lines(shown, 2800, (left) => `… and ${left} more`);
}

export const locks = defineCommand({
  name: 'locks',
  summary: 'who has locked what, and why',
  read: noWords,
  async run(_none, context) {
    const shown = lockLines(context.deployments.locks(), context.now);
    return message(shown === '' ? '🔓 Nothing is locked.' : shown);
  },
});
