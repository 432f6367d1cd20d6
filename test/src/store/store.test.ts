import { chmodSync, existsSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Failure } from '../../../machines/errors.ts';
import { nodeFiles, type StoreFiles } from '../../../src/store/files.ts';
import { emptyState, HISTORY_LIMIT, HISTORY_NODES, memoryStore, type StoreState } from '../../../src/store/index.ts';
import { deployment, freshPath, lock, open, storeErrorOf } from './support.ts';

describe('an update', () => {
  test('is on disk and visible once its promise has resolved, and there after reopening', async () => {
    const path = freshPath();
    const store = await open(path);
    const answer = await store.update((draft) => {
      draft.epoch += 1;
      draft.deployments.push(deployment('d-1'));
      return draft.epoch;
    });
    expect(answer).toBe(1);
    expect(JSON.parse(readFileSync(path, 'utf8'))).toEqual({ ...store.read(), writes: 2 });
    await store.close();

    const again = await open(path);
    expect(again.read().deployments).toEqual([deployment('d-1')]);
    await again.close();
  });

  test('that throws changes nothing and says what it threw', async () => {
    const path = freshPath();
    const store = await open(path);
    const before = readFileSync(path, 'utf8');
    const refused = new Error('locked');
    const update = store.update((draft) => {
      draft.epoch = 99;
      throw refused;
    });
    await expect(update).rejects.toBe(refused);
    expect(store.read().epoch).toBe(0);
    expect(readFileSync(path, 'utf8')).toBe(before);
    await store.update((draft) => draft.locks.push(lock('l-1')));
    expect(store.read()).toMatchObject({ epoch: 0, locks: [{ id: 'l-1' }] });
    await store.close();
  });

  test('sees what the one before has done: of many claims at once one wins', async () => {
    const store = await open(freshPath());
    const claims = Array.from({ length: 20 }, (_, index) =>
      store.update((draft) => {
        if (draft.locks.length > 0) return false;
        draft.locks.push(lock(`l-${index}`));
        return true;
      }),
    );
    const won = await Promise.all(claims);
    expect(won.filter(Boolean)).toHaveLength(1);
    expect(store.read().locks.map((each) => each.id)).toEqual(['l-0']);
    await store.close();
  });

  test('is not visible before it is on disk', async () => {
    const path = freshPath();
    let seenAtRename: number | undefined;
    const files: StoreFiles = {
      ...nodeFiles,
      rename: async (from, to) => {
        if (to === path) seenAtRename = store?.read().epoch;
        await nodeFiles.rename(from, to);
      },
    };
    let store: Awaited<ReturnType<typeof open>> | undefined;
    store = await open(path, { files });
    const done = store.update((draft) => {
      draft.epoch = 7;
    });
    expect(store.read().epoch).toBe(0);
    await done;
    expect(seenAtRename).toBe(0);
    expect(store.read().epoch).toBe(7);
    await store.close();
  });

  test('keeps no tie to what was put into the draft or taken from it', async () => {
    const store = memoryStore();
    const mine = deployment('d-1');
    const taken = await store.update((draft) => {
      draft.deployments.push(mine);
      return draft.deployments;
    });
    mine.idempotencyKeys.push('later');
    taken.length = 0;
    expect(store.read().deployments[0]?.idempotencyKeys).toEqual(['k1']);
  });

  test('must not wait for anything', async () => {
    const store = memoryStore();
    const error = await storeErrorOf(
      store.update(async (draft) => {
        draft.epoch = 5;
      }),
    );
    expect(error.code).toBe('invalid');
    expect(store.read().epoch).toBe(0);
  });

  test.each<[string, (draft: StoreState) => void]>([
    ['a state that there is not', (draft) => draft.deployments.push(deployment('d', { state: 'paused' as 'rolling' }))],
    ['a key that there is not', (draft) => draft.locks.push({ ...lock('l'), password: 'x' } as never)],
    ['the same id twice', (draft) => draft.locks.push(lock('l'), lock('l'))],
    [
      'an error object instead of plain data',
      (draft) => {
        const failure = new Failure({ reason: 'bug', next: 'ask', message: 'no' });
        const results = [{ uuid: 'u', place: 'stuck' as const, failure, startedAt: 1, endedAt: 1, attempts: 1 }];
        draft.deployments.push(deployment('d', { results }));
      },
    ],
  ])('with %s is refused as a bug', async (_what, change) => {
    const store = memoryStore();
    expect(await storeErrorOf(store.update(change))).toMatchObject({ code: 'invalid' });
    expect(store.read()).toEqual(emptyState());
  });

  test('after close is refused, one before is finished', async () => {
    const path = freshPath();
    const store = await open(path);
    const last = store.update((draft) => {
      draft.epoch = 3;
    });
    const closed = store.close();
    expect(await storeErrorOf(store.update(() => undefined))).toMatchObject({ code: 'closed' });
    await Promise.all([last, closed]);
    expect(JSON.parse(readFileSync(path, 'utf8'))).toMatchObject({ epoch: 3 });
    expect(store.problem()).toBe('closed');
  });

  test('in any sequence, refused ones between, is what one finds after reopening', async () => {
    const step = fc.oneof(
      fc.record({ do: fc.constant('epoch' as const), by: fc.integer({ min: 1, max: 5 }) }),
      fc.record({
        do: fc.constant('lock' as const),
        id: fc.string({ minLength: 1, maxLength: 4 }),
        reason: fc.string(),
      }),
      fc.record({ do: fc.constant('unlock' as const), id: fc.string({ minLength: 1, maxLength: 4 }) }),
      fc.record({ do: fc.constant('deploy' as const), note: fc.option(fc.string({ unit: 'binary' })) }),
      fc.record({ do: fc.constant('throw' as const) }),
      fc.record({ do: fc.constant('reopen' as const) }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 12 }), async (steps) => {
        const path = freshPath();
        let store = await open(path);
        const model = emptyState();
        for (const [index, each] of steps.entries()) {
          if (each.do === 'reopen') {
            await store.close();
            store = await open(path);
          } else if (each.do === 'throw') {
            const update = store.update((draft) => {
              draft.epoch = -1;
              draft.locks = [];
              throw new Error('no');
            });
            await expect(update).rejects.toThrow('no');
          } else {
            const apply = (state: StoreState): void => {
              if (each.do === 'epoch') state.epoch += each.by;
              if (each.do === 'lock' && !state.locks.some((held) => held.id === each.id)) {
                state.locks.push({ ...lock(each.id), reason: each.reason });
              }
              if (each.do === 'unlock') state.locks = state.locks.filter((held) => held.id !== each.id);
              if (each.do === 'deploy') state.deployments.push(deployment(`d-${index}`, { note: each.note }));
            };
            await store.update(apply);
            apply(model);
          }
          expect(store.read()).toEqual(model);
        }
        await store.close();
        store = await open(path);
        expect(store.read()).toEqual(model);
        await store.close();
      }),
      { numRuns: 25 },
    );
  });
});

