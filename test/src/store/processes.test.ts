import { type ChildProcess, execFileSync, fork } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { nodeFiles, type StoreFiles } from '../../../src/store/files.ts';
import type { StoreError } from '../../../src/store/index.ts';
import { judge, nodeProcesses, type Owner } from '../../../src/store/owner.ts';
import { freshPath, open, storeErrorOf } from './support.ts';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));

/** The compiled `holder.ts`: other processes need JavaScript. */
let program: string;
const out = mkdtempSync(join(tmpdir(), 'ephyra-holder-'));
const children: ChildProcess[] = [];

beforeAll(() => {
  writeFileSync(join(out, 'package.json'), '{"type": "module"}');
  symlinkSync(join(ROOT, 'node_modules'), join(out, 'node_modules'));
  const tsc = join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc');
  const flags =
    '--ignoreConfig --noCheck --target es2023 --module nodenext --moduleResolution nodenext --types node --rewriteRelativeImportExtensions --rootDir .';
  execFileSync(process.execPath, [tsc, ...flags.split(' '), '--outDir', out, 'test/src/store/holder.ts'], {
    cwd: ROOT,
  });
  program = join(out, 'test', 'src', 'store', 'holder.js');
});

afterAll(() => rmSync(out, { recursive: true, force: true }));

afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
});

