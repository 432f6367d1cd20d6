import { basename, dirname, join } from 'node:path';
import type { Adapter } from 'lowdb';
import { StoreError } from './errors.ts';
import { errorCode, removeIfThere, type StoreFiles } from './files.ts';
import { type Reading, readStoreFile, type StoreFile, storeFileText } from './format.ts';
import type { StoreState } from './types.ts';

/** Only the account that Ephyra runs as reads and writes its store. */
const MODE = 0o600;

/**
 * lowdb adapter for one JSON file. A reader sees the old content or the new one and never a part of it, also after a
 * power cut: written beside, flushed, renamed, and the directory flushed. The version before stays as `<path>.bak`. A file
 * that it cannot make sense of is left as it is.
 */
export class AtomicJsonFile implements Adapter<StoreState> {
  readonly #path: string;
  readonly #bak: string;
  readonly #files: StoreFiles;
  #writes = 0;
  /**
   * Why what was read is known to be an older copy of the store; null when nothing says so. As long as it is set it is written
   * with the rest: a store does not become a newer one by being written.
   */
  behind: string | null = null;

  constructor(path: string, files: StoreFiles) {
    this.#path = path;
    this.#bak = `${path}.bak`;
    this.#files = files;
  }

  /**
   * Null when there is no store yet. A file that has gone while the version before it is still there is not a new
   * beginning: that version is taken, and known to be behind.
   *
   * @throws StoreError `unreadable`, `corrupt`, `newer`, or `unwritable` when the copy of an older format cannot be made.
   */
  async read(): Promise<StoreState | null> {
    const bytes = await this.#bytesOf(this.#path);
    const before = await this.#bytesOf(this.#bak).catch(() => null);
    const bak = before === null ? null : readStoreFile(before);
    if (bytes === null) return this.#fromBak(bak);
    const reading = readStoreFile(bytes);
    if (!reading.ok) throw this.#unusable(this.#path, reading, bak);
    const { file } = reading;
    this.behind = file.behind;
    if (bak?.ok === true && (await this.#isOlder(file, bak.file))) {
      const atLeast = Math.max(bak.file.writes, file.writes + 1);
      this.behind = `The store is an older copy (write ${file.writes}; there were at least ${atLeast}).`;
    }
    return this.#take(file, bak);
  }

  /** @throws StoreError `unwritable`; the file then still has its former content. */
  async write(state: StoreState): Promise<void> {
    const directory = dirname(this.#path);
    const beside = join(directory, `.${basename(this.#path)}.tmp`);
    let replaced = false;
    try {
      // A crash may have left one; the name is ours alone because the lock is. `wx` follows no planted symlink.
      await removeIfThere(this.#files, beside);
      const handle = await this.#files.open(beside, 'wx', MODE);
      try {
        await handle.writeFile(storeFileText(state, this.#writes + 1, this.behind));
        await handle.sync();
      } finally {
        await handle.close();
      }
      const kept = await this.#keep();
      await this.#files.rename(beside, this.#path);
      replaced = kept;
      await this.#syncDirectory(directory);
    } catch (thrown) {
      await removeIfThere(this.#files, beside).catch(() => undefined);
      // Whoever is told that the change was not made must not find it made after the next start.
      if (replaced) await this.#files.rename(this.#bak, this.#path).catch(() => undefined);
      throw new StoreError(
        'unwritable',
        this.#path,
        `the file cannot be written (${describe(thrown)}); the change was not made.`,
        adviceFor(errorCode(thrown), directory),
        { cause: thrown },
      );
    }
    this.#writes += 1;
  }

  /** The version before is older, or, killed right before the replacing, the very same file under a second name. */
  async #isOlder(file: StoreFile, bak: StoreFile): Promise<boolean> {
    if (bak.writes !== file.writes) return bak.writes > file.writes;
    return file.writes > 0 && !(await this.#files.sameFile(this.#path, this.#bak));
  }

  async #fromBak(bak: Reading | null): Promise<StoreState | null> {
    if (bak === null) return null;
    if (!bak.ok) throw this.#unusable(this.#bak, bak, null);
    this.behind = `The file of the store was gone; its version before the last write was taken (${this.#bak}).`;
    return this.#take(bak.file, bak);
  }

  async #take(file: StoreFile, bak: Reading | null): Promise<StoreState> {
    this.#writes = Math.max(file.writes, bak?.ok === true ? bak.file.writes : 0);
    if (file.format !== file.state.format) await this.#keepFormat(file.format);
    return file.state;
  }

  /** The version that is about to be replaced, under another name. False when there is none, or no way to. */
  async #keep(): Promise<boolean> {
    const beside = `${this.#bak}.tmp`;
    try {
      await removeIfThere(this.#files, beside);
      await this.#files.link(this.#path, beside);
      await this.#files.rename(beside, this.#bak);
      // Two names of one file: renaming one to the other does nothing, and leaves both.
      await removeIfThere(this.#files, beside);
      return true;
    } catch {
      // A file system without hard links, or no file yet: writing does not depend on it.
      return false;
    }
  }

  /** A version that goes back to an older Ephyra needs the file as that one wrote it. */
  async #keepFormat(format: number): Promise<void> {
    const copy = `${this.#path}.format-${format}`;
    try {
      await this.#files.link(this.#path, copy);
    } catch (thrown) {
      const code = errorCode(thrown);
      // There already, or an older format taken from the version before: nothing is lost by not copying it again.
      if (code === 'EEXIST' || code === 'ENOENT') return;
      throw new StoreError(
        'unwritable',
        this.#path,
        `the file has format ${format} and no copy of it can be kept as ${copy} (${describe(thrown)}).`,
        `Copy it there by hand: cp -p ${this.#path} ${copy}; then start again.`,
        { cause: thrown },
      );
    }
  }

  async #bytesOf(path: string): Promise<Buffer | null> {
    try {
      return await this.#files.readFile(path);
    } catch (thrown) {
      if (errorCode(thrown) === 'ENOENT') return null;
      throw new StoreError(
        'unreadable',
        path,
        `the file cannot be read (${describe(thrown)}).`,
        'Make it a file that the account Ephyra runs as may read and write, then start again.',
        { cause: thrown },
      );
    }
  }

  async #syncDirectory(directory: string): Promise<void> {
    let handle: Awaited<ReturnType<StoreFiles['open']>>;
    try {
      handle = await this.#files.open(directory, 'r');
    } catch (thrown) {
      // Some systems do not open directories; there is nothing to flush then.
      if (errorCode(thrown) === 'EISDIR' || errorCode(thrown) === 'EPERM') return;
      throw thrown;
    }
    try {
      await handle.sync();
    } catch (thrown) {
      // File systems without directory flush (some network and FUSE ones) say so with these.
      if (!['EINVAL', 'ENOTSUP', 'EPERM'].includes(errorCode(thrown) ?? '')) throw thrown;
    } finally {
      await handle.close();
    }
  }

  #unusable(path: string, { code, problem, cause }: Extract<Reading, { ok: false }>, bak: Reading | null): StoreError {
    return new StoreError(code, path, problem, code === 'newer' ? newerAdvice(path) : corruptAdvice(path, bak), {
      cause,
    });
  }
}

const newerAdvice = (path: string): string =>
  `It was written by a newer version and is left untouched: start that version again, or move it away (mv ${path} ${path}.newer) to begin without history.`;

/** The way back is one command, and says what it costs. */
function corruptAdvice(path: string, bak: Reading | null): string {
  const away = `mv ${path} ${path}.broken`;
  return bak?.ok === true
    ? `It is left untouched. The version before it is whole: move the broken one away (${away}) and start again; ${path}.bak is taken then, and Ephyra asks about what was under way.`
    : `It is left untouched. Put back a copy of it, or move it away (${away}) and start again. No node is lost with this file: the marks on the nodes are looked for, and Ephyra asks about what was under way. What is lost are locks, approvals and the history.`;
}

function adviceFor(code: string | undefined, directory: string): string {
  switch (code) {
    case 'ENOSPC':
    case 'EDQUOT':
      return `Free some space for ${directory}; the next change is tried again.`;
    case 'EROFS':
      return `${directory} is mounted read-only: mount it writable, or set "store" to another place.`;
    case 'EACCES':
    case 'EPERM':
      return `Let the account that Ephyra runs as write in ${directory}.`;
    default:
      return `Look at the disk that holds ${directory}.`;
  }
}

function describe(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}
