import { chmod, lstat, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { editPlain } from '../../../plugins/hadoop/hosts/plain.ts';
import { sharedHostsFile } from '../../../plugins/hadoop/hostsFile.ts';
import { type AdminHost, adminHost, quote } from '../../../plugins/hadoop/runner.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'runner-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** As ssh: everything after the destination is joined with blanks and given to the login shell. */
async function fakeSsh(extra = ''): Promise<AdminHost> {
  const program = join(folder, 'ssh');
  await writeFile(
    program,
    `#!/bin/sh\nprintf '%s\\n' "$@" >> "${folder}/calls"\nwhile [ "$1" != "--" ]; do shift; done\nshift 2\n${extra}exec /bin/sh -c "$*"\n`,
  );
  await chmod(program, 0o755);
  return adminHost({ ssh: { host: 'rm1', user: 'hadoop', port: 2222, command: [program] } }, 5_000);
}

const NASTY = ['', 'a b', "it's", '"$HOME"', '`id`', '$(id)', ';id', '*', '\\', 'new\nline', 'ä', '-x', '>out'];

describe.each(['local', 'ssh'] as const)('an admin host (%s)', (kind) => {
  const make = () => (kind === 'local' ? Promise.resolve(adminHost('local', 5_000)) : fakeSsh());

  test('hands every argument over as it is', async () => {
    const host = await make();
    const script = 'process.stdout.write(JSON.stringify(process.argv.slice(1)))';
    const result = await host.run([process.execPath, '-e', script, '--', ...NASTY], { timeoutMs: 5_000 });
    expect(JSON.parse(result.stdout)).toEqual(NASTY);
  });

  test('reads and writes a file, and says that there is none', async () => {
    const host = await make();
    const path = join(folder, "it's a file");
    expect(await host.read(path)).toBeNull();
    await host.write(path, 'worker-1\nä\n');
    expect(await host.read(path)).toBe('worker-1\nä\n');
    expect((await stat(path)).mode & 0o777).toBe(0o644);
  });

  test('keeps the mode of a file, and a link a link', async () => {
    const host = await make();
    const target = join(folder, 'target');
    const link = join(folder, 'link');
    await writeFile(target, 'old\n');
    await chmod(target, 0o664);
    await symlink(target, link);
    await host.write(link, 'new\n');
    expect(await readFile(target, 'utf8')).toBe('new\n');
    expect((await stat(target)).mode & 0o777).toBe(0o664);
    expect((await lstat(link)).isSymbolicLink()).toBe(true);
  });

  test('leaves nothing behind but the file', async () => {
    const host = await make();
    await host.write(join(folder, 'one'), 'x\n');
    expect((await readdir(folder)).filter((name) => !['ssh', 'calls'].includes(name))).toEqual(['one']);
  });

  test('says why a command could not be run', async () => {
    const host = await make();
    const result = await host.run([join(folder, 'missing')], { timeoutMs: 5_000 });
    if (kind === 'local') expect(result.notStarted).toMatch(/ENOENT/);
    else expect(result).toMatchObject({ code: 127, notStarted: null });
  });

  test('says that a folder cannot be written to', async () => {
    const host = await make();
    await expect(host.write(join(folder, 'no', 'such', 'folder'), 'x')).rejects.toThrow();
    await expect(host.read(folder)).rejects.toThrow();
  });
});

describe('ssh', () => {
  test('is told never to ask and where to go', async () => {
    const host = await fakeSsh();
    await host.run(['true'], { timeoutMs: 5_000 });
    const calls = (await readFile(join(folder, 'calls'), 'utf8')).trim().split('\n');
    expect(calls).toEqual([
      '-o',
      'BatchMode=yes',
      '-o',
      'ConnectTimeout=15',
      '-T',
      '-p',
      '2222',
      '--',
      'hadoop@rm1',
      'true',
    ]);
  });

  test('that breaks off in the middle of a write leaves the file as it was', async () => {
    const path = join(folder, 'hosts');
    await writeFile(path, 'old\n');
    const host = await fakeSsh('head -c 3 | /bin/sh -c "$*"; exit $?\n');
    await expect(host.write(path, 'worker-1\nworker-2\n')).rejects.toThrow(/3 of 18 bytes came/);
    expect(await readFile(path, 'utf8')).toBe('old\n');
    expect((await readdir(folder)).sort()).toEqual(['calls', 'hosts', 'ssh']);
  });

  test('quotes what a shell would touch and nothing else', () => {
    expect(quote('/etc/hadoop/conf')).toBe('/etc/hadoop/conf');
    expect(quote("a'b")).toBe(`'a'\\''b'`);
  });
});

describe('a hosts file that is shared', () => {
  const local = () => adminHost('local', 5_000);

  test('loses no change of many that come at once', async () => {
    const path = join(folder, 'hosts');
    await writeFile(path, 'theirs\n');
    const file = sharedHostsFile(path, [local()]);
    const names = Array.from({ length: 30 }, (_, i) => `worker-${i}`);
    const changed = await Promise.all(
      names.map((name) => file.edit((text) => editPlain(text, { add: [name], remove: [] }))),
    );
    expect(changed.every((one) => one)).toBe(true);
    expect(await readFile(path, 'utf8')).toBe(`theirs\n${names.join('\n')}\n`);
  });

  test('is written once for changes that come at once', async () => {
    let writes = 0;
    const inner = local();
    const counting: AdminHost = {
      ...inner,
      write: (path, content) => {
        writes += 1;
        return inner.write(path, content);
      },
    };
    const file = sharedHostsFile(join(folder, 'hosts'), [counting]);
    await Promise.all(['a', 'b', 'c'].map((name) => file.edit((text) => editPlain(text, { add: [name], remove: [] }))));
    expect(writes).toBe(1);
    expect(await file.edit((text) => editPlain(text, { add: ['a'], remove: [] }))).toBe(false);
    expect(writes).toBe(1);
  });

  test('is changed on every admin host, and the failure of one is told', async () => {
    const other: AdminHost = {
      ...local(),
      name: 'rm2',
      write: () => Promise.reject(new Error('No space left on device')),
    };
    const file = sharedHostsFile(join(folder, 'hosts'), [local(), other]);
    await expect(file.edit((text) => `${text}x\n`)).rejects.toMatchObject({
      reason: 'application_refused',
      next: 'retry',
      message: expect.stringContaining('No space left on device'),
    });
  });

  test('that cannot be understood is left alone, and only who wanted that change hears of it', async () => {
    const path = join(folder, 'hosts');
    await writeFile(path, 'x\n');
    const file = sharedHostsFile(path, [local()]);
    const { HostsFileError } = await import('../../../plugins/hadoop/hosts/error.ts');
    const [bad, good] = await Promise.allSettled([
      file.edit(() => {
        throw new HostsFileError('it is not JSON');
      }),
      file.edit((text) => `${text}y\n`),
    ]);
    expect(bad).toMatchObject({
      status: 'rejected',
      reason: { next: 'stop', message: expect.stringContaining('not JSON') },
    });
    expect(good).toEqual({ status: 'fulfilled', value: true });
    expect(await readFile(path, 'utf8')).toBe('x\ny\n');
  });

  test('that somebody else writes at the same moment is a failure, not a success', async () => {
    const path = join(folder, 'hosts');
    const inner = local();
    const disturbed: AdminHost = {
      ...inner,
      async write(at, content) {
        await inner.write(at, content);
        await writeFile(at, 'somebody else\n');
      },
    };
    await expect(sharedHostsFile(path, [disturbed]).edit(() => 'ours\n')).rejects.toMatchObject({ next: 'retry' });
  });
});
