import { describe, expect, it } from 'vitest';
import { hasEnded, insist, play } from '../support/world/people.ts';
import { ALICE, World, type WorldOptions } from '../support/world/world.ts';

/** Four workers, of which one may be out, of an application that does not tell who is. */
function unnamed(more: WorldOptions['deployment'] = {}, options: WorldOptions = {}) {
  const gate: string[] = [];
  const world = new World({
    nodes: 4,
    masters: 0,
    namesNobody: true,
    ...options,
    deployment: { maxUnavailable: 1, canary: 0, soakMs: 0, failureBudget: 5, nodeAttempts: 1, ...more },
    listener: (change) => {
      if (change.kind === 'deployment' && change.event.type === 'gate') gate.push(change.event.reason);
    },
  });
  return { world, gate };
}

const placed = (world: World, place: string) => world.record?.results.filter((result) => result.place === place).length;
const abort = (world: World) => insist(world, (ephyra) => ephyra.abort({ by: ALICE }));
/** Nothing is ever booted on it again. */
const spoil = (world: World, node: string) => {
  for (const plane of world.planes) {
    plane.faults.add({ match: { node }, times: 0, effect: { kind: 'no-valid-host' } });
  }
};
const WHY =
  '1 of at most 1 nodes are out of service: node-03 (not seen in service: it is out and down). ' +
  'Once the application says that node-03 is in service and healthy, this goes on';

describe('an application that does not tell who is out', () => {
  it('lets all nodes move, and all come back', async () => {
    const { world } = unnamed();
    await world.start();
    expect(await play(world)).toBe('completed');
    await abort(world);
    await world.until(() => hasEnded(world));
    expect(world.record?.state).toBe('rolled_back');
  });

  it('keeps moved nodes in on an abort while a stuck one is out; people are told why, and it has an end', async () => {
    const { world, gate } = unnamed();
    await world.start();
    spoil(world, 'node-03');
    expect(await play(world)).toBe('stuck');
    expect(placed(world, 'moved')).toBe(2);
    await abort(world);
    await world.until(() => hasEnded(world));
    expect(gate.at(-1)).toBe(WHY);
    expect(world.record?.state).toBe('stuck');
    expect(world.record?.note).toBe(
      'A person has to look at node-03. The application could not spare one more node in time. In the target still: node-01, node-02.',
    );
  });

  it('keeps them in after a restart, too', async () => {
    const { world } = unnamed();
    await world.start();
    spoil(world, 'node-03');
    await play(world);
    await abort(world);
    await world.until(() => world.record?.note?.includes(WHY) === true);
    world.kill();
    await world.start();
    await world.until(() => hasEnded(world));
    expect(world.record?.state).toBe('stuck');
    expect(placed(world, 'moved')).toBe(2);
  });

  it('takes them back once it has the stuck one in service again', async () => {
    const { world } = unnamed();
    await world.start();
    const uuid = world.uuid('node-03');
    world.application.faults.joinHangs.add(uuid);
    expect(await play(world)).toBe('stuck');
    await abort(world);
    await world.until(() => world.record?.note?.includes('not seen in service: it is joining') === true);
    expect(placed(world, 'moved')).toBe(2);
    world.application.goOn(uuid);
    await world.until(() => hasEnded(world));
    expect(placed(world, 'moved')).toBe(0);
    expect(world.record?.note).toBe('A person has to look at node-03.');
  });

  it('keeps nodes in while one is out that an earlier deployment has left stuck', async () => {
    const { world, gate } = unnamed();
    await world.start();
    spoil(world, 'node-03');
    await play(world);
    expect(await play(world, { key: 'rest', options: { nodes: ['node-04'] } })).toBe('stopped');
    expect(gate.at(-1)).toBe(WHY);
    expect(placed(world, 'moved')).toBe(0);
  });

  it.each([
    ['role', {}, { roleMax: { 'hadoop-worker': 1 } }],
    ['failure domain', { failureDomain: { extra: 'rack', maxUnavailable: 1 } }, {}],
  ] as const)('keeps in by the limit of a %s those whom a stuck one concerns', async (_, more, options) => {
    const { world, gate } = unnamed({ maxUnavailable: 3, ...more }, options);
    await world.start();
    spoil(world, 'node-02');
    await play(world);
    expect(placed(world, 'stuck')).toBe(1);
    await abort(world);
    await world.until(() => hasEnded(world));
    expect(world.record?.state).toBe('stuck');
    expect(gate.at(-1)).toContain('node-02 (not seen in service: it is out and down)');
  });
});
