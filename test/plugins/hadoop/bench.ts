import { execFile } from 'node:child_process';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { ApplicationNode, PluginContext, PluginSetup } from '../../../machines/plugin.ts';
import { createPlugin } from '../../../plugins/hadoop/index.ts';
import type { CommandAnswer } from '../../../src/sandbox/hadoop/commands.ts';
import { createHadoop, type Hadoop } from '../../../src/sandbox/hadoop/hadoop.ts';
import { hadoopOptions, installHadoop } from '../../../src/sandbox/hadoop/install.ts';
import { listenHadoop } from '../../../src/sandbox/hadoop/listen.ts';
import type { HadoopConfig, HadoopNodeSpec } from '../../../src/sandbox/hadoop/model.ts';

/** Fast enough for tests, slow enough that a state in between is seen. */
const TIMINGS = {
  registerMs: 60,
  heartbeatMs: 40,
  nodeManagerExpiryMs: 400,
  dataNodeExpiryMs: 400,
  failoverMs: 80,
  containerMs: 30,
  copiesPerSecond: 400,
  tickMs: 20,
};

export const wallClock = {
  now: () => Date.now(),
  after(ms: number, run: () => void) {
    const timer = setTimeout(run, ms);
    return () => clearTimeout(timer);
  },
};

export function setup(options: unknown): PluginSetup {
  return {
    options,
    now: () => Date.now(),
    elapsed: () => performance.now(),
    date: () => Date.now(),
    sleep: (ms, signal) => delay(ms, undefined, signal ? { signal } : {}),
    log: () => {},
  };
}

export function fleet(workers: number, masters = 2): HadoopNodeSpec[] {
  const nodes: HadoopNodeSpec[] = [];
  for (let i = 1; i <= masters; i += 1) nodes.push({ host: `master-${i}`, address: `10.1.0.${i}`, role: 'master' });
  for (let i = 1; i <= workers; i += 1) nodes.push({ host: `worker-${i}`, address: `10.1.1.${i}`, role: 'worker' });
  return nodes;
}

export function node(name: string, more: Partial<ApplicationNode> = {}): ApplicationNode {
  return {
    uuid: `uuid-${name}`,
    name: `bm-${name}`,
    role: name.startsWith('worker') ? 'hadoop-worker' : 'hadoop-master',
    instanceName: name,
    addressesBefore: [],
    addressesAfter: [],
    ...more,
  };
}

export interface Told extends PluginContext {
  readonly said: string[];
  readonly abort: () => void;
}

export function context(more: { deadlineMs?: number } = {}): Told {
  const controller = new AbortController();
  const said: string[] = [];
  return {
    signal: controller.signal,
    deadline: performance.now() + (more.deadlineMs ?? 20_000),
    progress: (message) => void said.push(message),
    said,
    abort: () => controller.abort(),
  };
}

/**
 * The commands `yarn` and `hdfs` as the emulator installs them, without the time that Node needs to start: they send
 * their arguments to this process, which reads the hosts files for them.
 */
async function quickCommands(hadoop: Hadoop, folder: string, files: Readonly<Record<string, string>>) {
  const server = createServer((socket) => {
    let text = '';
    socket.setEncoding('utf8').on('error', () => {});
    socket.on('data', async (chunk: string) => {
      text += chunk;
      if (!text.endsWith('\n\n')) return;
      const [program, ...argv] = text.trimEnd().split('\n');
      const contents: Record<string, { name: string; content: string }> = {};
      for (const [key, path] of Object.entries(files)) {
        const content = await readFile(path, 'utf8').catch(() => null);
        if (content !== null) contents[key] = { name: path, content };
      }
      const body = JSON.stringify({ program, argv, files: contents });
      const answer = hadoop.handle({ to: 'admin', method: 'POST', url: '/command', body });
      if ('silent' in answer) return;
      const { exitCode, stdout, stderr } = JSON.parse(answer.body) as CommandAnswer;
      socket.end(`${exitCode}\n${stdout}${stderr}\n`);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const programs: Record<string, string> = {};
  for (const program of ['yarn', 'hdfs']) {
    const path = join(folder, 'bin', program);
    const script = `exec 3<>/dev/tcp/127.0.0.1/${port}\nprintf '%s\\n' ${program} "$@" '' >&3\nread -r code <&3\ncat <&3\nexit "$code"\n`;
    await writeFile(path, `#!/bin/bash\n${script}`);
    await chmod(path, 0o755);
    programs[program] = path;
  }
  return { yarn: programs['yarn'] ?? '', hdfs: programs['hdfs'] ?? '', server };
}

/** The plugin over a running emulator, through HTTP, files and commands as in production. */
export async function bench(
  more: {
    workers?: number;
    masters?: number;
    config?: Partial<HadoopConfig>;
    options?: (options: Record<string, unknown>, files: { folder: string }) => Record<string, unknown>;
  } = {},
) {
  const folder = await mkdtemp(join(tmpdir(), 'hadoop-'));
  const nodes = fleet(more.workers ?? 5, more.masters ?? 2);
  const config = { clock: wallClock, nodes, timings: TIMINGS, ...more.config };
  const hadoop = createHadoop(config);
  const { urls, close } = await listenHadoop(hadoop);
  const installation = await installHadoop(folder, urls.admin);
  const files: Record<string, string> = { yarnExclude: installation.yarnExclude, dfsHosts: installation.dfsHosts };
  const quick = await quickCommands(hadoop, folder, files);
  const made = hadoopOptions(urls, installation, config);
  const yarn = made['yarn'] as Record<string, unknown>;
  const standard: Record<string, unknown> = {
    ...made,
    poll: '30ms',
    cache: '20ms',
    silence: '600ms',
    settle: '300ms',
    yarn: {
      ...yarn,
      command: [quick.yarn],
      failover: (yarn['failover'] as string[][]).map((argv) => [quick.yarn, ...argv.slice(2)]),
    },
    hdfs: { ...(made['hdfs'] as object), command: [quick.hdfs] },
  };
  const options = more.options?.(standard, { folder }) ?? standard;
  const plugin = await createPlugin(setup(options));
  return {
    hadoop,
    plugin,
    options,
    urls,
    installation,
    folder,
    /** Runs an admin command as somebody else would. */
    quick: (program: 'yarn' | 'hdfs', argv: readonly string[]) => promisify(execFile)(quick[program], [...argv]),
    /** Which files the masters read at a refresh. */
    files,
    async close() {
      await plugin.close?.();
      hadoop.close();
      await close();
      await new Promise((resolve) => quick.server.close(resolve));
      await rm(folder, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

export type Bench = Awaited<ReturnType<typeof bench>>;

/** Waits until something is so; fails when it is not within the time. */
export async function until(what: () => boolean | Promise<boolean>, ms = 5_000): Promise<void> {
  const end = Date.now() + ms;
  while (!(await what())) {
    if (Date.now() > end) throw new Error(`not so within ${ms} ms: ${what}`);
    await delay(10);
  }
}
