import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { nodeFiles, type StoreFiles } from '../../../src/store/files.ts';
import type { StoreError } from '../../../src/store/index.ts';
import { nodeProcesses } from '../../../src/store/owner.ts';
import { deployment, lock, open, storeErrorOf } from './support.ts';

/**
 * A small disk that can be filled and made read-only. A real one (tmpfs) where the account may mount, as root may in most
 * containers; elsewhere the same refusals at the seam to the file system.
 */
interface Disk {
  readonly path: string;
  readonly files: StoreFiles;
  readonly real: boolean;
  fill(): void;
  empty(): void;
  readOnly(on: boolean): void;
}

const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const cleanup of cleanups.splice(0)) cleanup();
});

function smallDisk(): Disk {
  const folder = mkdtempSync(join(tmpdir(), 'ephyra-disk-'));
  cleanups.push(() => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, 'ephyra.json');
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=128k', 'tmpfs', folder], { stdio: 'ignore' });
  } catch {
    return seam(path);
  }
  cleanups.unshift(() => execFileSync('umount', ['-l', folder], { stdio: 'ignore' }));
  const filler = join(folder, 'filler');
  return {
    path,
    files: nodeFiles,
    real: true,
    fill: () => {
      // Until there is not a page left; what fails here is what is wanted.
      for (let file = 0; file < 64; file += 1) {
        try {
          writeFileSync(`${filler}-${file}`, Buffer.alloc(4096));
        } catch {
          return;
        }
      }
      throw new Error('the disk does not become full');
    },
    empty: () => {
      for (let file = 0; file < 64; file += 1) rmSync(`${filler}-${file}`, { force: true });
    },
    readOnly: (on) => {
      execFileSync('mount', ['-o', `remount,${on ? 'ro' : 'rw'}`, folder], { stdio: 'ignore' });
    },
  };
}

function seam(path: string): Disk {
  let refuses: string | null = null;
  const guard = <A extends unknown[], R>(call: (...args: A) => Promise<R>, full: boolean) => {
    return async (...args: A): Promise<R> => {
      if (refuses !== null && (full || refuses === 'EROFS')) {
        throw Object.assign(new Error(`${refuses}: refused`), { code: refuses });
      }
      return call(...args);
    };
  };
  const files: StoreFiles = {
    ...nodeFiles,
    rename: guard(nodeFiles.rename, false),
    link: guard(nodeFiles.link, false),
    open: async (opened, flags, mode) => {
      if (flags !== 'r' && refuses === 'EROFS') throw Object.assign(new Error('EROFS: refused'), { code: 'EROFS' });
      const handle = await nodeFiles.open(opened, flags, mode);
      return {
        writeFile: guard((text: string) => handle.writeFile(text), true),
        sync: () => handle.sync(),
        close: () => handle.close(),
      };
    },
  };
  return {
    path,
    files,
    real: false,
    fill: () => {
      refuses = 'ENOSPC';
    },
    empty: () => {
      refuses = null;
    },
    readOnly: (on) => {
      refuses = on ? 'EROFS' : null;
    },
  };
}

/** More than what is left on any page. */
const LONG = 'x'.repeat(20_000);

