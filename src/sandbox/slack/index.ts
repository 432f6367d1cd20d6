export type { CallCount } from './api/webApi.ts';
export { attachSocketMode, createSlackHandler, type Handler } from './handler.ts';
export { type ListeningSlack, listenSlack } from './listen.ts';
export type { AppConfig, Clock, Delivery, Mean, NewId, RateLimit } from './model.ts';
export { createSlack, SANDBOX_APP, type Slack, type SlackOptions } from './slack.ts';
