import type { Clock } from './types.ts';

/**
 * Remembers what was seen, for a while: Slack hands the same command, click or mention over again when an
 * acknowledgement is lost. Bounded in number and in time.
 */
export interface Dedupe {
  /** True the first time that this key is seen within `forMs` (default: the whole memory). */
  first(key: string, forMs?: number): boolean;
  readonly size: number;
}

export function createDedupe(clock: Pick<Clock, 'now'>, { keepMs = 15 * 60_000, max = 5000 } = {}): Dedupe {
  /** Key → when it was last let through; oldest first, as a Map keeps the order of insertion. */
  const seen = new Map<string, number>();
  return {
    first(key, forMs = keepMs) {
      const now = clock.now();
      const before = seen.get(key);
      if (before !== undefined && now - before < forMs) return false;
      seen.delete(key);
      seen.set(key, now);
      for (const [old, when] of seen) {
        if (seen.size <= max && now - when < keepMs) break;
        seen.delete(old);
      }
      return true;
    },
    get size() {
      return seen.size;
    },
  };
}
