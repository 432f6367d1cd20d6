import { describe, expect, it } from 'vitest';
import type { Call } from '../support/world/calls.ts';
import { isWrite } from '../support/world/calls.ts';
import type { Disturbance } from '../support/world/network.ts';
import { begin, hasEnded, insist, play } from '../support/world/people.ts';
import type { WorldOptions } from '../support/world/world.ts';
import { BOB, World } from '../support/world/world.ts';

/** One deployment of one node, undisturbed: its requests in order. */
async function requests(options: WorldOptions = {}): Promise<Call[]> {
  const calls: Call[] = [];
  const world = new World({
    nodes: 1,
    masters: 0,
    ...options,
    disturb: (call) => {
      calls.push(call);
      return null;
    },
  });
  if (options.history === true) await world.pass(90_000);
  await world.start();
  await play(world);
  return calls;
}

/** The same deployment with one thing wrong with one request. */
async function disturbed(id: number, what: Disturbance, options: WorldOptions = {}): Promise<World> {
  const world = new World({ nodes: 1, masters: 0, ...options, disturb: (call) => (call.id === id ? what : null) });
  if (options.history === true) await world.pass(90_000);
  await world.start();
  expect(await play(world), `${what.do} at request ${id}`).toBe('completed');
  return world;
}

/** One node, in a world that keeps its past, so that lists can be behind. */
const ONE = { nodes: 1, masters: 0, history: true, deployment: { canary: 0 } } as const;

/** A deployment that people abort once something has come about, to its end. */
async function aborted(world: World, once: () => boolean): Promise<void> {
  await world.pass(90_000);
  await world.start();
  await begin(world);
  await world.until(once);
  await insist(world, (ephyra) => ephyra.abort({ by: BOB }));
  await world.until(() => hasEnded(world));
}

async function played(options: WorldOptions): Promise<World> {
  const world = new World({ nodes: 1, masters: 0, ...options });
  await world.start();
  await play(world);
  return world;
}

describe('every write of a deployment', () => {
  const kinds: readonly Disturbance[] = [
    { do: 'drop' },
    { do: 'lose answer' },
    { do: 'half answer' },
    { do: 'hang' },
    { do: 'late answer', ms: 45_000 },
    { do: 'late request', ms: 90_000 },
    { do: 'refuse', status: 503 },
    { do: 'refuse', status: 500 },
    { do: 'refuse', status: 401 },
    { do: 'refuse', status: 429, retryAfter: 5 },
  ];
  for (const what of kinds) {
    const name = 'status' in what ? `${what.do} ${what.status}` : what.do;
    it(`may meet "${name}": the deployment completes all the same`, async () => {
      for (const call of (await requests()).filter(isWrite)) await disturbed(call.id, what);
    });
  }
});

describe('every write of a deployment, sent a second time by something in between', () => {
  for (const ms of [0, 2_500]) {
    it(`${ms} ms later changes nothing that matters`, async () => {
      for (const { id } of (await requests()).filter(isWrite)) {
        const world = await played({ disturb: (call) => (call.id === id ? { do: 'twice', ms } : null) });
        expect(['completed', 'stopped', 'stuck'], `request ${id}`).toContain(world.record?.state);
      }
    });
  }
});

describe('every list of a running deployment', () => {
  it('may lack an entry without telling: what is not in a list is not gone', async () => {
    const calls = await requests({ nodes: 2 });
    const first = calls.find(isWrite)?.id ?? 0;
    const lists = calls.filter(({ id, write, path }) => id > first && write === null && path.includes('limit='));
    expect(lists.length).toBeGreaterThan(20);
    for (const { id } of lists) {
      for (const which of [0, 1]) {
        const world = await played({ nodes: 2, disturb: (call) => (call.id === id ? { do: 'partial', which } : null) });
        expect(['completed', 'stopped', 'rolled_back', 'stuck'], `request ${id}`).toContain(world.record?.state);
      }
    }
  });
});

