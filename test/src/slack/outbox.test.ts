import { describe, expect, it } from 'vitest';
import { createOutbox } from '../../../src/slack/outbox.ts';
import { SlackProblem } from '../../../src/slack/web.ts';
import { FakeClock, memoryLog } from './support/fakeClock.ts';

function setup() {
  const clock = new FakeClock(0);
  const log = memoryLog();
  const outbox = createOutbox({ clock, log });
  const sent: { what: string; at: number }[] = [];
  const send = (what: string) => async () => {
    sent.push({ what, at: clock.now() });
    return 'sent' as const;
  };
  return { clock, log, outbox, sent, send };
}

describe('the outbox', () => {
  it('calls nothing while the caller is still at work', async () => {
    const { outbox, sent, send, clock } = setup();
    outbox.want('C1', 'card', 0, send('card'));
    await Promise.resolve();
    expect(sent).toEqual([]);
    await clock.pass(0);
    expect(sent).toHaveLength(1);
  });

  it('makes one call of many wishes with the same key, with the latest of them', async () => {
    const { outbox, sent, send, clock } = setup();
    for (let i = 0; i < 1000; i += 1) outbox.want('C1', 'card', 0, send(`state ${i}`));
    await clock.pass(10_000);
    expect(sent).toEqual([{ what: 'state 999', at: 0 }]);
    expect(outbox.waiting).toBe(0);
  });

  it('makes at most one call a second in a channel, and does not let channels wait for each other', async () => {
    const { outbox, sent, send, clock } = setup();
    for (const key of ['a', 'b', 'c']) {
      outbox.want('C1', key, 0, send(`C1 ${key}`));
      outbox.want('C2', key, 0, send(`C2 ${key}`));
    }
    await clock.pass(10_000);
    expect(sent.filter((one) => one.what.startsWith('C1')).map((one) => one.at)).toEqual([0, 1000, 2000]);
    expect(sent.filter((one) => one.what.startsWith('C2')).map((one) => one.at)).toEqual([0, 1000, 2000]);
  });

  it('keeps the second between calls when there was nothing to do in between', async () => {
    const { outbox, sent, send, clock } = setup();
    outbox.want('C1', 'a', 0, send('a'));
    await clock.pass(300);
    outbox.want('C1', 'b', 0, send('b'));
    await clock.pass(5000);
    expect(sent.map((one) => one.at)).toEqual([0, 1000]);
  });

  it('does not count a turn in which Slack was not called', async () => {
    const { outbox, sent, send, clock } = setup();
    outbox.want('C1', 'a', 0, async () => 'nothing');
    outbox.want('C1', 'b', 0, send('b'));
    await clock.pass(0);
    expect(sent).toEqual([{ what: 'b', at: 0 }]);
  });

  it('waits for as long as it was told to, and an earlier wish wins', async () => {
    const { outbox, sent, send, clock } = setup();
    outbox.want('C1', 'thread', 3000, send('first'));
    await clock.pass(1000);
    outbox.want('C1', 'thread', 3000, send('second'));
    await clock.pass(1999);
    expect(sent).toEqual([]);
    await clock.pass(1);
    expect(sent).toEqual([{ what: 'second', at: 3000 }]);
    outbox.want('C1', 'thread', 9000, send('slow'));
    outbox.want('C1', 'thread', 0, send('urgent'));
    await clock.pass(1000);
    expect(sent.at(-1)).toEqual({ what: 'urgent', at: 4000 });
  });

  it('sends nothing in a channel until the time that Slack named is over', async () => {
    const { outbox, sent, send, clock } = setup();
    let limited = true;
    outbox.want('C1', 'a', 0, async () => {
      if (limited) throw new SlackProblem('rate_limited', 'ratelimited', { afterMs: 30_000 });
      return send('a')();
    });
    await clock.pass(10);
    limited = false;
    outbox.want('C1', 'b', 0, send('b'));
    await clock.pass(29_000);
    expect(sent).toEqual([]);
    await clock.pass(3000);
    expect(sent).toEqual([
      { what: 'a', at: 30_000 },
      { what: 'b', at: 31_000 },
    ]);
  });

  it('tries again ever more slowly while Slack is down, at least once a minute, and says so once', async () => {
    const { outbox, clock, log } = setup();
    const tries: number[] = [];
    let down = true;
    outbox.want('C1', 'card', 0, async () => {
      tries.push(clock.now());
      if (down) throw new SlackProblem('unavailable', 'unreachable');
      return 'sent';
    });
    await clock.pass(10 * 60_000);
    expect(tries.slice(0, 7)).toEqual([0, 1000, 3000, 7000, 15_000, 31_000, 63_000]);
    // Then every minute: 63 s, 123 s … 543 s.
    expect(tries).toHaveLength(6 + 9);
    expect(log.lines.filter((line) => line.level === 'warn')).toHaveLength(1);
    down = false;
    await clock.pass(60_000);
    expect(outbox.waiting).toBe(0);
    expect(log.lines.at(-1)?.message).toBe('Slack takes messages again');
  });

  it('lets other messages pass one that is refused, however often it is wished for', async () => {
    const { outbox, sent, send, clock } = setup();
    let tries = 0;
    const refused = async () => {
      tries += 1;
      throw new SlackProblem('refused', 'restricted_action');
    };
    for (let i = 0; i < 60; i += 1) {
      outbox.want('C1', 'bad', 0, refused);
      outbox.want('C1', 'good', 0, send('good'));
      await clock.pass(1000);
    }
    expect(tries).toBeLessThanOrEqual(4);
    expect(sent.length).toBeGreaterThan(50);
  });

  it('survives a bug in what it calls', async () => {
    const { outbox, clock, log } = setup();
    let tries = 0;
    outbox.want('C1', 'buggy', 0, async () => {
      tries += 1;
      if (tries === 1) throw new TypeError('undefined is not a function');
      return 'sent';
    });
    await clock.pass(11_000);
    expect(tries).toBe(2);
    expect(log.lines.some((line) => line.level === 'error')).toBe(true);
    expect(outbox.waiting).toBe(0);
  });

  it('sends once more what is wished for while it is being sent', async () => {
    const { outbox, clock } = setup();
    const states: string[] = [];
    let state = 'one';
    const send = async () => {
      states.push(state);
      if (state === 'one') {
        state = 'two';
        outbox.want('C1', 'card', 0, send);
      }
      return 'sent' as const;
    };
    outbox.want('C1', 'card', 0, send);
    await clock.pass(5000);
    expect(states).toEqual(['one', 'two']);
  });

  it('drains without the collecting delays, and gives up in time', async () => {
    const { outbox, sent, send, clock } = setup();
    outbox.want('C1', 'a', 60_000, send('a'));
    outbox.want('C1', 'b', 60_000, send('b'));
    const drained = outbox.drain(5000);
    await clock.pass(1500);
    expect(await drained).toBe(true);
    expect(sent.map((one) => one.what)).toEqual(['a', 'b']);
    outbox.want('C1', 'c', 0, () => new Promise(() => {}));
    const hanging = outbox.drain(5000);
    await clock.pass(5000);
    expect(await hanging).toBe(false);
  });

  it('sends nothing more once it is stopped', async () => {
    const { outbox, sent, send, clock } = setup();
    outbox.want('C1', 'a', 1000, send('a'));
    outbox.stop();
    outbox.want('C1', 'b', 0, send('b'));
    await clock.pass(60_000);
    expect(sent).toEqual([]);
    expect(clock.pending).toBe(0);
  });
});
