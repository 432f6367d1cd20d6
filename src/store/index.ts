export { StoreError, type StoreErrorCode } from './errors.ts';
export type * from './types.ts';
export { HISTORY_LIMIT } from './types.ts';
