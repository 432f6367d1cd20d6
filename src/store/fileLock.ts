import * as nodeFs from 'node:fs';
import { basename } from 'node:path';
import { lock } from 'proper-lockfile';
import { StoreError } from './errors.ts';
import { errorCode, removeIfThere, type StoreFiles } from './files.ts';
import { judge, type Owner, ownerSchema, type Processes } from './owner.ts';

export interface FileLockDeps {
  readonly files: StoreFiles;
  readonly processes: Processes;
  /** Milliseconds now. */
  readonly now: () => number;
  readonly sleep: (ms: number) => Promise<void>;
  readonly newToken: () => string;
  /** A lock whose heartbeat is older is up for grabs; milliseconds, at least 2000. */
  readonly staleMs: number;
  /** Called at most once, when the lock turns out to be somebody else's. */
  readonly onLost: (error: StoreError) => void;
}

export interface FileLock {
  /** Null while the lock is ours. */
  problem(): string | null;
  /** Looks at the disk whether the lock is still ours. @throws StoreError `lost`. */
  confirm(): Promise<void>;
  release(): Promise<void>;
}

/** proper-lockfile knows this process's locks by path, and would let a second opening in the same process pass. */
const heldHere = new Set<string>();

/** System errors of a disk, as against a lock that is not there or not ours. */
const UNSEEN = /^(EROFS|EACCES|EPERM|EIO|ENOSPC|EDQUOT|ESTALE)\b/;
const MEND_DISK =
  'This process must stop: another may take the store over. Mend the disk or mount it writable, then start again; what is under way goes on.';
const OTHER_CARRIES_ON =
  'This process must stop: the other one carries on. Run one Ephyra per store, and suspend none while it works.';

/** The guard is held for some milliseconds at a time; it is waited for longer than a dead holder's takes to go stale. */
const GUARD = { stale: 2_000, retries: { retries: 80, minTimeout: 25, maxTimeout: 100 } };

/**
 * Takes the lock that keeps a second process away from `path`, waiting as long as it takes to be sure about a holder
 * that may be dead. The heartbeat and the mutual exclusion are proper-lockfile's (`<path>.lock`); beside it stands who
 * holds it (`<path>.owner`), so that the lock of a killed process on this very machine is taken over at once.
 *
 * @throws StoreError `held` naming the holder, or `unwritable`.
 */
export async function takeFileLock(path: string, deps: FileLockDeps): Promise<FileLock> {
  if (heldHere.has(path)) {
    throw new StoreError('held', path, 'this process has it open already.', 'Open it once and hand it around.');
  }
  heldHere.add(path);
  try {
    return await new Taking(path, deps).run();
  } catch (thrown) {
    heldHere.delete(path);
    if (thrown instanceof StoreError) throw thrown;
    const why = thrown instanceof Error ? thrown.message : String(thrown);
    throw new StoreError(
      'unwritable',
      path,
      `no lock file can be made beside it (${why}).`,
      'Let the account that Ephyra runs as write in that directory.',
      { cause: thrown },
    );
  }
}

class Taking {
  readonly #path: string;
  readonly #ownerPath: string;
  readonly #deps: FileLockDeps;
  #token: string | null = null;
  #lost: StoreError | null = null;
  #closed = false;
  /** We remove the lock ourselves, with nobody's name on it any more. */
  #handingBack = false;

  constructor(path: string, deps: FileLockDeps) {
    this.#path = path;
    this.#ownerPath = `${path}.owner`;
    this.#deps = deps;
  }

  async run(): Promise<FileLock> {
    const { now, sleep, staleMs } = this.#deps;
    const giveUpAt = now() + staleMs + 2_000;
    for (;;) {
      const outcome = await this.#tryOnce();
      if ('held' in outcome) return outcome.held;
      // A holder that lives on this machine is not waited for; one that we cannot see is, until its heartbeat has told.
      if (outcome.verdict === 'alive' || now() >= giveUpAt) throw this.#heldBy(outcome.owner, outcome.verdict);
      await sleep(250);
    }
  }

  /**
   * One try under the guard. Without it, two processes that both find the holder dead would remove the lock one after the
   * other, the second one that of the first.
   */
  async #tryOnce(): Promise<{ held: FileLock } | { owner: Owner | null; verdict: 'alive' | 'unknown' }> {
    const releaseGuard = await this.#guard();
    try {
      let release = await this.#mainLock();
      if (release === null) {
        const owner = await this.#readOwner();
        const verdict = owner === null ? 'unknown' : judge(owner, this.#deps.processes);
        if (verdict !== 'dead') return { owner, verdict };
        await this.#deps.files.rmdir(`${this.#path}.lock`);
        release = await this.#mainLock();
        if (release === null) return { owner: null, verdict: 'unknown' };
      }
      const token = this.#deps.newToken();
      try {
        await this.#writeOwner({ ...this.#deps.processes.self, token, since: this.#deps.now() });
      } catch (thrown) {
        await release().catch(() => undefined);
        throw thrown;
      }
      return { held: this.#held(token, release) };
    } finally {
      await releaseGuard().catch(() => undefined);
    }
  }

  /** Waited for only when somebody has it: a disk that refuses will not be another in a few seconds. */
  async #guard(): Promise<() => Promise<void>> {
    const path = `${this.#path}.guard`;
    const options = { ...GUARD, realpath: false, onCompromised: () => undefined };
    try {
      return await lock(path, { ...options, retries: 0 });
    } catch (thrown) {
      if (errorCode(thrown) !== 'ELOCKED') throw thrown;
      return await lock(path, options);
    }
  }