describe('every read of a running deployment', () => {
  it('may be answered from the past: nothing is destroyed on it', async () => {
    const options = { history: true };
    const calls = await requests(options);
    const first = calls.find(isWrite)?.id ?? 0;
    const reads = calls.filter((call) => call.id > first && call.write === null);
    expect(reads.length).toBeGreaterThan(15);
    for (const ms of [7_000, 70_000]) {
      for (const { id } of reads) await disturbed(id, { do: 'stale', ms }, options);
    }
  });

  it('may fail: the next look decides', async () => {
    const calls = await requests();
    const first = calls.find(isWrite)?.id ?? 0;
    for (const { id } of calls.filter((call) => call.id > first && call.write === null)) {
      await disturbed(id, { do: 'refuse', status: 500 });
    }
  });
});

describe('lists from before a stop or a delete', () => {
  for (const kind of ['stop', 'delete instance'] as const) {
    for (const heard of [true, false]) {
      it(`do not make a node one that runs at home (${kind}, ${heard ? 'accepted' : 'its answer lost'})`, async () => {
        let uuid: string | null = null;
        const world: World = new World({
          ...ONE,
          disturb: (call) => {
            if (call.write !== kind || uuid !== null) return null;
            uuid = call.node;
            // What it says of a machine that is down is what a plugin says that does not look.
            if (uuid !== null) world.application.faults.lies.add(uuid);
            world.time.after(1_000, () => world.network.lag('cp1', 30_000));
            world.time.after(25_000, () => {
              world.network.lag('cp1', null);
              world.application.faults.lies.clear();
            });
            return heard ? null : { do: 'lose answer' };
          },
        });
        await aborted(world, () => uuid !== null);
        expect(world.record?.state, JSON.stringify(world.record?.results)).toBe('rolled_back');
        expect(world.mirror('cp1').running(uuid ?? '')).not.toBeNull();
      });
    }
  }

  it('do so neither after a start that Nova refused, since it was about to delete the instance', async () => {
    let uuid: string | null = null;
    let starts = 0;
    const world: World = new World({
      ...ONE,
      disturb: (call) => {
        if (call.write === 'delete instance' && uuid === null) {
          uuid = call.node;
          if (uuid !== null) world.application.faults.lies.add(uuid);
          // From between the stop and the delete.
          world.network.lag('cp1', 500);
          world.time.after(25_000, () => {
            world.network.lag('cp1', null);
            world.application.faults.lies.clear();
          });
        }
        if (call.write === 'start' && starts++ === 0) world.network.lag('cp1', 24_000);
        return null;
      },
    });
    await aborted(world, () => uuid !== null);
    expect(starts).toBeGreaterThan(0);
    expect(world.record?.state, JSON.stringify(world.record?.results)).toBe('rolled_back');
    expect(world.mirror('cp1').running(uuid ?? '')).not.toBeNull();
  });
});

describe('a delete that comes a minute and a half late', () => {
  it('does not hit a node that has come home: it is waited for', async () => {
    let uuid: string | null = null;
    const world: World = new World({
      ...ONE,
      disturb: (call) => {
        if (call.write !== 'delete instance' || uuid !== null) return null;
        uuid = call.node;
        return { do: 'late request', ms: 90_000 };
      },
    });
    await aborted(world, () => uuid !== null);
    await world.pass(120_000);
    expect(world.record?.state, JSON.stringify(world.record?.results)).toBe('rolled_back');
    expect(world.mirror('cp1').running(uuid ?? '')).not.toBeNull();
  });
});

