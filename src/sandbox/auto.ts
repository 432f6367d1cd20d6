import { join } from 'node:path';
import { Account } from './account.ts';
import type { Pace } from './configuration.ts';
import { writeConfiguration } from './configuration.ts';
import { Channel } from './people.ts';
import { EphyraProcess } from './process.ts';
import type { Sandbox } from './sandbox.ts';
import { startSandbox } from './sandbox.ts';
import { type OpenStackWitness, witness } from './witness.ts';

/** As quick as it gets: nobody has to follow with their eyes. */
const QUICK: Pace = {
  maxUnavailable: 5,
  poll: '250ms',
  soak: '1s',
  verify: { checks: 2, interval: '250ms' },
  backoff: '250ms',
};
const DELAYS = { power: 100, verify: 100, clean: 200, deploy: 300, teardown: 100, resourceInterval: 400 };
const HADOOP = { containerMs: 50, copiesPerSecond: 300, registerMs: 300 };

const ALICE = 'U0ALICE';
const BOB = 'U0BOB';
const EVE = 'U0EVE';

/** No wait of the story may take longer. */
const PATIENCE_MS = 30_000;

export interface AutoOptions {
  readonly nodes: number;
  readonly folder: string;
  readonly out: (line: string) => void;
}

/**
 * The whole story with no hands: deploy, approve, a node that fails, goes back and is tried again, SIGKILL in the
 * middle, completion; then a second deployment that is aborted. Resolves with the exit code: 0 when every expectation
 * held. The last line is one JSON object.
 */
export async function runAuto(options: AutoOptions): Promise<number> {
  const { nodes, folder } = options;
  const account = new Account(options.out);
  const sandbox = await startSandbox({
    nodes,
    masters: 2,
    port: 0,
    folder: join(folder, 'hadoop'),
    delays: DELAYS,
    hadoopTimings: HADOOP,
  });
  const seen = witness(sandbox);
  const written = await writeConfiguration(sandbox, folder, QUICK);
  const ephyra = new EphyraProcess(written, join(folder, 'ephyra.log'));
  const channel = new Channel(sandbox.url);
  const stopListening = account.listenTo(channel);
  try {
    await tell({ account, sandbox, seen, ephyra, channel, nodes });
  } catch (error) {
    account.failed(error instanceof Error ? error.message : String(error));
    options.out(await whyOf(channel));
    for (const { host, what, detail } of sandbox.hadoop.harm())
      options.out(`Harm to Hadoop: ${host} ${what}: ${detail}`);
    options.out(`The last lines of Ephyra's log:\n${ephyra.tail()}`);
  } finally {
    for (const { at, host, what, detail } of sandbox.hadoop.harm()) {
      options.out(`Harm to Hadoop at ${new Date(at).toISOString()}: ${host} ${what}: ${detail}`);
    }
    stopListening();
    await ephyra.terminate();
    await sandbox.close();
  }
  options.out(JSON.stringify(account.summary({ nodes, ...seen.totals() })));
  return account.wentWell ? 0 : 1;
}

interface Cast {
  readonly account: Account;
  readonly sandbox: Sandbox;
  readonly seen: OpenStackWitness;
  readonly ephyra: EphyraProcess;
  readonly channel: Channel;
  readonly nodes: number;
}

