import { App, HTTPReceiver, type Logger, LogLevel, type Receiver, SocketModeReceiver } from '@slack/bolt';
import { keepSocket, type SocketKeeper } from './socket.ts';
import type { Clock, Log, OnSlackCall, SlackConfig } from './types.ts';

/**
 * The Bolt app and its receiver, with what has to differ from the defaults:
 * no retries inside the client (the outbox decides when to repeat), no call to Slack before an acknowledgement
 * (Bolt would wait for `auth.test`, and keep its failure for ever), no bodies in the log.
 */
export interface Connection {
  readonly app: App;
  /** HTTP: rejects when the port cannot be had. Socket Mode: never rejects, keeps trying. */
  start(): Promise<void>;
  stop(): Promise<void>;
  /** The port that is listened on; null in Socket Mode and while stopped. */
  port(): number | null;
}

/** Longer than Slack ever takes when it is well, short enough not to hold up the next message for long. */
export const CALL_TIMEOUT_MS = 10_000;

export function connect(setup: {
  readonly config: SlackConfig;
  readonly log: Log;
  readonly clock: Clock;
  readonly onSlackCall: OnSlackCall;
  readonly botUserId: () => string | undefined;
}): Connection {
  const { config, log } = setup;
  const logger = boltLogger(log);
  const clientOptions = {
    retryConfig: { retries: 0 },
    rejectRateLimitedCalls: true,
    timeout: CALL_TIMEOUT_MS,
    allowAbsoluteUrls: false,
    ...(config.apiUrl === undefined ? {} : { slackApiUrl: config.apiUrl }),
  };
  const transport = config.mode === 'http' ? overHttp(config, logger) : overSocket(setup, logger, clientOptions);
  const app = new App({
    receiver: transport.receiver,
    logger,
    clientOptions: { ...clientOptions, fetch: boundedFetch },
    convoStore: false,
    authorize: async () => {
      const botUserId = setup.botUserId();
      return { botToken: config.botToken, ...(botUserId === undefined ? {} : { botUserId }) };
    },
  });
  app.error(async (error) => {
    log.error({ code: error.code, error: error.name }, 'A delivery from Slack could not be handled');
  });
  return { app, start: transport.start, stop: transport.stop, port: transport.port };
}

interface Transport {
  readonly receiver: Receiver;
  start(): Promise<void>;
  stop(): Promise<void>;
  port(): number | null;
}

function overHttp(config: SlackConfig, logger: Logger): Transport {
  if (config.signingSecret === undefined) {
    throw new Error(
      'slack.signingSecret is missing: in http mode Slack signs its requests with it. It is under "Basic Information" of the app.',
    );
  }
  const receiver = new HTTPReceiver({ signingSecret: config.signingSecret, logger });
  let server: { address(): unknown; closeAllConnections(): void } | null = null;
  return {
    receiver,
    async start() {
      server = await receiver.start({
        port: config.port ?? 3000,
        ...(config.host === undefined ? {} : { host: config.host }),
      });
    },
    async stop() {
      if (server === null) return;
      const closed = receiver.stop();
      // Slack keeps connections open for more requests; every acknowledgement has long been sent.
      server.closeAllConnections();
      server = null;
      await closed;
    },
    port() {
      const address = server?.address();
      return typeof address === 'object' && address !== null && 'port' in address ? Number(address.port) : null;
    },
  };
}

function overSocket(
  setup: { readonly config: SlackConfig; readonly log: Log; readonly clock: Clock; readonly onSlackCall: OnSlackCall },
  logger: Logger,
  clientOptions: Record<string, unknown>,
): Transport {
  const { config } = setup;
  if (config.appToken === undefined) {
    throw new Error(
      'slack.appToken is missing: Socket Mode needs an app-level token (xapp-…) with the scope connections:write.',
    );
  }
  const receiver = new SocketModeReceiver({
    appToken: config.appToken,
    logger,
    autoReconnectEnabled: false,
    installerOptions: { clientOptions: { ...clientOptions } },
  });
  const keeper: SocketKeeper = keepSocket({ client: receiver.client, clock: setup.clock, log: setup.log });
  return { receiver, start: () => keeper.start(), stop: () => keeper.stop(), port: () => null };
}

/** `respond` of Bolt has no timeout of its own. */
const boundedFetch: typeof fetch = (url, init) =>
  fetch(url, { ...init, signal: init?.signal ?? AbortSignal.timeout(CALL_TIMEOUT_MS) });

/** Bolt's words in our log. Its debug messages hold bodies and headers: they are dropped whatever the level is. */
function boltLogger(log: Log): Logger {
  const text = (parts: unknown[]) =>
    parts
      .map((part) => (typeof part === 'string' ? part : part instanceof Error ? part.name : ''))
      .filter((part) => part !== '')
      .join(' ')
      .replace(/https?:\/\/\S+|wss?:\/\/\S+/g, '(url)')
      .slice(0, 300);
  return {
    debug() {},
    info: (...parts) => log.debug({ detail: text(parts) }, 'Slack client'),
    warn: (...parts) => log.warn({ detail: text(parts) }, 'Slack client'),
    error: (...parts) => log.error({ detail: text(parts) }, 'Slack client'),
    setLevel() {},
    getLevel: () => LogLevel.INFO,
    setName() {},
  };
}
