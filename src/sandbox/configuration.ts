import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { hadoopOptions } from './hadoop/install.ts';
import type { Sandbox } from './sandbox.ts';

export interface Written {
  /** ephyra.yml */
  readonly config: string;
  /** What Ephyra's process needs in its environment. */
  readonly env: Readonly<Record<string, string>>;
}

/** How quick a sandbox deployment is; durations as in ephyra.yml. */
export interface Pace {
  readonly maxUnavailable: number;
  readonly poll: string;
  readonly soak: string;
  readonly verify: { readonly checks: number; readonly interval: string };
  readonly backoff: string;
}

/** To watch: slow enough to see, quick enough to wait for. */
export const WATCHABLE: Pace = {
  maxUnavailable: 3,
  poll: '500ms',
  soak: '3s',
  verify: { checks: 2, interval: '500ms' },
  backoff: '1s',
};

/** Writes what a person would write for real clouds, a real Slack and a real Hadoop, for the sandbox's. */
export async function writeConfiguration(sandbox: Sandbox, folder: string, pace: Pace = WATCHABLE): Promise<Written> {
  await mkdir(folder, { recursive: true });
  const clouds = join(folder, 'clouds.yaml');
  const config = join(folder, 'ephyra.yml');
  await writeFile(
    clouds,
    stringify({
      clouds: Object.fromEntries(
        sandbox.controlPlanes.map(({ name }) => [
          name,
          {
            region_name: 'RegionOne',
            auth: {
              auth_url: `${sandbox.keystone[name]}/v3`,
              username: 'admin',
              password: 'adminpass',
              project_name: 'admin',
              user_domain_name: 'Default',
              project_domain_name: 'Default',
            },
          },
        ]),
      ),
    }),
    { mode: 0o600 },
  );
  const role = (name: string) => ({
    match: { extra: { role: name } },
    boot: { default: { flavor: `bm.${name}`, image: 'hadoop-image', networks: ['tenant-net'], keyPair: 'ops' } },
  });
  await writeFile(
    config,
    stringify({
      controlPlanes: Object.fromEntries(sandbox.controlPlanes.map(({ name }) => [name, { cloud: name }])),
      roles: {
        'hadoop-worker': role('hadoop-worker'),
        'hadoop-master': { ...role('hadoop-master'), maxUnavailable: 1 },
      },
      application: {
        plugin: 'hadoop',
        options: hadoopOptions(sandbox.hadoopUrls, sandbox.hadoopFiles, { nodes: sandbox.hadoopNodes }),
      },
      deployment: {
        maxUnavailable: pace.maxUnavailable,
        canary: 1,
        soak: pace.soak,
        failureBudget: 2,
        nodeAttempts: 2,
        poll: pace.poll,
        verify: pace.verify,
        retries: { attempts: 2, backoff: pace.backoff, maxBackoff: '10s' },
        // Short enough that a scenario in which something hangs comes to its end while one watches.
        deadlines: { boot: '60s', remove: '90s', enroll: '60s' },
      },
      slack: {
        mode: 'socket',
        channel: 'C0OPSHADOOP',
        botToken: { env: 'SLACK_BOT_TOKEN' },
        appToken: { env: 'SLACK_APP_TOKEN' },
        apiUrl: `${sandbox.url}/api/`,
        operators: { users: [], groups: ['S0OPERATIONS'] },
        approvers: { users: ['U0BOB'], groups: [] },
      },
      store: join(folder, 'ephyra.json'),
      http: { host: '127.0.0.1', port: 0 },
      log: { level: 'info' },
    }),
  );
  return {
    config,
    env: {
      OS_CLIENT_CONFIG_FILE: clouds,
      SLACK_BOT_TOKEN: sandbox.slack.core.app.botToken,
      SLACK_APP_TOKEN: sandbox.slack.core.app.appToken,
    },
  };
}
