import type { SocketModeReceiver } from '@slack/bolt';
import type { Clock, Log } from './types.ts';

/**
 * Keeps a Socket Mode connection open for as long as Ephyra runs. The client's own reconnecting is switched off: it
 * gives up on an unreachable Slack with an unhandled rejection, which would end the process and every migration with
 * it, and it waits five seconds before a reconnect that Slack asked for.
 */
export interface SocketKeeper {
  /**
   * Resolves after the first try, whether it succeeded or not, and after three seconds at the latest: what is started
   * after us must not wait for Slack. Never rejects.
   */
  start(): Promise<void>;
  stop(): Promise<void>;
  readonly connected: boolean;
}

const CONNECT_TIMEOUT_MS = 20_000;
const FIRST_TRY_MS = 3000;
const LONGEST_PAUSE_MS = 30_000;
const CLOSE_TIMEOUT_MS = 3000;

/** Slack's words for a token that no repetition makes right. */
const REFUSED = new Set([
  'invalid_auth',
  'not_authed',
  'not_allowed_token_type',
  'token_revoked',
  'token_expired',
  'missing_scope',
]);

export function keepSocket(setup: {
  readonly client: SocketModeReceiver['client'];
  readonly clock: Clock;
  readonly log: Log;
}): SocketKeeper {
  const { client, clock, log } = setup;
  let connected = false;
  let stopping = false;
  let connecting = false;
  let failures = 0;
  let cancelTimer: (() => void) | null = null;

  client.on('disconnected', () => {
    const was = connected;
    connected = false;
    if (stopping || connecting || !was) return;
    log.info({}, 'Slack closed the Socket Mode connection; opening a new one');
    later(0);
  });

  function later(ms: number): void {
    cancelTimer?.();
    cancelTimer = clock.after(ms, () => {
      cancelTimer = null;
      void connect();
    });
  }

  async function connect(): Promise<void> {
    if (stopping || connecting) return;
    connecting = true;
    let cancelTimeout: () => void = () => {};
    try {
      const opened = client.start();
      // When the timeout wins, this promise may still reject: somebody has to look at it.
      opened.catch(() => {});
      await Promise.race([
        opened,
        new Promise((_, reject) => {
          cancelTimeout = clock.after(CONNECT_TIMEOUT_MS, () => reject(new Error('no greeting from Slack in time')));
        }),
      ]);
      connected = true;
      if (failures > 0) log.info({ failures }, 'Connected to Slack again');
      else log.info({}, 'Connected to Slack in Socket Mode');
      failures = 0;
    } catch (error) {
      failures += 1;
      const pause = Math.min(LONGEST_PAUSE_MS, 1000 * 2 ** Math.min(10, failures - 1));
      const why = reason(error);
      const remedy = REFUSED.has(why)
        ? { field: 'slack.appToken', remedy: 'Make an app-level token with connections:write: "Basic Information".' }
        : {};
      log.warn(
        { failures, retryInMs: pause, error: why, ...remedy },
        'No Socket Mode connection to Slack; trying again',
      );
      await close();
      if (!stopping) later(pause);
    } finally {
      cancelTimeout();
      connecting = false;
    }
  }

  /** `disconnect` settles only when the other side answers, which a dead one never does. */
  async function close(): Promise<void> {
    let cancel: () => void = () => {};
    const timeout = new Promise<void>((resolve) => {
      cancel = clock.after(CLOSE_TIMEOUT_MS, resolve);
    });
    try {
      await Promise.race([client.disconnect(), timeout]);
    } catch (error) {
      log.debug({ error: reason(error) }, 'Closing the Socket Mode connection failed');
    } finally {
      cancel();
    }
  }

  return {
    start() {
      return new Promise((resolve) => {
        const cancel = clock.after(FIRST_TRY_MS, resolve);
        void connect().then(() => {
          cancel();
          resolve();
        });
      });
    },
    async stop() {
      stopping = true;
      cancelTimer?.();
      await close();
      connected = false;
    },
    get connected() {
      return connected;
    },
  };
}

/** Slack's code if there is one: messages of the client may hold URLs with one-time tickets. */
function reason(error: unknown): string {
  const data = (error as { data?: { error?: unknown } } | undefined)?.data;
  if (typeof data?.error === 'string') return data.error;
  const code = (error as { code?: unknown } | undefined)?.code;
  return typeof code === 'string' ? code : error instanceof Error ? error.name : 'unknown';
}
