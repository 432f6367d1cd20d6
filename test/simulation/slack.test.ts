import { describe, expect, it } from 'vitest';
import type { Change, DeploymentView } from '../../src/deployments/types.ts';
import { createBoard } from '../../src/slack/board.ts';
import { presentCard } from '../../src/slack/card.ts';
import { createHandlers } from '../../src/slack/handlers.ts';
import { createOutbox } from '../../src/slack/outbox.ts';
import type { SlackWeb } from '../../src/slack/web.ts';
import { SlackProblem } from '../../src/slack/web.ts';
import { isWrite } from '../support/world/calls.ts';
import { begin, hasEnded, insist, play } from '../support/world/people.ts';
import type { WorldOptions } from '../support/world/world.ts';
import { ALICE, BOB, World } from '../support/world/world.ts';

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

/** Presses a button of the card with which the deployment was shown; resolves with the words of the refusal, if any. */
async function press(world: World, name: string, shown: DeploymentView): Promise<string> {
  const handlers = createHandlers({
    deployments: world.ephyra,
    permissions: { check: async () => ({ is: 'allowed' }) },
    home: 'C1',
    now: world.time.now,
    after: world.time.after,
    redraw: () => undefined,
    onBug: (error) => {
      throw error;
    },
  });
  const actions = presentCard(shown, world.time.now(), { buttons: true }).blocks.find(({ type }) => type === 'actions');
  const buttons = actions?.type === 'actions' ? actions.elements : [];
  const button = buttons.find((one) => one.type === 'button' && one.action_id === `ephyra:${name}`);
  if (button?.type !== 'button') throw new Error(`no button ${name} while ${shown.state}`);
  const answer = await world.ask(() => handlers.click({ actionId: `ephyra:${name}`, value: button.value, by: BOB }));
  return answer?.text ?? '';
}

function running(world: World): DeploymentView {
  const view = world.ephyra.get();
  if (view === undefined) throw new Error('nothing runs');
  return view;
}

const moved = (world: World): number => world.record?.results.filter(({ place }) => place === 'moved').length ?? 0;

describe('a button', () => {
  it('that withdraws what nobody has approved leaves alone what somebody has', async () => {
    const world = new World({ nodes: 4, masters: 0, deployment: { maxUnavailable: 1 } });
    await world.start();
    const waiting = await insist(world, (ephyra) => ephyra.deploy({ source: 'cp1', target: 'cp2', by: ALICE }));
    await insist(world, (ephyra) => ephyra.approve({ by: BOB }));
    expect(await press(world, 'abort', waiting)).toContain('The card is out of date');
    await world.until(() => moved(world) >= 2);
    expect(await press(world, 'abort', waiting)).toContain('is rolling now, approved by bob');
    expect(world.record?.intent).toBe('forward');
  });

  it('that withdraws does so while nobody has approved', async () => {
    const world = new World({ nodes: 4, masters: 0 });
    await world.start();
    const waiting = await insist(world, (ephyra) => ephyra.deploy({ source: 'cp1', target: 'cp2', by: ALICE }));
    expect(await press(world, 'abort', waiting)).toBe('');
    expect(world.record).toMatchObject({ state: 'stopped', startedAt: null });
  });

  it('that takes everything back does so in whatever state the deployment runs', async () => {
    const world = new World({ nodes: 4, masters: 0, deployment: { maxUnavailable: 1 } });
    await world.start();
    await begin(world);
    const canary = running(world);
    expect(canary.state).toBe('canary');
    await world.until(() => moved(world) >= 2);
    expect(world.record?.state).toBe('rolling');
    expect(await press(world, 'abort', canary)).toBe('');
    await world.until(() => hasEnded(world));
    expect(world.record?.state).toBe('rolled_back');
  });

  it('that takes back what runs leaves alone what has ended', async () => {
    const world = new World({ nodes: 4, masters: 0 });
    await world.start();
    await begin(world);
    const canary = running(world);
    await world.until(() => hasEnded(world));
    expect(await press(world, 'abort', canary)).toContain('is completed now');
    expect(world.record?.state).toBe('completed');
  });
});
