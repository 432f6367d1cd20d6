import { randomUUID } from 'node:crypto';
import { basename, dirname, join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Adapter, Low } from 'lowdb';
import { AtomicJsonFile } from './atomicJson.ts';
import { StoreError } from './errors.ts';
import { type FileLock, takeFileLock } from './fileLock.ts';
import { errorCode, nodeFiles, type StoreFiles } from './files.ts';
import { nodeProcesses, type Processes } from './owner.ts';
import { deepFreeze, emptyState, pruneHistory, storeStateSchema } from './state.ts';
import type { DeepReadonly, Store, StoreState } from './types.ts';

export interface OpenStoreDeps {
  /** The file is another process's now: stop this one. Called at most once, never before `openStore` has resolved. */
  readonly onLost: (error: StoreError) => void;
  /** Heartbeats older than this are a dead process's; milliseconds, at least 2000. Default 10000. */
  readonly staleMs?: number;
  readonly now?: () => number;
  readonly sleep?: (ms: number) => Promise<void>;
  readonly newToken?: () => string;
  readonly files?: StoreFiles;
  readonly processes?: Processes;
}

/**
 * Opens the store, creating file and directory when there are none, and keeps other processes away from it until it is
 * closed. Takes over at once from a process of this machine that has died; from one elsewhere once its heartbeat is stale.
 *
 * @throws StoreError `held`, `unreadable`, `corrupt`, `newer` or `unwritable`. An existing file is then as it was.
 */
export async function openStore(path: string, deps: OpenStoreDeps): Promise<Store> {
  const files = deps.files ?? nodeFiles;
  const file = await locate(path, files);
  const lock = await takeFileLock(file, {
    files,
    processes: deps.processes ?? nodeProcesses(),
    now: deps.now ?? Date.now,
    sleep: deps.sleep ?? ((ms) => sleep(ms)),
    newToken: deps.newToken ?? randomUUID,
    staleMs: deps.staleMs ?? 10_000,
    onLost: deps.onLost,
  });
  try {
    const adapter = new AtomicJsonFile(file, files);
    const found = await adapter.read();
    const state = found ?? emptyState();
    // A directory that cannot be written is better found now than at the first approval.
    if (found === null) await adapter.write(state);
    return new QueuedStore(file, adapter, lock, state, adapter);
  } catch (thrown) {
    await lock.release();
    throw thrown;
  }
}

/** A store that lives and dies with the process, for tests and for looking around. */
export function memoryStore(initial: StoreState = emptyState()): Store {
  let released = false;
  const nothing: Adapter<StoreState> = { read: async () => null, write: async () => undefined };
  const lock: FileLock = {
    problem: () => (released ? 'closed' : null),
    confirm: async () => undefined,
    release: async () => {
      released = true;
    },
  };
  return new QueuedStore('(memory)', nothing, lock, structuredClone(initial));
}

/** Two names of one file must meet in one lock, and a link must survive the replacing. */
async function locate(path: string, files: StoreFiles): Promise<string> {
  const wanted = resolve(path);
  try {
    await files.mkdir(dirname(wanted), 0o700);
    const inRealDirectory = join(await files.realpath(dirname(wanted)), basename(wanted));
    try {
      return await files.realpath(inRealDirectory);
    } catch (thrown) {
      if (errorCode(thrown) === 'ENOENT') return inRealDirectory;
      throw thrown;
    }
  } catch (thrown) {
    const why = thrown instanceof Error ? thrown.message : String(thrown);
    throw new StoreError(
      'unwritable',
      wanted,
      `its directory cannot be used (${why}).`,
      'Create the directory for the account that Ephyra runs as, or set "store" to another place.',
      { cause: thrown },
    );
  }
}

class QueuedStore implements Store {
  readonly #file: string;
  readonly #database: Low<StoreState>;
  readonly #lock: FileLock;
  readonly #copy: { behind: string | null };
  #visible: DeepReadonly<StoreState>;
  #tail: Promise<unknown> = Promise.resolve();
  #closed = false;
  constructor(
    file: string,
    adapter: Adapter<StoreState>,
    lock: FileLock,
    state: StoreState,
    copy: { behind: string | null } = { behind: null },
  ) {
    this.#copy = copy;
    this.#file = file;
    this.#database = new Low(adapter, state);
    this.#lock = lock;
    this.#visible = deepFreeze(state);
  }

  read(): DeepReadonly<StoreState> {
    return this.#visible;
  }

  update<T>(change: (draft: StoreState) => T): Promise<T> {
    if (this.#closed) {
      return Promise.reject(new StoreError('closed', this.#file, 'it is closed.', 'The process is shutting down.'));
    }
    const run = this.#tail.then(() => this.#apply(change));
    this.#tail = run.catch(() => undefined);
    return run;
  }

  get behind(): string | null {
    return this.#copy.behind;
  }

  caughtUp(): void {
    this.#copy.behind = null;
  }

  problem(): string | null {
    return this.#closed ? 'closed' : this.#lock.problem();
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#tail;
    await this.#lock.release();
  }

  async #apply<T>(change: (draft: StoreState) => T): Promise<T> {
    // What the file holds, as a restart would read it.
    const draft = JSON.parse(JSON.stringify(this.#visible)) as StoreState;
    const result = change(draft);
    if (result instanceof Promise) {
      result.catch(() => undefined);
      throw new StoreError(
        'invalid',
        this.#file,
        'a change returned a promise.',
        'Changes are synchronous: wait before.',
      );
    }
    pruneHistory(draft);
    const parsed = storeStateSchema.safeParse(draft);
    if (!parsed.success) {
      const issue = parsed.error.issues[0];
      throw new StoreError(
        'invalid',
        this.#file,
        `a change would have made ${issue?.path.join('.') || 'the state'} wrong (${issue?.message}); it was not made.`,
        'This is a bug in Ephyra: please report it.',
        { cause: parsed.error },
      );
    }
    await this.#lock.confirm();
    // The parsed copy, not the draft: what callers have put into the draft stays theirs.
    const next = parsed.data as StoreState;
    const before = this.#database.data;
    this.#database.data = next;
    try {
      await this.#database.write();
    } catch (thrown) {
      this.#database.data = before;
      throw thrown;
    }
    this.#visible = deepFreeze(next);
    return result;
  }
}
