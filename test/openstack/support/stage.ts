import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { createHadoop, type Hadoop } from '../../../src/sandbox/hadoop/hadoop.ts';
import { hadoopOptions, installHadoop } from '../../../src/sandbox/hadoop/install.ts';
import { listenHadoop } from '../../../src/sandbox/hadoop/listen.ts';
import { systemClock } from '../../../src/sandbox/openstack/index.ts';
import { Channel } from '../../../src/sandbox/people.ts';
import { EphyraProcess } from '../../../src/sandbox/process.ts';
import { listenSlack } from '../../../src/sandbox/slack/index.ts';
import { lastingPort } from '../../support/port.ts';
import { stateDirectory } from '../real.ts';
import type { RealFleet } from './fleet.ts';

export interface Calls {
  readonly all: number;
  readonly writes: number;
  /** By control plane, method, route and status. */
  readonly of: ReadonlyMap<string, number>;
}

/** Everything the real job needs besides OpenStack: Hadoop and Slack emulated, Ephyra as in production. */
export interface RealStage {
  readonly ephyra: EphyraProcess;
  readonly files: StageFiles;
  readonly channel: Channel;
  readonly hadoop: Hadoop;
  /** Other settings of `deployment` in ephyra.yml: Ephyra is ended and started again with them. */
  reconfigure(deployment: Settings): Promise<void>;
  /** Requests to OpenStack since the process started, by Ephyra's own count. */
  calls(): Promise<Calls>;
  close(): Promise<void>;
}

export interface StageFiles {
  readonly folder: string;
  /** What Ephyra has written: its log of all starts, and its store. */
  readonly log: string;
  readonly store: string;
}

type Settings = Readonly<Record<string, unknown>>;

export interface StageOptions {
  /** Entries of `deployment` in ephyra.yml, in place of the usual ones. */
  readonly deployment?: Settings;
  /** More of the environment of Ephyra's process. */
  readonly env?: (files: StageFiles) => Readonly<Record<string, string>>;
  readonly logLevel?: 'info' | 'debug';
}

const DEPLOYMENT: Settings = {
  maxUnavailable: 2,
  canary: 0,
  // A little less often than it could: the two leases of a deployment are among its calls, too.
  poll: '7s',
  verify: { checks: 2, interval: '1s' },
  retries: { attempts: 3, backoff: '3s', maxBackoff: '30s' },
};

/** Where a Hadoop host is follows from the real Novas; looked at so often. */
const FOLLOW_MS = 700;

