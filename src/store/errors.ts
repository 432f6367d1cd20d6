/**
 * What is the matter with the store:
 * - `held`: another process has it;
 * - `lost`: we had it, and lost it to another process;
 * - `unreadable`, `corrupt`, `newer`: the file cannot be used, and is left exactly as it is;
 * - `unwritable`: the disk refused, nothing has changed;
 * - `closed`: used after `close`;
 * - `invalid`: a change would have written something that is not a valid state (a bug).
 */
export type StoreErrorCode = 'held' | 'lost' | 'unreadable' | 'corrupt' | 'newer' | 'unwritable' | 'closed' | 'invalid';

/** Names the file, what is wrong with it and what to do. */
export class StoreError extends Error {
  override readonly name = 'StoreError';
  readonly code: StoreErrorCode;
  readonly file: string;
  readonly remedy: string;

  constructor(code: StoreErrorCode, file: string, problem: string, remedy: string, options?: { cause?: unknown }) {
    super(`Store ${file}: ${problem} ${remedy}`, options);
    this.code = code;
    this.file = file;
    this.remedy = remedy;
  }
}
