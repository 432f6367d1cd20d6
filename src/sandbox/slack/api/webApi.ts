import type { Core } from '../core.ts';
import type { Json, RateLimit } from '../model.ts';
import { RateLimits } from '../rateLimits.ts';
import { CHAT } from './chat.ts';
import { CONVERSATIONS } from './conversations.ts';
import { Args, type Method, SlackRefusal } from './method.ts';
import { PEOPLE } from './people.ts';
import { TEAM_METHODS } from './team.ts';
import { VIEWS } from './views.ts';

const METHODS: Record<string, Method> = { ...CHAT, ...CONVERSATIONS, ...PEOPLE, ...VIEWS, ...TEAM_METHODS };

// Methods that are not counted per channel are in Slack's tiers of 20 to 100 calls a minute, with bursts.
const TIER: RateLimit = { burst: 50, perSecond: 50 / 60 };

export interface ApiReply {
  status: number;
  headers: Record<string, string>;
  body: Json;
}

export interface CallCount {
  method: string;
  calls: number;
  refused: number;
  rateLimited: number;
}

/** The Web API: who may call, how often, and the answer's form. What methods do is in the files beside this one. */
export class WebApi {
  readonly #core: Core;
  readonly #posts: RateLimits;
  readonly #others: RateLimits;
  readonly #counts = new Map<string, CallCount>();

  constructor(core: Core, perChannel: RateLimit) {
    this.#core = core;
    this.#posts = new RateLimits(core.clock, perChannel);
    this.#others = new RateLimits(core.clock, TIER);
  }

  /** How often each method was called since the start. */
  counts(): CallCount[] {
    return [...this.#counts.values()].sort((one, other) => one.method.localeCompare(other.method));
  }

  /** Answers one call. `token` is the bearer token, undefined when the call has none. */
  call(name: string, token: string | undefined, values: Json): ApiReply {
    const method = Object.hasOwn(METHODS, name) ? METHODS[name] : undefined;
    const count = this.#counts.get(name) ?? { method: name, calls: 0, refused: 0, rateLimited: 0 };
    if (method !== undefined) this.#counts.set(name, count);
    count.calls += 1;
    if (this.#core.mean.down !== 'no')
      return { status: 503, headers: {}, body: { ok: false, error: 'service_unavailable' } };
    const wait = method === undefined ? 0 : this.#wait(name, method, values);
    if (wait > 0) {
      count.rateLimited += 1;
      return { status: 429, headers: { 'retry-after': String(wait) }, body: { ok: false, error: 'ratelimited' } };
    }
    try {
      const body = this.#run(name, method, token, values);
      if (method?.writes && this.#core.mean.loseAnswers) return { status: 500, headers: {}, body: { ok: false } };
      return { status: 200, headers: this.#headers(method), body: { ok: true, ...body } };
    } catch (error) {
      if (!(error instanceof SlackRefusal)) throw error;
      count.refused += 1;
      return { status: 200, headers: this.#headers(method), body: this.#refusal(error, method) };
    }
  }

  #run(name: string, method: Method | undefined, token: string | undefined, values: Json): Json {
    if (token === undefined) throw new SlackRefusal('not_authed');
    const { app } = this.#core;
    if (token !== app.botToken && token !== app.appToken) throw new SlackRefusal('invalid_auth');
    if (method === undefined) throw new SlackRefusal('unknown_method', [`unknown method: ${name}`]);
    if (token !== (method.token === 'app' ? app.appToken : app.botToken))
      throw new SlackRefusal('not_allowed_token_type');
    const missing = method.token === 'bot' && method.scope !== null && app.scopes?.includes(method.scope) === false;
    if (missing) throw new SlackRefusal('missing_scope');
    return method.run(this.#core, new Args(values, this.#core));
  }

  #wait(name: string, method: Method, values: Json): number {
    const { rateLimitAllSeconds } = this.#core.mean;
    if (rateLimitAllSeconds !== null) return rateLimitAllSeconds;
    if (!method.perChannel) return this.#others.take(name);
    return this.#posts.take(`${name} ${String(values['channel'] ?? '')}`);
  }

  #refusal(refusal: SlackRefusal, method: Method | undefined): Json {
    const body: Json = { ok: false, error: refusal.message };
    if (refusal.message === 'missing_scope') {
      Object.assign(body, { needed: method?.scope, provided: this.#core.app.scopes?.join(',') });
    }
    if (refusal.messages.length > 0) {
      body['errors'] = refusal.messages;
      body['response_metadata'] = { messages: refusal.messages.map((message) => `[ERROR] ${message}`) };
    }
    return body;
  }

  #headers(method: Method | undefined): Record<string, string> {
    const headers: Record<string, string> = {};
    if (this.#core.app.scopes !== null) headers['x-oauth-scopes'] = this.#core.app.scopes.join(',');
    if (method?.scope != null) headers['x-accepted-oauth-scopes'] = method.scope;
    return headers;
  }
}
