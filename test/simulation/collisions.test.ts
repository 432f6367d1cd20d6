import { describe, expect, it } from 'vitest';
import { collisions } from './collisions.ts';
import { run } from './run.ts';

describe('somebody who interferes within seconds of a write to the same node', () => {
  // `npm run simulate -- --collisions` plays all of them.
  it('breaks nothing, whatever becomes of the write', async () => {
    const all = await collisions();
    expect(all.length).toBeGreaterThan(64_000);
    for (const [number, scenario] of all.slice(0, 100).entries()) {
      const { outcome } = await run(scenario);
      expect(outcome.failure, `npm run simulate -- --collisions --replay ${number}`).toBeNull();
    }
  });

  it('is always the same person at the same time', async () => {
    const [one, other] = [await collisions(), await collisions()];
    expect(one.slice(0, 500)).toEqual(other.slice(0, 500));
  });
});
