import { describe, expect, it } from 'vitest';
import { run } from './run.ts';
import { scenarioOf } from './scenario.ts';
import { replay, shrink, sizeOf } from './shrink.ts';
import { KINDS, Tally } from './tally.ts';

/** `npm run simulate` plays as many as one likes; here a few that are always the same. */
const SEEDS = 60;

describe('worlds made up from seeds', () => {
  it(`${SEEDS} of them: every invariant holds, every deployment comes to an end`, { timeout: 120_000 }, async () => {
    const tally = new Tally();
    for (let seed = 1; seed <= SEEDS; seed += 1) tally.add((await run(scenarioOf(seed))).outcome);
    expect(tally.failures.map(({ seed, message }) => `seed ${seed}: ${message}`)).toEqual([]);
    const happened = KINDS.filter((kind) => tally.faults.has(kind));
    // A handful of seeds cannot have everything; thousands must, and the command says what is missing.
    expect(happened.length).toBeGreaterThan(KINDS.length * 0.75);
    expect([...tally.ends.keys()]).toEqual(expect.arrayContaining(['completed', 'rolled_back', 'stopped', 'stuck']));
    expect(tally.report().join('\n')).toMatch(/60 runs/);
  });

  it('may have trouble on the way back, again and again, in two ways at once', async () => {
    const calm = { ...scenarioOf(3), rivals: [], kills: [], faults: [], meddling: [], skews: [] };
    const what = { do: 'late answer', ms: 1_000, also: { do: 'lose answer' } } as const;
    const { outcome } = await run({
      ...calm,
      wishes: [{ key: 'first', abortAfter: 1 }],
      disturbances: [{ request: 2, since: 'way back', what, times: 2 }],
    });
    expect(outcome.failure).toBeNull();
    expect(outcome.faults).toMatchObject({
      'late answer': 3,
      'on the way back': 1,
      'again and again': 2,
      together: 3,
    });
  });

  it('are the same whenever they are played', async () => {
    for (const seed of [3, 14, 77]) {
      const first = await replay(scenarioOf(seed));
      const second = await replay(scenarioOf(seed));
      expect(second.story).toEqual(first.story);
      expect(second.outcome).toEqual(first.outcome);
    }
  });

  it('are plain data: printed and read back, the same run', async () => {
    const scenario = scenarioOf(23);
    const read = JSON.parse(JSON.stringify(scenario)) as typeof scenario;
    expect((await run(read)).outcome.digest).toBe((await run(scenario)).outcome.digest);
  });

  it('shrink to the least that still breaks the same invariant', async () => {
    // A person who empties a node's definition breaks the first invariant, whatever else goes on.
    const scenario = scenarioOf(31);
    const broken: typeof scenario = {
      ...scenario,
      faults: [],
      kills: [],
      disturbances: [],
      meddling: [
        { atMs: 100, what: { do: 'edit definition', node: 2 } },
        { atMs: 400, what: { do: 'spoil definition', node: 1 } },
        { atMs: 900, what: { do: 'lock', scope: 'cp1' } },
      ],
    };
    const { outcome } = await run(broken);
    expect(outcome.failure?.invariant).toBe('definitions present');
    const small = await shrink(broken, 'definitions present', 60);
    expect(small.meddling).toEqual([{ atMs: 400, what: { do: 'spoil definition', node: 1 } }]);
    expect(sizeOf(small)).toBeLessThan(sizeOf(broken));
    expect((await run(small)).outcome.failure?.invariant).toBe('definitions present');
  });
});
