import { link, mkdir, open, readFile, realpath, rename, rmdir, stat, unlink } from 'node:fs/promises';

/** The part of `node:fs/promises` that the store uses, so that tests can take a disk away. */
export interface StoreFiles {
  readonly open: (path: string, flags: string, mode?: number) => Promise<StoreFileHandle>;
  readonly readFile: (path: string) => Promise<Buffer>;
  readonly rename: (from: string, to: string) => Promise<void>;
  /** Whether two names are those of one file; false when either is not there. */
  readonly sameFile: (one: string, other: string) => Promise<boolean>;
  /** A second name for a file. */
  readonly link: (existing: string, added: string) => Promise<void>;
  readonly unlink: (path: string) => Promise<void>;
  readonly rmdir: (path: string) => Promise<void>;
  readonly realpath: (path: string) => Promise<string>;
  /** Creates the directory and its parents; not an error when it exists. */
  readonly mkdir: (path: string, mode: number) => Promise<void>;
}

export interface StoreFileHandle {
  writeFile(text: string): Promise<void>;
  sync(): Promise<void>;
  close(): Promise<void>;
}

export const nodeFiles: StoreFiles = {
  open,
  readFile: (path) => readFile(path),
  rename,
  sameFile: async (one, other) => {
    const [a, b] = await Promise.all([one, other].map((path) => stat(path, { bigint: true }).catch(() => null)));
    return a !== null && b !== null && a?.dev === b?.dev && a?.ino === b?.ino;
  },
  link,
  unlink,
  rmdir,
  realpath: (path) => realpath(path),
  mkdir: async (path, mode) => {
    await mkdir(path, { recursive: true, mode });
  },
};

/** The code of a system error (`ENOENT`, ...), or undefined for anything else. */
export function errorCode(thrown: unknown): string | undefined {
  if (!(thrown instanceof Error) || !('code' in thrown)) return undefined;
  return typeof thrown.code === 'string' ? thrown.code : undefined;
}

/** Removes a file; one that is not there is fine. */
export async function removeIfThere(files: StoreFiles, path: string): Promise<void> {
  try {
    await files.unlink(path);
  } catch (thrown) {
    if (errorCode(thrown) !== 'ENOENT') throw thrown;
  }
}
