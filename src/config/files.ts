import { readFileSync, statSync } from 'node:fs';

/** How files are read, so that tests need no disk. Paths are absolute. Both throw as `node:fs` does. */
export interface ConfigFiles {
  readonly readFile: (path: string) => Buffer | string;
  /** Permission bits, e.g. 0o600. */
  readonly fileMode: (path: string) => number;
}

export const nodeConfigFiles: ConfigFiles = {
  readFile: (path) => readFileSync(path),
  fileMode: (path) => statSync(path).mode & 0o777,
};

/** Why a file cannot be read, for people: `there is no such file` and the like. */
export function whyUnreadable(thrown: unknown): string {
  const code = thrown instanceof Error && 'code' in thrown ? thrown.code : undefined;
  switch (code) {
    case 'ENOENT':
      return 'there is no such file';
    case 'EACCES':
    case 'EPERM':
      return 'this account may not read it';
    case 'EISDIR':
      return 'it is a directory';
    default:
      return thrown instanceof Error ? thrown.message : String(thrown);
  }
}

/** Whether accounts that have nothing to do with the file may read it. False when that cannot be told. */
export function worldReadable(path: string, files: ConfigFiles): boolean {
  try {
    return (files.fileMode(path) & 0o004) !== 0;
  } catch {
    return false;
  }
}