describe('reads of a control plane from before a node was deleted there', () => {
  for (const ms of [12_000, 16_000, 20_000]) {
    it(`do not cost the copy that is all that is left of it: ${ms / 1_000} s behind`, async () => {
      let manages = 0;
      const world: World = new World({
        ...ONE,
        disturb: (call) => {
          if (call.write !== 'manage' || call.at !== 'cp2') return null;
          manages += 1;
          // The BMC does not answer in the target, so that the copy stays in `enroll`.
          world.plane('cp2').faults.add({ match: { node: 'node-01' }, times: 1, effect: { kind: 'verify-fails' } });
          if (manages !== 2) return null;
          world.network.lag('cp1', ms);
          world.time.after(6_000, () => world.network.lag('cp1', null));
          return null;
        },
      });
      await world.pass(90_000);
      await world.start();
      await begin(world);
      await world.until(() => manages === 1);
      // What deleted the node knows so; what goes on does not.
      world.kill();
      await world.start();
      await world.until(() => manages === 2);
      await insist(world, (ephyra) => ephyra.abort({ by: BOB }));
      // The watcher of definitions sees every change.
      await world.until(() => hasEnded(world));
      expect(world.record?.state, JSON.stringify(world.record?.results)).toBe('rolled_back');
    });
  }
});

describe('a list of ports from before the original was deleted there', () => {
  for (const ms of [6_000, 15_000]) {
    it(`does not make a copy whole of which a port got lost: ${ms / 1_000} s behind`, async () => {
      let manages = 0;
      let isLost = false;
      const world: World = new World({
        ...ONE,
        disturb: (call) => {
          if (call.write === 'manage' && call.at === 'cp2') manages += 1;
          if (call.at !== 'cp1') return null;
          if (call.write === 'create port' && !isLost) {
            isLost = true;
            return { do: 'drop' };
          }
          return isLost && call.write === null && call.path.includes('/ports/detail') ? { do: 'stale', ms } : null;
        },
      });
      await aborted(world, () => manages === 1);
      expect(isLost).toBe(true);
      expect(world.record?.state, JSON.stringify(world.record?.results)).toBe('rolled_back');
    });
  }
});

describe('reads of a control plane from before a node was copied to it', () => {
  for (const ms of [6_000, 10_000, 20_000]) {
    it(`do not give the machine a second master, in a process that knows nothing: ${ms / 1_000} s behind`, async () => {
      let manages = 0;
      let isCut = false;
      let isBehind = false;
      const world: World = new World({
        ...ONE,
        disturb: (call) => {
          if (call.write === 'manage' && call.at === 'cp2') manages += 1;
          if (call.write === 'delete node' && call.at === 'cp2' && !isCut) {
            isCut = true;
            return { do: 'drop' };
          }
          const isOfNodes = call.at === 'cp2' && call.write === null && call.path.includes('/nodes');
          return isBehind && isOfNodes ? { do: 'stale', ms } : null;
        },
      });
      await world.pass(90_000);
      await world.start();
      await begin(world);
      await world.until(() => manages === 1);
      await insist(world, (ephyra) => ephyra.abort({ by: BOB }));
      await world.until(() => isCut);
      world.kill();
      isBehind = true;
      world.time.after(15_000, () => {
        isBehind = false;
      });
      await world.start();
      // The watcher of power sees who could switch the machine.
      await world.until(() => hasEnded(world));
      expect(world.record?.state, JSON.stringify(world.record?.results)).toBe('rolled_back');
    });
  }

  for (const ms of [60_000, 90_000]) {
    it(`do not leave the copy there when the node is back, in a process that knows nothing: ${ms / 1_000} s behind`, async () => {
      let isCopied = false;
      let isBehind = false;
      const world: World = new World({
        ...ONE,
        disturb: (call) => {
          if (call.write === 'delete node' && !isCopied) {
            isCopied = true;
            return { do: 'drop' };
          }
          if (call.at !== 'cp2') return null;
          return isBehind && call.write === null && call.path.includes('/nodes') ? { do: 'stale', ms } : null;
        },
      });
      await world.pass(90_000);
      await world.start();
      await begin(world);
      await world.until(() => isCopied);
      await insist(world, (ephyra) => ephyra.abort({ by: BOB }));
      world.kill();
      isBehind = true;
      world.time.after(ms, () => {
        isBehind = false;
      });
      await world.start();
      await world.until(() => hasEnded(world));
      expect(world.record?.state, JSON.stringify(world.record?.results)).toBe('rolled_back');
      expect([...world.mirror('cp2').nodes.values()].map(({ name }) => name)).toEqual([]);
    });
  }
});

