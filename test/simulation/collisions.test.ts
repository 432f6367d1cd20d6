import { describe, expect, it } from 'vitest';
import { collisions } from './collisions.ts';
import { run } from './run.ts';
import type { Scenario } from './scenario.ts';

const behindAt = (meddling: Scenario['meddling']): string | null => {
  const [first] = meddling;
  return first?.what.do === 'replica behind' ? first.what.at : null;
};

describe('somebody who interferes within seconds of a write to the same node', () => {
  // `npm run simulate -- --collisions` plays all of them.
  it('breaks nothing, whatever becomes of the write', async () => {
    const all = await collisions();
    expect(all.length).toBeGreaterThan(63_000);
    for (const [number, scenario] of all.slice(0, 100).entries()) {
      const { outcome } = await run(scenario);
      expect(outcome.failure, `npm run simulate -- --collisions --replay ${number}`).toBeNull();
    }
  });

  it('and lists that are behind hide nothing that was written: no copy stays in the target, no mark at home', async () => {
    const all = [...(await collisions()).entries()].filter(([, { options }]) => options.history === true);
    const killed = all.filter(([, { kills, meddling }]) => kills.length > 0 && behindAt(meddling) === 'cp2');
    const lost = all.filter(([, { disturbances, meddling }]) => {
      const what = disturbances[0]?.what.do;
      return (what === 'lose answer' || what === 'half answer') && behindAt(meddling) === 'cp1';
    });
    expect(killed.length + lost.length).toBeGreaterThan(250);
    // Of those that were broken once, some of both kinds are among these.
    const some = [...killed.filter((_one, index) => index % 4 === 0), ...lost.filter((_one, index) => index % 4 === 3)];
    for (const [number, scenario] of some) {
      const { outcome } = await run(scenario);
      expect(outcome.failure, `npm run simulate -- --collisions --replay ${number}`).toBeNull();
    }
  });

  it('is always the same person at the same time', async () => {
    const [one, other] = [await collisions(), await collisions()];
    expect(one.slice(0, 500)).toEqual(other.slice(0, 500));
  });
});
