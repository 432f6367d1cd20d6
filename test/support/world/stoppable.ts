import { sleepBy } from '../../../src/openstack/clock.ts';
import type { ProcessTime, VirtualTime } from './time.ts';
import { processTime } from './time.ts';

/** Time of a process that can be made to stand still, and whose clock can be set. */
export interface StoppableTime extends ProcessTime {
  stop(): void;
  goOn(): void;
  /** Resolves at once, or when the process goes on. */
  going(): Promise<void> | undefined;
}

/** @param skewMs how much its clock is ahead of the world's, asked each time */
export function stoppableTime(time: VirtualTime, skewMs: () => number): StoppableTime {
  const inner = processTime(time);
  let stopped = false;
  let missed: (() => void)[] = [];
  const whenGoing = (fn: () => void) => {
    if (stopped) missed.push(fn);
    else fn();
  };
  const after = (ms: number, fn: () => void): (() => void) => {
    let called = true;
    const cancel = inner.after(ms, () => whenGoing(() => void (called && fn())));
    return () => {
      called = false;
      cancel();
    };
  };
  return {
    now: () => time.now() + skewMs(),
    elapsed: inner.elapsed,
    after,
    sleep: sleepBy(after),
    kill() {
      missed = [];
      inner.kill();
    },
    stop() {
      stopped = true;
    },
    goOn() {
      stopped = false;
      const due = missed;
      missed = [];
      for (const fn of due) inner.after(0, () => whenGoing(fn));
    },
    going() {
      return stopped ? new Promise((resolve) => missed.push(resolve)) : undefined;
    },
  };
}
