import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { METADATA } from '../../machines/domain.ts';
import { emptyState } from '../../src/store/state.ts';
import { Meddler } from '../support/world/meddler.ts';
import { begin, hasEnded, insist } from '../support/world/people.ts';
import { ALICE, BOB, World } from '../support/world/world.ts';

/** Ephyra is killed when its only node is available in the target, and a person boots there. */
class HalfWay {
  readonly world = new World({ nodes: 1, masters: 0, deployment: { canary: 0, nodeAttempts: 1 } });
  readonly meddler = new Meddler(this.world);
  readonly uuid = this.world.uuid('node-01');
  /** What docs/operations.md says to give an instance that is booted by hand. */
  properties: Readonly<Record<string, string>> = {};

  async reached(): Promise<void> {
    const { world, uuid } = this;
    let killed = false;
    world.plane('cp2').onChange(({ kind, after, uuid: changed }) => {
      if (killed || kind !== 'node.provision_state' || changed !== uuid) return;
      killed = after?.['provision_state'] === 'available';
      if (killed) world.time.after(0, () => world.kill());
    });
    await world.start();
    const id = await begin(world);
    await world.until(() => killed);
    await world.pass(30_000);
    this.properties = { [METADATA.deployment]: id, [METADATA.node]: uuid, [METADATA.role]: 'hadoop-worker' };
  }

  async boots(properties: Readonly<Record<string, string>>): Promise<void> {
    expect(this.meddler.boot(this.uuid, properties)).toBe(true);
    await this.world.until(() => this.world.mirror('cp2').running(this.uuid) !== null);
  }

  get touched(): readonly unknown[] {
    const id = this.world.mirror('cp2').instanceOn(this.uuid)?.id;
    return this.world.writes.filter(({ instance }) => instance === id).map(({ write }) => write);
  }
}

describe('a node that was finished by hand in the target', () => {
  it('is booted, says the runbook, with the properties that make the instance its own', () => {
    const runbook = readFileSync(new URL('../../docs/operations.md', import.meta.url), 'utf8');
    const command = /server create --wait[^`]*/.exec(runbook)?.[0];
    for (const key of Object.values(METADATA)) expect(command).toContain(`--property ${key}=`);
  });

  it('has arrived, once it is approved', async () => {
    const half = new HalfWay();
    const { world, meddler, uuid } = half;
    await half.reached();
    world.disk = emptyState();
    await half.boots(half.properties);
    world.application.operate(uuid, 'in');
    await world.start();
    await world.until(() => world.record?.state === 'found');
    meddler.mark(uuid, undefined);
    while (world.record?.state === 'found') {
      await world.ask((ephyra) => ephyra.approve({ by: BOB }));
      await world.pass(20_000);
    }
    await world.until(() => hasEnded(world));
    expect(world.record?.state).toBe('completed');
    expect(half.touched).toEqual([]);
  });

  it('as far as the boot is brought into the application, verified, and taken back by an abort like any other', async () => {
    const half = new HalfWay();
    const { world, uuid } = half;
    await half.reached();
    await half.boots(half.properties);
    await world.start();
    await world.until(() => hasEnded(world));
    expect(world.record?.state).toBe('completed');
    expect(world.application.get(uuid)?.state).toBe('in');
    expect(world.mirror('cp2').nodes.get(uuid)?.extra['ephyra']).toBeUndefined();
    await insist(world, (ephyra) => ephyra.abort({ by: ALICE }));
    await world.until(() => hasEnded(world));
    expect(world.record?.state).toBe('rolled_back');
  });

  it('without the properties is left as it is, with the command that sets them; then it goes on', async () => {
    const half = new HalfWay();
    const { world, meddler, uuid } = half;
    await half.reached();
    await half.boots({});
    await world.start();
    await world.until(() => hasEnded(world));
    expect(world.record?.results[0]).toMatchObject({ place: 'stuck', failure: { reason: 'node_foreign' } });
    const id = world.mirror('cp2').instanceOn(uuid)?.id;
    const properties = Object.entries(half.properties).map(([key, value]) => `--property ${key}=${value}`);
    const command = `openstack server set ${properties.join(' ')} ${id}`;
    expect(world.record?.results[0]?.failure?.remedy).toContain(command);
    expect(half.touched).toEqual([]);
    // Not taken for arrived: it is still marked.
    expect(world.mirror('cp2').nodes.get(uuid)?.extra['ephyra']).toBeDefined();
    meddler.setProperties(uuid, half.properties);
    await insist(world, (ephyra) => ephyra.abort({ by: ALICE }));
    await world.until(() => hasEnded(world));
    expect(world.record?.state).toBe('rolled_back');
  });
});
