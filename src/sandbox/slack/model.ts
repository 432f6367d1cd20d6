/** A JSON object as it came over the wire: nothing about its fields is known yet. */
export type Json = Record<string, unknown>;

/** Time as the emulator sees it. `now` is in milliseconds since the epoch; `after` returns the way to cancel. */
export interface Clock {
  now(): number;
  after(ms: number, run: () => void): () => void;
}

/** Makes identifiers; each call gives a new one that starts with `prefix`. */
export type NewId = (prefix: string) => string;

export interface Person {
  id: string;
  name: string;
  realName: string;
  /** Shown beside the name on the page: what this person may do in the demonstration. */
  role: string;
  isBot: boolean;
}

export interface UserGroup {
  id: string;
  handle: string;
  name: string;
  users: string[];
}

export interface Channel {
  id: string;
  name: string;
  topic: string;
  members: Set<string>;
}

export interface Message {
  ts: string;
  channel: string;
  user: string;
  text: string;
  blocks?: Json[];
  threadTs?: string;
  broadcast: boolean;
  edited?: { user: string; ts: string };
  metadata?: Json;
  reactions: { name: string; users: string[] }[];
  byApp: boolean;
  /** Increases with every change, so that a reader can tell which of two copies is the newer. */
  version: number;
}

/** A message that only one person sees, and that no method of the Web API can read back. */
export interface Ephemeral {
  ts: string;
  channel: string;
  /** The only reader. */
  to: string;
  from: string;
  text: string;
  blocks?: Json[];
  threadTs?: string;
  version: number;
}

/** A modal, open for one person. */
export interface View {
  id: string;
  user: string;
  hash: string;
  rootId: string;
  previousId?: string;
  content: Json;
  /** Errors that the app answered to the last submission, by block_id. */
  errors: Record<string, string>;
}

/** What the page and the driver are told when something moves. */
export type Change =
  | { type: 'message'; message: Message }
  | { type: 'message_deleted'; channel: string; ts: string }
  | { type: 'ephemeral'; ephemeral: Ephemeral }
  | { type: 'ephemeral_deleted'; channel: string; ts: string; to: string }
  | { type: 'views'; user: string }
  | { type: 'delivery'; delivery: Delivery }
  | { type: 'app'; connected: number }
  | { type: 'mean' };

/** One attempt to hand something to the app, and how that went. */
export interface Delivery {
  id: string;
  kind: 'slash_commands' | 'interactive' | 'events_api' | 'url_verification';
  what: string;
  via: 'http' | 'socket' | 'none';
  user: string;
  attempt: number;
  duplicate: boolean;
  /** Milliseconds since the epoch when it left. */
  at: number;
  /** Milliseconds from leaving to the acknowledgement or to giving up; null while under way. */
  latencyMs: number | null;
  /** `ok`, or Slack's word for what went wrong; null while under way. */
  outcome: string | null;
}

/** How badly Slack behaves. Every field may be changed while it runs. */
export interface Mean {
  /** `503`: every Web API call and response_url answers 503. `hang`: none ever answers. */
  down: 'no' | '503' | 'hang';
  /** Extra milliseconds before each Web API answer. */
  apiDelayMs: number;
  /** Extra milliseconds before each delivery to the app leaves. */
  deliveryDelayMs: number;
  /** Every delivery is handed over twice, as Slack does when an acknowledgement is lost on the way. */
  duplicateDeliveries: boolean;
  /** Milliseconds between the two deliveries. */
  duplicateAfterMs: number;
  /** Every Web API call is refused with 429 and this Retry-After, in seconds. */
  rateLimitAllSeconds: number | null;
  /** Web API calls that write are carried out, but their answer is a 500: the app cannot know. */
  loseAnswers: boolean;
}

export const KIND: Mean = {
  down: 'no',
  apiDelayMs: 0,
  deliveryDelayMs: 0,
  duplicateDeliveries: false,
  duplicateAfterMs: 150,
  rateLimitAllSeconds: null,
  loseAnswers: false,
};

/** The app as Slack's configuration knows it. */
export interface AppConfig {
  appId: string;
  name: string;
  botUserId: string;
  botId: string;
  botToken: string;
  appToken: string;
  signingSecret: string;
  /** Where deliveries go when no Socket Mode connection is open; null: nowhere. Loopback only. */
  requestUrl: string | null;
  /** Event types that the app subscribed to. */
  events: string[];
  /** Granted bot scopes; null grants all. */
  scopes: string[] | null;
  /** Slash commands of the app, with the hint that the composer shows. */
  commands: SlashCommand[];
}

export interface SlashCommand {
  command: string;
  description: string;
  usageHint: string;
  /** What the page offers while a person types; real Slack shows the hint alone. */
  examples: { text: string; about: string }[];
}

/** Web API calls allowed at once and per second, counted apart for every method and channel. */
export interface RateLimit {
  burst: number;
  perSecond: number;
}
