import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { repeatedDestruction } from './journal.ts';
import type { KillPoint } from './killer.ts';
import { NODES, Scene, type Side } from './scene.ts';

/** On the way from `from` to `to`, in the order in which a node passes them. */
const onTheWay = (from: Side, to: Side): KillPoint[] => [
  { name: 'taken out of Hadoop, about to stop the instance', steps: [`^begin ${from} POST .* os-stop$`] },
  { name: 'stop accepted', steps: [`^answered 202 ${from} POST .* os-stop$`] },
  { name: 'delete of the instance sent', steps: [`^sent ${from} DELETE .*/servers/`] },
  { name: 'node created in the target, without its port', steps: [`^answered 201 ${to} POST /v1/nodes$`] },
  { name: 'port created in the target', steps: [`^answered 201 ${to} POST /v1/ports$`] },
  { name: 'delete of the node sent', steps: [`^sent ${from} DELETE /v1/nodes/`] },
  { name: 'manage under way', steps: [`^answered 202 ${to} PUT .*/states/provision manage$`] },
  { name: 'provide under way', steps: [`^answered 202 ${to} PUT .*/states/provision provide$`] },
  { name: 'boot sent', steps: [`^sent ${to} POST .*/servers server$`] },
  {
    name: 'deploying',
    steps: [`^answered 202 ${to} POST .*/servers server$`, `^answered 200 ${to} GET .*/servers/detail`],
  },
  {
    name: 'bringing it into Hadoop',
    steps: [`^answered 200 ${to} GET .*/servers/detail`, '^begin command .*refreshNodes'],
  },
  {
    name: 'verified, its mark just removed: between nodes',
    steps: [`^answered 200 ${to} PATCH .* remove /extra/ephyra$`],
  },
];

/** The same on the way back: what went forward from `from` to `to` returns. */
const onTheWayBack = (from: Side, to: Side): KillPoint[] => [
  { name: 'back: delete of the instance sent', steps: [`^sent ${to} DELETE .*/servers/`] },
  { name: 'back: node created in the source', steps: [`^answered 201 ${from} POST /v1/nodes$`] },
  { name: 'back: delete of the node accepted', steps: [`^answered 204 ${to} DELETE /v1/nodes/`] },
  { name: 'back: provide under way', steps: [`^answered 202 ${from} PUT .*/states/provision provide$`] },
  { name: 'back: boot sent', steps: [`^sent ${from} POST .*/servers server$`] },
  { name: 'back: verified, its mark about to be removed', steps: [`^begin ${from} PATCH .* remove /extra/ephyra$`] },
];

/** Two runs of four real nodes, the real process ended by SIGKILL again and again, and started again each time. */
describe('killed on real control planes', () => {
  let scene: Scene;

  beforeAll(async () => {
    scene = await Scene.set();
  }, 120_000);
  afterAll(async () => {
    await scene?.close();
  }, 120_000);
  afterEach(({ task }) => {
    if (task.result?.state === 'fail') {
      process.stdout.write(`The last lines of Ephyra's log:\n${scene.stage.ephyra.tail()}\n`);
    }
  });

  const expectAllIn = async (side: Side, block: RegExp) => {
    expect(await scene.definitions()).toEqual(scene.original);
    for (const name of NODES) expect(`${name}: ${await scene.home(name)}`).toBe(`${name}: ${side}`);
    const servers = (await scene.fleets[side].servers()).filter(({ status }) => status === 'ACTIVE');
    expect(servers).toHaveLength(NODES.length);
    for (const { addresses } of servers) expect(addresses[0]).toMatch(block);
    expect(await scene.fleets[side === 'cp1' ? 'cp2' : 'cp1'].servers()).toEqual([]);
  };
  const expectHadoopWhole = async () => {
    const healthy = async () => scene.stage.hadoop.fleet().health === 'healthy';
    await scene.until('Hadoop is healthy', 30_000, healthy);
    const { nodes, summary } = scene.stage.hadoop.fleet();
    expect(nodes.filter(({ role }) => role === 'master')).toHaveLength(1);
    expect(summary.inService).toBe(3);
    expect(scene.stage.hadoop.harm()).toEqual([]);
  };

  it('begins with four nodes in cp1', async () => {
    expect(Object.keys(scene.original).sort()).toEqual(NODES);
    for (const name of NODES) expect(await scene.home(name)).toBe('cp1');
  });

  it('moves all four from cp1 to cp2, killed twelve times', async () => {
    const points = onTheWay('cp1', 'cp2');
    scene.killer.arm(points);
    await scene.deploy('/ephyra deploy cp1→cp2');
    const { state } = await scene.ended(900_000);

    expect(state).toBe('completed');
    expect(scene.killer.hit).toEqual(points.map(({ name }) => name));
    await expectAllIn('cp2', /^10\.2\.0\./);
    await expectHadoopWhole();
    await scene.untilLetGo();
    expect([...scene.witness.deployments]).toHaveLength(1);
  }, 1_000_000);

  it('takes everything back when aborted in the middle, killed six times on the way', async () => {
    const points = onTheWayBack('cp2', 'cp1');
    scene.witness.deployments.clear();
    await scene.deploy('/ephyra deploy cp2→cp1');
    await scene.until('a node has arrived in cp1', 400_000, async () => (await homes(scene)).includes('cp1'));
    scene.killer.arm(points);
    await scene.abort();
    const { state } = await scene.ended(900_000);

    expect(state).toBe('rolled_back');
    expect(scene.killer.hit).toEqual(points.map(({ name }) => name));
    await expectAllIn('cp2', /^10\.2\.0\./);
    await expectHadoopWhole();
    await scene.untilLetGo();
    expect([...scene.witness.deployments]).toHaveLength(1);
  }, 1_400_000);

  it('lost nothing at any instant, destroyed nothing twice, touched no node of others, told no secret', async () => {
    const { violations, samples, blind, mostOut } = scene.witness;
    scene.say(
      `both Ironics looked at ${samples} times (${blind} without an answer); most Hadoop nodes out at once: ${mostOut}`,
    );
    scene.say(`up again after ${scene.killer.upAgainMs.map((ms) => (ms / 1000).toFixed(1)).join(', ')} s`);
    expect(violations).toEqual([]);
    expect(samples).toBeGreaterThan(50);
    expect(blind).toBe(0);
    expect(repeatedDestruction(scene.requests())).toEqual([]);
    expect(await scene.leaks()).toEqual([]);
  });
});

async function homes(scene: Scene): Promise<(Side | null)[]> {
  return Promise.all(NODES.map((name) => scene.home(name)));
}