describe('what is read', () => {
  test('cannot be changed behind the back of the disk', async () => {
    const store = memoryStore();
    await store.update((draft) => draft.deployments.push(deployment('d-1')));
    const state = store.read() as StoreState;
    expect(() => state.locks.push(lock('l'))).toThrow(TypeError);
    expect(() => Object.assign(state.deployments[0]?.options ?? {}, { maxUnavailable: 9 })).toThrow(TypeError);
  });

  test('stays as it was while the store goes on', async () => {
    const store = memoryStore();
    const before = store.read();
    await store.update((draft) => {
      draft.epoch = 4;
    });
    expect(before.epoch).toBe(0);
  });
});

describe('the history', () => {
  test('keeps the newest ended deployments and every one that has not ended', async () => {
    const store = memoryStore();
    await store.update((draft) => {
      draft.deployments.push(deployment('running', { requestedAt: 0 }));
      for (let index = 0; index < HISTORY_LIMIT + 10; index++) {
        draft.deployments.push(deployment(`d-${index}`, { state: 'completed', endedAt: 10_000 - index }));
      }
    });
    const kept = store.read().deployments.map((each) => each.id);
    expect(kept).toHaveLength(HISTORY_LIMIT + 1);
    expect(kept.slice(0, 2)).toEqual(['running', 'd-0']);
    expect(kept).not.toContain(`d-${HISTORY_LIMIT}`);
  });

  test('is bounded in nodes, too, but the newest stays whatever its size', async () => {
    const store = memoryStore();
    const nodes = Array.from({ length: HISTORY_NODES - 1 }, (_, index) => ({
      uuid: `u-${index}`,
      name: 'n',
      role: 'r',
      failureDomain: null,
      instanceId: null,
    }));
    await store.update((draft) => {
      draft.deployments.push(
        deployment('old', { state: 'completed', endedAt: 1, nodes }),
        deployment('small', { state: 'stopped', endedAt: 2 }),
        deployment('big', {
          state: 'rolled_back',
          endedAt: 3,
          nodes: [...nodes, ...nodes].map((node) => ({ ...node })),
        }),
      );
    });
    expect(store.read().deployments.map((each) => each.id)).toEqual(['big']);
  });
});

