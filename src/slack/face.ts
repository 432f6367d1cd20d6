import { WebClient } from '@slack/web-api';
import type { Deployments } from '../deployments/types.ts';
import { type Answerer, createAnswerer, type Respond } from './answer.ts';
import { createBoard } from './board.ts';
import { CALL_TIMEOUT_MS, connect } from './bolt.ts';
import { COMMANDS } from './commands/registry.ts';
import { createDedupe } from './dedupe.ts';
import { type CommandRequest, createHandlers } from './handlers.ts';
import { createOutbox } from './outbox.ts';
import { createNames } from './people.ts';
import { createPermissions } from './permissions.ts';
import type { Clock, Log, OnSlackCall, OnSlackCommand, SlackConfig, SlackMessage } from './types.ts';
import { createSlackWeb, SlackProblem } from './web.ts';

/** The Slack face: takes commands, clicks and mentions in, shows deployments as cards with threads. */
export interface SlackFace {
  /**
   * Subscribes to the deployments at once, then begins to listen and brings the cards up to date. Rejects only for what
   * the operator must mend here (a port that is taken); when Slack cannot be reached it resolves within three seconds
   * and goes on trying.
   */
  start(): Promise<void>;
  /** Takes nothing more in, sends what is waiting for up to five seconds, closes. */
  stop(): Promise<void>;
  /** The answer to a command as if it had been typed; null when the channel shows the result. */
  handleCommand(request: CommandRequest): Promise<SlackMessage | null>;
  /** HTTP: the port that is listened on; else null. */
  port(): number | null;
}

/** What people type has endless values; a metric's label must not. */
function knownCommand(text: string): string {
  const word = text.trim().split(/\s+/, 1)[0]?.toLowerCase() ?? '';
  if (word === '') return 'help';
  return COMMANDS.some(({ name }) => name === word) ? word : 'unknown';
}

/** Two clicks on the same button by the same person within this time are one. */
const DOUBLE_CLICK_MS = 3000;
const DRAIN_MS = 5000;