describe('lists from before a boot', () => {
  for (const ms of [14_000, 30_000]) {
    it(`${ms / 1_000} s behind: a node that is to come back right then is not taken away under its instance`, async () => {
      let isBooted = false;
      const world: World = new World({
        ...ONE,
        disturb: (call) => {
          if (call.write !== 'boot' || isBooted) return null;
          isBooted = true;
          world.network.lag('cp2', ms);
          world.time.after(100_000, () => world.network.lag('cp2', null));
          return null;
        },
      });
      await aborted(world, () => isBooted);
      expect(world.record?.state, JSON.stringify(world.record?.results)).toBe('rolled_back');
    });
  }

  for (const ms of [5_000, 14_000, 30_000]) {
    it(`${ms / 1_000} s behind: what was booted is not booted again, and nothing is left over`, async () => {
      let boots = 0;
      const world: World = new World({
        ...ONE,
        disturb: (call) => {
          if (call.write === 'boot' && boots++ === 0) {
            world.network.lag('cp2', ms);
            world.time.after(60_000, () => world.network.lag('cp2', null));
          }
          return null;
        },
      });
      await world.pass(90_000);
      await world.start();
      expect(await play(world)).toBe('completed');
      expect(boots).toBe(1);
      expect([...world.mirror('cp2').instances.values()].filter(({ status }) => status === 'ERROR')).toEqual([]);
    });
  }
});

describe('a destructive request that is held up by a rate limit', () => {
  for (const kind of ['stop', 'delete instance', 'delete node'] as const) {
    it(`is not sent again (${kind}) when lists that others have asked for do not call for it any more`, async () => {
      let first: Call | null = null;
      const again: number[] = [];
      const world = new World({
        nodes: 4,
        masters: 0,
        deployment: { canary: 0, failureBudget: 9 },
        disturb: (call) => {
          if (call.write !== kind) return null;
          if (first !== null) {
            if (call.node === first.node) again.push(call.id);
            return null;
          }
          first = call;
          const { at, node } = call;
          world.time.after(1_000, () => node !== null && world.plane(at).setMaintenance(node, true, 'disk check'));
          return { do: 'refuse', status: 429, retryAfter: 15 };
        },
      });
      await world.start();
      // The watcher of evidence sees every request that leaves.
      await play(world);
      expect(first).not.toBeNull();
      expect(again).toEqual([]);
    });
  }
});

