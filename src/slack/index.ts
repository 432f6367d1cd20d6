export { createSlackFace, type SlackFace } from './face.ts';
export type { CommandRequest } from './handlers.ts';
export type { Clock, Log, OnSlackCall, People, SlackConfig, SlackMessage } from './types.ts';
