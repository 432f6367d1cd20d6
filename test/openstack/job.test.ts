import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { realBackend } from './real.ts';
import { RealFleet } from './support/fleet.ts';
import { callsBetween, type RealStage, setTheStage } from './support/stage.ts';

const ALICE = 'U0ALICE';
const BOB = 'U0BOB';
const cp1 = new RealFleet('cp1');
const cp2 = new RealFleet('cp2');
const NODES = 4;

/** The job: real Ironic nodes with real Nova instances, moved by a signed slash command to the real Bolt app. */
describe('the real job', () => {
  let stage: RealStage;
  let original: Record<string, unknown>;

  beforeAll(async () => {
    original = await cp1.definitions();
    stage = await setTheStage([cp1, cp2]);
  }, 60_000);
  afterAll(async () => {
    await stage?.close();
  }, 60_000);
  afterEach(async ({ task }) => {
    if (task.result?.state === 'fail')
      process.stdout.write(`The last lines of Ephyra's log:\n${stage.ephyra.tail()}\n`);
  });

  const texts = async (user = ALICE): Promise<string[]> => {
    const seen = await stage.channel.see(user);
    return [...seen.messages, ...seen.ephemerals].map(({ plain }) => plain);
  };
  const until = async (what: string, holds: () => Promise<boolean>, patienceMs: number): Promise<void> => {
    const end = Date.now() + patienceMs;
    while (!(await holds())) {
      if (Date.now() > end)
        throw new Error(`Waited in vain until ${what}. The channel says:\n${(await texts()).join('\n')}`);
      await new Promise((resolve) => setTimeout(resolve, 1_000));
    }
  };
  const saying = (pattern: RegExp) => async () => (await texts()).some((text) => pattern.test(text));
  const active = async (fleet: RealFleet) => (await fleet.servers()).filter(({ status }) => status === 'ACTIVE');

  it('begins with four nodes, each with an instance and a readable BMC password, in cp1', async () => {
    expect(Object.keys(original).sort()).toEqual(['node-01', 'node-02', 'node-03', 'node-04']);
    expect(JSON.stringify(original)).toContain('bmc-secret-01');
    expect(await active(cp1)).toHaveLength(NODES);
    expect(await cp2.nodes()).toHaveLength(0);
  });

  it('refuses the plan while cp1 masks its BMC passwords, and says which policy to change', async () => {
    const backend = await realBackend('cp1');
    await backend.setShowPassword(false);
    try {
      await stage.channel.type(ALICE, '/ephyra deploy cp1→cp2');
      await until('the plan is refused', saying(/show_password/), 60_000);
      expect((await texts()).join('\n')).toMatch(/masks driver_info.ipmi_password of node-0/);
    } finally {
      await backend.setShowPassword(true);
    }
    expect(await cp1.definitions()).toEqual(original);
    expect(await cp2.nodes()).toHaveLength(0);
  }, 90_000);

  it('leaves a node in maintenance where it is, with the reason', async () => {
    await cp1.setMaintenance('node-04', true, 'fan replacement');
    try {
      await stage.channel.type(ALICE, '/ephyra deploy cp1→cp2');
      await until('the plan names the excluded node', saying(/node-04.*maintenance.*fan replacement/s), 60_000);
      await stage.channel.type(ALICE, '/ephyra stop');
      await until('it is withdrawn', saying(/STOPPED|stopped/), 30_000);
    } finally {
      await cp1.setMaintenance('node-04', false);
    }
    expect(await cp1.definitions()).toEqual(original);
  }, 120_000);

  it('moves all four from cp1 to cp2 with at most 30 calls and 12 writes a node', async () => {
    const before = await stage.calls();
    const began = performance.now();
    await stage.channel.type(ALICE, '/ephyra deploy cp1→cp2');
    await until('it asks for approval', saying(/waiting for approval/), 60_000);
    await stage.channel.press(BOB, 'Approve');
    await until('it completes', saying(/COMPLETED/), 600_000);
    // Clouds that take longer are looked at more often: two lists of each, every ten seconds at least.
    const longer = 4 * Math.ceil(Math.max(0, performance.now() - began - 80_000) / 10_000);

    const calls = await stage.calls();
    const all = calls.all - before.all;
    const writes = calls.writes - before.writes;
    process.stdout.write(
      `Calls of the move of ${NODES} nodes, plan and leases included: ${all} (${all / NODES} a node), of which ${writes} writes to nodes (${writes / NODES} a node)\n${callsBetween(before, calls)}\n`,
    );
    expect(await cp2.definitions()).toEqual(original);
    expect(await cp1.nodes()).toHaveLength(0);
    expect(await cp1.servers()).toHaveLength(0);
    const moved = await active(cp2);
    expect(moved).toHaveLength(NODES);
    for (const server of moved) expect(server.addresses[0]).toMatch(/^10\.2\.0\./);
    expect(stage.hadoop.harm()).toEqual([]);
    expect(writes / NODES).toBeLessThanOrEqual(12);
    expect((all - longer) / NODES).toBeLessThanOrEqual(30);
  }, 700_000);

  it('takes everything back when a second deployment is aborted in the middle', async () => {
    await stage.channel.type(ALICE, '/ephyra deploy cp2→cp1');
    await until('it asks for approval', saying(/cp2 → cp1: waiting for approval/), 60_000);
    await stage.channel.press(BOB, 'Approve');
    await until('a node has arrived in cp1', async () => (await active(cp1)).length > 0, 300_000);
    await stage.channel.press(BOB, 'Abort');
    await until('everything is back', saying(/ROLLED BACK/), 600_000);

    expect(await cp2.definitions()).toEqual(original);
    expect(await cp1.nodes()).toHaveLength(0);
    expect(await cp1.servers()).toHaveLength(0);
    expect(await active(cp2)).toHaveLength(NODES);
    expect(stage.hadoop.harm()).toEqual([]);
  }, 1_000_000);
});
