import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createBoard } from '../../../src/slack/board.ts';
import { cardText } from '../../../src/slack/card.ts';
import { createOutbox } from '../../../src/slack/outbox.ts';
import { SlackProblem } from '../../../src/slack/web.ts';
import { FakeClock, memoryLog } from './support/fakeClock.ts';
import { FakeDeployments, person } from './support/fakeDeployments.ts';
import { FakeWeb, wordsOf } from './support/fakeWeb.ts';

const ALICE = person('U0ALICE');
const BOB = person('U0BOB');
const CP = { source: 'cp1', target: 'cp2', by: ALICE };
const DOWN = new SlackProblem('unavailable', 'unreachable', { maybeDone: true });

function setup(nodes = 12) {
  const clock = new FakeClock();
  const log = memoryLog();
  const web = new FakeWeb(clock.now);
  const deployments = new FakeDeployments({ now: clock.now, nodes });
  const start = () => {
    const outbox = createOutbox({ clock, log });
    const board = createBoard({ deployments, channel: 'C0OPSHADOOP', web, outbox, clock, log });
    const unsubscribe = deployments.onChange((change) => board.onChange(change));
    const kill = () => {
      unsubscribe();
      outbox.stop();
    };
    return { outbox, board, kill };
  };
  return { clock, log, web, deployments, start, ...start() };
}

type World = ReturnType<typeof setup>;

async function deployed(world: World): Promise<string> {
  const answer = await world.deployments.deploy(CP);
  if (!answer.ok) throw new Error(answer.refusal.message);
  return answer.value.id;
}

/** Does Slack show the deployment as it is, once, with everything that was to be said? */
function expectTruth({ web, deployments }: World, id: string): void {
  const view = deployments.get(id);
  if (view === undefined) throw new Error('gone');
  expect(web.parents).toHaveLength(1);
  const [parent] = web.parents;
  expect(parent?.message.text).toBe(cardText(view));
  expect(view.thread).toEqual({ face: 'slack', channel: 'C0OPSHADOOP', ts: parent?.ts });
}

async function moveAll({ deployments, clock }: World, id: string, everyMs = 500): Promise<void> {
  deployments.turn('rolling', id);
  const nodes = deployments.get(id)?.nodes.length ?? 0;
  for (let i = 0; i < nodes; i += 1) {
    deployments.startNode(i);
    deployments.step(i, 'remove', 'blocks left to replicate');
    await clock.pass(everyMs);
    deployments.step(i, 'boot');
    deployments.settle(i, 'moved', [`10.2.0.${i + 1}`]);
  }
  deployments.turn('completed', id);
}

describe('a deployment in Slack', () => {
  it('is one parent message that is kept up to date, and a thread that ends with the outcome', async () => {
    const world = setup();
    const id = await deployed(world);
    await world.clock.pass(10_000);
    await world.deployments.approve({ by: BOB });
    await moveAll(world, id);
    await world.clock.pass(30_000);
    expectTruth(world, id);
    const thread = world.web.replies.map((one) => one.message.text);
    expect(thread[0]).toContain('In this order: worker-01, worker-02');
    expect(thread.some((text) => text.includes('Approved by <@U0BOB>'))).toBe(true);
    expect(thread.at(-1)).toContain('*COMPLETED* cp1 → cp2: 12 of 12 nodes moved');
    expect(world.web.replies.at(-1)?.broadcast).toBe(true);
    expect(world.board.open).toBe(0);
    expect(world.outbox.waiting).toBe(0);
  });

  it('never gets more than one call a second, however much happens', async () => {
    const world = setup(300);
    const id = await deployed(world);
    await world.deployments.approve({ by: BOB });
    await moveAll(world, id, 20);
    await world.clock.pass(60_000);
    const writes = world.web.calls.filter((call) => call.method.startsWith('chat.')).map((call) => call.at);
    for (const [i, at] of writes.entries()) if (i > 0) expect(at - (writes[i - 1] ?? 0)).toBeGreaterThanOrEqual(1000);
    expect(writes.length).toBeLessThan(30);
    expectTruth(world, id);
  });

  it('holds no change up: listeners return while Slack hangs, and one call is all that waits', async () => {
    const world = setup(300);
    world.web.pace = () => new Promise(() => {});
    const id = await deployed(world);
    await world.clock.pass(5000);
    await moveAll(world, id, 0);
    expect(world.deployments.get(id)?.state).toBe('completed');
    expect(world.web.calls).toHaveLength(1);
  });

  it('is not drawn again when nothing that is shown has changed', async () => {
    const world = setup();
    const id = await deployed(world);
    await world.clock.pass(10_000);
    const calls = world.web.calls.length;
    for (let i = 0; i < 20; i += 1)
      world.deployments.emit(id, { type: 'step_done', uuid: 'x', step: 'boot', durationMs: 1 });
    await world.clock.pass(30_000);
    expect(world.web.calls.length).toBe(calls);
  });

  it('loses its buttons as soon as the decision is taken elsewhere', async () => {
    const world = setup();
    await deployed(world);
    await world.clock.pass(5000);
    expect(wordsOf(world.web.parents[0]?.message)).toContain('ephyra:approve');
    await world.deployments.approve({ by: { via: 'cli', id: 'root', display: 'root' } });
    await world.clock.pass(5000);
    expect(wordsOf(world.web.parents[0]?.message)).not.toContain('ephyra:approve');
    expect(wordsOf(world.web.parents[0]?.message)).toContain('by root (cli)');
  });
});

