import { describe, expect, it } from 'vitest';
import { isEnded } from '../../src/store/state.ts';
import { isWrite } from '../support/world/calls.ts';
import type { Installation } from '../support/world/installation.ts';
import { twins } from '../support/world/twins.ts';
import { ALICE, BOB } from '../support/world/world.ts';

/** Plays a deployment whose Ephyra has its clock set by so much once that many writes have been served. */
async function play(afterWrites: number, byMs: number): Promise<{ state: string | undefined; requests: number }> {
  const { world, ephyras } = twins({ nodes: 3, masters: 0 }, [{ host: 'host-a' }]);
  const [one] = ephyras as [Installation];
  await one.start();
  await one.ask((door) => door.deploy({ source: 'cp1', target: 'cp2', by: ALICE, idempotencyKey: 'clock' }));
  await one.ask((door) => door.approve({ by: BOB }));
  await world.until(() => world.writes.filter(isWrite).length >= afterWrites);
  one.skewMs = byMs;
  const ended = () => one.record !== undefined && isEnded(one.record);
  await world.until(ended, 3 * 3_600_000, 'the end');
  return { state: one.record?.state, requests: world.network.requests };
}

describe('a clock that is set while nodes are under way', () => {
  for (const byMs of [-3_600_000, -20_000, 20_000, 3_600_000]) {
    it(`by ${byMs / 1000} s makes no storm of requests, at whatever moment`, async () => {
      const { requests: usual } = await play(0, 0);
      for (let afterWrites = 0; afterWrites <= 30; afterWrites += 5) {
        const { state, requests } = await play(afterWrites, byMs);
        expect({ afterWrites, state }).toEqual({ afterWrites, state: 'completed' });
        expect(requests, `set after ${afterWrites} writes`).toBeLessThan(3 * usual);
      }
    });
  }
});