/** Wires the face together. Throws when the configuration lacks the secret that its mode needs. */
export function createSlackFace(setup: {
  readonly config: SlackConfig;
  readonly deployments: Deployments;
  readonly log: Log;
  readonly clock: Clock;
  readonly onSlackCall?: OnSlackCall;
  readonly onSlackCommand?: OnSlackCommand;
}): SlackFace {
  const { config, deployments, log, clock } = setup;
  const onSlackCall = setup.onSlackCall ?? (() => {});
  let botUserId: string | undefined;

  const connection = connect({ config, log, clock, onSlackCall, botUserId: () => botUserId });
  // Not the app's own client: Bolt makes one a workspace and hands it out with each delivery, we need one all the time.
  const client = new WebClient(config.botToken, {
    retryConfig: { retries: 0 },
    rejectRateLimitedCalls: true,
    timeout: CALL_TIMEOUT_MS,
    allowAbsoluteUrls: false,
    logger: connection.app.logger,
    ...(config.apiUrl === undefined ? {} : { slackApiUrl: config.apiUrl }),
  });
  const web = createSlackWeb(client, onSlackCall, clock.now);
  const outbox = createOutbox({ clock, log });
  const board = createBoard({ deployments, channel: config.channel, web, outbox, clock, log });
  const names = createNames((user) => web.userName(user));
  const dedupe = createDedupe(clock);
  const handlers = createHandlers({
    deployments,
    permissions: createPermissions({
      operators: config.operators,
      approvers: config.approvers,
      members: (group) => web.members(group),
      clock,
    }),
    home: config.channel,
    now: clock.now,
    after: clock.after,
    redraw: (view) => board.redraw(view),
    onBug: (error) =>
      log.error(
        { error: error instanceof Error ? (error.stack ?? error.message) : String(error) },
        'A Slack request failed',
      ),
  });

  function answerer(respond: Respond | null, channel: string, user: string, threadTs?: string): Answerer {
    return createAnswerer({ respond, target: { channel, user, threadTs }, web, clock, log, onSlackCall });
  }

  async function answerCommand(request: CommandRequest, answer: Answerer): Promise<void> {
    const reply = await handlers.command({ ...request, onSlow: (message) => void answer(message) });
    if (reply !== null) await answer(reply);
  }

  /** Acknowledged first, whatever comes of it; Slack repeats a lost one, and the repeat is recognised. */
  function acknowledge(command: string, ack: () => Promise<void>): void {
    const began = clock.now();
    ack().then(
      () => setup.onSlackCommand?.(knownCommand(command), clock.now() - began),
      (error: unknown) =>
        log.warn({ error: error instanceof Error ? error.name : 'unknown' }, 'An acknowledgement did not reach Slack'),
    );
  }

  function background(work: Promise<void>): void {
    work.catch((error: unknown) => log.error({ error: String(error) }, 'A Slack request failed'));
  }

  connection.app.command(/^\//, async ({ ack, command, respond }) => {
    acknowledge(command.text, () => ack());
    if (!dedupe.first(`command:${command.trigger_id}`)) return;
    names.learn(command.user_id, command.user_name);
    const by = await names.actor(command.user_id);
    const { channel_id: channel, trigger_id: trigger, text, command: prefix } = command;
    background(
      answerCommand(
        { text, by, channel, key: `slack:${trigger}`, prefix },
        answerer((body) => respond(body), channel, by.id),
      ),
    );
  });

  connection.app.action({ type: 'block_actions', action_id: /^ephyra:/ }, async ({ ack, action, body, respond }) => {
    acknowledge(action.action_id.replace(/^ephyra:/, ''), () => ack());
    if (action.type !== 'button') return;
    const { user } = body;
    const shownIn = `${body.container?.['channel_id'] ?? ''}:${body.container?.['message_ts'] ?? ''}`;
    const click = `${user.id}:${shownIn}:${action.action_id}`;
    if (!dedupe.first(`click:${click}:${action.action_ts}`)) return;
    if (!dedupe.first(`double:${click}:${action.value ?? ''}`, DOUBLE_CLICK_MS)) return;
    names.learn(user.id, user.name ?? user.username);
    const by = await names.actor(user.id);
    const channel = body.channel?.id ?? config.channel;
    const answer = answerer((message) => respond(message), channel, user.id);
    background(
      handlers.click({ actionId: action.action_id, value: action.value, by }).then(async (reply) => {
        if (reply !== null) await answer(reply);
      }),
    );
  });

  connection.app.event('app_mention', async ({ event, body }) => {
    const { user, channel, ts } = event;
    // Other apps' mentions have no user: nobody who could be asked whether they may.
    if (user === undefined || event.bot_id !== undefined || user === botUserId) return;
    if (!dedupe.first(`mention:${body.event_id}`) || !dedupe.first(`mention:${channel}:${ts}`)) return;
    const text = event.text.replace(/<@[UW][A-Z0-9]+(?:\|[^>]*)?>/g, ' ');
    background(
      names
        .actor(user)
        .then((by) =>
          answerCommand(
            { text, by, channel, key: `slack:${channel}:${ts}`, prefix: '/ephyra' },
            answerer(null, channel, user, event.thread_ts),
          ),
        ),
    );
  });

  async function learnOwnName(): Promise<void> {
    try {
      const me = await web.whoAmI();
      botUserId = me.userId;
      log.info({ team: me.team, user: me.userId }, 'Signed in to Slack');
    } catch (error) {
      const problem = error instanceof SlackProblem ? error : undefined;
      const code = problem?.code ?? 'bug';
      if (problem?.kind === 'refused') {
        log.error(
          { code, field: 'slack.botToken', remedy: 'Copy the bot token anew from the app: "OAuth & Permissions".' },
          'Slack refuses the bot token; nothing can be shown there until it is right',
        );
      } else log.error({ code }, 'Slack cannot be reached; messages will wait');
    }
  }

  let unsubscribe: () => void = () => {};
  return {
    async start() {
      unsubscribe = deployments.onChange((change) => board.onChange(change));
      board.resume();
      background(learnOwnName());
      await connection.start();
    },
    async stop() {
      await connection.stop();
      // What still happens meanwhile belongs into the thread as well.
      const drained = await outbox.drain(DRAIN_MS);
      unsubscribe();
      if (!drained) log.warn({ waiting: outbox.waiting }, 'Some messages could not be sent to Slack in time');
      outbox.stop();
    },
    handleCommand: (request) => handlers.command(request),
    port: () => connection.port(),
  };
}
