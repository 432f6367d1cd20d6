export { ConfigError, formatProblems, type Problem } from './problems.ts';
export { Secret } from './secrets.ts';
export type * from './types.ts';