export async function setTheStage(fleets: readonly RealFleet[], options: StageOptions = {}): Promise<RealStage> {
  const folder = await mkdtemp(join(tmpdir(), 'ephyra-real-'));
  const files = { folder, log: join(folder, 'ephyra.log'), store: join(folder, 'ephyra.json') };
  const servers = (await Promise.all(fleets.map((fleet) => fleet.servers()))).flat();
  const nodes = servers.map(({ name, addresses }) => ({
    host: name,
    address: addresses[0] ?? '',
    role: name.includes('master') ? ('master' as const) : ('worker' as const),
  }));
  const hadoop = createHadoop({ clock: systemClock, nodes });
  const hadoopListening = await listenHadoop(hadoop);
  const installation = await installHadoop(join(folder, 'hadoop'), hadoopListening.urls.admin);
  const follow = followServers(fleets, hadoop);

  const slack = await listenSlack();
  const slackPort = await lastingPort();
  slack.slack.configure({ requestUrl: `http://127.0.0.1:${slackPort}/slack/events` });
  const config = join(folder, 'ephyra.yml');
  const role = (name: string) => ({
    match: { extra: { role: name } },
    boot: { default: { flavor: `bm.${name}`, image: 'hadoop-image', networks: ['tenant-net'], keyPair: 'ops' } },
  });
  const written = (deployment: Settings) =>
    stringify({
      controlPlanes: { cp1: { cloud: 'cp1' }, cp2: { cloud: 'cp2' } },
      roles: {
        'hadoop-worker': role('hadoop-worker'),
        'hadoop-master': { ...role('hadoop-master'), maxUnavailable: 1 },
      },
      application: { plugin: 'hadoop', options: hadoopOptions(hadoopListening.urls, installation, { nodes }) },
      deployment: { ...DEPLOYMENT, ...options.deployment, ...deployment },
      slack: {
        mode: 'http',
        port: slackPort,
        channel: 'C0OPSHADOOP',
        botToken: { env: 'SLACK_BOT_TOKEN' },
        signingSecret: { env: 'SLACK_SIGNING_SECRET' },
        apiUrl: `${slack.url}/api/`,
        operators: { users: [], groups: ['S0OPERATIONS'] },
        approvers: { users: ['U0BOB'], groups: [] },
      },
      store: files.store,
      http: { port: 0 },
      log: { level: options.logLevel ?? 'info' },
    });
  await writeFile(config, written({}));
  const { app } = slack.slack.core;
  const ephyra = new EphyraProcess(
    {
      config,
      env: {
        OS_CLIENT_CONFIG_FILE: join(stateDirectory, 'clouds.yaml'),
        SLACK_BOT_TOKEN: app.botToken,
        SLACK_SIGNING_SECRET: app.signingSecret,
        ...options.env?.(files),
      },
    },
    files.log,
  );
  await ephyra.start();

  return {
    ephyra,
    files,
    channel: new Channel(slack.url),
    hadoop,
    async reconfigure(deployment) {
      await writeFile(config, written(deployment));
      await ephyra.terminate();
      await ephyra.start(60_000);
    },
    calls: () => countCalls(ephyra.httpUrl),
    async close() {
      await ephyra.terminate();
      if (process.env['EPHYRA_KEEP'] !== undefined) {
        process.stdout.write(`Left behind: ${folder}\n${(await readFile(files.log, 'utf8')).length} bytes of log\n`);
      } else await rm(folder, { recursive: true, force: true });
      follow.stop();
      await follow.ended;
      await slack.close();
      await hadoopListening.close();
      hadoop.close();
    },
  };
}

/** A Hadoop host is up while a server of its name is ACTIVE in either cloud. */
function followServers(fleets: readonly RealFleet[], hadoop: Hadoop): { stop(): void; ended: Promise<void> } {
  let stopped = false;
  const known = new Set<string>();
  const ended = (async () => {
    while (!stopped) {
      const all = await Promise.all(fleets.map((fleet) => fleet.servers().catch(() => null)));
      if (all.every((list) => list !== null)) {
        const active = new Map(
          all.flat().flatMap((server) => (server?.status === 'ACTIVE' ? [[server.name, server]] : [])),
        );
        for (const { name } of active.values()) known.add(name);
        for (const name of known) {
          const server = active.get(name);
          if (server === undefined) hadoop.setMachine(name, false);
          else hadoop.setMachine(name, true, server.addresses[0] ?? null, server.id);
        }
      }
      await new Promise((resolve) => setTimeout(resolve, FOLLOW_MS));
    }
  })();
  return {
    ended,
    stop: () => {
      stopped = true;
    },
  };
}

async function countCalls(httpUrl: string): Promise<Calls> {
  const text = await (await fetch(`${httpUrl}/metrics`)).text();
  const lines = text.split('\n').filter((line) => line.startsWith('ephyra_openstack_requests_total{'));
  let all = 0;
  let writes = 0;
  const of = new Map<string, number>();
  for (const line of lines) {
    const count = Number(line.slice(line.lastIndexOf(' ') + 1));
    const label = (name: string) => new RegExp(`${name}="([^"]*)"`).exec(line)?.[1] ?? '';
    all += count;
    // Tokens and leases are had once for a deployment, however many nodes move.
    const isOfNode = label('route') !== '/v3/auth/tokens' && !label('route').startsWith('/v1/chassis');
    if (isOfNode && label('method') !== 'GET') writes += count;
    of.set(`${label('control_plane')} ${label('method').padEnd(6)} ${label('route')} ${label('status')}`, count);
  }
  return { all, writes, of };
}

/** What was called between two counts, one line for each kind of call, the most frequent first. */
export function callsBetween(before: Calls, after: Calls): string {
  return [...after.of]
    .map(([what, count]) => ({ what, count: count - (before.of.get(what) ?? 0) }))
    .filter(({ count }) => count > 0)
    .sort((a, b) => b.count - a.count)
    .map(({ what, count }) => `${String(count).padStart(5)}  ${what}`)
    .join('\n');
}
