import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import { writeConfiguration } from '../../src/sandbox/configuration.ts';
import { hadoopOptions } from '../../src/sandbox/hadoop/install.ts';
import type { Sandbox } from '../../src/sandbox/sandbox.ts';
import { startSandbox } from '../../src/sandbox/sandbox.ts';
import { witness as openStackWitness } from '../../src/sandbox/witness.ts';
import { lastingPort } from '../support/port.ts';
import type { Setup } from './child.ts';
import { installCommands } from './commands.ts';
import type { Story } from './stories.ts';
import { Witness } from './witness.ts';

/**
 * Milliseconds. Whatever the clouds do is done by the next look: each wait is one look, and there are fewer points. It takes
 * longer than a start: who was killed finds it half done.
 */
const DELAYS = {
  power: 40,
  verify: 200,
  clean: 150,
  deploy: 180,
  teardown: 90,
  schedule: 10,
  network: 10,
  purge: 10,
  lockRetry: 50,
  resourceInterval: 100,
};
const HADOOP = { containerMs: 30, copiesPerSecond: 300, registerMs: 100, heartbeatMs: 100, tickMs: 25, failoverMs: 50 };
const POLL = '300ms';

/** Everything around the process: emulators, witnesses, files. Lives through many deployments and many processes. */
export interface Bench {
  readonly story: Story;
  readonly sandbox: Sandbox;
  readonly witness: Witness;
  readonly clouds: ReturnType<typeof openStackWitness>;
  /** The definitions of all nodes as they were at first. */
  readonly definitions: ReadonlyMap<string, unknown>;
  readonly config: string;
  readonly env: Readonly<Record<string, string>>;
  readonly folder: string;
  readonly setup: Omit<Setup, 'target' | 'ordinal' | 'source'>;
  close(): Promise<void>;
}

export async function setUp(story: Story, folder: string): Promise<Bench> {
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  const sandbox = await startSandbox({
    nodes: story.nodes,
    masters: 0,
    port: 0,
    folder: join(folder, 'hadoop'),
    delays: DELAYS,
    hadoopTimings: HADOOP,
  });
  const written = await writeConfiguration(sandbox, folder, {
    maxUnavailable: 1,
    poll: POLL,
    soak: POLL,
    verify: { checks: 1, interval: POLL },
    backoff: '100ms',
  });
  const commands = await installCommands(sandbox, folder);
  const port = await lastingPort();
  const store = join(folder, 'store', 'ephyra.json');
  await adapt(written.config, story, sandbox, { port, store, commands });
  sandbox.slack.configure({ requestUrl: `http://127.0.0.1:${port}/slack/events` });
  const witness = new Witness(sandbox, store, story.application === 'hadoop');
  const clouds = openStackWitness(sandbox);
  return {
    story,
    sandbox,
    witness,
    clouds,
    definitions: clouds.definitions(),
    config: written.config,
    env: { ...written.env, SLACK_SIGNING_SECRET: sandbox.slack.core.app.signingSecret },
    folder,
    setup: {
      places: placesOf(sandbox),
      nodes: Object.fromEntries(sandbox.controlPlanes.flatMap((plane) => plane.fleet().nodes.map(named))),
      folder,
      store,
    },
    async close() {
      commands.close();
      await sandbox.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

const named = ({ uuid, name }: { uuid: string; name: string | null }): [string, string] => [uuid, name ?? uuid];

/** What of the configuration for people to watch is not for a sweep. */
async function adapt(
  path: string,
  story: Story,
  sandbox: Sandbox,
  { port, store, commands }: { port: number; store: string; commands: { yarn: string; hdfs: string } },
): Promise<void> {
  const config = parse(await readFile(path, 'utf8')) as Record<string, Record<string, unknown>>;
  const hadoop = hadoopOptions(sandbox.hadoopUrls, sandbox.hadoopFiles, { nodes: sandbox.hadoopNodes });
  config['application'] =
    story.application === 'none'
      ? { plugin: 'none' }
      : {
          plugin: 'hadoop',
          options: {
            ...hadoop,
            // One of each pair: asking the other one, too, would double the points and show nothing else.
            resourceManagers: (hadoop['resourceManagers'] as unknown[]).slice(0, 1),
            nameNodes: (hadoop['nameNodes'] as unknown[]).slice(0, 1),
            yarn: { command: [commands.yarn], excludeFile: sandbox.hadoopFiles.yarnExclude },
            hdfs: { command: [commands.hdfs], hostsFile: sandbox.hadoopFiles.dfsHosts },
            poll: POLL,
            cache: '100ms',
            settle: POLL,
            refreshAgain: '1s',
          },
        };
  const { appToken: _socketOnly, ...slack } = config['slack'] ?? {};
  config['slack'] = {
    ...slack,
    mode: 'http',
    port,
    signingSecret: { env: 'SLACK_SIGNING_SECRET' },
  };
  config['deployment'] = {
    ...config['deployment'],
    retries: { attempts: story.attempts, backoff: '100ms', maxBackoff: '200ms' },
    deadlines: {},
  };
  await writeFile(path, stringify({ ...config, store }));
}

/** By port: what listens there. */
function placesOf(sandbox: Sandbox): Record<string, string> {
  const places: Record<string, string> = {};
  const put = (url: string, name: string) => {
    places[new URL(url).port] = name;
  };
  put(sandbox.url, 'slack');
  for (const plane of sandbox.controlPlanes) {
    for (const [service, url] of Object.entries(plane.endpoints)) put(url, `${plane.name} ${service}`);
  }
  for (const [service, url] of Object.entries(sandbox.hadoopUrls)) put(url, `hadoop ${service}`);
  return places;
}