describe('when Slack is away', () => {
  it('everything is told when it comes back, and the card is right', async () => {
    const world = setup();
    const id = await deployed(world);
    await world.clock.pass(10_000);
    world.web.trouble = () => DOWN;
    await world.deployments.approve({ by: BOB });
    await moveAll(world, id, 60_000);
    await world.clock.pass(600_000);
    world.web.trouble = () => undefined;
    await world.clock.pass(120_000);
    expectTruth(world, id);
    const thread = world.web.replies.map((one) => one.message.text).join('\n');
    expect(thread).toContain('Approved by <@U0BOB>');
    expect(thread).toContain('12 nodes moved');
    expect(thread).toContain('*COMPLETED*');
  });

  it('memory stays bounded, and what is given up is counted; approvals and the outcome are not', async () => {
    const world = setup(100);
    world.web.trouble = () => DOWN;
    const id = await deployed(world);
    await world.deployments.approve({ by: BOB });
    for (let round = 0; round < 2; round += 1) await moveAll(world, id, 0);
    world.web.trouble = () => undefined;
    await world.clock.pass(300_000);
    const thread = world.web.replies.map((one) => wordsOf(one.message)).join('\n');
    expect(thread).toMatch(/… \d+ earlier lines could not be sent while Slack was away/);
    expect(thread).toContain('Approved by');
    expect(thread).toContain('*COMPLETED*');
    expectTruth(world, id);
  });

  it('answers that are lost make no second message', async () => {
    const world = setup();
    let n = 0;
    // Every other write is carried out without an answer.
    world.web.trouble = (method) => {
      if (!method.startsWith('chat.')) return undefined;
      n += 1;
      return n % 2 === 1 ? 'lost' : undefined;
    };
    const id = await deployed(world);
    await world.deployments.approve({ by: BOB });
    await moveAll(world, id, 4000);
    await world.clock.pass(600_000);
    expectTruth(world, id);
    const texts = world.web.replies.map((one) => one.message.text);
    expect(new Set(texts).size).toBe(texts.length);
    expect(texts.filter((text) => text.includes('COMPLETED'))).toHaveLength(1);
  });

  it('the card is right in the end whatever failed on the way', async () => {
    const failures = fc.constantFrom(
      undefined,
      undefined,
      'lost' as const,
      DOWN,
      new SlackProblem('unavailable', 'http_503', { maybeDone: true }),
      new SlackProblem('rate_limited', 'ratelimited', { afterMs: 5000 }),
      new SlackProblem('refused', 'not_in_channel'),
      new SlackProblem('too_much', 'invalid_blocks'),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(failures, { minLength: 1, maxLength: 60 }), fc.nat(3), async (plan, seed) => {
        const world = setup(5);
        let n = seed;
        let over = false;
        world.web.trouble = () => {
          n += 1;
          return over ? undefined : plan[n % plan.length];
        };
        const id = await deployed(world);
        await world.deployments.approve({ by: BOB });
        await moveAll(world, id, 7000);
        over = true;
        await world.clock.pass(30 * 60_000);
        world.board.redraw(world.deployments.get(id) ?? fail());
        await world.clock.pass(10_000);
        expectTruth(world, id);
        const done = world.web.replies.filter((one) => one.message.text.includes('COMPLETED'));
        expect(done).toHaveLength(1);
        expect(world.board.open).toBe(0);
      }),
      { numRuns: 60 },
    );
  });

  it('blocks that Slack does not take are replaced by their text', async () => {
    const world = setup();
    world.web.trouble = (_method, message) =>
      message?.blocks.some((block) => block.type === 'header') === true
        ? new SlackProblem('too_much', 'invalid_blocks')
        : undefined;
    const id = await deployed(world);
    await world.clock.pass(10_000);
    expectTruth(world, id);
    expect(world.web.parents[0]?.message.blocks.map((block) => block.type)).toEqual(['section']);
  });
});

