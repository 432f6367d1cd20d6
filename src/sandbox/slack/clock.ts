import type { Clock, NewId } from './model.ts';

/** The wall clock. Timers do not keep the process alive. */
export function systemClock(): Clock {
  return {
    now: () => Date.now(),
    after(ms, run) {
      const timer = setTimeout(run, ms);
      timer.unref();
      return () => clearTimeout(timer);
    },
  };
}

/** Identifiers that are the same in every run: the prefix and a number of eight digits. */
export function countingIds(): NewId {
  let last = 0;
  return (prefix) => {
    last += 1;
    return `${prefix}${String(last).padStart(8, '0')}`;
  };
}
