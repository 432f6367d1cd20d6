import { describe, expect, it } from 'vitest';
import { createDedupe } from '../../../src/slack/dedupe.ts';
import { FakeClock } from './support/fakeClock.ts';

describe('what was seen', () => {
  it('is let through once, and again when the memory has run out', async () => {
    const clock = new FakeClock();
    const dedupe = createDedupe(clock, { keepMs: 1000 });
    expect([dedupe.first('a'), dedupe.first('a'), dedupe.first('b')]).toEqual([true, false, true]);
    await clock.pass(1000);
    expect(dedupe.first('a')).toBe(true);
  });

  it('can be let through again sooner than it is forgotten', async () => {
    const clock = new FakeClock();
    const dedupe = createDedupe(clock, { keepMs: 60_000 });
    expect(dedupe.first('click', 3000)).toBe(true);
    await clock.pass(2999);
    expect(dedupe.first('click', 3000)).toBe(false);
    await clock.pass(1);
    expect(dedupe.first('click', 3000)).toBe(true);
  });

  it('takes no more memory than it may, and forgets what is old', async () => {
    const clock = new FakeClock();
    const dedupe = createDedupe(clock, { keepMs: 60_000, max: 100 });
    for (let i = 0; i < 1000; i += 1) dedupe.first(`key-${i}`);
    expect(dedupe.size).toBe(100);
    expect(dedupe.first('key-999')).toBe(false);
    await clock.pass(60_000);
    dedupe.first('new');
    expect(dedupe.size).toBe(1);
  });
});