  async #mainLock(): Promise<(() => Promise<void>) | null> {
    try {
      return await lock(this.#path, {
        realpath: false,
        stale: this.#deps.staleMs,
        update: this.#deps.staleMs / 4,
        fs: this.#carefulFs(),
        onCompromised: (error) => {
          // A heartbeat that nobody can see is as good as none: elsewhere the lock counts as a dead process's by now.
          if (UNSEEN.test(error.message)) this.#lose(`its heartbeat cannot be written (${error.message}).`, MEND_DISK);
          else this.#lose(`its lock was taken away (${error.message}).`);
        },
      });
    } catch (thrown) {
      if (errorCode(thrown) === 'ELOCKED') return null;
      throw thrown;
    }
  }

  /**
   * proper-lockfile removes the locks that it believes to hold when the process ends. By then ours may be another's, who
   * would lose it: so it is looked at, at the last moment, whose it is.
   */
  #carefulFs(): Record<string, unknown> {
    const notOurs = (): boolean => this.#token !== null && !this.#handingBack && this.#tokenOnDisk() !== this.#token;
    return {
      ...nodeFs,
      rmdir: (path: string, done: (error: Error | null) => void) => (notOurs() ? done(null) : nodeFs.rmdir(path, done)),
      rmdirSync: (path: string) => (notOurs() ? undefined : nodeFs.rmdirSync(path)),
    };
  }

  #tokenOnDisk(): string | null {
    try {
      return parseOwner(nodeFs.readFileSync(this.#ownerPath, 'utf8'))?.token ?? null;
    } catch {
      return null;
    }
  }

  #held(token: string, release: () => Promise<void>): FileLock {
    this.#token = token;
    return {
      problem: () => (this.#closed ? 'closed' : (this.#lost?.message ?? null)),
      confirm: async () => {
        // A process that was suspended past the heartbeat learns here, before it writes, that another took over.
        if (this.#lost === null && !(await this.#isOurs(token))) this.#lose('another process has taken it over.');
        if (this.#lost !== null) throw this.#lost;
      },
      release: async () => {
        if (this.#closed) return;
        this.#closed = true;
        heldHere.delete(this.#path);
        if (this.#lost === null && (await this.#isOurs(token).catch(() => false))) {
          this.#handingBack = true;
          await removeIfThere(this.#deps.files, this.#ownerPath).catch(() => undefined);
        }
        // Also when it is another's: ends the heartbeat, and removes nothing then.
        await release().catch(() => undefined);
      },
    };
  }

  /** @throws StoreError `unwritable` when that cannot be seen: then nothing may be written, but nothing is lost either. */
  async #isOurs(token: string): Promise<boolean> {
    try {
      return (await this.#readOwner())?.token === token;
    } catch (thrown) {
      const why = thrown instanceof Error ? thrown.message : String(thrown);
      throw new StoreError(
        'unwritable',
        this.#path,
        `whether it is still ours cannot be seen (${why}); the change was not made.`,
        `Look at the disk, and at ${this.#ownerPath}.`,
        { cause: thrown },
      );
    }
  }

  #lose(problem: string, remedy = OTHER_CARRIES_ON): void {
    if (this.#lost !== null || this.#closed) return;
    this.#lost = new StoreError('lost', this.#path, problem, remedy);
    this.#deps.onLost(this.#lost);
  }

  #heldBy(owner: Owner | null, verdict: 'alive' | 'unknown'): StoreError {
    const who = owner === null ? 'a process that left no name' : `process ${owner.pid} on ${owner.host}`;
    const beat = verdict === 'alive' ? 'which is running' : 'whose heartbeat is fresh';
    return new StoreError(
      'held',
      this.#path,
      `${who}, ${beat}, has it open.`,
      `Two would move the same nodes. Stop that process, or give this one another "store". Its lock is ${basename(this.#path)}.lock.`,
    );
  }

  /** Null when there is none, or nothing that makes sense. Rejects when it cannot be read. */
  async #readOwner(): Promise<Owner | null> {
    let text: string;
    try {
      text = (await this.#deps.files.readFile(this.#ownerPath)).toString();
    } catch (thrown) {
      if (errorCode(thrown) === 'ENOENT') return null;
      throw thrown;
    }
    return parseOwner(text);
  }

  async #writeOwner(owner: Owner): Promise<void> {
    const { files } = this.#deps;
    const beside = `${this.#ownerPath}.tmp`;
    await removeIfThere(files, beside);
    const handle = await files.open(beside, 'wx', 0o600);
    try {
      await handle.writeFile(`${JSON.stringify(owner)}\n`);
    } finally {
      await handle.close();
    }
    await files.rename(beside, this.#ownerPath);
  }
}

function parseOwner(text: string): Owner | null {
  try {
    const parsed = ownerSchema.safeParse(JSON.parse(text));
    return parsed.success ? parsed.data : null;
  } catch {
    return null;
  }
}
