import { AbortError } from './errors.ts';

/** Time, injected. */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
  /** Runs `fn` once after `ms`, never before this call has returned; the result calls it off. */
  after(ms: number, fn: () => void): () => void;
  /** Rejects with an AbortError when the signal ends it. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** A clock that can also tell for certain that a while has passed. */
export interface SteadyClock extends Clock {
  /**
   * Milliseconds from any fixed instant, which nobody sets: for what may not be over too early. It stands still while the
   * machine sleeps, and no evidence is told to be fresh by it.
   */
  elapsed(): number;
}

/** The sleep that goes with an `after`. */
export function sleepBy(after: Clock['after']): Clock['sleep'] {
  return (ms, signal) =>
    new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(new AbortError(signal.reason));
      const callOff = after(ms, () => {
        signal?.removeEventListener('abort', stop);
        resolve();
      });
      const stop = () => {
        callOff();
        reject(new AbortError(signal?.reason));
      };
      signal?.addEventListener('abort', stop, { once: true });
    });
}

const afterTimeout: Clock['after'] = (ms, fn) => {
  const timer = setTimeout(fn, ms);
  return () => clearTimeout(timer);
};

/** The process's own clock. */
export const systemClock: Clock = { now: () => Date.now(), after: afterTimeout, sleep: sleepBy(afterTimeout) };

/** By so much two clocks that nobody touches differ all the time, milliseconds. */
const JITTER_MS = 100;

/**
 * A clock to tell by how old something is. It never goes back, and as much time passes on it as on that of the two that
 * says more: a clock is set by people and by time servers, a counter stands still while a machine sleeps. Whole milliseconds.
 * Both at once, unseen in between - a sleep, and a clock set back by as much - look like no time at all.
 *
 * @param monotonic milliseconds from any fixed instant, never set by anybody
 */
export function steadyClock(clock: Clock, monotonic: () => number): SteadyClock {
  let base = { now: clock.now(), wall: clock.now(), steady: monotonic() };
  let last = base.now;
  return {
    now() {
      const wall = clock.now();
      const steady = monotonic();
      const byWall = wall - base.wall;
      const bySteady = steady - base.steady;
      last = Math.max(last, base.now + Math.max(byWall, bySteady));
      // From here on both count anew; else an hour back would swallow an hour's sleep that comes later.
      if (Math.abs(byWall - bySteady) > JITTER_MS) base = { now: last, wall, steady };
      return Math.floor(last);
    },
    after: (ms, fn) => clock.after(ms, fn),
    sleep: (ms, signal) => clock.sleep(ms, signal),
    elapsed: monotonic,
  };
}