describe('the file', () => {
  test('and its directory are made for this account alone', async () => {
    const path = join(dirname(freshPath()), 'deep', 'er', 'ephyra.json');
    const store = await open(path);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(statSync(dirname(path)).mode & 0o777).toBe(0o700);
    chmodSync(path, 0o644);
    await store.update((draft) => {
      draft.epoch = 1;
    });
    expect(statSync(path).mode & 0o777).toBe(0o600);
    await store.close();
  });

  test.each([
    ['empty', '', 'corrupt', 'the file is empty'],
    ['torn', '{"format": 4, "epoch": 3, "locks": [{"id": "l-', 'corrupt', 'not JSON'],
    ['of nulls, as some file systems leave it', '\0\0\0\0', 'corrupt', 'not JSON'],
    ['not text', Buffer.from([0xff, 0xfe, 0x7b]), 'corrupt', 'not JSON'],
    ['something else', '{"name": "ephyra"}', 'corrupt', 'not a store (format:'],
    [
      'wrong deep inside',
      JSON.stringify({ ...emptyState(), writes: 1, locks: [{ ...lock('l'), since: 'now' }] }),
      'corrupt',
      'locks.0.since',
    ],
    ['with more in it than we know', JSON.stringify({ ...emptyState(), writes: 1, extra: 1 }), 'corrupt', 'extra'],
    ['without its count of writes', JSON.stringify(emptyState()), 'corrupt', 'writes: missing'],
    [
      'of a newer format',
      JSON.stringify({ format: 5, everything: 'new' }),
      'newer',
      'has format 5, this Ephyra knows formats 1 to 4',
    ],
  ])('that is %s stops the start and is left as it is', async (_what, content, code, problem) => {
    const path = freshPath();
    writeFileSync(path, content);
    const error = await storeErrorOf(open(path));
    expect(error.code).toBe(code);
    expect(error.message).toContain(path);
    expect(error.message).toContain(problem);
    expect(error.remedy).toMatch(/move it away/);
    expect(error.remedy).toContain(`mv ${path} ${path}.`);
    expect(readFileSync(path)).toEqual(Buffer.from(content));

    writeFileSync(path, JSON.stringify({ ...emptyState(), writes: 1 }));
    await (await open(path)).close();
  });

  test('that is a directory, or may not be read, stops the start', async () => {
    const path = freshPath();
    mkdirSync(path);
    expect(await storeErrorOf(open(path))).toMatchObject({ code: 'unreadable' });

    const forbidden = Object.assign(new Error('EACCES: permission denied'), { code: 'EACCES' });
    const files = { ...nodeFiles, readFile: () => Promise.reject(forbidden) };
    const error = await storeErrorOf(open(freshPath(), { files }));
    expect(error).toMatchObject({ code: 'unreadable', remedy: expect.stringContaining('may read and write') });
  });

  test('is written in full before it takes the place of the old one', async () => {
    const path = freshPath();
    const order: string[] = [];
    const files: StoreFiles = {
      ...nodeFiles,
      open: async (opened, flags, mode) => {
        const handle = await nodeFiles.open(opened, flags, mode);
        const what = opened === dirname(path) ? 'directory' : opened.endsWith('.ephyra.json.tmp') ? 'beside' : 'other';
        return {
          writeFile: async (text) => {
            order.push(`write ${what}`);
            await handle.writeFile(text);
          },
          sync: async () => {
            order.push(`sync ${what}`);
            await handle.sync();
          },
          close: () => handle.close(),
        };
      },
      rename: async (from, to) => {
        if (to === path) order.push('rename');
        await nodeFiles.rename(from, to);
      },
    };
    const store = await open(path, { files });
    order.length = 0;
    await store.update((draft) => {
      draft.epoch = 1;
    });
    expect(order).toEqual(['write beside', 'sync beside', 'rename', 'sync directory']);
    await store.close();
  });

  test('survives what a crash has left beside it', async () => {
    const path = freshPath();
    await (await open(path)).close();
    const beside = join(dirname(path), '.ephyra.json.tmp');
    const elsewhere = join(dirname(path), 'victim');
    writeFileSync(elsewhere, 'untouched');
    symlinkSync(elsewhere, beside);
    const store = await open(path);
    await store.update((draft) => {
      draft.epoch = 1;
    });
    await store.close();
    expect(readFileSync(elsewhere, 'utf8')).toBe('untouched');
    expect(existsSync(beside)).toBe(false);
    expect(JSON.parse(readFileSync(path, 'utf8'))).toMatchObject({ epoch: 1 });
  });

  test('may be reached by a link, which stays one', async () => {
    const path = freshPath();
    const link = join(dirname(path), 'link.json');
    await (await open(path)).close();
    symlinkSync(path, link);
    const store = await open(link);
    await store.update((draft) => {
      draft.epoch = 2;
    });
    expect(await storeErrorOf(open(path))).toMatchObject({ code: 'held' });
    await store.close();
    expect(JSON.parse(readFileSync(path, 'utf8'))).toMatchObject({ epoch: 2 });
    expect(statSync(link).isFile()).toBe(true);
  });
});

