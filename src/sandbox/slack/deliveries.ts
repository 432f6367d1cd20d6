import { createHmac } from 'node:crypto';
import { isObject } from './blocks/checks.ts';
import type { AppConfig, Clock, Delivery, Json, Mean, NewId } from './model.ts';
import type { Sockets } from './sockets.ts';

/** Sends one POST to the app. Rejects when the app cannot be reached. */
export type PostToApp = (
  url: string,
  headers: Record<string, string>,
  body: string,
) => Promise<{ status: number; headers: Record<string, string>; body: string }>;

export interface Parcel {
  kind: Delivery['kind'];
  /** For people: `/ephyra status`, `button approve`. */
  what: string;
  user: string;
  payload: Json;
  /** Whether Slack tries again when the app does not take it: events only. */
  retried: boolean;
}

/** How the app took one attempt. `body` is what it answered, undefined when that was nothing. */
export type Answer =
  | { ok: true; body: Json | string | undefined }
  | { ok: false; error: 'operation_timeout' | 'dispatch_failed'; reason: string; mayRetry: boolean };

const TIMEOUT_MS = 3_000;
// At once, after a minute, after five: docs.slack.dev/apis/events-api, "Error handling".
const RETRY_AFTER_MS = [0, 60_000, 300_000];
const KEPT = 500;

/** Hands things to the app, over its socket when one is open, else over HTTP, and keeps a record. */
export class Deliveries {
  readonly log: Delivery[] = [];
  readonly #clock: Clock;
  readonly #newId: NewId;
  readonly #app: AppConfig;
  readonly #mean: Mean;
  readonly #sockets: Sockets;
  readonly #post: PostToApp;
  readonly #tell: (delivery: Delivery) => void;
  #verifiedUrl: string | null = null;

  constructor(parts: {
    clock: Clock;
    newId: NewId;
    app: AppConfig;
    mean: Mean;
    sockets: Sockets;
    post: PostToApp;
    tell: (delivery: Delivery) => void;
  }) {
    this.#clock = parts.clock;
    this.#newId = parts.newId;
    this.#app = parts.app;
    this.#mean = parts.mean;
    this.#sockets = parts.sockets;
    this.#post = parts.post;
    this.#tell = parts.tell;
  }

