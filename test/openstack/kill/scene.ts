import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { RealFleet } from '../support/fleet.ts';
import { type RealStage, type StageOptions, setTheStage } from '../support/stage.ts';
import { readJournal, requestsOf } from './journal.ts';
import { Killer } from './killer.ts';
import { Witness } from './witness.ts';

const ALICE = 'U0ALICE';
const BOB = 'U0BOB';
export const NODES = ['node-01', 'node-02', 'node-03', 'node-04'] as const;
export type NodeName = (typeof NODES)[number];
export type Side = 'cp1' | 'cp2';
export const other = (side: Side): Side => (side === 'cp1' ? 'cp2' : 'cp1');

const FOREIGN: Readonly<Record<Side, { uuid: string; name: string }>> = {
  cp1: { uuid: 'f0000000-0000-4000-8000-000000000001', name: 'foreign-01' },
  cp2: { uuid: 'f0000000-0000-4000-8000-000000000002', name: 'foreign-02' },
};

type Json = Record<string, unknown>;

/** A deployment as Ephyra's store has it: what it says of itself, never taken for what is. */
export interface Recorded {
  readonly id: string;
  readonly state: string;
  readonly note: string | null;
  readonly results: readonly {
    readonly uuid: string;
    readonly place: string;
    readonly failure: { readonly reason: string; readonly message: string; readonly remedy?: string } | null;
  }[];
}

const FINAL = ['completed', 'rolled_back', 'stopped', 'stuck'];

/** Ephyra, killable, before the two real control planes, with a witness and a node that is not its own in each. */
export class Scene {
  readonly fleets: Readonly<Record<Side, RealFleet>>;
  readonly stage: RealStage;
  readonly killer: Killer;
  readonly witness: Witness;
  /** Of the four nodes, by name, before anything was done. */
  readonly original: Readonly<Record<string, unknown>>;
  readonly #began = Date.now();

  private constructor(parts: Pick<Scene, 'fleets' | 'stage' | 'witness' | 'original'>) {
    this.fleets = parts.fleets;
    this.stage = parts.stage;
    this.witness = parts.witness;
    this.original = parts.original;
    this.killer = new Killer(this.stage.ephyra, filesIn(this.stage.files.folder), (line) => this.say(line));
  }

  static async set(options: StageOptions = {}): Promise<Scene> {
    const fleets = { cp1: new RealFleet('cp1'), cp2: new RealFleet('cp2') };
    for (const side of ['cp1', 'cp2'] as const) await addForeign(fleets[side], FOREIGN[side]);
    const original = await definitions(fleets);
    const stage = await setTheStage([fleets.cp1, fleets.cp2], {
      logLevel: 'debug',
      ...options,
      env: ({ folder }) => {
        const { journal, killFile } = filesIn(folder);
        const preload = fileURLToPath(new URL('preload.mjs', import.meta.url));
        return { EPHYRA_JOURNAL: journal, EPHYRA_KILL_FILE: killFile, NODE_OPTIONS: `--import ${preload}` };
      },
    });
    const witness = new Witness([fleets.cp1, fleets.cp2], {
      driverInfo: new Map(
        Object.values(original).map((one) => [String((one as Json)['uuid']), (one as Json)['driver_info'] as Json]),
      ),
      foreign: [FOREIGN.cp1.uuid, FOREIGN.cp2.uuid],
      hadoop: stage.hadoop,
      maxUnavailable: 2,
    });
    await witness.start();
    return new Scene({ fleets, stage, witness, original });
  }

  async close(): Promise<void> {
    await this.killer.settled();
    await this.stage.close();
    await this.witness.stop();
    for (const side of ['cp1', 'cp2'] as const) {
      await this.fleets[side].call('baremetal', 'DELETE', `/v1/nodes/${FOREIGN[side].uuid}`);
    }
  }

