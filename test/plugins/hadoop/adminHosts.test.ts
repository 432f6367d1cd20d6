import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { type Bench, bench, context, node, until } from './bench.ts';

let b: Bench;
afterEach(() => b.close());

const worker = node('worker-1');

/** A program like ssh that "logs in" to this machine, or cannot reach a host whose name starts with "down". */
async function fakeSsh(folder: string): Promise<string> {
  const path = join(folder, 'ssh');
  await writeFile(
    path,
    `#!/bin/sh
while [ "$1" != "--" ]; do shift; done
echo "$2" >> "${folder}/logins"
case "$2" in *down*) echo "ssh: connect to host $2: No route to host" >&2; exit 255;; esac
shift 2
exec /bin/sh -c "$*"
`,
  );
  await chmod(path, 0o755);
  return path;
}

const ssh = (folder: string, host: string) => ({ ssh: { host, user: 'hadoop', command: [join(folder, 'ssh')] } });

describe('admin hosts over ssh', () => {
  test('get the files, and the first of them runs the commands', async () => {
    b = await bench({ options: (o, { folder }) => ({ ...o, adminHosts: [ssh(folder, 'rm1'), ssh(folder, 'rm2')] }) });
    await fakeSsh(b.folder);
    await b.plugin.removeNode(worker, context());
    expect(await b.plugin.verifyNode(worker, context())).toMatchObject({ membership: 'out' });
    const logins = (await readFile(join(b.folder, 'logins'), 'utf8')).trim().split('\n');
    expect(new Set(logins)).toEqual(new Set(['hadoop@rm1', 'hadoop@rm2']));
    await b.plugin.addNode(worker, context());
    expect(await readFile(b.installation.yarnExclude, 'utf8')).toBe('');
    expect(b.hadoop.harm()).toEqual([]);
  });

  test('that are down keep a node from leaving: a standby would take over with an old file', async () => {
    b = await bench({ options: (o, { folder }) => ({ ...o, adminHosts: [ssh(folder, 'rm1'), ssh(folder, 'down')] }) });
    await fakeSsh(b.folder);
    await expect(b.plugin.removeNode(worker, context())).rejects.toMatchObject({
      reason: 'application_refused',
      next: 'retry',
      message: expect.stringContaining('No route to host'),
    });
    expect(await b.plugin.verifyNode(worker, context())).toMatchObject({ membership: 'in' });
  });

  test('run a command on the next one when the first cannot be reached', async () => {
    b = await bench({
      options: (o, { folder }) => ({ ...o, adminHosts: [ssh(folder, 'sometimes'), ssh(folder, 'rm2')] }),
    });
    const path = await fakeSsh(b.folder);
    const script = await readFile(path, 'utf8');
    // Files can be written on it, but commands cannot be run.
    await writeFile(
      path,
      script.replace('case "$2"', `case "$2 $*" in *sometimes*-refreshNodes*) exit 255;; esac\ncase "$2"`),
    );
    await b.plugin.removeNode(worker, context());
    expect(await b.plugin.verifyNode(worker, context())).toMatchObject({ membership: 'out' });
  });
});

describe('a decommission that the client watches', () => {
  test('does not keep anybody waiting for the command', async () => {
    b = await bench({
      options: (o, { folder }) => ({
        ...o,
        yarn: {
          ...(o['yarn'] as object),
          command: [process.execPath, join(folder, 'bin', 'yarn.mjs')],
          tracking: 'client',
          gracefulTimeout: '30s',
        },
      }),
    });
    b.hadoop.fault({ kind: 'decommission-hangs', host: 'worker-2' });
    const stuck = context();
    const going = b.plugin.removeNode(node('worker-2'), stuck).catch(() => {});
    await until(() => b.hadoop.fleet().nodes.find((n) => n.name === 'worker-2')?.state === 'leaving');
    await b.plugin.removeNode(worker, context());
    expect(b.hadoop.fleet().nodes.find((n) => n.name === 'worker-2')?.state).toBe('leaving');
    stuck.abort();
    await going;
    expect(b.hadoop.harm()).toEqual([]);
  });
});

describe('plain HDFS files', () => {
  test('are used where there is no combined one, with the list of who may join', async () => {
    b = await bench({
      options: (o, { folder }) => {
        const { hostsFile: _, ...hdfs } = o['hdfs'] as Record<string, unknown>;
        const conf = join(folder, 'conf');
        return {
          ...o,
          host: 'address',
          yarn: { ...(o['yarn'] as object), includeFile: join(conf, 'yarn.include') },
          hdfs: { ...hdfs, excludeFile: join(conf, 'dfs.exclude'), includeFile: join(conf, 'dfs.include') },
        };
      },
    });
    const conf = join(b.folder, 'conf');
    await mkdir(conf, { recursive: true });
    const all = Array.from({ length: 5 }, (_, i) => `10.1.1.${i + 1}\n`).join('');
    await writeFile(join(conf, 'yarn.include'), all);
    await writeFile(join(conf, 'dfs.include'), all);
    delete b.files['dfsHosts'];
    b.files['yarnInclude'] = join(conf, 'yarn.include');
    b.files['dfsHosts'] = join(conf, 'dfs.include');
    b.files['dfsExclude'] = join(conf, 'dfs.exclude');

    const leaving = { ...worker, addressesBefore: ['10.1.1.1'] };
    const told = context({ deadlineMs: 500 });
    // The emulator goes by names in its answers: the address that we ask for is a machine of another name to us.
    await expect(b.plugin.removeNode(leaving, told)).rejects.toThrow(/knows the machine as worker-1/);
    expect(await readFile(join(conf, 'dfs.exclude'), 'utf8')).toBe('10.1.1.1\n');
    const arriving = { ...leaving, addressesAfter: ['10.2.1.1'] };
    await expect(b.plugin.addNode(arriving, context({ deadlineMs: 100 }))).rejects.toThrow();
    expect(await readFile(join(conf, 'dfs.exclude'), 'utf8')).toBe('');
    expect((await readFile(join(conf, 'dfs.include'), 'utf8')).split('\n')).toEqual([
      ...['10.1.1.2', '10.1.1.3', '10.1.1.4', '10.1.1.5', '10.2.1.1', ''],
    ]);
    expect((await readFile(join(conf, 'yarn.include'), 'utf8')).includes('10.1.1.1\n')).toBe(false);
  });
});