describe('a disk that refuses', () => {
  const failing = (code: string, at: 'write' | 'sync' | 'rename' | 'open') => {
    let armed = false;
    const refuse = () => {
      if (armed) throw Object.assign(new Error(`${code}: refused`), { code });
    };
    const files: StoreFiles = {
      ...nodeFiles,
      open: async (path, flags, mode) => {
        if (at === 'open' && flags !== 'r') refuse();
        const handle = await nodeFiles.open(path, flags, mode);
        return {
          writeFile: async (text) => {
            if (at === 'write') {
              // As a full disk does it: a part is written.
              await handle.writeFile(text.slice(0, armed ? 10 : undefined));
              refuse();
            } else await handle.writeFile(text);
          },
          sync: async () => {
            if (at === 'sync') refuse();
            await handle.sync();
          },
          close: () => handle.close(),
        };
      },
      rename: async (from, to) => {
        if (at === 'rename') refuse();
        await nodeFiles.rename(from, to);
      },
    };
    return {
      files,
      arm: (on: boolean) => {
        armed = on;
      },
    };
  };

  test.each([
    ['ENOSPC', 'write', 'Free some space'],
    ['ENOSPC', 'sync', 'Free some space'],
    ['EROFS', 'open', 'mounted read-only'],
    ['EACCES', 'open', 'account that Ephyra runs as'],
    ['EIO', 'rename', 'Look at the disk'],
  ] as const)('with %s at %s: the change is not made, and goes through later', async (code, at, remedy) => {
    const path = freshPath();
    const disk = failing(code, at);
    const store = await open(path, { files: disk.files });
    await store.update((draft) => {
      draft.epoch = 1;
    });
    const before = readFileSync(path, 'utf8');
    disk.arm(true);
    const error = await storeErrorOf(store.update((draft) => draft.locks.push(lock('l-1'))));
    expect(error).toMatchObject({ code: 'unwritable', remedy: expect.stringContaining(remedy) });
    expect(error.message).toContain('the change was not made');
    expect(store.read()).toMatchObject({ epoch: 1, locks: [] });
    expect(readFileSync(path, 'utf8')).toBe(before);
    expect(existsSync(join(dirname(path), '.ephyra.json.tmp'))).toBe(false);

    disk.arm(false);
    await store.update((draft) => draft.locks.push(lock('l-2')));
    expect(store.read().locks.map((each) => each.id)).toEqual(['l-2']);
    await store.close();
  });

  test('at the very start is told at once, and the file can be opened later', async () => {
    const path = freshPath();
    const disk = failing('ENOSPC', 'write');
    disk.arm(true);
    expect(await storeErrorOf(open(path, { files: disk.files }))).toMatchObject({ code: 'unwritable' });
    expect(existsSync(path)).toBe(false);
    disk.arm(false);
    await (await open(path, { files: disk.files })).close();
  });

  test('its directory is told with what to do', async () => {
    const path = freshPath();
    writeFileSync(path, 'a file');
    const error = await storeErrorOf(open(join(path, 'ephyra.json')));
    expect(error).toMatchObject({
      code: 'unwritable',
      remedy: expect.stringContaining('set "store" to another place'),
    });
  });
});
