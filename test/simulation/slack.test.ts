import { describe, expect, it } from 'vitest';
import type { Change } from '../../src/deployments/types.ts';
import { createBoard } from '../../src/slack/board.ts';
import { createOutbox } from '../../src/slack/outbox.ts';
import type { SlackWeb } from '../../src/slack/web.ts';
import { SlackProblem } from '../../src/slack/web.ts';
import { isWrite } from '../support/world/calls.ts';
import { play } from '../support/world/people.ts';
import type { WorldOptions } from '../support/world/world.ts';
import { World } from '../support/world/world.ts';

/** What was written to the clouds and when, to the millisecond. */
async function writes(options: WorldOptions, prepare: (world: World) => void = () => undefined): Promise<string[]> {
  const world = new World({ nodes: 4, latencyMs: [0, 60], seed: 11, ...options });
  world.plane('cp2').faults.add({ match: { node: 'node-03' }, times: 1, effect: { kind: 'deploy-fails' } });
  await world.start();
  prepare(world);
  expect(await play(world)).toBe('completed');
  return world.writes.filter(isWrite).map(({ sentAt, at, method, path }) => `${sentAt} ${at} ${method} ${path}`);
}

type Behaviour = 'down' | 'slow' | 'rate limited' | 'silent';

/** A Slack that behaves badly, and the real board in front of it. */
function attachSlack(world: World, how: Behaviour): { texts: string[] } {
  const texts: string[] = [];
  let count = 0;
  const answer = async <T>(value: T, shown?: unknown): Promise<T> => {
    count += 1;
    if (shown !== undefined) texts.push(JSON.stringify(shown));
    if (how === 'silent') return new Promise<T>(() => undefined);
    if (how === 'slow') await new Promise<void>((resolve) => void world.time.after(45_000, resolve));
    if (how === 'down' || (how === 'rate limited' && count % 2 === 0)) {
      throw how === 'down'
        ? new SlackProblem('unavailable', 'unreachable')
        : new SlackProblem('rate_limited', 'ratelimited', { afterMs: 30_000 });
    }
    return value;
  };
  const place = { channel: 'C1', ts: '1.1' };
  const web = {
    post: ({ message }: { message: unknown }) => answer(place, message),
    update: (_place: unknown, message: unknown) => answer(undefined, message),
    find: () => answer(undefined),
  } as unknown as SlackWeb;
  const clock = { now: world.time.now, after: world.time.after };
  const log = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };
  const outbox = createOutbox({ clock, log });
  const board = createBoard({ deployments: world.ephyra, channel: 'C1', web, outbox, clock, log });
  world.ephyra.onChange((change) => board.onChange(change));
  return { texts };
}

describe('Slack', () => {
  it('has no influence on a migration, whatever a listener does', async () => {
    const plain = await writes({});
    expect(plain.length).toBeGreaterThan(40);
    const listeners: Record<string, (change: Change) => void> = {
      'throws at once': () => {
        throw new Error('a bug in the face');
      },
      'throws what is no error': () => {
        throw undefined;
      },
      'answers with a promise that never ends': () => new Promise(() => undefined) as never,
      'answers with a promise that fails': () =>
        Promise.reject(new Error('Slack is down')).catch(() => undefined) as never,
      'takes its time': () => {
        const until = performance.now() + 0.2;
        while (performance.now() < until);
      },
    };
    for (const [name, listener] of Object.entries(listeners)) {
      expect(await writes({ listener }), name).toEqual(plain);
    }
  });

  it('being down, slow, silent or limiting the rate changes not one call to a cloud', async () => {
    const plain = await writes({});
    for (const how of ['down', 'slow', 'rate limited', 'silent'] as const) {
      let texts: string[] = [];
      const disturbed = await writes({}, (world) => {
        texts = attachSlack(world, how).texts;
      });
      expect(disturbed, how).toEqual(plain);
      expect(texts.length, how).toBeGreaterThan(0);
      // What reaches Slack has no secret in it, however it fails.
      expect(texts.join('\n')).not.toMatch(/bmc-secret|keystone-secret|gAAAAA|userdata-secret/);
    }
  });
});
