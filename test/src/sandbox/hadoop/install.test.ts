import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createHadoop, type Hadoop } from '../../../../src/sandbox/hadoop/hadoop.ts';
import { type Installation, installHadoop } from '../../../../src/sandbox/hadoop/install.ts';
import { type HadoopUrls, listenHadoop } from '../../../../src/sandbox/hadoop/listen.ts';

let folder: string;
let hadoop: Hadoop;
let urls: HadoopUrls;
let close: () => Promise<void>;
let installed: Installation;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hadoop-'));
  hadoop = createHadoop({
    clock: {
      now: () => Date.now(),
      after(ms, run) {
        const timer = setTimeout(run, ms);
        return () => clearTimeout(timer);
      },
    },
    nodes: ['w1', 'w2', 'w3', 'w4'].map((host, i) => ({ host, address: `10.1.1.${i + 1}`, role: 'worker' as const })),
    timings: { containerMs: 60, tickMs: 20, copiesPerSecond: 2_000 },
  });
  ({ urls, close } = await listenHadoop(hadoop));
  installed = await installHadoop(folder, urls.admin);
});
afterEach(async () => {
  hadoop.close();
  await close();
  await rm(folder, { recursive: true, force: true });
});

function run(program: string, ...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [program, ...args], (error, stdout, stderr) => {
      resolve({ code: typeof error?.code === 'number' ? error.code : 0, stdout, stderr });
    });
  });
}

const state = (host: string) => hadoop.fleet().nodes.find((node) => node.name === host)?.state;

describe('the commands of an emulated installation', () => {
  test('hand the hosts files to the masters', async () => {
    await writeFile(installed.yarnExclude, 'w1\n');
    await writeFile(installed.dfsHosts, '[{"hostName":"w1","adminState":"DECOMMISSIONED"}]');
    expect(await run(installed.yarn, 'rmadmin', '-refreshNodes', '-g', '60', '-server')).toMatchObject({ code: 0 });
    expect(state('w1')).toBe('leaving');
    const hdfs = await run(installed.hdfs, 'dfsadmin', '-refreshNodes');
    expect(hdfs).toMatchObject({
      code: 0,
      stdout: 'Refresh nodes successful for nn1\nRefresh nodes successful for nn2\n',
    });
  });

  test('wait with -client until nobody is draining any more', async () => {
    await writeFile(installed.yarnExclude, 'w1\n');
    expect(await run(installed.yarn, 'rmadmin', '-refreshNodes', '-g', '60', '-client')).toMatchObject({ code: 0 });
    const nodes = (await (await fetch(`${urls.rm1}/ws/v1/cluster/nodes`)).json()) as {
      nodes: { node: { nodeHostName: string; state: string }[] };
    };
    expect(nodes.nodes.node.find((node) => node.nodeHostName === 'w1')?.state).toBe('DECOMMISSIONED');
    expect(hadoop.harm()).toEqual([]);
  });

  test('end with an error for what they do not know', async () => {
    const result = await run(installed.hdfs, 'dfsadmin', '-format');
    expect(result.code).toBe(255);
    expect(result.stderr).toContain('unknown command');
  });
});

describe('the ports of an emulated cluster', () => {
  test('belong to one service each, on loopback', async () => {
    for (const url of Object.values(urls)) expect(new URL(url).hostname).toBe('127.0.0.1');
    const info = await (await fetch(`${urls.rm2}/ws/v1/cluster/info`)).json();
    expect(info).toMatchObject({ clusterInfo: { haState: 'STANDBY' } });
    const redirected = await fetch(`${urls.rm2}/ws/v1/cluster/nodes`, { redirect: 'manual' });
    expect(redirected.status).toBe(307);
    expect(redirected.headers.get('location')).toBe(`${urls.rm1}/ws/v1/cluster/nodes`);
  });

  test('refuse or hang when the service is silent', async () => {
    const off = hadoop.fault({ kind: 'silent', service: 'rm1' });
    await expect(fetch(`${urls.rm1}/ws/v1/cluster/info`)).rejects.toThrow();
    off();
    hadoop.fault({ kind: 'silent', service: 'nn1', how: 'hang' });
    await expect(fetch(`${urls.nn1}/jmx`, { signal: AbortSignal.timeout(100) })).rejects.toThrow(/timeout|abort/i);
  });

  test('answer a command only to who posts one', async () => {
    expect((await fetch(`${urls.admin}/command`)).status).toBe(404);
    expect(await readFile(installed.yarnExclude, 'utf8')).toBe('');
  });
});
