import { basename, dirname, join } from 'node:path';
import type { Adapter } from 'lowdb';
import { StoreError } from './errors.ts';
import { errorCode, removeIfThere, type StoreFiles } from './files.ts';
import { storeStateSchema } from './state.ts';
import type { StoreState } from './types.ts';

/** Only the account that Ephyra runs as reads and writes its store. */
const MODE = 0o600;

const NOT_LOST =
  'No node is lost with this file: the nodes carry their own markers. What is lost are locks, approvals and the history.';

/**
 * lowdb adapter for one JSON file. A reader sees the old content or the new one and never a part of it, also after a
 * power cut: written beside, flushed, renamed, and the directory flushed. A file that it cannot make sense of is left as
 * it is.
 */
export class AtomicJsonFile implements Adapter<StoreState> {
  readonly #path: string;
  readonly #files: StoreFiles;

  constructor(path: string, files: StoreFiles) {
    this.#path = path;
    this.#files = files;
  }

  /** Null when there is no file yet. @throws StoreError `unreadable`, `corrupt` or `newer`. */
  async read(): Promise<StoreState | null> {
    let bytes: Buffer;
    try {
      bytes = await this.#files.readFile(this.#path);
    } catch (thrown) {
      if (errorCode(thrown) === 'ENOENT') return null;
      throw new StoreError(
        'unreadable',
        this.#path,
        `the file cannot be read (${describe(thrown)}).`,
        'Make it a file that the account Ephyra runs as may read and write, then start again.',
        { cause: thrown },
      );
    }
    return this.#parse(bytes);
  }

  /** @throws StoreError `unwritable`; the file then still has its former content. */
  async write(state: StoreState): Promise<void> {
    const directory = dirname(this.#path);
    const beside = join(directory, `.${basename(this.#path)}.tmp`);
    try {
      // A crash may have left one; the name is ours alone because the lock is. `wx` follows no planted symlink.
      await removeIfThere(this.#files, beside);
      const handle = await this.#files.open(beside, 'wx', MODE);
      try {
        await handle.writeFile(`${JSON.stringify(state, null, 1)}\n`);
        await handle.sync();
      } finally {
        await handle.close();
      }
      await this.#files.rename(beside, this.#path);
      await this.#syncDirectory(directory);
    } catch (thrown) {
      await removeIfThere(this.#files, beside).catch(() => undefined);
      throw new StoreError(
        'unwritable',
        this.#path,
        `the file cannot be written (${describe(thrown)}); the change was not made.`,
        adviceFor(errorCode(thrown), directory),
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

  #parse(bytes: Buffer): StoreState {
    let content: unknown;
    try {
      content = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
    } catch (thrown) {
      const what = bytes.length === 0 ? 'the file is empty' : `the file is not JSON (${describe(thrown)})`;
      throw this.#corrupt(`${what}.`, thrown);
    }
    const format = typeof content === 'object' && content !== null && 'format' in content ? content.format : undefined;
    if (typeof format === 'number' && format > 1) {
      throw new StoreError(
        'newer',
        this.#path,
        `the file has format ${format}, this Ephyra knows format 1.`,
        'It was written by a newer version: start that version again, or move the file away to begin without history.',
      );
    }
    const parsed = storeStateSchema.safeParse(content);
    if (!parsed.success) {
      const issues = parsed.error.issues
        .slice(0, 3)
        .map((issue) => `${issue.path.join('.') || 'the whole'}: ${issue.message}`);
      throw this.#corrupt(`the content is not a store (${issues.join('; ')}).`, parsed.error);
    }
    return parsed.data as StoreState;
  }

  #corrupt(problem: string, cause: unknown): StoreError {
    return new StoreError(
      'corrupt',
      this.#path,
      problem,
      `It is left untouched. Put back a copy of it, or move it away (mv ${this.#path} ${this.#path}.broken) and start again. ${NOT_LOST}`,
      { cause },
    );
  }
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