describe('after a restart', () => {
  it('the same parent is updated, not a second one posted', async () => {
    const world = setup();
    const id = await deployed(world);
    await world.clock.pass(10_000);
    await world.deployments.approve({ by: BOB });
    world.kill();
    world.deployments.turn('rolling', id);
    const { board } = world.start();
    board.resume();
    await world.clock.pass(10_000);
    expectTruth(world, id);
  });

  it('the parent is found in the channel when Ephyra died before it could remember it', async () => {
    const world = setup();
    world.deployments.failRemembering = true;
    const id = await deployed(world);
    await world.clock.pass(200);
    expect(world.web.parents).toHaveLength(1);
    world.kill();
    world.deployments.failRemembering = false;
    await world.clock.pass(3_600_000);
    world.start().board.resume();
    await world.clock.pass(10_000);
    expectTruth(world, id);
  });

  it('a new parent is posted when the history may not be read: better twice than never', async () => {
    const world = setup();
    world.deployments.failRemembering = true;
    await deployed(world);
    await world.clock.pass(200);
    world.kill();
    world.deployments.failRemembering = false;
    world.web.trouble = (method) =>
      method === 'conversations.history' ? new SlackProblem('refused', 'missing_scope') : undefined;
    world.start().board.resume();
    await world.clock.pass(10_000);
    expect(world.web.parents).toHaveLength(2);
  });

  it('a deployment that ended while Slack was away shows its end', async () => {
    const world = setup();
    const id = await deployed(world);
    await world.clock.pass(10_000);
    world.web.trouble = () => DOWN;
    await moveAll(world, id);
    world.kill();
    world.web.trouble = () => undefined;
    world.start().board.resume();
    await world.clock.pass(10_000);
    expectTruth(world, id);
    expect(world.web.parents[0]?.message.text).toContain('COMPLETED');
  });

  it('what runs is shown before the many that have ended, and is not held up by them', async () => {
    const world = setup(1);
    for (let i = 0; i < 20; i += 1) {
      const past = await deployed(world);
      await moveAll(world, past);
      await world.clock.pass(20_000);
    }
    const id = await deployed(world);
    await world.clock.pass(10_000);
    world.kill();
    world.deployments.turn('rolling', id);
    const before = world.web.calls.length;
    world.start().board.resume();
    await world.clock.pass(1_200);
    const card = () =>
      world.web.parents.find(({ message }) => message.text === cardText(world.deployments.get(id) as never));
    expect(card()).toBeDefined();
    await world.clock.pass(8_000);
    world.deployments.turn('stopping', id);
    await world.clock.pass(3_000);
    expect(card()).toBeDefined();
    await world.clock.pass(60_000);
    expect(world.web.calls.length - before).toBeGreaterThanOrEqual(20);
  });

  it('old deployments are left as they are', async () => {
    const world = setup();
    const id = await deployed(world);
    await world.clock.pass(10_000);
    await moveAll(world, id);
    await world.clock.pass(60_000);
    world.kill();
    await world.clock.pass(48 * 3_600_000);
    const calls = world.web.calls.length;
    world.start().board.resume();
    await world.clock.pass(10_000);
    expect(world.web.calls.length).toBe(calls);
  });

  it('what could not be remembered is remembered later', async () => {
    const world = setup();
    world.deployments.failRemembering = true;
    const id = await deployed(world);
    await world.clock.pass(15_000);
    expect(world.deployments.get(id)?.thread).toBeNull();
    world.deployments.failRemembering = false;
    await world.clock.pass(300_000);
    expectTruth(world, id);
  });
});

describe('when somebody deletes messages', () => {
  it('a new card is posted for one that was deleted, and the thread goes on under it', async () => {
    const world = setup();
    const id = await deployed(world);
    await world.clock.pass(10_000);
    const [first] = world.web.parents;
    world.web.delete(first?.ts ?? '');
    await world.deployments.approve({ by: BOB });
    await world.clock.pass(20_000);
    expectTruth(world, id);
    const ts = world.web.parents[0]?.ts;
    expect(ts).not.toBe(first?.ts);
    expect(
      world.web.replies
        .filter((one) => one.threadTs === ts)
        .map((one) => one.message.text)
        .join(),
    ).toContain('Approved by');
  });
});

describe('locks', () => {
  it('are told to the channel when they come and go', async () => {
    const world = setup();
    await world.deployments.lock({ by: ALICE, scope: 'cp1', reason: 'disks <!channel>', forMs: 60_000 });
    await world.deployments.unlock({ by: BOB, scope: 'cp1', steal: true });
    await world.clock.pass(5000);
    const texts = world.web.parents.map((one) => one.message.text);
    expect(texts).toHaveLength(2);
    expect(texts[0]).toContain('🔒 <@U0ALICE> locked deployments from and to cp1 until');
    expect(texts[0]).toContain('disks &lt;!channel&gt;');
    expect(texts[1]).toContain('🔓 <@U0BOB> unlocked deployments from and to cp1, held by <@U0ALICE>');
  });

  it('are told once though the answer was lost', async () => {
    const world = setup();
    let lost = true;
    world.web.trouble = (method) => {
      if (method !== 'chat.postMessage' || !lost) return undefined;
      lost = false;
      return 'lost';
    };
    await world.deployments.lock({ by: ALICE, scope: 'all', reason: 'disks' });
    await world.clock.pass(60_000);
    expect(world.web.parents).toHaveLength(1);
    expect(world.outbox.waiting).toBe(0);
  });
});

describe('a change that cannot be shown', () => {
  it('is logged and harms nobody', async () => {
    const world = setup();
    const broken = { kind: 'deployment', at: 0, deployment: null, event: { type: 'requested' } } as never;
    expect(() => world.board.onChange(broken)).not.toThrow();
    expect(world.log.lines.some((line) => line.level === 'error')).toBe(true);
  });
});

function fail(): never {
  throw new Error('no such deployment');
}
