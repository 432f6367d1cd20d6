import type { KnownBlock } from '@slack/types';

/** Time as this face sees it: `now` in epoch milliseconds; `after` runs once and returns the way to cancel. */
export interface Clock {
  now(): number;
  after(ms: number, run: () => void): () => void;
}

/** The part of a pino logger that is used here: constant messages, data as fields. */
export interface Log {
  debug(fields: Record<string, unknown>, message: string): void;
  info(fields: Record<string, unknown>, message: string): void;
  warn(fields: Record<string, unknown>, message: string): void;
  error(fields: Record<string, unknown>, message: string): void;
}

/** User ids (`U…`, `W…`) and user group ids (`S…`). */
export interface People {
  readonly users: readonly string[];
  readonly groups: readonly string[];
}

/** The `slack` section of the configuration, with the secrets already read. */
export interface SlackConfig {
  readonly mode: 'socket' | 'http';
  /** Id of the channel in which the cards are. */
  readonly channel: string;
  readonly botToken: string;
  /** Socket Mode: the app-level token (`xapp-…`). */
  readonly appToken?: string | undefined;
  /** HTTP: what Slack signs its requests with. */
  readonly signingSecret?: string | undefined;
  /** HTTP: default 3000; 0 takes any free port. */
  readonly port?: number | undefined;
  /** HTTP: default all addresses. */
  readonly host?: string | undefined;
  /** Default https://slack.com/api/ */
  readonly apiUrl?: string | undefined;
  readonly operators: People;
  readonly approvers: People;
}

/** What is shown: blocks, and the text that notifications and screen readers use instead. */
export interface SlackMessage {
  readonly text: string;
  readonly blocks: KnownBlock[];
}

/** One call to Slack: `method` as Slack names it, `outcome` is `ok`, Slack's error code, `http_500`, `timeout` … */
export type OnSlackCall = (call: { readonly method: string; readonly outcome: string; readonly ms: number }) => void;

/** A command, button press or mention was acknowledged after `ms`; `command` is a known one, or `unknown`. */
export type OnSlackCommand = (command: string, ms: number) => void;
