import type { Core } from '../core.ts';
import type { Channel, Json, Message, Person } from '../model.ts';

/** A refusal of the Web API: HTTP 200 with `ok: false`. `messages` go to response_metadata. */
export class SlackRefusal extends Error {
  readonly messages: string[];

  constructor(error: string, messages: string[] = []) {
    super(error);
    this.messages = messages;
  }
}

/** The arguments of one call, form or JSON alike, with the readings that every method needs. */
export class Args {
  readonly #values: Json;
  readonly #core: Core;

  constructor(values: Json, core: Core) {
    this.#values = values;
    this.#core = core;
  }

  string(name: string): string | undefined {
    const value = this.#values[name];
    if (value === undefined || value === null) return undefined;
    return typeof value === 'string' ? value : String(value);
  }

  required(name: string): string {
    const value = this.string(name);
    if (value === undefined || value === '') {
      throw new SlackRefusal('invalid_arguments', [`missing required field: ${name}`]);
    }
    return value;
  }

  flag(name: string): boolean {
    return ['true', '1'].includes(this.string(name) ?? '');
  }

  count(name: string, fallback: number, most: number): number {
    const value = Number(this.string(name) ?? fallback);
    return Number.isInteger(value) && value > 0 ? Math.min(value, most) : fallback;
  }

  /** A field that is JSON: an object or array in a JSON body, a string of JSON in a form. */
  json(name: string, otherwise: string): unknown {
    const value = this.#values[name];
    if (typeof value !== 'string') return value;
    if (value === '') return undefined;
    try {
      return JSON.parse(value);
    } catch {
      throw new SlackRefusal(otherwise);
    }
  }

  channel(): Channel {
    const channel = this.#core.workspace.channel(this.string('channel') ?? '');
    if (channel === undefined) throw new SlackRefusal('channel_not_found');
    return channel;
  }

  person(): Person {
    const person = this.#core.workspace.people.get(this.string('user') ?? '');
    if (person === undefined) throw new SlackRefusal('user_not_found');
    return person;
  }

  message(field = 'ts'): Message {
    const message = this.#core.workspace.message(this.channel().id, this.string(field) ?? '');
    if (message === undefined) throw new SlackRefusal('message_not_found');
    return message;
  }
}

/** One method of the Web API. */
export interface Method {
  /** The scope that the token needs; null: none. */
  scope: string | null;
  token: 'bot' | 'app';
  /** Whether the call changes something, so that its answer can be lost. */
  writes: boolean;
  /** Whether calls are counted per channel, about one a second, rather than generously. */
  perChannel: boolean;
  /** The fields of the answer besides `ok`. Throws SlackRefusal. */
  run(core: Core, args: Args): Json;
}

export function reads(scope: string | null, run: Method['run']): Method {
  return { scope, token: 'bot', writes: false, perChannel: false, run };
}

export function writes(scope: string | null, run: Method['run']): Method {
  return { scope, token: 'bot', writes: true, perChannel: false, run };
}

export function posts(scope: string, run: Method['run']): Method {
  return { scope, token: 'bot', writes: true, perChannel: true, run };
}

/** A page of `items`: cursors are offsets in base 36, opaque to the caller. */
export function page<T>(items: T[], args: Args, most: number): { items: T[]; next: string } {
  const from = Number.parseInt(args.string('cursor') ?? '0', 36) || 0;
  const size = args.count('limit', most, most);
  const to = from + size;
  return { items: items.slice(from, to), next: to < items.length ? to.toString(36) : '' };
}
