import type { Clock, Log } from './types.ts';
import { SlackProblem } from './web.ts';

/**
 * When messages leave: one at a time and at most one a second in each channel (Slack allows a message a second, and
 * counts per channel), later when Slack says so or is down. It knows nothing of what is sent.
 *
 * Nothing is queued as data. What wants to be sent is a key with a function that looks at the latest state when its
 * turn comes: twenty changes of one card are one call, and memory does not grow however long Slack is away.
 */
export interface Outbox {
  /**
   * Calls `send` when the channel is free, not before `delayMs`. Asked again for the same key before that, it stays one
   * call, at the earlier of the two times. Returns at once; never throws.
   * @param send resolves with whether Slack was called; rejecting means "again later". It must be safe to call again.
   */
  want(channel: string, key: string, delayMs: number, send: () => Promise<'sent' | 'nothing'>): void;
  /** Sends what is waiting, without the delays, until nothing is left or the time is over. True when nothing is left. */
  drain(ms: number): Promise<boolean>;
  /** Sends nothing more. */
  stop(): void;
  /** How many keys wait. */
  readonly waiting: number;
}

interface Item {
  readonly key: string;
  send: () => Promise<'sent' | 'nothing'>;
  dueAt: number;
  /** After a refusal: not before this, however much happens meanwhile. */
  notBefore: number;
  refusals: number;
  /** Wanted, and not yet begun. */
  wanted: boolean;
}

interface Channel {
  readonly items: Map<string, Item>;
  notBefore: number;
  failures: number;
  busy: boolean;
  cancelTimer: (() => void) | null;
}

const LONGEST_PAUSE_MS = 60_000;
const FIRST_REFUSAL_PAUSE_MS = 10_000;
const LONGEST_REFUSAL_PAUSE_MS = 5 * 60_000;

export function createOutbox(setup: { readonly clock: Clock; readonly log: Log; readonly spacingMs?: number }): Outbox {
  const { clock, log } = setup;
  const spacingMs = setup.spacingMs ?? 1000;
  const channels = new Map<string, Channel>();
  let stopped = false;
  let draining = false;
  let onIdle: (() => void)[] = [];

  function waiting(): number {
    let n = 0;
    for (const channel of channels.values()) {
      if (channel.busy) n += 1;
      for (const item of channel.items.values()) if (item.wanted) n += 1;
    }
    return n;
  }

  function next(channel: Channel): Item | undefined {
    let best: Item | undefined;
    for (const item of channel.items.values()) {
      if (item.wanted && (best === undefined || ready(item) < ready(best))) best = item;
    }
    return best;
  }

  function ready(item: Item): number {
    return Math.max(draining ? 0 : item.dueAt, item.notBefore);
  }

  /** @param later from within a caller's stack: whatever is to be done waits until the caller is through */
  function pump(name: string, channel: Channel, later = false): void {
    if (stopped || channel.busy) return;
    channel.cancelTimer?.();
    channel.cancelTimer = null;
    const item = next(channel);
    if (item === undefined) {
      if (waiting() === 0) {
        const callbacks = onIdle;
        onIdle = [];
        for (const callback of callbacks) callback();
      }
      return;
    }
    const wait = Math.max(ready(item), channel.notBefore) - clock.now();
    if (wait > 0 || later) {
      channel.cancelTimer = clock.after(Math.max(0, wait), () => pump(name, channel));
      return;
    }
    item.wanted = false;
    channel.busy = true;
    attempt(name, channel, item).finally(() => {
      channel.busy = false;
      pump(name, channel);
    });
  }

  async function attempt(name: string, channel: Channel, item: Item): Promise<void> {
    try {
      const outcome = await item.send();
      if (outcome === 'sent') channel.notBefore = clock.now() + spacingMs;
      if (channel.failures > 0 || item.refusals > 0)
        log.info({ channel: name, key: item.key }, 'Slack takes messages again');
      channel.failures = 0;
      item.refusals = 0;
      item.notBefore = 0;
      if (!item.wanted) channel.items.delete(item.key);
    } catch (error) {
      item.wanted = true;
      const code = error instanceof SlackProblem ? error.code : 'bug';
      if (error instanceof SlackProblem && error.kind === 'rate_limited') {
        channel.notBefore = clock.now() + Math.max(spacingMs, error.afterMs);
        return;
      }
      if (error instanceof SlackProblem && error.kind === 'unavailable') {
        channel.failures += 1;
        const pause = Math.min(LONGEST_PAUSE_MS, 1000 * 2 ** Math.min(10, channel.failures - 1));
        channel.notBefore = clock.now() + Math.max(spacingMs, pause);
        if (channel.failures === 1) log.warn({ channel: name, code }, 'Slack cannot be reached; messages wait');
        return;
      }
      // Only a person or another version of Ephyra can mend this: keep trying slowly, let the other messages pass.
      item.refusals += 1;
      const pause = Math.min(LONGEST_REFUSAL_PAUSE_MS, FIRST_REFUSAL_PAUSE_MS * 2 ** Math.min(10, item.refusals - 1));
      item.notBefore = clock.now() + pause;
      channel.notBefore = clock.now() + spacingMs;
      log.error(
        { channel: name, key: item.key, code, ...(code === 'bug' ? { error: String(error) } : {}) },
        'Slack refused a message; it will be tried again',
      );
    }
  }

  return {
    want(name, key, delayMs, send) {
      if (stopped) return;
      const channel = channels.get(name) ?? {
        items: new Map(),
        notBefore: 0,
        failures: 0,
        busy: false,
        cancelTimer: null,
      };
      channels.set(name, channel);
      const dueAt = clock.now() + delayMs;
      const item = channel.items.get(key);
      if (item === undefined) {
        channel.items.set(key, { key, send, dueAt, notBefore: 0, refusals: 0, wanted: true });
      } else {
        item.send = send;
        item.dueAt = item.wanted ? Math.min(item.dueAt, dueAt) : dueAt;
        item.wanted = true;
      }
      pump(name, channel, true);
    },
    drain(ms) {
      draining = true;
      return new Promise((resolve) => {
        const cancel = clock.after(ms, () => {
          onIdle = onIdle.filter((one) => one !== idle);
          draining = false;
          resolve(false);
        });
        const idle = () => {
          cancel();
          draining = false;
          resolve(true);
        };
        if (waiting() === 0) {
          idle();
          return;
        }
        onIdle.push(idle);
        for (const [name, channel] of channels) pump(name, channel);
      });
    },
    stop() {
      stopped = true;
      for (const channel of channels.values()) channel.cancelTimer?.();
      channels.clear();
    },
    get waiting() {
      return waiting();
    },
  };
}
