import type { Change, Deployments, DeploymentView, Thread } from '../deployments/types.ts';
import { FINAL_STATES } from '../deployments/types.ts';
import { message } from './blocks.ts';
import { cardBlockId, presentCard } from './card.ts';
import type { Outbox } from './outbox.ts';
import { lockLine, noticeLine, type ThreadLine, threadLines, threadMessage } from './thread.ts';
import type { Clock, Log, SlackMessage } from './types.ts';
import { type Place, SlackProblem, type SlackWeb } from './web.ts';

/**
 * Keeps what Slack shows in step with the deployments: one parent message (the card) each, its thread, and the locks.
 * It holds the latest state and the lines not yet sent; when they leave is the outbox's business.
 */
export interface Board {
  /** Takes a change in; returns at once and never throws. */
  onChange(change: Change): void;
  /** Shows again what runs, after a start: the cards are found by what was remembered, and brought up to date. */
  resume(): void;
  /** Draws the card anew even if nothing seems to have changed, e.g. when somebody pressed a button that is outdated. */
  redraw(view: DeploymentView): void;
  /** Deployments and notices that still have something to send. */
  readonly open: number;
}

interface Entry {
  view: DeploymentView;
  /** When the state in `view` was reached (ms). */
  at: number;
  place: Place | null;
  /** Set while a parent may exist that we have not heard of: since when to look for it. */
  lookSince: number | null;
  /** The card as Slack has it, to leave out updates that change nothing. */
  shown: string | null;
  shownState: DeploymentView['state'] | null;
  lines: ThreadLine[];
  dropped: number;
  /** The thread message under way: frozen, so that a repeat is the same message. */
  batch: Batch | null;
}

interface Batch {
  readonly message: SlackMessage;
  readonly blockId: string;
  readonly broadcast: boolean;
  lookSince: number | null;
}

/** What Slack answers to an app that was installed without the scopes for reading the channel. */
const MAY_NOT_READ = new Set(['missing_scope', 'no_permission', 'access_denied', 'not_allowed_token_type']);
/** Changes of a card within this time are one update. */
const GATHER_MS = 1500;
const COLLECT_MS = 3000;
const MAX_LINES = 300;
const MAX_PER_MESSAGE = 100;
const MAX_NOTICES = 50;
/** A deployment that ended so shortly before a restart may still show its last but one state. */
const RECENT_MS = 24 * 3_600_000;
/** After a start, the cards of such deployments are drawn one after the other: there is room for what happens now between them. */
const PAST_CARD_MS = 2_500;

