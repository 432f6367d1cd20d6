import { refusedMessageBlocks } from './blocks/blocks.ts';
import { isObject } from './blocks/checks.ts';
import type { AppConfig, Clock, Json, NewId } from './model.ts';
import type { Workspace } from './workspace.ts';

/** Where an answer of the app goes: the person and place that it answers to. */
export interface Place {
  kind: 'commands' | 'actions';
  user: string;
  channel: string;
  threadTs?: string;
  /** The message whose button was pressed. */
  source?: { ts: string; ephemeral: boolean };
}

export interface ResponseReply {
  status: number;
  body: string;
}

const MOST_USES = 5;
const LIFETIME_MS = 30 * 60_000;

/** The response_urls that Slack has given out. Each works five times within 30 minutes. */
export class ResponseUrls {
  readonly #given = new Map<string, { place: Place; left: number; until: number }>();
  readonly #clock: Clock;
  readonly #newId: NewId;
  readonly #workspace: Workspace;
  readonly #app: AppConfig;

  constructor(clock: Clock, newId: NewId, workspace: Workspace, app: AppConfig) {
    this.#clock = clock;
    this.#newId = newId;
    this.#workspace = workspace;
    this.#app = app;
  }

  /** The path of a new response_url, to be put behind the address of the emulator. */
  give(place: Place): string {
    const path = `/${place.kind}/T_SANDBOX/${this.#newId('response')}`;
    this.#given.set(path, { place, left: MOST_USES, until: this.#clock.now() + LIFETIME_MS });
    return path;
  }

  /** An app's POST to a response_url. */
  use(path: string, body: unknown): ResponseReply {
    const given = this.#given.get(path);
    if (given === undefined) return refuse(404, 'invalid_url');
    if (this.#clock.now() > given.until) return refuse(404, 'expired_url');
    if (given.left === 0) return refuse(404, 'used_url');
    if (!isObject(body)) return refuse(400, 'invalid_payload');
    const error = this.answer(given.place, body);
    if (error !== undefined) return refuse(error === 'message_not_found' ? 404 : 400, error);
    given.left -= 1;
    return { status: 200, body: 'ok' };
  }

  /** Shows what the app answered, at once or later. Answers Slack's word for why that cannot be. */
  answer(place: Place, body: Json): string | undefined {
    const source = this.#source(place);
    if (body['delete_original'] === true) {
      if (source === undefined) return 'message_not_found';
      source.remove();
      return undefined;
    }
    const blocks = body['blocks'];
    const refusal = blocks === undefined ? undefined : refusedMessageBlocks(blocks);
    if (refusal !== undefined) return refusal.error;
    const text = typeof body['text'] === 'string' ? body['text'] : '';
    if (text === '' && blocks === undefined) return 'no_text';
    const shown = blocks === undefined ? { text } : { text, blocks: blocks as Json[] };
    if (source !== undefined && replaces(body)) source.replace(shown.text, blocks as Json[] | undefined);
    else this.#show(place, body, shown);
    return undefined;
  }

  #show(place: Place, body: Json, shown: { text: string; blocks?: Json[] }): void {
    const threadTs = typeof body['thread_ts'] === 'string' ? body['thread_ts'] : place.threadTs;
    const where = { channel: place.channel, ...shown, ...(threadTs === undefined ? {} : { threadTs }) };
    if (body['response_type'] === 'in_channel') {
      this.#workspace.post({ ...where, user: this.#app.botUserId, byApp: true });
    } else {
      this.#workspace.whisper({ ...where, to: place.user, from: this.#app.botUserId });
    }
  }

  #source(place: Place): { replace(text: string, blocks: Json[] | undefined): void; remove(): void } | undefined {
    const { channel, source } = place;
    if (source === undefined) return undefined;
    if (source.ephemeral) {
      const ephemeral = this.#workspace.ephemeral(channel, source.ts);
      if (ephemeral === undefined) return undefined;
      return {
        replace: (text, blocks) => this.#workspace.changeEphemeral(ephemeral, text, blocks),
        remove: () => this.#workspace.removeEphemeral(ephemeral),
      };
    }
    const message = this.#workspace.message(channel, source.ts);
    if (message === undefined) return undefined;
    return {
      replace: (text, blocks) => this.#workspace.change(message, this.#app.botUserId, text, blocks ?? []),
      remove: () => this.#workspace.remove(message),
    };
  }
}

// Without a word about it an answer to a button takes the place of the message with the button, unless it says
// who shall see it. What a slash command produced cannot be replaced (slackapi/bolt-python issue 1268).
function replaces(body: Json): boolean {
  if (typeof body['replace_original'] === 'boolean') return body['replace_original'];
  if (body['replace_original'] === 'true') return true;
  return body['replace_original'] === undefined && body['response_type'] === undefined;
}

function refuse(status: number, error: string): ResponseReply {
  return { status, body: JSON.stringify({ ok: false, error }) };
}