describe('a disk', () => {
  test('that is full: nothing is half-written, and the change goes through once there is space', async () => {
    const disk = smallDisk();
    const store = await open(disk.path, { files: disk.files });
    await store.update((draft) => draft.locks.push(lock('l-1')));
    const before = readFileSync(disk.path, 'utf8');
    disk.fill();
    const claim = () => store.update((draft) => draft.deployments.push(deployment('d-1', { note: LONG })));
    const error = await storeErrorOf(claim());
    expect(error).toMatchObject({ code: 'unwritable', remedy: expect.stringContaining('Free some space') });
    expect(error.message).toContain('ENOSPC');
    expect(readFileSync(disk.path, 'utf8')).toBe(before);
    expect(store.read()).toMatchObject({ deployments: [], locks: [{ id: 'l-1' }] });
    expect(store.problem()).toBeNull();
    disk.empty();
    await claim();
    await store.close();
    const again = await open(disk.path, { files: disk.files });
    expect(again.read().deployments.map(({ id }) => id)).toEqual(['d-1']);
    expect(again.behind).toBeNull();
    await again.close();
  });

  test('that is full when the process is killed: the next one starts on it and reads everything', async () => {
    const disk = smallDisk();
    const store = await open(disk.path, { files: disk.files });
    await store.update((draft) => draft.locks.push(lock('l-1')));
    await store.close();
    disk.fill();
    // Its lock has to be written: without that nobody could tell two processes apart.
    const opened = await open(disk.path, { files: disk.files }).catch((error: StoreError) => error);
    if (opened instanceof Error)
      expect(opened).toMatchObject({ code: 'unwritable', message: expect.stringContaining('ENOSPC') });
    else await opened.close();
    disk.empty();
    const again = await open(disk.path, { files: disk.files });
    expect(again.read().locks.map(({ id }) => id)).toEqual(['l-1']);
    expect(again.behind).toBeNull();
    await again.close();
  });

  test('that becomes read-only: changes are refused with what to do, and what was written is there', async () => {
    const disk = smallDisk();
    const store = await open(disk.path, { files: disk.files, onLost: () => undefined });
    await store.update((draft) => draft.locks.push(lock('l-1')));
    disk.readOnly(true);
    const error = await storeErrorOf(store.update((draft) => draft.locks.push(lock('l-2'))));
    expect(error).toMatchObject({ code: 'unwritable', remedy: expect.stringContaining('mounted read-only') });
    expect(store.read().locks).toHaveLength(1);
    disk.readOnly(false);
    await store.update((draft) => draft.locks.push(lock('l-3')));
    await store.close();
    const again = await open(disk.path, { files: disk.files });
    expect(again.read().locks.map(({ id }) => id)).toEqual(['l-1', 'l-3']);
    await again.close();
  });

  test('on which the heartbeat fails for too long: the process stops before another could take over', async () => {
    const disk = smallDisk();
    let told: (error: StoreError) => void = () => undefined;
    const lost = new Promise<StoreError>((resolve) => {
      told = resolve;
    });
    const store = await open(disk.path, { files: disk.files, staleMs: 2_000, onLost: (error) => told(error) });
    await store.update((draft) => draft.locks.push(lock('l-1')));
    // Without a disk to mount read-only the heartbeat is made to fail by taking away what it writes to.
    if (disk.real) disk.readOnly(true);
    else rmSync(`${disk.path}.lock`, { recursive: true });
    const error = await lost;
    expect(error.code).toBe('lost');
    expect(error.message).toMatch(disk.real ? /heartbeat cannot be written \(EROFS/ : /lock was taken away \(ENOENT/);
    expect(store.problem()).not.toBeNull();
    expect(await storeErrorOf(store.update((draft) => draft.locks.push(lock('l-2'))))).toMatchObject({ code: 'lost' });
    if (disk.real) disk.readOnly(false);
    await store.close();
    // The next process finds that the one which had it is gone.
    const { self } = nodeProcesses();
    const processes = { self: { ...self, pid: self.pid + 1 }, look: () => ({ runs: false, began: null }) };
    const again = await open(disk.path, { files: disk.files, staleMs: 2_000, processes });
    expect(again.read().locks.map(({ id }) => id)).toEqual(['l-1']);
    await again.close();
  });

  test('that is read-only from the beginning stops the start, and says so', async () => {
    const disk = smallDisk();
    mkdirSync(dirname(disk.path), { recursive: true });
    disk.readOnly(true);
    const error = await storeErrorOf(open(disk.path, { files: disk.files }));
    expect(error.code).toBe('unwritable');
    expect(error.message).toMatch(/EROFS/);
    disk.readOnly(false);
    await (await open(disk.path, { files: disk.files })).close();
  });
});
