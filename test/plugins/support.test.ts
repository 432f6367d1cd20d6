import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { snapshots } from '../../plugins/hadoop/snapshot.ts';
import { durationMs } from '../../plugins/support/duration.ts';
import { lastLine, runCommand } from '../../plugins/support/process.ts';
import { coalesce, untilAborted } from '../../plugins/support/wait.ts';

/** A promise with its handles. */
function deferred<T>() {
  let resolve: (value: T) => void = () => {};
  let reject: (error: unknown) => void = () => {};
  const promise = new Promise<T>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise, resolve, reject };
}

test.each([
  ['500ms', 500],
  ['30s', 30_000],
  ['1.5m', 90_000],
  [' 4h ', 14_400_000],
  ['2d', 172_800_000],
  [250, 250],
  ['30', undefined],
  ['-5s', undefined],
  ['soon', undefined],
  [-1, undefined],
  [Number.NaN, undefined],
])('%j is %s milliseconds', (text, ms) => {
  expect(durationMs(text)).toBe(ms);
});

describe('coalesce', () => {
  test('never serves a request by a run that began before it', async () => {
    const runs: ReturnType<typeof deferred<number>>[] = [];
    const work = coalesce(() => {
      const run = deferred<number>();
      runs.push(run);
      return run.promise;
    });
    const first = work();
    const [second, third] = [work(), work()];
    expect(runs).toHaveLength(1);
    runs[0]?.resolve(1);
    expect(await first).toBe(1);
    await new Promise((resolve) => setTimeout(resolve, 0));
    expect(runs).toHaveLength(2);
    runs[1]?.resolve(2);
    expect(await Promise.all([second, third])).toEqual([2, 2]);
    expect(runs).toHaveLength(2);
  });

  test('goes on after a failure', async () => {
    let count = 0;
    const work = coalesce(async () => {
      count += 1;
      if (count === 1) throw new Error('first');
      return count;
    });
    const [first, second] = [work(), work()];
    await expect(first).rejects.toThrow('first');
    expect(await second).toBe(2);
    expect(await work()).toBe(3);
  });
});

describe('untilAborted', () => {
  test('ends the waiting and leaves the work', async () => {
    const stop = new AbortController();
    const work = deferred<number>();
    const waiting = untilAborted(work.promise, stop.signal);
    stop.abort();
    await expect(waiting).rejects.toMatchObject({ reason: 'cancelled', next: 'cancelled' });
    work.resolve(1);
    expect(await work.promise).toBe(1);
  });

  test('passes results and errors on', async () => {
    const { signal } = new AbortController();
    expect(await untilAborted(Promise.resolve(1), signal)).toBe(1);
    await expect(untilAborted(Promise.reject(new Error('no')), signal)).rejects.toThrow('no');
    await expect(untilAborted(Promise.resolve(1), AbortSignal.abort())).rejects.toMatchObject({ reason: 'cancelled' });
  });
});

describe('a reading of Hadoop', () => {
  function reader() {
    const reads: ReturnType<typeof deferred<{ yarn: null; hdfs: null }>>[] = [];
    const time = { now: 1_000 };
    const look = snapshots(
      () => {
        const read = deferred<{ yarn: null; hdfs: null }>();
        reads.push(read);
        return read.promise;
      },
      () => time.now,
      100,
    );
    return { reads, time, look, answer: (index: number) => reads[index]?.resolve({ yarn: null, hdfs: null }) };
  }

  test('is shared while it is under way and while it is young', async () => {
    const { reads, time, look, answer } = reader();
    const both = [look(), look()];
    time.now = 1_050;
    answer(0);
    expect((await Promise.all(both)).map(({ at }) => at)).toEqual([1_000, 1_000]);
    time.now = 1_099;
    expect((await look()).at).toBe(1_000);
    expect(reads).toHaveLength(1);
    time.now = 1_100;
    void look();
    expect(reads).toHaveLength(2);
  });

  test('that began too early does not do, however young it is', async () => {
    const { reads, time, look, answer } = reader();
    const early = look();
    time.now = 1_001;
    const late = look(1_001);
    answer(0);
    expect((await early).at).toBe(1_000);
    await new Promise((resolve) => setTimeout(resolve, 0));
    expect(reads).toHaveLength(2);
    answer(1);
    expect((await late).at).toBe(1_001);
  });

  test('that fails is not kept', async () => {
    const { reads, look, answer } = reader();
    const failing = look();
    reads[0]?.reject(new Error('no'));
    await expect(failing).rejects.toThrow('no');
    const next = look();
    answer(1);
    expect((await next).at).toBe(1_000);
  });
});

describe('runCommand', () => {
  test('keeps the end of a long output', async () => {
    const result = await runCommand(
      ['/bin/sh', '-c', 'i=0; while [ $i -lt 3000 ]; do echo line $i; i=$((i+1)); done'],
      {
        timeoutMs: 10_000,
        keepBytes: 100,
        env: { PATH: process.env['PATH'] ?? '' },
      },
    );
    expect(result.code).toBe(0);
    expect(Buffer.byteLength(result.stdout)).toBe(100);
    expect(lastLine(result.stdout)).toBe('line 2999');
  });

  test('kills a program and its children that do not listen to SIGTERM', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'process-'));
    const path = join(folder, 'marks');
    const script = `trap '' TERM; (while :; do echo . >> "${path}"; sleep 0.01; done) & wait`;
    const result = await runCommand(['/bin/sh', '-c', script], { timeoutMs: 200, killAfterMs: 100 });
    expect(result).toMatchObject({ code: null, signal: 'SIGKILL', timedOut: true });
    const size = (await stat(path)).size;
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect((await stat(path)).size).toBe(size);
    await rm(folder, { recursive: true });
  });

  test('does not mind a program that does not read its input', async () => {
    const result = await runCommand(['/bin/sh', '-c', 'exit 7'], { timeoutMs: 10_000, input: 'x'.repeat(1_000_000) });
    expect(result).toMatchObject({ code: 7, timedOut: false, notStarted: null });
  });

  test('takes a time beyond the longest timer for "for ever"', async () => {
    const result = await runCommand(['/bin/sh', '-c', 'sleep 0.1; echo done'], { timeoutMs: 1e13 });
    expect(result).toMatchObject({ code: 0, stdout: 'done\n', timedOut: false });
  });
});
