import { isObject } from './blocks/checks.ts';
import { isInteractive } from './blocks/find.ts';
import type { Change, Channel, Clock, Ephemeral, Json, Message, NewId, Person, UserGroup, View } from './model.ts';

export interface Draft {
  channel: string;
  user: string;
  text: string;
  blocks?: Json[];
  threadTs?: string;
  broadcast?: boolean;
  metadata?: Json;
  byApp?: boolean;
}

/** Everything that a workspace holds, and nothing about who may change it: that is the Web API's business. */
export class Workspace {
  readonly people = new Map<string, Person>();
  readonly groups = new Map<string, UserGroup>();
  readonly channels = new Map<string, Channel>();
  readonly views = new Map<string, View>();
  readonly #messages = new Map<string, Message>();
  readonly #ephemerals = new Map<string, Ephemeral>();
  readonly #listeners = new Set<(change: Change) => void>();
  readonly #clock: Clock;
  readonly #newId: NewId;
  #lastTs = 0;
  #version = 0;

  constructor(clock: Clock, newId: NewId) {
    this.#clock = clock;
    this.#newId = newId;
  }

  subscribe(listener: (change: Change) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  tell(change: Change): void {
    for (const listener of this.#listeners) listener(change);
  }

  /** Slack's message id: seconds and microseconds, never the same twice, never going back. */
  nextTs(): string {
    this.#lastTs = Math.max(this.#lastTs + 1, this.#clock.now() * 1000);
    const seconds = Math.floor(this.#lastTs / 1_000_000);
    return `${seconds}.${String(this.#lastTs % 1_000_000).padStart(6, '0')}`;
  }

  nextVersion(): number {
    this.#version += 1;
    return this.#version;
  }

  channel(idOrName: string): Channel | undefined {
    const byId = this.channels.get(idOrName);
    if (byId !== undefined) return byId;
    const name = idOrName.replace(/^#/, '');
    return [...this.channels.values()].find((channel) => channel.name === name);
  }

  post(draft: Draft): Message {
    const message: Message = {
      ts: this.nextTs(),
      channel: draft.channel,
      user: draft.user,
      text: draft.text,
      broadcast: draft.broadcast ?? false,
      reactions: [],
      byApp: draft.byApp ?? false,
      version: this.nextVersion(),
    };
    if (draft.blocks !== undefined) message.blocks = this.withIds(draft.blocks);
    if (draft.threadTs !== undefined) message.threadTs = draft.threadTs;
    if (draft.metadata !== undefined) message.metadata = draft.metadata;
    this.#messages.set(key(draft.channel, message.ts), message);
    this.tell({ type: 'message', message });
    // A new reply changes what the channel shows under the parent.
    const parent = draft.threadTs === undefined ? undefined : this.message(draft.channel, draft.threadTs);
    if (parent !== undefined) this.touch(parent);
    return message;
  }

  message(channel: string, ts: string): Message | undefined {
    return this.#messages.get(key(channel, ts));
  }

  /** All messages of a channel, replies included, oldest first. */
  messages(channel: string): Message[] {
    return [...this.#messages.values()].filter((message) => message.channel === channel).sort(byTs);
  }

  replies(channel: string, threadTs: string): Message[] {
    return this.messages(channel).filter((message) => message.threadTs === threadTs && message.ts !== threadTs);
  }

  change(message: Message, user: string, text: string | undefined, blocks: Json[] | undefined): void {
    if (text !== undefined) message.text = text;
    if (blocks !== undefined) message.blocks = this.withIds(blocks);
    message.edited = { user, ts: this.nextTs() };
    this.touch(message);
  }

  touch(message: Message): void {
    message.version = this.nextVersion();
    this.tell({ type: 'message', message });
  }

  remove(message: Message): void {
    this.#messages.delete(key(message.channel, message.ts));
    this.tell({ type: 'message_deleted', channel: message.channel, ts: message.ts });
  }

  whisper(draft: Omit<Ephemeral, 'ts' | 'version'>): Ephemeral {
    const ephemeral: Ephemeral = { ...draft, ts: this.nextTs(), version: this.nextVersion() };
    if (draft.blocks !== undefined) ephemeral.blocks = this.withIds(draft.blocks);
    this.#ephemerals.set(key(draft.channel, ephemeral.ts), ephemeral);
    this.tell({ type: 'ephemeral', ephemeral });
    return ephemeral;
  }

  ephemeral(channel: string, ts: string): Ephemeral | undefined {
    return this.#ephemerals.get(key(channel, ts));
  }

  /** The ephemeral messages of a channel, oldest first; with `to`, those that this person sees. */
  ephemerals(channel: string, to?: string): Ephemeral[] {
    return [...this.#ephemerals.values()]
      .filter((one) => one.channel === channel && (to === undefined || one.to === to))
      .sort(byTs);
  }

  changeEphemeral(ephemeral: Ephemeral, text: string, blocks: Json[] | undefined): void {
    ephemeral.text = text;
    if (blocks === undefined) delete ephemeral.blocks;
    else ephemeral.blocks = this.withIds(blocks);
    ephemeral.version = this.nextVersion();
    this.tell({ type: 'ephemeral', ephemeral });
  }

  removeEphemeral(ephemeral: Ephemeral): void {
    this.#ephemerals.delete(key(ephemeral.channel, ephemeral.ts));
    this.tell({ type: 'ephemeral_deleted', channel: ephemeral.channel, ts: ephemeral.ts, to: ephemeral.to });
  }

  /** The modals that a person has open, the topmost last. */
  viewsOf(user: string): View[] {
    return [...this.views.values()].filter((view) => view.user === user);
  }

  // Slack gives every block and every element that can be used an id of its own where the app gave none,
  // and the interaction payloads carry it.
  withIds(blocks: Json[]): Json[] {
    return blocks.map((block) => ({ block_id: this.#newId('b'), ...this.#withActionIds(block) }));
  }

  #withActionIds(holder: Json): Json {
    const filled = { ...holder };
    for (const field of ['elements', 'actions', 'child_blocks', 'accessory', 'element']) {
      const held = holder[field];
      if (Array.isArray(held)) filled[field] = held.map((one) => (isObject(one) ? this.#withActionId(one) : one));
      else if (isObject(held)) filled[field] = this.#withActionId(held);
    }
    return filled;
  }

  #withActionId(one: Json): Json {
    const filled = this.#withActionIds(one);
    return isInteractive(filled) ? { action_id: this.#newId('a'), ...filled } : filled;
  }
}

function key(channel: string, ts: string): string {
  return `${channel}/${ts}`;
}

function byTs(one: { ts: string }, other: { ts: string }): number {
  return one.ts < other.ts ? -1 : one.ts > other.ts ? 1 : 0;
}
