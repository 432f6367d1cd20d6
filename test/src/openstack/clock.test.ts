import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { steadyClock, systemClock } from '../../../src/openstack/clock.ts';

const HOUR = 3_600_000;

/** A clock that can be set, and a counter that can stand still. */
function stage() {
  const at = { wall: 10 * HOUR, steady: 50 };
  const clock = steadyClock({ ...systemClock, now: () => at.wall }, () => at.steady);
  /** Lets so much time pass; the result is how much of it the clock has noticed. */
  const pass = (by: { readonly wall: number; readonly steady: number }): number => {
    const before = clock.now();
    at.wall += by.wall;
    at.steady += by.steady;
    return clock.now() - before;
  };
  return { at, clock, pass };
}

describe('a clock to tell by how old something is', () => {
  it('goes with the other one as long as nobody touches that', () => {
    const { at, clock, pass } = stage();
    expect(clock.now()).toBe(at.wall);
    for (let ms = 0; ms < 1_000; ms += 1) pass({ wall: ms % 10 === 0 ? 10 : 0, steady: 1 });
    expect(clock.now() - at.wall).toBeLessThanOrEqual(10);
    expect(clock.now()).toBeGreaterThanOrEqual(at.wall);
  });

  it('lets pass what has passed when the other one is set back, also in the same moment', () => {
    const { pass } = stage();
    expect(pass({ wall: 2_000 - HOUR, steady: 2_000 })).toBe(2_000);
    expect(pass({ wall: 5_000, steady: 5_000 })).toBe(5_000);
    expect(pass({ wall: -120_000 + 126_000, steady: 126_000 })).toBe(126_000);
  });

  it('tells by its counter alone that a while has passed for certain', () => {
    const { clock, pass } = stage();
    const before = clock.elapsed();
    pass({ wall: HOUR, steady: 1_000 });
    pass({ wall: -HOUR, steady: 1_000 });
    expect(clock.elapsed() - before).toBe(2_000);
  });

  it('tells whole milliseconds, whatever the counter says', () => {
    const { at, clock } = stage();
    at.steady += 1.75;
    expect(clock.now()).toBe(at.wall + 1);
  });

  it('counts the sleep of a machine, in which its counter stands still, also after it was set back', () => {
    const { pass } = stage();
    expect(pass({ wall: HOUR, steady: 0 })).toBe(HOUR);
    pass({ wall: -HOUR, steady: 0 });
    expect(pass({ wall: HOUR, steady: 0 })).toBe(HOUR);
  });

  it('takes a leap ahead for time that has passed: too old is better than too young', () => {
    expect(stage().pass({ wall: HOUR, steady: 1 })).toBe(HOUR);
  });

  it('never goes back, however the other one trembles', () => {
    const { pass } = stage();
    for (const wall of [400, -300, 900, -900, 50, -1_500, 3_000]) {
      expect(pass({ wall, steady: 10 })).toBeGreaterThanOrEqual(0);
    }
  });

  it('sleeps as the other one does', async () => {
    const slept: number[] = [];
    const clock = steadyClock({ ...systemClock, sleep: async (ms) => void slept.push(ms) }, () => 0);
    await clock.sleep(25);
    expect(slept).toEqual([25]);
  });
});

describe('the clock of the process', () => {
  const stopTimers = () => {
    vi.useFakeTimers();
    onTestFinished(() => void vi.useRealTimers());
  };

  it('sets off an alarm once, unless it is called off', () => {
    stopTimers();
    const went: string[] = [];
    systemClock.after(10, () => went.push('first'));
    const callOff = systemClock.after(10, () => went.push('second'));
    callOff();
    vi.advanceTimersByTime(9);
    expect(went).toEqual([]);
    vi.advanceTimersByTime(100);
    expect(went).toEqual(['first']);
    expect(() => callOff()).not.toThrow();
  });

  it('leaves no timer behind when a sleep is ended', async () => {
    stopTimers();
    const over = new AbortController();
    const sleep = systemClock.sleep(60_000, over.signal);
    expect(vi.getTimerCount()).toBe(1);
    over.abort('enough');
    await expect(sleep).rejects.toMatchObject({ name: 'AbortError' });
    expect(vi.getTimerCount()).toBe(0);
    await expect(systemClock.sleep(1, over.signal)).rejects.toMatchObject({ name: 'AbortError' });
    expect(vi.getTimerCount()).toBe(0);
  });
});