async function tell(cast: Cast): Promise<void> {
  const { account, sandbox, seen, ephyra, channel, nodes } = cast;
  const before = seen.definitions();
  await ephyra.start();
  account.say(
    `Ephyra is up. ${nodes} nodes with Hadoop on them in cp1, cp2 is empty. cp2 will fail to deploy node-04.`,
  );
  sandbox.stage.activate('node-fails');

  account.chapter('Deploy, approve');
  await channel.type(ALICE, '/ephyra deploy cp1→cp2');
  account.say('alice typed /ephyra deploy cp1→cp2');
  await until('the card asks for approval', () => said(channel, /waiting for approval/));
  await channel.press(EVE, 'Approve');
  await until('eve, who has no rights, is refused', async () => (await channel.see(EVE)).ephemerals.length > 0);
  account.say('eve pressed Approve and was refused');
  const started = account.clock();
  await channel.press(BOB, 'Approve');
  account.say('bob pressed Approve');

  account.chapter('SIGKILL in the middle');
  // The kill comes after the rollback: a node on its way is tried anew from the beginning after a start.
  await until('node-04 failed and is back in cp1', () => seen.wentBack('node-04'));
  account.say('node-04 failed to deploy in cp2, again and again, and went back to cp1');
  await until('five nodes have moved', () => seen.movedTo('cp2') >= 5);
  await ephyra.kill();
  const halfMoved = seen.claimed();
  account.say(`Ephyra was killed (SIGKILL) with ${halfMoved.length} nodes under way: ${halfMoved.join(', ')}`);
  const killed = account.clock();
  await ephyra.start();
  await until('it goes on', () => seen.writesSince(killed) > 0);
  account.measure('resumeMs', account.clock() - killed);
  account.say(`Started again; it went on by itself after ${account.clock() - killed} ms`);

  await until('the deployment completes', () => said(channel, /cp1 → cp2: completed|COMPLETED/));
  account.measure('firstDeploymentMs', account.clock() - started);
  account.expect(`all ${nodes} nodes are in cp2, ACTIVE`, seen.movedTo('cp2') === nodes);
  account.expect('nothing is left in cp1', seen.nodesIn('cp1') === 0);
  account.expect('every definition arrived whole, BMC passwords, ports and traits included', seen.sameAs(before));
  account.expect('node-04 failed, went back to cp1 and was tried again', seen.wentBack('node-04'));
  account.expect('no machine was stopped while Hadoop counted on it', sandbox.hadoop.harm().length === 0);

  account.chapter('A second deployment, aborted');
  sandbox.stage.activate(null);
  const second = account.clock();
  await channel.type(ALICE, '/ephyra deploy cp2→cp1');
  account.say('alice typed /ephyra deploy cp2→cp1');
  await until('the card asks for approval', () => said(channel, /cp2 → cp1: waiting for approval/));
  await channel.press(BOB, 'Approve');
  await until('two nodes have moved', () => seen.movedTo('cp1') >= 2);
  await channel.press(BOB, 'Abort');
  account.say('bob pressed Abort');
  await until('everything is back', () => said(channel, /cp2 → cp1: rolled back|ROLLED BACK/));
  account.measure('abortedDeploymentMs', account.clock() - second);
  account.expect(`all ${nodes} nodes are in cp2 again, ACTIVE`, seen.movedTo('cp2') === nodes);
  account.expect('nothing is left in cp1', seen.nodesIn('cp1') === 0);
  account.expect('every definition is still whole', seen.sameAs(before));
  account.expect('no machine was stopped while Hadoop counted on it', sandbox.hadoop.harm().length === 0);
  account.expect('no node carries a claim any more', seen.claimed().length === 0);
}

/** What Ephyra itself says of what it waits for. */
async function whyOf(channel: Channel): Promise<string> {
  try {
    await channel.type(ALICE, '/ephyra why');
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    return (await channel.see(ALICE)).ephemerals.at(-1)?.plain ?? 'Ephyra says nothing.';
  } catch (error) {
    return `Ephyra cannot be asked: ${error instanceof Error ? error.message : String(error)}`;
  }
}

async function said(channel: Channel, pattern: RegExp): Promise<boolean> {
  return (await channel.see(ALICE)).messages.some(({ text }) => pattern.test(text));
}

/** Looks until it is so; rejects with what was awaited when that takes too long. */
async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const end = Date.now() + PATIENCE_MS;
  while (!(await holds())) {
    if (Date.now() > end) throw new Error(`Waited ${PATIENCE_MS / 1000} s in vain until ${what}.`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
