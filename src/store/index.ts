export { StoreError, type StoreErrorCode } from './errors.ts';
export { emptyState, isEnded } from './state.ts';
export { memoryStore, type OpenStoreDeps, openStore } from './store.ts';
export type * from './types.ts';
export { HISTORY_LIMIT, HISTORY_NODES } from './types.ts';
