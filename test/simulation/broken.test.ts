import { afterEach, describe, expect, it, vi } from 'vitest';
import { Definitions } from '../../src/actors/definitions.ts';
import { isWrite } from '../support/world/calls.ts';
import { begin, hasEnded, insist } from '../support/world/people.ts';
import { ALICE, World } from '../support/world/world.ts';

/** A mistake of ours in the machine that leads a deployment: it fails at the first node that settles, others under way. */
async function broken(): Promise<World> {
  const forget = vi.spyOn(Definitions.prototype, 'forget').mockImplementationOnce(() => {
    throw new Error('a mistake of ours');
  });
  const world = new World({ seed: 3, nodes: 7, deployment: { maxUnavailable: 3, canary: 0 } });
  await world.start();
  await begin(world);
  await world.until(() => hasEnded(world), undefined, 'the end');
  expect(forget).toHaveBeenCalled();
  return world;
}

describe('a deployment whose machine breaks', () => {
  afterEach(() => void vi.restoreAllMocks());

  it('is stuck, and nothing more is written to its nodes, though XState cannot stop what it has started', async () => {
    const world = await broken();
    expect(world.record).toMatchObject({ state: 'stuck', note: expect.stringContaining('Ephyra itself failed') });
    const { note, results } = world.record ?? {};
    const ended = world.time.now();
    await world.pass(4 * 3_600_000);
    expect(world.writes.filter((call) => call.sentAt > ended && isWrite(call)).map(({ write }) => write)).toEqual([]);
    expect(world.record).toMatchObject({ state: 'stuck', note, results });
  });

  it('can be aborted: the nodes that were under way are found and brought back', async () => {
    const world = await broken();
    await insist(world, (ephyra) => ephyra.abort({ by: ALICE }));
    await world.until(() => hasEnded(world), undefined, 'the end');
    expect(world.record?.state).toBe('rolled_back');
    expect([...world.mirror('cp2').nodes.keys()]).toEqual([]);
  });
});
