import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import type { Pace, Written } from '../../../src/sandbox/configuration.ts';
import { writeConfiguration } from '../../../src/sandbox/configuration.ts';
import type { ChangeEvent, RequestEvent } from '../../../src/sandbox/openstack/types.ts';
import { EphyraProcess } from '../../../src/sandbox/process.ts';
import type { Sandbox } from '../../../src/sandbox/sandbox.ts';
import { startSandbox } from '../../../src/sandbox/sandbox.ts';

/** Nobody watches. */
const QUICK: Pace = {
  maxUnavailable: 2,
  poll: '200ms',
  soak: '300ms',
  verify: { checks: 1, interval: '200ms' },
  backoff: '200ms',
};
const DELAYS = { power: 50, verify: 50, clean: 100, deploy: 200, teardown: 50, resourceInterval: 300 };

// biome-ignore lint/suspicious/noExplicitAny: configurations are broken on purpose here
type Content = any;

/** An emulated world, in this process, and Ephyras against it as processes of their own. */
export class Bench {
  readonly sandbox: Sandbox;
  /** Every change of state in either cloud, and every request that might change something. */
  readonly changes: ChangeEvent[] = [];
  readonly writes: RequestEvent[] = [];
  readonly #folder: string;
  readonly #running: EphyraProcess[] = [];
  #variants = 0;

  static async set(nodes = 4): Promise<Bench> {
    const folder = mkdtempSync(join(tmpdir(), 'ephyra-e2e-'));
    const sandbox = await startSandbox({
      nodes,
      masters: 1,
      port: 0,
      folder: join(folder, 'hadoop'),
      delays: DELAYS,
      hadoopTimings: { containerMs: 50, copiesPerSecond: 300, registerMs: 100 },
    });
    return new Bench(sandbox, folder);
  }

  private constructor(sandbox: Sandbox, folder: string) {
    this.sandbox = sandbox;
    this.#folder = folder;
    for (const controlPlane of sandbox.controlPlanes) {
      controlPlane.onChange((change) => this.changes.push(change));
      controlPlane.onRequest((request) => {
        if (request.service !== 'keystone' && request.method !== 'GET') this.writes.push(request);
      });
    }
  }

  /** A folder of its own with ephyra.yml and clouds.yaml, spoilt as wanted. */
  async configuration(
    spoil: { config?: (config: Content) => void; clouds?: (clouds: Content) => void } = {},
  ): Promise<Written> {
    this.#variants += 1;
    const written = await writeConfiguration(this.sandbox, join(this.#folder, String(this.#variants)), QUICK);
    edit(written.config, spoil.config);
    edit(written.env['OS_CLIENT_CONFIG_FILE'] ?? '', spoil.clouds);
    return written;
  }

  /** Starts the built program and waits until it says that it is up. */
  async start(written: Written): Promise<EphyraProcess> {
    const ephyra = new EphyraProcess(written, join(this.#folder, 'ephyra.log'));
    this.#running.push(ephyra);
    await ephyra.start();
    return ephyra;
  }

  /** The log of all Ephyras that were started here. */
  log(): string {
    return readFileSync(join(this.#folder, 'ephyra.log'), 'utf8');
  }

  /** Types a command as Alice. */
  async type(text: string): Promise<void> {
    const { slack } = this.sandbox;
    const [channel = ''] = slack.core.workspace.channels.keys();
    const sent = await slack.people.type('U0ALICE', channel, text);
    if (!sent.ok) throw new Error(`Slack: ${text}: ${sent.error}`);
  }

  /** The same, and gives back what only she is then shown. */
  async ask(text: string): Promise<string> {
    const before = new Set((await this.#ephemerals()).map(({ ts }) => ts));
    await this.type(text);
    for (const deadline = Date.now() + 15_000; Date.now() < deadline; ) {
      // The note that it takes a while is not the answer.
      const answer = (await this.#ephemerals()).find(({ ts, plain }) => !before.has(ts) && !plain.startsWith('⏳'));
      if (answer !== undefined) return answer.plain;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    throw new Error(`${text} was not answered.`);
  }

  /** Presses a button of the newest message that has it. */
  async press(user: string, actionId: string): Promise<void> {
    const response = await fetch(`${this.sandbox.url}/_slack/press`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ user, action_id: actionId }),
    });
    const answer = (await response.json()) as { ok: boolean; error?: string };
    if (!answer.ok) throw new Error(`Slack: ${actionId}: ${answer.error}`);
  }

  /** The channel as a person sees it. */
  async see(
    user = 'U0ALICE',
  ): Promise<{ messages: { ts: string; plain: string }[]; ephemerals: { ts: string; plain: string }[] }> {
    return (await (await fetch(`${this.sandbox.url}/_slack/state?user=${user}`)).json()) as never;
  }

  async #ephemerals(): Promise<{ ts: string; plain: string }[]> {
    return (await this.see()).ephemerals;
  }

  async clear(): Promise<void> {
    await Promise.all(this.#running.map((each) => each.terminate()));
    await this.sandbox.close();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

function edit(path: string, change: ((content: Content) => void) | undefined): void {
  if (change === undefined) return;
  const content = parse(readFileSync(path, 'utf8')) as Content;
  change(content);
  writeFileSync(path, stringify(content));
}