export function createBoard(setup: {
  readonly deployments: Pick<Deployments, 'list' | 'rememberThread'>;
  readonly channel: string;
  readonly web: SlackWeb;
  readonly outbox: Outbox;
  readonly clock: Pick<Clock, 'now'>;
  readonly log: Log;
}): Board {
  const { deployments, channel, web, outbox, clock, log } = setup;
  const entries = new Map<string, Entry>();
  const notices: { text: string; blockId: string; lookSince: number | null }[] = [];
  const run = clock.now().toString(36);
  let serial = 0;

  function entryOf(view: DeploymentView, at: number, isNew: boolean): Entry {
    const known = entries.get(view.id);
    if (known !== undefined) {
      known.view = view;
      known.at = at;
      return known;
    }
    const place = view.thread === null ? null : { channel: view.thread.channel, ts: view.thread.ts };
    const entry: Entry = {
      view,
      at,
      place,
      // Not new and no thread known: Ephyra may have died between posting the card and remembering it.
      lookSince: place === null && !isNew ? view.requestedAt : null,
      shown: null,
      shownState: null,
      lines: [],
      dropped: 0,
      batch: null,
    };
    entries.set(view.id, entry);
    return entry;
  }

  /** At once when the state is another one (the buttons depend on it), else soon: Slack allows fifty updates a minute. */
  function wantCard(entry: Entry): void {
    const soon = entry.place !== null && entry.shown !== null && entry.shownState === entry.view.state;
    outbox.want(entry.place?.channel ?? channel, `card:${entry.view.id}`, soon ? GATHER_MS : 0, () => sendCard(entry));
  }

  function wantThread(entry: Entry, delayMs: number): void {
    outbox.want(entry.place?.channel ?? channel, `thread:${entry.view.id}`, delayMs, () => sendThread(entry));
  }

  async function sendCard(entry: Entry): Promise<'sent' | 'nothing'> {
    const { state } = entry.view;
    const card = presentCard(entry.view, entry.at, { buttons: true });
    const body = JSON.stringify(card);
    if (entry.place === null) {
      await postCard(entry, card, body, state);
      return 'sent';
    }
    if (body === entry.shown) {
      forgetIfDone(entry);
      return 'nothing';
    }
    try {
      await orLess(card, (smaller) => web.update(entry.place ?? lost(), smaller));
    } catch (error) {
      if (!(error instanceof SlackProblem) || error.kind !== 'gone') throw error;
      log.warn({ deployment: entry.view.id, code: error.code }, 'The card was deleted in Slack; posting a new one');
      entry.place = null;
      entry.lookSince = null;
      wantCard(entry);
      return 'sent';
    }
    entry.shown = body;
    entry.shownState = state;
    forgetIfDone(entry);
    return 'sent';
  }

  async function postCard(
    entry: Entry,
    card: SlackMessage,
    body: string,
    state: DeploymentView['state'],
  ): Promise<void> {
    const found = await look(entry.lookSince, { channel, blockId: cardBlockId(entry.view.id) });
    if (found !== undefined) {
      entry.place = found;
      wantCard(entry);
    } else {
      const began = clock.now();
      try {
        entry.place = await orLess(card, (smaller) => web.post({ channel, message: smaller }));
        entry.shown = body;
        entry.shownState = state;
      } catch (error) {
        if (error instanceof SlackProblem && error.maybeDone) entry.lookSince ??= began;
        throw error;
      }
    }
    entry.lookSince = null;
    remember(entry);
    if (entry.lines.length > 0 || entry.batch !== null) wantThread(entry, COLLECT_MS);
    forgetIfDone(entry);
  }

  /** Undefined as well when the app may not read the channel: a second card is better than none. */
  async function look(
    since: number | null,
    where: { readonly channel: string; readonly threadTs?: string; readonly blockId: string },
  ): Promise<Place | undefined> {
    if (since === null) return undefined;
    try {
      return await web.find({ ...where, since });
    } catch (error) {
      if (!(error instanceof SlackProblem) || !MAY_NOT_READ.has(error.code)) throw error;
      log.warn({ channel: where.channel, code: error.code }, 'Slack does not let the history be read; posting anew');
      return undefined;
    }
  }

  function remember(entry: Entry): void {
    const { place } = entry;
    if (place === null) return;
    const thread: Thread = { face: 'slack', channel: place.channel, ts: place.ts };
    const attempt = async (): Promise<'nothing'> => {
      if (entry.place === place) await deployments.rememberThread(entry.view.id, thread);
      return 'nothing';
    };
    outbox.want(place.channel, `remember:${entry.view.id}`, 0, attempt);
  }

  async function sendThread(entry: Entry): Promise<'sent' | 'nothing'> {
    if (entry.place === null) {
      wantCard(entry);
      return 'nothing';
    }
    entry.batch ??= takeBatch(entry);
    const { batch, place } = entry;
    if (batch === null) return 'nothing';
    const found = await look(batch.lookSince, { channel: place.channel, threadTs: place.ts, blockId: batch.blockId });
    if (found === undefined) {
      const began = clock.now();
      try {
        await orLess(batch.message, (smaller) =>
          web.post({ channel: place.channel, threadTs: place.ts, broadcast: batch.broadcast, message: smaller }),
        );
      } catch (error) {
        if (error instanceof SlackProblem && error.kind === 'gone') {
          entry.place = null;
          wantCard(entry);
          return 'sent';
        }
        if (error instanceof SlackProblem && error.maybeDone) batch.lookSince ??= began;
        throw error;
      }
    }
    entry.batch = null;
    if (entry.lines.length > 0) wantThread(entry, entry.lines.some((line) => line.urgent) ? 0 : COLLECT_MS);
    else forgetIfDone(entry);
    return 'sent';
  }

  /** Lines up to the first that the channel is to see, too; such a line is a message of its own. */
  function takeBatch(entry: Entry): Batch | null {
    const [first] = entry.lines;
    if (first === undefined) return null;
    const end = entry.lines.findIndex((line) => line.broadcast);
    const n = first.broadcast ? 1 : Math.min(MAX_PER_MESSAGE, end < 0 ? entry.lines.length : end);
    const taken = entry.lines.splice(0, n);
    const blockId = nextBlockId();
    const batch = {
      message: threadMessage(taken, blockId, entry.dropped),
      blockId,
      broadcast: first.broadcast,
      lookSince: null,
    };
    entry.dropped = 0;
    return batch;
  }

  function nextBlockId(): string {
    serial += 1;
    return `ephyra-line:${run}-${serial}`;
  }

  /** Blocks that Slack does not take must not keep people from reading the words. */
  async function orLess<T>(full: SlackMessage, send: (message: SlackMessage) => Promise<T>): Promise<T> {
    try {
      return await send(full);
    } catch (error) {
      if (!(error instanceof SlackProblem) || error.kind !== 'too_much') throw error;
      log.error({ code: error.code }, 'Slack did not take the blocks of a message; sending only its text');
      const id = full.blocks.find((block) => block.block_id !== undefined)?.block_id;
      return await send(id === undefined ? message(full.text) : withBlockId(message(full.text), id));
    }
  }

  function forgetIfDone(entry: Entry): void {
    const quiet = entry.lines.length === 0 && entry.batch === null && entry.shown !== null;
    if (quiet && FINAL_STATES.includes(entry.view.state)) entries.delete(entry.view.id);
  }

  async function sendNotices(): Promise<'sent' | 'nothing'> {
    const [notice] = notices;
    if (notice === undefined) return 'nothing';
    const found = await look(notice.lookSince, { channel, blockId: notice.blockId });
    if (found === undefined) {
      const began = clock.now();
      const text = message(notice.text);
      try {
        await orLess(withBlockId(text, notice.blockId), (smaller) => web.post({ channel, message: smaller }));
      } catch (error) {
        if (error instanceof SlackProblem && error.maybeDone) notice.lookSince ??= began;
        throw error;
      }
    }
    const index = notices.indexOf(notice);
    if (index >= 0) notices.splice(index, 1);
    if (notices.length > 0) outbox.want(channel, 'notices', 0, sendNotices);
    return 'sent';
  }

  function take(change: Change): void {
    if (change.kind !== 'deployment') {
      const text = change.kind === 'lock' ? lockLine(change) : noticeLine(change);
      notices.push({ text, blockId: nextBlockId(), lookSince: null });
      if (notices.length > MAX_NOTICES) notices.shift();
      outbox.want(channel, 'notices', 0, sendNotices);
      return;
    }
    const entry = entryOf(change.deployment, change.at, change.event.type === 'requested');
    const news = threadLines(change);
    for (const line of news) {
      entry.lines.push(line);
      if (entry.lines.length <= MAX_LINES) continue;
      // What is urgent (approvals, stuck nodes, the outcome) stays as long as there is anything else to give up.
      const index = entry.lines.findIndex((one) => !one.urgent);
      entry.lines.splice(Math.max(0, index), 1);
      entry.dropped += 1;
    }
    wantCard(entry);
    if (news.length > 0) wantThread(entry, news.some((line) => line.urgent) ? 0 : COLLECT_MS);
  }

  return {
    onChange(change) {
      try {
        take(change);
      } catch (error) {
        log.error({ error: String(error), kind: change.kind }, 'A change could not be prepared for Slack');
      }
    },
    resume() {
      const now = clock.now();
      const ended: { readonly view: DeploymentView; readonly endedAt: number }[] = [];
      for (const view of deployments.list()) {
        const { state, thread, endedAt } = view;
        if (!FINAL_STATES.includes(state)) wantCard(entryOf(view, now, false));
        else if (thread !== null && endedAt !== null && now - endedAt <= RECENT_MS) ended.push({ view, endedAt });
      }
      ended.sort((one, other) => other.endedAt - one.endedAt);
      for (const [index, { view }] of ended.entries()) {
        const entry = entryOf(view, now, false);
        const key = `card:${view.id}`;
        outbox.want(entry.place?.channel ?? channel, key, (index + 1) * PAST_CARD_MS, () => sendCard(entry));
      }
    },
    redraw(view) {
      const entry = entryOf(view, clock.now(), false);
      entry.shown = null;
      wantCard(entry);
    },
    get open() {
      return entries.size + (notices.length > 0 ? 1 : 0);
    },
  };
}

function withBlockId(full: SlackMessage, blockId: string): SlackMessage {
  const [first, ...rest] = full.blocks;
  return first === undefined ? full : { text: full.text, blocks: [{ ...first, block_id: blockId }, ...rest] };
}

function lost(): never {
  throw new SlackProblem('unavailable', 'card_not_posted');
}
