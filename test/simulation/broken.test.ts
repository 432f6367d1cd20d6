import { afterEach, describe, expect, it, vi } from 'vitest';
import { Definitions } from '../../src/actors/definitions.ts';
import type { DeploymentConfig } from '../../src/config/types.ts';
import { isWrite } from '../support/world/calls.ts';
import { worldConfig } from '../support/world/config.ts';
import { begin, hasEnded, insist } from '../support/world/people.ts';
import { ALICE, World } from '../support/world/world.ts';

interface Setting {
  readonly deployment?: Partial<DeploymentConfig>;
  /** The application never lets go of this node. */
  readonly hangs?: string;
}

/** A mistake of ours in the machine that leads a deployment: it fails at the first node that settles, others under way. */
async function broken({ deployment, hangs }: Setting = {}): Promise<World> {
  const forget = vi.spyOn(Definitions.prototype, 'forget').mockImplementationOnce(() => {
    throw new Error('a mistake of ours');
  });
  const world = new World({ seed: 3, nodes: 7, deployment: { maxUnavailable: 3, canary: 0, ...deployment } });
  await world.start();
  if (hangs !== undefined) world.application.faults.drainHangs.add(world.uuid(hangs));
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

  it('asks no more of the application either', async () => {
    // Looked at for so long before they count as verified that they are, when it breaks.
    const world = await broken({ deployment: { verify: { checks: 10, intervalMs: 4_000 } } });
    const { application } = world;
    const serving = [...world.mirror('cp2').nodes.keys()].filter((uuid) => application.get(uuid)?.state === 'in');
    expect(serving.length).toBeGreaterThan(1);
    for (const uuid of serving) application.operate(uuid, 'out');
    await world.pass(4 * 3_600_000);
    expect(serving.filter((uuid) => application.get(uuid)?.state !== 'out')).toEqual([]);
  });

  it('can be aborted: the nodes that were under way are found and brought back', async () => {
    const world = await broken();
    await insist(world, (ephyra) => ephyra.abort({ by: ALICE }));
    await world.until(() => hasEnded(world), undefined, 'the end');
    expect(world.record?.state).toBe('rolled_back');
    expect([...world.mirror('cp2').nodes.keys()]).toEqual([]);
  });

  it('can be aborted at once, whatever its nodes were waiting for', async () => {
    const day = 24 * 3_600_000;
    const deadlinesMs = { ...worldConfig({}).deployment.deadlinesMs, remove: day };
    const world = await broken({ deployment: { deadlinesMs }, hangs: 'node-03' });
    const aborted = world.time.now();
    await insist(world, (ephyra) => ephyra.abort({ by: ALICE }));
    await world.until(() => hasEnded(world), 2 * day, 'the end');
    expect(world.record?.state).toBe('rolled_back');
    expect(world.time.now() - aborted).toBeLessThan(day / 24);
  });
});
