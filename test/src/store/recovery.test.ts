import {
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { describe, expect, test } from 'vitest';
import { nodeFiles, type StoreFiles } from '../../../src/store/files.ts';
import { emptyState, type StoreError } from '../../../src/store/index.ts';
import { deployment, freshPath, lock, open, storeErrorOf } from './support.ts';

const json = (path: string) => JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>;

/** A store that has been written so many times after it was made; the last lock is `l-<writes>`. */
async function written(path: string, writes: number): Promise<void> {
  const store = await open(path);
  for (let write = 1; write <= writes; write += 1) {
    await store.update((draft) => {
      draft.epoch = write;
      draft.locks = [lock(`l-${write}`)];
    });
  }
  await store.close();
}

describe('the version before the last write', () => {
  test('stays beside the file, whole, for this account alone', async () => {
    const path = freshPath();
    await written(path, 3);
    expect(json(path)).toMatchObject({ epoch: 3, writes: 4 });
    expect(json(`${path}.bak`)).toMatchObject({ epoch: 2, writes: 3 });
    expect(statSync(`${path}.bak`).mode & 0o777).toBe(0o600);
    expect(existsSync(`${path}.bak.tmp`)).toBe(false);
  });

  test('does not stand in the way of writing where there are no hard links', async () => {
    const path = freshPath();
    const files: StoreFiles = {
      ...nodeFiles,
      link: () => Promise.reject(Object.assign(new Error('EPERM: no links here'), { code: 'EPERM' })),
    };
    const store = await open(path, { files });
    await store.update((draft) => draft.locks.push(lock('l')));
    await store.close();
    expect(json(path)).toMatchObject({ writes: 2 });
    expect(existsSync(`${path}.bak`)).toBe(false);
  });

  test.each([
    ['torn', (path: string) => truncateSync(path, Math.floor(statSync(path).size / 2))],
    ['empty', (path: string) => truncateSync(path, 0)],
    ['full of garbage', (path: string) => writeFileSync(path, Buffer.from([0x00, 0xff, 0x7b, 0x12]))],
  ])('is named when the file is %s, and taken once that is moved away', async (_what, damage) => {
    const path = freshPath();
    await written(path, 3);
    damage(path);
    const broken = readFileSync(path);
    const error = await storeErrorOf(open(path));
    expect(error).toMatchObject({ code: 'corrupt' });
    expect(error.remedy).toContain(`mv ${path} ${path}.broken`);
    expect(error.remedy).toContain(`${path}.bak is taken then`);
    expect(readFileSync(path)).toEqual(broken);
    expect(json(`${path}.bak`)).toMatchObject({ epoch: 2 });

    renameSync(path, `${path}.broken`);
    const store = await open(path);
    expect(store.read()).toMatchObject({ epoch: 2, locks: [{ id: 'l-2' }] });
    expect(store.behind).toContain('its version before the last write was taken');
    await store.update((draft) => draft.locks.push(lock('l-new')));
    await store.close();
    expect(json(path)).toMatchObject({ writes: 4, locks: [{ id: 'l-2' }, { id: 'l-new' }] });
    expect(readFileSync(`${path}.broken`)).toEqual(broken);
  });

  test('is not named when it is no better than the file', async () => {
    const path = freshPath();
    await written(path, 2);
    writeFileSync(path, 'x');
    writeFileSync(`${path}.bak`, 'y');
    const error = await storeErrorOf(open(path));
    expect(error.remedy).not.toContain('.bak');
    expect(error.remedy).toContain(`mv ${path} ${path}.broken`);
    // Moved away as told, the broken one before it stops the start as well: it is not passed over in silence.
    renameSync(path, `${path}.broken`);
    expect(await storeErrorOf(open(path))).toMatchObject({ code: 'corrupt', file: `${path}.bak` });
    renameSync(`${path}.bak`, `${path}.bak.broken`);
    const store = await open(path);
    expect(store.read()).toEqual(emptyState());
    expect(store.behind).toBeNull();
    await store.close();
  });

  test('tells when the file is an older copy, until somebody has said what became of that', async () => {
    const path = freshPath();
    await written(path, 2);
    const copy = readFileSync(path);
    await written(path, 4);
    writeFileSync(path, copy);
    const store = await open(path);
    expect(store.read().epoch).toBe(2);
    expect(store.behind).toMatch(/older copy \(write 3; there were at least 6\)/);
    await store.update((draft) => {
      draft.epoch = 9;
    });
    await store.close();
    expect(json(path)).toMatchObject({ writes: 7 });
    // Killed before anybody was asked: it is no newer for having been written.
    const second = await open(path);
    expect(second.behind).toMatch(/older copy \(write 3; there were at least 6\)/);
    second.caughtUp();
    expect(second.behind).toBeNull();
    await second.update((draft) => {
      draft.epoch = 10;
    });
    await second.close();
    const third = await open(path);
    expect(third.behind).toBeNull();
    await third.close();
  });

  test('put in place of the file by hand is known as what it is', async () => {
    const path = freshPath();
    await written(path, 2);
    writeFileSync(path, readFileSync(`${path}.bak`));
    const store = await open(path);
    expect(store.behind).toMatch(/older copy \(write 2; there were at least 3\)/);
    await store.close();
  });

  test('says nothing against the file as it is after any kill', async () => {
    const path = freshPath();
    let killAt = Number.POSITIVE_INFINITY;
    let calls = 0;
    const dead = new Error('killed');
    const mortal = <A extends unknown[], R>(call: (...args: A) => Promise<R>) => {
      return async (...args: A): Promise<R> => {
        calls += 1;
        if (calls >= killAt) throw dead;
        return call(...args);
      };
    };
    const files: StoreFiles = {
      ...nodeFiles,
      rename: mortal(nodeFiles.rename),
      link: mortal(nodeFiles.link),
      unlink: mortal(nodeFiles.unlink),
    };
    for (let point = 1; point <= 8; point += 1) {
      const store = await open(path, { files });
      await store.update((draft) => {
        draft.epoch += 1;
      });
      const before = store.read().epoch;
      calls = 0;
      killAt = point;
      const outcome = await store
        .update((draft) => {
          draft.epoch += 1;
        })
        .then(
          () => 'done',
          () => 'refused',
        );
      killAt = Number.POSITIVE_INFINITY;
      await store.close();
      const next = await open(path);
      expect(next.behind, `point ${point}`).toBeNull();
      expect(next.read().epoch, `point ${point}`).toBeGreaterThanOrEqual(before);
      if (outcome === 'done') expect(next.read().epoch).toBe(before + 1);
      await next.close();
    }
  });
});

describe('a change that the disk takes and does not keep', () => {
  test('is taken back, so that what was called not made is not found made after the next start', async () => {
    const path = freshPath();
    let armed = false;
    const files: StoreFiles = {
      ...nodeFiles,
      open: async (opened, flags, mode) => {
        const handle = await nodeFiles.open(opened, flags, mode);
        if (opened !== dirname(path)) return handle;
        return {
          writeFile: (text) => handle.writeFile(text),
          sync: () => (armed ? Promise.reject(Object.assign(new Error('EIO'), { code: 'EIO' })) : handle.sync()),
          close: () => handle.close(),
        };
      },
    };
    const store = await open(path, { files });
    await store.update((draft) => draft.locks.push(lock('l-1')));
    armed = true;
    const error = await storeErrorOf(store.update((draft) => draft.deployments.push(deployment('d-1'))));
    expect(error.message).toContain('the change was not made');
    expect(json(path)).toMatchObject({ deployments: [], locks: [{ id: 'l-1' }] });
    armed = false;
    await store.update((draft) => draft.locks.push(lock('l-2')));
    await store.close();
    const again = await open(path);
    expect(again.read().locks.map(({ id }) => id)).toEqual(['l-1', 'l-2']);
    expect(again.behind).toBeNull();
    await again.close();
  });
});

describe('an older format', () => {
  const old = () => {
    const { format: _, ...state } = emptyState();
    const { nodes, options, ...record } = deployment('d-1');
    const { failureDomain: _unknown, ...plainOptions } = options;
    const plain = nodes.map(({ failureDomain: _, instanceId: _none, ...node }) => node);
    return {
      format: 1,
      ...state,
      epoch: 5,
      locks: [lock('l-1')],
      deployments: [{ ...record, options: plainOptions, nodes: plain }],
    };
  };

  test('is brought up to date, and a copy of the file stays as it was', async () => {
    const path = freshPath();
    const text = JSON.stringify(old());
    writeFileSync(path, text);
    const store = await open(path);
    // Of failure domains and instances it did not know: nothing is made up about them.
    const [record] = old().deployments;
    const nodes = record?.nodes.map((node) => ({ ...node, failureDomain: null, instanceId: null }));
    expect(store.read()).toEqual({
      ...old(),
      format: 4,
      deployments: [{ ...record, nodes, options: { ...record?.options, failureDomain: null } }],
    });
    expect(store.behind).toBeNull();
    // Opened only, the file is as it was: the older version can still be started again.
    expect(readFileSync(path, 'utf8')).toBe(text);
    await store.update((draft) => draft.locks.push(lock('l-2')));
    await store.update((draft) => draft.locks.push(lock('l-3')));
    await store.close();
    expect(json(path)).toMatchObject({ format: 4, writes: 2, epoch: 5 });
    expect(readFileSync(`${path}.format-1`, 'utf8')).toBe(text);
  });

  test('that has been kept once is not kept again', async () => {
    const path = freshPath();
    writeFileSync(path, JSON.stringify(old()));
    await (await open(path)).close();
    await (await open(path)).close();
    expect(JSON.parse(readFileSync(`${path}.format-1`, 'utf8'))).toEqual(old());
  });

  test('stops the start when no copy can be kept, with the command that makes one', async () => {
    const path = freshPath();
    writeFileSync(path, JSON.stringify(old()));
    const files: StoreFiles = {
      ...nodeFiles,
      link: () => Promise.reject(Object.assign(new Error('EPERM: no links here'), { code: 'EPERM' })),
    };
    const error = await storeErrorOf(open(path, { files }));
    expect(error.remedy).toContain(`cp -p ${path} ${path}.format-1`);
    expect(JSON.parse(readFileSync(path, 'utf8'))).toEqual(old());
  });

  test('that counts its writes goes on counting', async () => {
    const path = freshPath();
    writeFileSync(path, JSON.stringify({ ...old(), format: 2, writes: 7 }));
    const store = await open(path);
    expect(store.read().deployments[0]?.nodes[0]?.failureDomain).toBeNull();
    await store.update((draft) => draft.locks.push(lock('l-2')));
    await store.close();
    expect(json(path)).toMatchObject({ format: 4, writes: 8 });
    expect(JSON.parse(readFileSync(`${path}.format-2`, 'utf8'))).toMatchObject({ format: 2, writes: 7 });
  });

  test('that knew failure domains keeps them; which instances it planned is not made up', async () => {
    const path = freshPath();
    const { nodes, ...record } = deployment('d-1');
    const plain = nodes.map(({ instanceId: _none, ...node }) => node);
    const text = JSON.stringify({ ...old(), format: 3, writes: 7, deployments: [{ ...record, nodes: plain }] });
    writeFileSync(path, text);
    const store = await open(path);
    expect(store.read().deployments[0]).toEqual({
      ...record,
      nodes: nodes.map((node) => ({ ...node, instanceId: null })),
    });
    expect(store.read().deployments[0]?.nodes[0]?.failureDomain).toBe('r1');
    await store.update((draft) => draft.locks.push(lock('l-2')));
    await store.close();
    expect(json(path)).toMatchObject({ format: 4, writes: 8 });
    expect(readFileSync(`${path}.format-3`, 'utf8')).toBe(text);
  });

  test.each([
    ['locks', { locks: 'none' }],
    ['deployments', { deployments: null }],
    ['deployments', { deployments: [null] }],
    ['deployments', { deployments: [{ nodes: {} }] }],
  ])('with something wrong in its %s is not made up to date', async (field, wrong) => {
    const path = freshPath();
    writeFileSync(path, JSON.stringify({ ...old(), ...wrong }));
    const error = await storeErrorOf(open(path));
    expect(error).toMatchObject({ code: 'corrupt' });
    expect(error.message).toContain(field);
    expect(existsSync(`${path}.format-1`)).toBe(false);
  });
});

describe('what happens to the file while it is open', () => {
  test('deleted: the next change writes all of it again', async () => {
    const path = freshPath();
    const store = await open(path);
    await store.update((draft) => draft.locks.push(lock('l-1')));
    unlinkSync(path);
    await store.update((draft) => draft.locks.push(lock('l-2')));
    await store.close();
    const again = await open(path);
    expect(again.read().locks.map(({ id }) => id)).toEqual(['l-1', 'l-2']);
    expect(again.behind).toBeNull();
    await again.close();
  });

  test('deleted, and the process killed before its next change: the version before is taken, and known as such', async () => {
    const path = freshPath();
    await written(path, 2);
    unlinkSync(path);
    const store = await open(path);
    expect(store.read()).toMatchObject({ epoch: 1 });
    expect(store.behind).not.toBeNull();
    await store.close();
  });

  test('replaced by an older copy: what is in memory is the truth', async () => {
    const path = freshPath();
    await written(path, 1);
    const copy = readFileSync(path);
    const store = await open(path);
    await store.update((draft) => draft.locks.push(lock('l-2')));
    writeFileSync(path, copy);
    await store.update((draft) => draft.locks.push(lock('l-3')));
    await store.close();
    const again = await open(path);
    expect(again.read().locks.map(({ id }) => id)).toEqual(['l-1', 'l-2', 'l-3']);
    await again.close();
  });

  test('its folder removed: nothing is written, and the process is told that it has lost the store', async () => {
    const path = freshPath();
    const lost: StoreError[] = [];
    const store = await open(path, { onLost: (error) => lost.push(error) });
    await store.update((draft) => draft.locks.push(lock('l-1')));
    rmSync(dirname(path), { recursive: true });
    const error = await storeErrorOf(store.update((draft) => draft.locks.push(lock('l-2'))));
    expect(error.code).toBe('lost');
    expect(lost).toHaveLength(1);
    expect(existsSync(path)).toBe(false);
    await store.close();
    mkdirSync(dirname(path), { recursive: true });
    const again = await open(path);
    expect(again.read()).toEqual(emptyState());
    await again.close();
  });
});