  /** A line of the account. */
  say(line: string): void {
    const seconds = Math.round((Date.now() - this.#began) / 1000);
    process.stdout.write(`[${String(seconds).padStart(4)} s] ${line}\n`);
  }

  async texts(): Promise<string> {
    const seen = await this.stage.channel.see(ALICE);
    return [...seen.messages, ...seen.ephemerals].map(({ plain }) => plain).join('\n');
  }

  /** Asks `/ephyra why` of a node until the answer matches; the answers so far are part of what is thrown. */
  async untilWhy(node: NodeName, pattern: RegExp, patienceMs = 120_000): Promise<void> {
    let said = '';
    await this.until(`why ${node} says ${pattern}`, patienceMs, async () => {
      const before = (await this.stage.channel.see(ALICE)).ephemerals.length;
      await this.stage.channel.type(ALICE, `/ephyra why ${node}`);
      await pause(1_500);
      said = (await this.stage.channel.see(ALICE)).ephemerals
        .slice(before)
        .map(({ plain }) => plain)
        .join('\n');
      return pattern.test(said);
    });
    this.say(`/ephyra why ${node}: ${said.replaceAll('\n', ' ').slice(0, 300)}`);
  }

  async until(what: string, patienceMs: number, holds: () => Promise<boolean>, everyMs = 1_000): Promise<void> {
    const end = Date.now() + patienceMs;
    for (;;) {
      if (this.killer.trouble !== null) throw new Error(this.killer.trouble);
      // A service may be down just now, on purpose.
      if (await holds().catch(() => false)) return;
      if (Date.now() > end) {
        throw new Error(
          `Waited in vain until ${what}. Killed so far: ${this.killer.hit.join('; ')}. ${await this.#state()}`,
        );
      }
      await pause(everyMs);
    }
  }

  async #state(): Promise<string> {
    return `Ephyra's record: ${JSON.stringify(await this.newest())}. The channel:\n${(await this.texts()).slice(-4_000)}`;
  }

  /** The newest deployment in the store; null while there is none. */
  async newest(): Promise<Recorded | null> {
    const text = await readFile(this.stage.files.store, 'utf8').catch(() => '{"deployments":[]}');
    return (JSON.parse(text) as { deployments: Recorded[] }).deployments.at(-1) ?? null;
  }

  /** Asks for a deployment as one person and approves it as another; its id. */
  async deploy(command: string, beforeApproval?: () => Promise<void>): Promise<string> {
    const before = (await this.newest())?.id;
    await this.stage.channel.type(ALICE, command);
    await this.until(`${command} waits for approval`, 120_000, async () => {
      const newest = await this.newest();
      return newest !== null && newest.id !== before && newest.state === 'awaiting_approval';
    });
    await beforeApproval?.();
    const id = (await this.newest())?.id ?? '';
    await this.until('the card shows the button', 60_000, async () => {
      await this.stage.channel.press(BOB, 'Approve');
      return true;
    });
    await this.until('it starts', 60_000, async () => (await this.newest())?.state !== 'awaiting_approval');
    this.say(`${command}, approved: ${id}`);
    return id;
  }

  async abort(): Promise<void> {
    await this.stage.channel.press(BOB, 'Abort');
    await this.until('the abort is recorded', 60_000, async () => (await this.newest())?.state !== 'rolling');
    this.say('abort pressed');
  }

  /** Waits until the deployment has ended, whatever it ended as. */
  async ended(patienceMs: number): Promise<Recorded> {
    const isFinal = async () => FINAL.includes((await this.newest())?.state ?? '');
    await this.until('the deployment ends', patienceMs, isFinal);
    const record = await this.newest();
    if (record === null) throw new Error('there was a deployment, and the store has none');
    const failures = record.results.flatMap(({ failure }) => (failure === null ? [] : [failure]));
    this.say(`ended: ${record.state}${record.note === null ? '' : ` (${record.note})`}`);
    for (const { reason, message, remedy } of failures) this.say(`  ${reason}: ${message} → ${remedy ?? 'no remedy'}`);
    return record;
  }

  /** Presses through Ironic's API what is wanted of one node, until it is accepted. */
  async insist(side: Side, method: string, path: string, json: unknown, accepted: readonly number[]): Promise<void> {
    await this.until(`${side} accepts ${method} ${path}`, 120_000, async () => {
      const { status } = await this.fleets[side].call('baremetal', method, path, json);
      return accepted.includes(status);
    });
  }

  /** As a person would by hand, past Ephyra. */
  async deleteServer(side: Side, id: string): Promise<void> {
    const { status, text } = await this.fleets[side].call('compute', 'DELETE', `/v2.1/servers/${id}`);
    if (status !== 204) throw new Error(`${side} did not delete server ${id}: ${status} ${text}`);
  }

  /** One node as an Ironic has it now; null when it has none. */
  async node(side: Side, name: NodeName): Promise<Json | null> {
    return (await this.fleets[side].nodes()).find((node) => node['name'] === name) ?? null;
  }

  async server(side: Side, node: NodeName) {
    return (await this.fleets[side].servers()).find(({ name }) => name.endsWith(node)) ?? null;
  }

  /** Where a node is active with an ACTIVE instance and without a mark. */
  async home(name: NodeName): Promise<Side | null> {
    for (const side of ['cp1', 'cp2'] as const) {
      const [node, server] = [await this.node(side, name), await this.server(side, name)];
      const marked = ((node?.['extra'] ?? {}) as Json)['ephyra'] !== undefined;
      if (node?.['provision_state'] === 'active' && server?.status === 'ACTIVE' && !marked) return side;
    }
    return null;
  }

  /** The definitions of the four nodes now, wherever each is. A node that is in both is there twice, by another name. */
  definitions(): Promise<Record<string, unknown>> {
    return definitions(this.fleets);
  }

  /** Waits until neither Ironic has anything of Ephyra's own left, its leases and the marks on nodes. */
  async untilLetGo(): Promise<void> {
    await this.until('Ephyra has let go of both clouds', 60_000, async () => {
      const left = await Promise.all(
        Object.values(this.fleets).map(async (fleet) => {
          const { body } = await fleet.call<{ chassis: Json[] }>('baremetal', 'GET', '/v1/chassis');
          const marked = (await fleet.nodes()).filter(({ extra }) => (extra as Json)['ephyra'] !== undefined);
          return body.chassis.length + marked.length;
        }),
      );
      return left.every((count) => count === 0);
    });
  }

  requests() {
    return requestsOf(readJournal(filesIn(this.stage.files.folder).journal));
  }

  /** Secrets of the real control planes that Ephyra wrote anywhere: log, store, Slack. */
  async leaks(): Promise<string[]> {
    const places = {
      log: await readFile(this.stage.files.log, 'utf8'),
      store: await readFile(this.stage.files.store, 'utf8'),
      slack: await this.texts(),
    };
    return Object.entries(places).flatMap(([place, text]) =>
      [/bmc-secret-\d+/, /adminpass/, /gAAAA[\w-]{20,}/].flatMap((secret) =>
        secret.test(text) ? [`${secret} in the ${place}`] : [],
      ),
    );
  }
}

const filesIn = (folder: string) => ({ journal: join(folder, 'journal'), killFile: join(folder, 'kill-at') });

export const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

async function definitions(fleets: Readonly<Record<Side, RealFleet>>): Promise<Record<string, unknown>> {
  const [one, two] = await Promise.all([fleets.cp1.definitions(), fleets.cp2.definitions()]);
  const ours = (all: Record<string, unknown>, suffix: string) =>
    Object.entries(all).flatMap(([name, node]) =>
      (NODES as readonly string[]).includes(name) ? [[`${name}${suffix}`, node] as const] : [],
    );
  return Object.fromEntries([
    ...ours(one, ''),
    ...ours(two, '').map(([name, node]) => [name in one ? `${name} in both` : name, node]),
  ]);
}

async function addForeign(fleet: RealFleet, { uuid, name }: { uuid: string; name: string }): Promise<void> {
  const body = { uuid, name, driver: 'fake-hardware', resource_class: 'bm-other', extra: { owner: 'another team' } };
  const { status, text } = await fleet.call('baremetal', 'POST', '/v1/nodes', body);
  if (status !== 201 && status !== 409) throw new Error(`no foreign node in ${fleet.name}: ${status} ${text}`);
}