/** Starts a process that opens the store; resolves with its first words. */
async function holder(path: string, staleMs = 10_000) {
  const child = fork(program, [path, String(staleMs)], { silent: true, execArgv: [] });
  children.push(child);
  const words: string[] = [];
  let wake: () => void = () => undefined;
  child.stdout?.on('data', (data: Buffer) => {
    words.push(...data.toString().trim().split('\n'));
    wake();
  });
  const exited = new Promise<number | null>((resolve) => child.once('exit', (code) => resolve(code)));
  const said = async (): Promise<string> => {
    while (words.length === 0) {
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
    return words.shift() ?? '';
  };
  return { child, said, exited, first: await said() };
}

describe('two processes', () => {
  test('do not share a store: the second is told at once who has it', async () => {
    const path = freshPath();
    const one = await holder(path);
    expect(one.first).toBe('holds 1');
    const before = readFileSync(path, 'utf8');

    const since = performance.now();
    const error = await storeErrorOf(open(path));
    expect(performance.now() - since).toBeLessThan(5_000);
    expect(error.code).toBe('held');
    expect(error.message).toContain(`process ${one.child.pid} on ${nodeProcesses().self.host}, which is running`);
    expect(error.remedy).toContain('Stop that process');
    expect((await holder(path)).first).toBe('refused held');
    expect(readFileSync(path, 'utf8')).toBe(before);
  });

  test('follow one another without waiting when the first has closed', async () => {
    const path = freshPath();
    const one = await holder(path);
    one.child.send('close');
    expect(await one.exited).toBe(0);
    expect(existsSync(`${path}.owner`)).toBe(false);
    expect(existsSync(`${path}.lock`)).toBe(false);
    expect((await holder(path)).first).toBe('holds 2');
  });

  test('follow one another at once when the first was killed, with everything that it had written', async () => {
    const path = freshPath();
    const one = await holder(path);
    one.child.kill('SIGKILL');
    await one.exited;
    expect(existsSync(`${path}.lock`)).toBe(true);

    const since = performance.now();
    const store = await open(path);
    expect(performance.now() - since).toBeLessThan(5_000);
    expect(store.read().epoch).toBe(1);
    await store.close();
  });

  test('of several that find a killed one, exactly one takes over', async () => {
    const path = freshPath();
    const one = await holder(path);
    one.child.kill('SIGKILL');
    await one.exited;
    const heirs = await Promise.all(Array.from({ length: 4 }, () => holder(path)));
    expect(heirs.map((heir) => heir.first).sort()).toEqual(['holds 2', 'refused held', 'refused held', 'refused held']);
  });

  test('do not take over at the same instant: the second waits until it can see that the first has', async () => {
    const path = freshPath();
    const one = await holder(path);
    one.child.kill('SIGKILL');
    await one.exited;
    let second: ReturnType<typeof holder> | undefined;
    const files: StoreFiles = {
      ...nodeFiles,
      rmdir: async (removed) => {
        // Here the first has found the holder dead, and has not removed its lock yet.
        second = holder(path);
        await sleep(800);
        await nodeFiles.rmdir(removed);
      },
    };
    const store = await open(path, { files });
    expect((await second)?.first).toBe('refused held');
    await store.update((draft) => {
      draft.epoch += 1;
    });
    expect(store.read().epoch).toBe(2);
    await store.close();
  });

  test('on two machines: the second waits for the heartbeat, and is told when it is fresh', async () => {
    const path = freshPath();
    const one = await holder(path, 2_000);
    const elsewhere = { ...nodeProcesses(), self: { ...nodeProcesses().self, host: 'elsewhere' } };
    const error = await storeErrorOf(open(path, { staleMs: 2_000, processes: elsewhere }));
    expect(error.message).toContain(
      `process ${one.child.pid} on ${nodeProcesses().self.host}, whose heartbeat is fresh`,
    );
  });

  test('on two machines: a suspended one is taken over, and stops when it wakes without having written', async () => {
    const path = freshPath();
    const one = await holder(path, 2_000);
    one.child.kill('SIGSTOP');
    const elsewhere = { ...nodeProcesses(), self: { ...nodeProcesses().self, host: 'elsewhere' } };
    const store = await open(path, { staleMs: 2_000, processes: elsewhere });
    await store.update((draft) => {
      draft.epoch = 50;
    });

    one.child.send('update');
    one.child.kill('SIGCONT');
    // Its heartbeat and its update race to find out; whichever is first, it may not write.
    expect(['lost lost', 'refused lost']).toContain(await one.said());
    expect(await one.exited).toBe(3);
    expect(existsSync(`${path}.lock`)).toBe(true);
    await store.update((draft) => {
      draft.epoch += 1;
    });
    expect(JSON.parse(readFileSync(path, 'utf8'))).toMatchObject({ epoch: 51 });
    await store.close();
  });

  test('do not take the lock away from one another by ending', async () => {
    const path = freshPath();
    const one = await holder(path);
    const intruder = JSON.stringify({ ...nodeProcesses().self, token: 'other', since: 1 });
    writeFileSync(`${path}.owner`, intruder);
    one.child.send('update');
    expect(['lost lost', 'refused lost']).toContain(await one.said());
    expect(await one.exited).toBe(3);
    expect(existsSync(`${path}.lock`)).toBe(true);
    expect(readFileSync(`${path}.owner`, 'utf8')).toBe(intruder);
  });
});

describe('one process', () => {
  test('does not open a store twice', async () => {
    const path = freshPath();
    const store = await open(path);
    expect(await storeErrorOf(open(path))).toMatchObject({
      code: 'held',
      message: expect.stringContaining('this process has it open already'),
    });
    await store.close();
    await (await open(path)).close();
  });

  test('is told once when its lock is gone, and writes nothing more', async () => {
    const path = freshPath();
    const lost: StoreError[] = [];
    const store = await open(path, { onLost: (error) => lost.push(error) });
    expect(store.problem()).toBeNull();
    const before = readFileSync(path, 'utf8');
    const intruder = { token: 'other', pid: 1, host: 'x', realm: null, began: null, since: 1 };
    writeFileSync(`${path}.owner`, JSON.stringify(intruder));
    for (const _ of [1, 2]) {
      const update = store.update((draft) => {
        draft.epoch = 9;
      });
      expect(await storeErrorOf(update)).toMatchObject({ code: 'lost' });
    }
    expect(lost).toHaveLength(1);
    expect(store.problem()).toContain('another process has taken it over');
    expect(readFileSync(path, 'utf8')).toBe(before);
    await store.close();
    expect(existsSync(`${path}.owner`)).toBe(true);
  });

  test('that cannot see whether the store is still its own writes nothing, and has lost nothing', async () => {
    const path = freshPath();
    let blind = false;
    const files: StoreFiles = {
      ...nodeFiles,
      readFile: (read) =>
        blind && read.endsWith('.owner')
          ? Promise.reject(Object.assign(new Error('EMFILE: too many open files'), { code: 'EMFILE' }))
          : nodeFiles.readFile(read),
    };
    const store = await open(path, { files });
    const raise = () =>
      store.update((draft) => {
        draft.epoch += 1;
      });
    blind = true;
    expect(await storeErrorOf(raise())).toMatchObject({
      code: 'unwritable',
      message: expect.stringContaining('EMFILE'),
    });
    expect(store.problem()).toBeNull();
    blind = false;
    await raise();
    expect(store.read().epoch).toBe(1);
    await store.close();
  });

  test.each([
    ['a process that has the same number but began at another time', { began: 'another' }],
    ['a number that no process has', { pid: 2 ** 22 + 1 }],
  ])('takes over at once from %s', async (_what, change) => {
    const path = freshPath();
    const { self } = nodeProcesses();
    mkdirSync(`${path}.lock`);
    writeFileSync(`${path}.owner`, JSON.stringify({ ...self, token: 't', since: 1, ...change }));
    const since = performance.now();
    const store = await open(path);
    expect(performance.now() - since).toBeLessThan(5_000);
    await store.close();
  });
});

describe('whether an owner lives', () => {
  const owner: Owner = { token: 't', pid: 7, host: 'h', realm: 'boot ns', began: '100', since: 0 };
  const seen = (runs: boolean, began: string | null) => ({
    self: { pid: 9, host: 'h', realm: 'boot ns', began: '200' },
    look: () => ({ runs, began }),
  });

  test.each([
    ['it runs', owner, seen(true, '100'), 'alive'],
    ['it does not run', owner, seen(false, null), 'dead'],
    ['another runs under its number', owner, seen(true, '150'), 'dead'],
    ['its beginning cannot be seen', owner, seen(true, null), 'alive'],
    ['it was on another host', { ...owner, host: 'x' }, seen(false, null), 'unknown'],
    ['it was in another container, or before a reboot', { ...owner, realm: 'other' }, seen(false, null), 'unknown'],
  ] as const)('%s', (_what, whose, processes, verdict) => {
    expect(judge(whose, processes)).toBe(verdict);
  });

  test('is seen on this system', () => {
    const { self, look } = nodeProcesses();
    expect(look(self.pid)).toEqual({ runs: true, began: self.began });
    expect(look(2 ** 22 + 1).runs).toBe(false);
  });
});