  /**
   * Delivers a parcel. Resolves with the answer to the first attempt; `onAnswer` sees the answer to every one,
   * because Slack acts on each: a duplicate that is answered twice is shown twice.
   */
  async deliver(parcel: Parcel, onAnswer: (answer: Answer) => void = () => undefined): Promise<Answer> {
    await this.#pause(this.#mean.deliveryDelayMs);
    if (parcel.kind === 'events_api' && !(await this.#urlVerified())) {
      return { ok: false, error: 'dispatch_failed', reason: 'url_not_verified', mayRetry: false };
    }
    const first = await this.#attempt(parcel, 0, undefined, false);
    onAnswer(first);
    if (this.#mean.duplicateDeliveries) this.#duplicate(parcel, onAnswer);
    if (!first.ok && first.mayRetry && parcel.retried) void this.#retry(parcel, 1, first.reason, onAnswer);
    return first;
  }

  #duplicate(parcel: Parcel, onAnswer: (answer: Answer) => void): void {
    this.#clock.after(this.#mean.duplicateAfterMs, () => {
      const retry = parcel.retried ? { attempt: 1, reason: 'http_timeout' } : { attempt: 0, reason: undefined };
      void this.#attempt(parcel, retry.attempt, retry.reason, true).then(onAnswer);
    });
  }

  async #retry(parcel: Parcel, attempt: number, reason: string, onAnswer: (answer: Answer) => void): Promise<void> {
    const wait = RETRY_AFTER_MS[attempt - 1];
    if (wait === undefined) return;
    await this.#pause(wait);
    const answer = await this.#attempt(parcel, attempt, reason, false);
    onAnswer(answer);
    if (!answer.ok && answer.mayRetry) await this.#retry(parcel, attempt + 1, answer.reason, onAnswer);
  }

  async #attempt(parcel: Parcel, attempt: number, reason: string | undefined, duplicate: boolean): Promise<Answer> {
    const via = this.#sockets.count > 0 ? 'socket' : this.#app.requestUrl === null ? 'none' : 'http';
    const delivery: Delivery = {
      id: this.#newId('delivery-'),
      kind: parcel.kind,
      what: parcel.what,
      via,
      user: parcel.user,
      attempt,
      duplicate,
      at: this.#clock.now(),
      latencyMs: null,
      outcome: null,
    };
    this.log.push(delivery);
    if (this.log.length > KEPT) this.log.shift();
    this.#tell(delivery);
    const answer = await this.#within(
      via === 'socket' ? this.#bySocket(parcel, attempt, reason) : this.#byHttp(parcel, attempt, reason),
    );
    delivery.latencyMs = this.#clock.now() - delivery.at;
    delivery.outcome = answer.ok ? 'ok' : answer.error;
    this.#tell(delivery);
    return answer;
  }

  #bySocket(parcel: Parcel, attempt: number, reason: string | undefined): Promise<Answer> {
    const extra = parcel.kind === 'events_api' ? { retry_attempt: attempt, retry_reason: reason ?? '' } : {};
    return new Promise((resolve) => {
      this.#sockets.send(parcel.kind, parcel.payload, extra, (payload) => {
        const empty = payload === undefined || (isObject(payload) && Object.keys(payload).length === 0);
        resolve({ ok: true, body: empty ? undefined : (payload as Json) });
      });
    });
  }

  async #byHttp(parcel: Parcel, attempt: number, reason: string | undefined): Promise<Answer> {
    const url = this.#app.requestUrl;
    if (url === null) return { ok: false, error: 'dispatch_failed', reason: 'no_request_url', mayRetry: false };
    const { type, body } = encode(parcel);
    const headers: Record<string, string> = { 'content-type': type, ...this.#signed(body) };
    if (attempt > 0) {
      headers['x-slack-retry-num'] = String(attempt);
      headers['x-slack-retry-reason'] = reason ?? 'unknown_error';
    }
    try {
      const reply = await this.#post(url, headers, body);
      if (reply.status >= 200 && reply.status < 300) return { ok: true, body: parseAnswer(reply.body) };
      const mayRetry = reply.headers['x-slack-no-retry'] !== '1';
      return { ok: false, error: 'dispatch_failed', reason: 'http_error', mayRetry };
    } catch {
      return { ok: false, error: 'dispatch_failed', reason: 'connection_failed', mayRetry: true };
    }
  }

  // Slack asks a request URL once to echo a challenge before it sends events there.
  async #urlVerified(): Promise<boolean> {
    const url = this.#app.requestUrl;
    if (this.#sockets.count > 0 || url === null || url === this.#verifiedUrl) return true;
    const challenge = this.#newId('challenge-');
    const payload = { token: 'verification-token', challenge, type: 'url_verification' };
    const parcel: Parcel = { kind: 'url_verification', what: 'url_verification', user: '', payload, retried: false };
    const answer = await this.#attempt(parcel, 0, undefined, false);
    const echoed = answer.ok && (isObject(answer.body) ? answer.body['challenge'] : answer.body);
    if (echoed === challenge) this.#verifiedUrl = url;
    return echoed === challenge;
  }

  #signed(body: string): Record<string, string> {
    const timestamp = String(Math.floor(this.#clock.now() / 1000));
    const digest = createHmac('sha256', this.#app.signingSecret).update(`v0:${timestamp}:${body}`).digest('hex');
    return { 'x-slack-request-timestamp': timestamp, 'x-slack-signature': `v0=${digest}` };
  }

  #within(work: Promise<Answer>): Promise<Answer> {
    return new Promise((resolve) => {
      const cancel = this.#clock.after(TIMEOUT_MS, () =>
        resolve({ ok: false, error: 'operation_timeout', reason: 'http_timeout', mayRetry: true }),
      );
      void work.then((answer) => {
        cancel();
        resolve(answer);
      });
    });
  }

  #pause(ms: number): Promise<void> {
    return ms <= 0 ? Promise.resolve() : new Promise((resolve) => void this.#clock.after(ms, resolve));
  }
}

function encode(parcel: Parcel): { type: string; body: string } {
  const form = 'application/x-www-form-urlencoded';
  if (parcel.kind === 'slash_commands') {
    const fields = Object.entries(parcel.payload).map(([name, value]): [string, string] => [name, String(value)]);
    return { type: form, body: new URLSearchParams(fields).toString() };
  }
  const json = JSON.stringify(parcel.payload);
  if (parcel.kind === 'interactive') return { type: form, body: new URLSearchParams({ payload: json }).toString() };
  return { type: 'application/json', body: json };
}

function parseAnswer(body: string): Json | string | undefined {
  if (body.trim() === '') return undefined;
  try {
    const parsed: unknown = JSON.parse(body);
    return isObject(parsed) ? parsed : body;
  } catch {
    return body;
  }
}
