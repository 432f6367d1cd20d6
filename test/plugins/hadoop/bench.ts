import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { ApplicationNode, PluginContext, PluginSetup } from '../../../machines/plugin.ts';
import { createPlugin } from '../../../plugins/hadoop/index.ts';
import { createHadoop } from '../../../src/sandbox/hadoop/hadoop.ts';
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
  copiesPerSecond: 80,
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
    deadline: Date.now() + (more.deadlineMs ?? 20_000),
    progress: (message) => void said.push(message),
    said,
    abort: () => controller.abort(),
  };
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
  const standard = {
    ...hadoopOptions(urls, installation, config),
    poll: '30ms',
    cache: '20ms',
    silence: '600ms',
    settle: '300ms',
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
    async close() {
      await plugin.close?.();
      hadoop.close();
      await close();
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