describe('trouble that lasts', () => {
  it('a locked node is waited for', async () => {
    const world = new World();
    await world.start();
    for (const [atMs, name] of [
      [1_000, 'cp1'],
      [12_000, 'cp1'],
      [22_000, 'cp2'],
    ] as const) {
      world.time.after(atMs, () => {
        const there = world.mirror(name).nodes.get(world.uuid('node-02'));
        if (there !== undefined) {
          world.plane(name).faults.add({ match: { node: 'node-02' }, effect: { kind: 'node-locked', ms: 20_000 } });
        }
      });
    }
    expect(await play(world)).toBe('completed');
  });

  for (const service of ['keystone', 'ironic', 'nova', 'placement'] as const) {
    for (const plane of ['cp1', 'cp2']) {
      it(`${service} of ${plane} down for a minute delays the deployment and breaks nothing`, async () => {
        const world = new World({ tokenLifetimeMs: 40_000 });
        await world.start();
        world.time.after(10_000, () => {
          const id = world
            .plane(plane)
            .faults.add({ match: { service }, effect: { kind: 'service-down', answer: 503 } });
          world.time.after(60_000, () => void world.plane(plane).faults.remove(id));
        });
        expect(await play(world)).toBe('completed');
      });
    }
  }

  it('a cloud that is away when Ephyra starts again is waited for, and told about', async () => {
    const world = new World();
    await world.start();
    const played = play(world);
    world.time.after(9_000, () => {
      world.kill();
      const id = world.plane('cp2').faults.add({ effect: { kind: 'service-down', answer: 'refused' } });
      world.time.after(5_000, () => void world.start());
      world.time.after(60_000, () => {
        expect(world.record?.note).toMatch(/Cannot tell where the nodes are/);
        world.plane('cp2').faults.remove(id);
      });
    });
    expect(await played).toBe('completed');
  });

  it('a cloud that is away when all is to be taken back is waited for, and not told about any longer than that', async () => {
    const world = new World();
    await world.start();
    expect(await play(world)).toBe('completed');
    const { faults } = world.plane('cp2');
    const down = faults.add({ match: { service: 'nova' }, effect: { kind: 'service-down', answer: 503 } });
    expect((await world.ask((ephyra) => ephyra.abort({ by: BOB })))?.ok).toBe(true);
    await world.until(() => /^Cannot tell where the nodes are/.test(world.record?.note ?? ''), 600_000, 'a note');
    faults.remove(down);
    await world.until(() => world.record?.results.some(({ place }) => place === 'back') === true);
    expect(world.record?.note).toBeNull();
  });

  it('tokens that live for seconds, and tokens that are revoked, are renewed', async () => {
    const world = new World({ tokenLifetimeMs: 12_000 });
    await world.start();
    for (const [atMs, plane] of [
      [15_000, 'cp1'],
      [31_000, 'cp2'],
    ] as const) {
      world.time.after(atMs, () => void world.plane(plane).faults.add({ effect: { kind: 'tokens-revoked' } }));
    }
    expect(await play(world)).toBe('completed');
    expect(world.writes.filter(({ write }) => write === 'token').length).toBeGreaterThan(8);
  });

  it('clouds that answer slowly', async () => {
    const world = new World({ latencyMs: [500, 8_000] });
    await world.start();
    expect(await play(world)).toBe('completed');
  });

  it('a clock that is an hour ahead', async () => {
    const world = new World({ skewMs: () => 3_600_000 });
    await world.start();
    expect(await play(world)).toBe('completed');
  });
});

describe('what the hardware does', () => {
  const kinds = [
    'clean-fails',
    'verify-fails',
    'deploy-fails',
    'deploy-lost',
    'deploy-aborted',
    'no-valid-host',
    'power-never-reported',
  ] as const;
  for (const kind of kinds) {
    for (const plane of ['cp1', 'cp2']) {
      it(`${kind} once in ${plane}: the step is tried again`, async () => {
        const world = new World();
        world.plane(plane).faults.add({ match: { node: 'node-02' }, times: 1, effect: { kind } });
        await world.start();
        expect(await play(world)).toBe('completed');
      });
    }
  }

  it('a cleaning that fails once costs one try, not two', async () => {
    const world = new World({
      deployment: { nodeAttempts: 1, retries: { attempts: 2, backoffMs: 1_000, maxBackoffMs: 10_000 } },
    });
    world.plane('cp2').faults.add({ match: { node: 'node-02' }, times: 1, effect: { kind: 'clean-fails' } });
    await world.start();
    expect(await play(world)).toBe('completed');
  });

  it('a deploy that hangs is given up at its deadline, and the node goes home', async () => {
    const world = new World({ deployment: { nodeAttempts: 1 } });
    world.plane('cp2').faults.add({ match: { node: 'node-02' }, times: 1, effect: { kind: 'deploy-hangs' } });
    await world.start();
    expect(await play(world)).toBe('stopped');
    expect(world.record?.results.find(({ place }) => place === 'back')?.failure?.reason).toBe('deadline');
  });

  it('no kind of failure, however often it happens, leaves a deployment without an end', async () => {
    for (const kind of [...kinds, 'deploy-hangs'] as const) {
      for (const plane of ['cp1', 'cp2']) {
        const world = new World({ nodes: 2, masters: 0, deployment: { nodeAttempts: 1 } });
        world.plane(plane).faults.add({ times: 0, effect: { kind } });
        await world.start();
        expect(['completed', 'stopped', 'rolled_back', 'stuck']).toContain(await play(world));
      }
    }
  });
});
