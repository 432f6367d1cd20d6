import { describe, expect, it } from 'vitest';
import { begin, hasEnded, insist } from '../support/world/people.ts';
import { BOB, World } from '../support/world/world.ts';

/** Reads of nodes and instances in these control planes are so far behind from the start of the next process on, for so long. */
const BEHIND_MS = 60_000;

/** One node in a world that keeps its past, whose process is killed once something has come about. */
async function killed(
  at: readonly string[],
  once: (world: World) => boolean,
  before: (world: World) => void = () => undefined,
): Promise<World> {
  let isBehind = false;
  const world: World = new World({
    nodes: 1,
    masters: 0,
    history: true,
    deployment: { canary: 0 },
    disturb: (call) =>
      isBehind && at.includes(call.at) && call.write === null && /\/nodes|\/servers/.test(call.path)
        ? { do: 'stale', ms: BEHIND_MS }
        : null,
  });
  await world.pass(90_000);
  await world.start();
  await begin(world);
  await world.until(() => once(world));
  await world.pass(3_000);
  before(world);
  world.kill();
  isBehind = true;
  world.time.after(BEHIND_MS, () => {
    isBehind = false;
  });
  await world.start();
  return world;
}

const hasSent = (write: string) => (world: World) => world.writes.some((call) => call.write === write);

const runsIn = (world: World): string[] =>
  ['cp1', 'cp2'].filter((at) => world.mirror(at).running(world.uuid('node-01')) !== null);

describe('a node with which an earlier process has begun, shown at home and untouched by lists from before', () => {
  for (const what of ['abort', 'stop'] as const) {
    it(`is not taken for one that waits, when nobody can be begun with and people say ${what}`, async () => {
      const world = await killed(['cp1'], hasSent('stop'), ({ application }) => {
        application.faults.unhealthy = 'a disk is full';
      });
      world.time.after(40_000, () => {
        world.application.faults.unhealthy = null;
      });
      await world.pass(15_000);
      await insist(world, (ephyra) => ephyra[what]({ by: BOB }));
      await world.until(() => hasEnded(world));
      expect(world.record?.state).toBe(what === 'abort' ? 'rolled_back' : 'completed');
      expect(runsIn(world)).toEqual([what === 'abort' ? 'cp1' : 'cp2']);
    });
  }

  it('is asked again as long as it is about to change', async () => {
    const world = await killed(['cp1'], hasSent('delete instance'));
    await insist(world, (ephyra) => ephyra.abort({ by: BOB }));
    await world.until(() => hasEnded(world));
    expect(world.record?.state, JSON.stringify(world.record?.results)).toBe('rolled_back');
    expect(runsIn(world)).toEqual(['cp1']);
  });

  it('is asked back into the application, which it was taken out of', async () => {
    const world = await killed(['cp1'], (one) => one.application.get(one.uuid('node-01'))?.state === 'draining');
    await insist(world, (ephyra) => ephyra.abort({ by: BOB }));
    await world.until(() => hasEnded(world));
    expect(world.record?.state, JSON.stringify(world.record?.results)).toBe('rolled_back');
    expect(world.application.get(world.uuid('node-01'))).toMatchObject({ state: 'in', up: true });
  });

  it('is not back when it has arrived, by lists of both control planes', async () => {
    const world = await killed(['cp1', 'cp2'], hasEnded);
    await insist(world, (ephyra) => ephyra.abort({ by: BOB }));
    await world.until(() => hasEnded(world));
    // Loud, or done: never back without being there.
    expect(['rolled_back', 'stuck']).toContain(world.record?.state);
    if (world.record?.state === 'rolled_back') expect(runsIn(world)).toEqual(['cp1']);
  });
});
