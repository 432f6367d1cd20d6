import { describe, expect, it } from 'vitest';
import { Meddler } from '../support/world/meddler.ts';
import { begin, hasEnded, insist } from '../support/world/people.ts';
import type { WorldOptions } from '../support/world/world.ts';
import { ALICE, World } from '../support/world/world.ts';

const STRANGER = 'somebody-else';

/** A world in which somebody boots on a node of a control plane as soon as it is free there. */
class Taken {
  readonly world: World;
  readonly meddler: Meddler;
  readonly uuid: string;
  /** The instances that are not Ephyra's business. */
  readonly ids = new Set<string>();

  constructor(at: string, options: WorldOptions = {}, name = 'node-02') {
    this.world = new World({ ...options, deployment: { nodeAttempts: 1, ...options.deployment } });
    this.meddler = new Meddler(this.world);
    this.uuid = this.world.uuid(name);
    let tried = false;
    this.world.plane(at).onChange(({ kind, uuid, after }) => {
      if (kind.startsWith('instance.') && after?.['name'] === STRANGER) this.ids.add(uuid);
      if (kind !== 'provider.reserved' || uuid !== this.uuid || after?.['reserved'] !== 0 || tried) return;
      tried = true;
      this.world.time.after(0, () => void this.meddler.boot(this.uuid));
    });
  }

  async ended(): Promise<void> {
    await this.world.until(() => hasEnded(this.world));
  }

  async aborted(): Promise<void> {
    await insist(this.world, (ephyra) => ephyra.abort({ by: ALICE }));
    await this.ended();
  }

  /** What Ephyra has done to them. */
  get touched(): readonly unknown[] {
    expect(this.ids.size).toBeGreaterThan(0);
    return this.world.writes.filter(({ instance }) => this.ids.has(instance ?? '')).map(({ write }) => write);
  }

  get result() {
    return this.world.record?.results.find(({ uuid }) => uuid === this.uuid);
  }

  /** What runs on the node, and whether it is somebody else's. */
  on(at: string): string | undefined {
    const instance = this.world.mirror(at).instanceOn(this.uuid);
    return instance === undefined ? undefined : `${instance.name === STRANGER ? 'theirs' : 'ours'} ${instance.status}`;
  }
}

const HELD = { place: 'stuck', failure: { reason: 'node_foreign', next: 'ask' } };

describe('an instance of somebody else', () => {
  it('on a node that was released while the target is away is not touched', async () => {
    const taken = new Taken('cp1');
    const { world, uuid } = taken;
    let away = false;
    world.plane('cp1').onChange(({ kind, uuid: changed, after }) => {
      if (away || kind !== 'node.provision_state' || changed !== uuid || after?.['provision_state'] !== 'cleaning')
        return;
      away = true;
      const { faults } = world.plane('cp2');
      const id = faults.add({ match: { service: 'ironic' }, effect: { kind: 'service-down', answer: 503 } });
      world.time.after(90_000, () => void faults.remove(id));
    });
    await world.start();
    await begin(world);
    await taken.ended();
    expect(away).toBe(true);
    expect(taken.touched).toEqual([]);
    expect(taken.on('cp1')).toBe('theirs ACTIVE');
    expect(world.record?.state).toBe('stuck');
    expect(taken.result).toMatchObject(HELD);
    expect(taken.result?.failure?.message).toContain(STRANGER);
    expect(taken.result?.failure?.remedy).toContain('openstack server set --property ephyra_deployment=');
  });

  it('in place of what was planned is not claimed: the node stays where it is', async () => {
    const options = { nodes: 4, deployment: { canary: 1, maxUnavailable: 2, failureBudget: 3 } };
    const taken = new Taken('cp1', options, 'node-04');
    const { world, meddler, uuid } = taken;
    await world.start();
    await begin(world);
    world.application.operate(uuid, 'out');
    meddler.instance(uuid, 'delete');
    await taken.ended();
    expect(taken.touched).toEqual([]);
    expect(taken.on('cp1')).toBe('theirs ACTIVE');
    expect(taken.result).toMatchObject({ place: 'back', failure: { reason: 'node_not_movable', next: 'stop' } });
    expect(world.writes.filter(({ node, write }) => node === uuid && write === 'mark')).toEqual([]);
  });

  it('in place of what was claimed is not touched', async () => {
    const taken = new Taken('cp1', { drainMs: [60_000, 60_000] });
    const { world, meddler, uuid } = taken;
    let claimed = false;
    world.plane('cp1').onChange(({ kind, uuid: changed }) => {
      if (claimed || kind !== 'node.marker' || changed !== uuid) return;
      claimed = true;
      world.time.after(2_000, () => meddler.instance(uuid, 'delete'));
    });
    await world.start();
    await begin(world);
    await taken.ended();
    expect(taken.touched).toEqual([]);
    expect(taken.on('cp1')).toBe('theirs ACTIVE');
    expect(taken.result).toMatchObject(HELD);
  });

  it('in the target, where the node has just become free, is neither brought into the application nor taken back', async () => {
    const taken = new Taken('cp2');
    const { world, meddler, uuid } = taken;
    await world.start();
    await begin(world);
    await taken.ended();
    expect(taken.result).toMatchObject(HELD);
    expect(world.application.get(uuid)?.state).toBe('out');
    await taken.aborted();
    expect(world.record?.state).toBe('stuck');
    expect(taken.touched).toEqual([]);
    expect(taken.on('cp2')).toBe('theirs ACTIVE');
    // Once it is gone, the way back is free.
    meddler.instance(uuid, 'delete');
    await world.pass(120_000);
    await taken.aborted();
    expect(world.record?.state).toBe('rolled_back');
    expect(taken.on('cp1')).toBe('ours ACTIVE');
  });

  it('in the source, where the node comes back to, is not touched either', async () => {
    const taken = new Taken('cp1');
    const { world, uuid } = taken;
    // What leaves the source is free there for a moment, too: only who comes home is to be met.
    const { boot } = taken.meddler;
    taken.meddler.boot = (node) => world.record?.intent === 'abort' && boot.call(taken.meddler, node);
    await world.start();
    await begin(world);
    await world.until(() => world.mirror('cp2').instanceOn(uuid) !== undefined);
    let home = false;
    world.plane('cp1').onChange(({ kind, uuid: changed, after }) => {
      if (home || kind !== 'provider.reserved' || changed !== uuid || after?.['reserved'] !== 0) return;
      home = true;
      world.time.after(0, () => void taken.meddler.boot(uuid));
    });
    await taken.aborted();
    expect(taken.touched).toEqual([]);
    expect(taken.on('cp1')).toBe('theirs ACTIVE');
    expect(taken.result).toMatchObject(HELD);
  });
});

describe('a mark that an older Ephyra has set', () => {
  it('tells what was claimed without its id: the node moves on', async () => {
    const world = new World({ nodes: 2, masters: 0, drainMs: [20_000, 20_000] });
    const meddler = new Meddler(world);
    await world.start();
    await begin(world);
    const uuid = world.uuid('node-01');
    const mark = () => world.mirror('cp1').nodes.get(uuid)?.extra['ephyra'] as { instance: object } | undefined;
    await world.until(() => mark() !== undefined);
    await world.pass(2_000);
    const { id, ...old } = (mark()?.instance ?? {}) as Record<string, unknown>;
    expect(id).toBe(world.mirror('cp1').instanceOn(uuid)?.id);
    meddler.mark(uuid, { ...mark(), instance: old });
    await world.until(() => hasEnded(world));
    expect(world.record?.state).toBe('completed');
  });
});
