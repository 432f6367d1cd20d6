import { describe, expect, it, vi } from 'vitest';
import { DefinitionsPresent } from '../support/invariants/definitions.ts';
import { NoRepeatedDestruction } from '../support/invariants/destruction.ts';
import { Evidence } from '../support/invariants/evidence.ts';
import { ForeignUntouched } from '../support/invariants/foreign.ts';
import { Violation } from '../support/invariants/invariant.ts';
import { Knowledge } from '../support/invariants/knowledge.ts';
import { OnePowerManager } from '../support/invariants/power.ts';
import { RolesWhole } from '../support/invariants/roles.ts';
import { KEYSTONE_PASSWORD } from '../support/world/config.ts';
import { Meddler } from '../support/world/meddler.ts';
import { begin, insist, play } from '../support/world/people.ts';
import type { WorldOptions } from '../support/world/world.ts';
import { ALICE, World } from '../support/world/world.ts';
import { run } from './run.ts';
import { scenarioOf } from './scenario.ts';

/** An Ephyra that does what it should not: the same wire, the same watchers. */
function rogue(world: World) {
  const send = world.network.transport({ id: 99, alive: () => true, point: () => undefined });
  let token = '';
  const request = async (method: string, url: string, body?: unknown) => {
    const answer = await send({
      method: method as 'GET',
      url,
      headers: {
        'x-auth-token': token,
        'x-openstack-ironic-api-version': '1.82',
        'openstack-api-version': 'compute 2.93',
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: new AbortController().signal,
      tls: { verify: true },
    });
    return answer;
  };
  return {
    async login(at: string): Promise<void> {
      const user = { name: 'admin', domain: { name: 'Default' }, password: KEYSTONE_PASSWORD };
      const answer = await request('POST', `http://keystone.${at}.test/v3/auth/tokens`, {
        auth: {
          identity: { methods: ['password'], password: { user } },
          scope: { project: { name: 'admin', domain: { name: 'Default' } } },
        },
      });
      token = answer.headers['x-subject-token'] ?? '';
    },
    ironic: (at: string, method: string, path: string, body?: unknown) =>
      request(method, `http://ironic.${at}.test${path}`, body),
    nova: (at: string, method: string, path: string, body?: unknown) =>
      request(method, `http://nova.${at}.test${path}`, body),
  };
}

/** A deployment is under way, and beside it somebody calls the clouds as if he were Ephyra. */
async function broken(
  deed: (world: World) => Promise<void> | void,
  options: WorldOptions = {},
): Promise<Violation | null> {
  const world = new World({ nodes: 4, drainMs: [30_000, 30_000], ...options });
  await world.start();
  await begin(world);
  await world.pass(1_000);
  await deed(world);
  return world.violation;
}

const INSTANCES = '/v2.1/servers/detail?all_tenants=1';

const uuidOf = (world: World) => world.uuid('node-02');
const instanceOf = (world: World) => world.mirror('cp1').instanceOn(uuidOf(world))?.id ?? '';

/** node-02, which stays where it is, is said to have ended so in a deployment to that control plane. */
async function said(
  { state: end, place: where }: { readonly state: 'completed' | 'stopped' | 'stuck'; readonly place: 'moved' | 'back' },
  target: string,
  deed: (world: World) => Promise<void> | void,
): Promise<World> {
  const world = new World({ nodes: 2, masters: 0, invariants: [(one) => new RolesWhole(one)] });
  await world.start();
  await play(world, { options: { nodes: ['node-01'] } });
  await deed(world);
  const [one] = world.disk.deployments;
  const [result] = one?.results ?? [];
  if (one === undefined || result === undefined) throw new Error('nothing was played');
  const uuid = uuidOf(world);
  const node = { uuid, name: 'node-02', role: 'hadoop-worker' };
  const record = { ...one, id: 'd-another', nodes: [{ ...one.nodes[0], ...node }], target };
  const course = { source: target === 'cp1' ? 'cp2' : 'cp1', target };
  const tell = (state: string, place: string) =>
    world.tellStored({
      ...world.disk,
      deployments: [{ ...record, ...course, state, results: [{ ...result, uuid, place }] }],
    } as unknown as World['disk']);
  tell('rolling', 'moving');
  tell(end, where);
  return world;
}

const patched = (world: World, steps: unknown) =>
  new Meddler(world).request('cp1', 'ironic', 'PATCH', `/v1/nodes/${uuidOf(world)}`, steps);

describe('each invariant finds what breaks it', () => {
  it('definitions present: a node deleted before its copy is whole', async () => {
    const violation = await broken((world) => {
      const meddler = new Meddler(world);
      meddler.request('cp1', 'ironic', 'PATCH', `/v1/nodes/${uuidOf(world)}`, [
        { op: 'replace', path: '/driver_info/ipmi_password', value: '******' },
      ]);
    });
    expect(violation?.invariant).toBe('definitions present');
  });

  it('definitions present: a port, a trait, a property that is gone', async () => {
    const deeds: readonly ((world: World) => void)[] = [
      (world) => {
        const [port] = [...(world.mirror('cp1').ports.get(uuidOf(world))?.keys() ?? [])];
        world.plane('cp1').setMaintenance(uuidOf(world), true);
        new Meddler(world).request('cp1', 'ironic', 'DELETE', `/v1/ports/${port}`);
      },
      (world) =>
        void new Meddler(world).request('cp1', 'ironic', 'PUT', `/v1/nodes/${uuidOf(world)}/traits`, { traits: [] }),
      (world) =>
        void new Meddler(world).request('cp1', 'ironic', 'PATCH', `/v1/nodes/${uuidOf(world)}`, [
          { op: 'remove', path: '/properties/cpus' },
        ]),
    ];
    for (const deed of deeds) expect((await broken(deed))?.invariant).toBe('definitions present');
  });

  it('definitions present: a secret that is gone after a delete that came too late, and was refused', async () => {
    const violation = await broken(
      async (world) => {
        const bad = rogue(world);
        await bad.login('cp1');
        const deleted = bad.ironic('cp1', 'DELETE', `/v1/nodes/${world.uuid('node-04')}`);
        await world.pass(62_000);
        expect((await deleted).status).toBe(409);
        new Meddler(world).request('cp1', 'ironic', 'PATCH', `/v1/nodes/${world.uuid('node-04')}`, [
          { op: 'replace', path: '/driver_info/ipmi_password', value: '******' },
        ]);
      },
      {
        invariants: [(world) => new DefinitionsPresent(world)],
        disturb: ({ write, node }) =>
          write === 'delete node' && node?.endsWith('4') === true ? { do: 'late request', ms: 61_000 } : null,
      },
    );
    expect(violation?.what).toMatch(/^after node\.\w+ in cp1 no Ironic has the whole definition/);
  });

  it('one power manager: the same node managed by both', async () => {
    const violation = await broken((world) => {
      const meddler = new Meddler(world);
      const uuid = world.uuid('node-04');
      meddler.request('cp2', 'ironic', 'POST', '/v1/nodes', { uuid, name: 'node-04', driver: 'fake-hardware' });
      meddler.request('cp2', 'ironic', 'PUT', `/v1/nodes/${uuid}/states/provision`, { target: 'manage' });
    });
    expect(violation?.invariant).toBe('one power manager');
  });

  it('one power manager: the machines themselves know who could have switched them, at every instant', async () => {
    const world = new World({ nodes: 1, masters: 0 });
    await world.start();
    expect(await play(world)).toBe('completed');
    const uuid = world.uuid('node-01');
    const history = world.invariant(OnePowerManager)?.bmc.history(uuid) ?? [];
    // From the one to nobody, and from nobody to the other.
    expect(history.map(({ managers }) => managers)).toEqual([['cp1'], [], ['cp2']]);
    const [, gone, there] = history.map(({ since }) => since);
    const served = (write: string) => world.writes.find((call) => call.write === write)?.servedAt;
    expect(gone).toBe(served('delete node'));
    expect(there).toBe(served('manage'));
  });

  it('same nodes after a kill: a deployment that goes on with others', async () => {
    const violation = await broken((world) => {
      const [one] = world.disk.deployments;
      if (one === undefined) throw new Error('no deployment');
      world.tellStored({ ...world.disk, deployments: [{ ...one, nodes: one.nodes.slice(1) }] });
    });
    expect(violation?.invariant).toBe('same nodes after a kill');
  });

  it('evidence before destruction: nobody has looked', async () => {
    const violation = await broken(async (world) => {
      const bad = rogue(world);
      await bad.login('cp1');
      await bad.nova('cp1', 'DELETE', `/v2.1/servers/${instanceOf(world)}`);
    });
    expect(violation).toMatchObject({ invariant: 'evidence before destruction' });
    expect(violation?.what).toContain('was not asked');
  });

  it('evidence before destruction: a reboot is one as well', async () => {
    for (const target of ['power off', 'soft power off', 'rebooting', 'soft rebooting']) {
      const violation = await broken(
        async (world) => {
          const bad = rogue(world);
          await bad.login('cp1');
          await bad.ironic('cp1', 'PUT', `/v1/nodes/${uuidOf(world)}/states/power`, { target });
        },
        { invariants: [(world) => new Evidence(world)] },
      );
      expect(violation?.what, target).toContain('was not asked');
    }
  });

  it('evidence before destruction: of half an answer nothing is known', async () => {
    const violation = await broken(
      async (world) => {
        const bad = rogue(world);
        for (const name of ['cp2', 'cp1']) {
          await bad.login(name);
          const { body } = await bad.ironic(name, 'GET', '/v1/nodes?limit=1000&fields=uuid,extra');
          expect(() => JSON.parse(body) as unknown).toThrow();
        }
        await bad.nova('cp1', 'POST', `/v2.1/servers/${instanceOf(world)}/action`, { 'os-stop': null });
      },
      { disturb: ({ process, path }) => (process === 99 && path.includes('fields=') ? { do: 'half answer' } : null) },
    );
    expect(violation?.what).toContain('Ironic of cp1 was not asked');
  });

  it('evidence before destruction: looked too long ago, or before the own last change, or only at one side', async () => {
    const look = async (world: World, bad: ReturnType<typeof rogue>, ...at: string[]) => {
      for (const name of at) {
        await bad.login(name);
        await bad.ironic(
          name,
          'GET',
          '/v1/nodes?limit=1000&fields=uuid,provision_state,instance_uuid,maintenance,extra',
        );
      }
      await bad.login('cp1');
      return bad.nova('cp1', 'POST', `/v2.1/servers/${instanceOf(world)}/action`, { 'os-stop': null });
    };
    const one = await broken(async (world) => void (await look(world, rogue(world), 'cp1')));
    expect(one?.what).toContain('Ironic of cp2 was not asked');
    const both = await broken(async (world) => void (await look(world, rogue(world), 'cp1', 'cp2')));
    expect(both?.what).toContain('Nova of cp1 was not asked');
    const all = await broken(async (world) => {
      const bad = rogue(world);
      await bad.login('cp1');
      await bad.nova('cp1', 'GET', INSTANCES);
      await look(world, bad, 'cp1', 'cp2');
    });
    expect(all?.what).toContain('the application was not asked');
    const slow = { drainMs: [200_000, 200_000] } as const;
    const old = await broken(async (world) => {
      const bad = rogue(world);
      for (const name of ['cp1', 'cp2']) {
        await bad.login(name);
        await bad.ironic(name, 'GET', '/v1/nodes?fields=uuid,provision_state,instance_uuid,maintenance,extra');
      }
      await world.pass(60_000).catch(() => undefined);
      await bad.login('cp1');
      await bad.nova('cp1', 'POST', `/v2.1/servers/${instanceOf(world)}/action`, { 'os-stop': null });
    }, slow);
    expect(old?.what).toContain('ms ago');
  });

  it('evidence before destruction: Nova is asked after what it was told last, and knows the instance', async () => {
    const destroy = async (world: World, instance: string) => {
      const bad = rogue(world);
      for (const name of ['cp1', 'cp2']) {
        await bad.login(name);
        await bad.ironic(name, 'GET', '/v1/nodes?fields=uuid,provision_state,instance_uuid,maintenance,extra');
      }
      await bad.login('cp1');
      await bad.nova('cp1', 'GET', INSTANCES);
      await world.pass(5);
      return bad.nova('cp1', 'DELETE', `/v2.1/servers/${instance}`);
    };
    const of = (ofWorld: (world: World) => Promise<unknown>) =>
      broken(async (world) => void (await ofWorld(world)), { invariants: [(world) => new Evidence(world)] });
    const twice = await of(async (world) => {
      // The application's word is not what this is about.
      const [node, instance, now] = [uuidOf(world), instanceOf(world), world.time.now()];
      Knowledge.of(world).answered({ process: 99, uuid: node, membership: 'out', askedAt: now, answeredAt: now });
      await destroy(world, instance);
      expect(world.violation).toBeNull();
      const bad = rogue(world);
      await bad.login('cp1');
      await bad.nova('cp1', 'DELETE', `/v2.1/servers/${instance}`);
    });
    expect(twice?.what).toContain('Nova of cp1 was last asked before it was told something');
    const going = await of(async (world) => {
      const instance = instanceOf(world);
      new Meddler(world).request('cp1', 'nova', 'DELETE', `/v2.1/servers/${instance}`);
      await destroy(world, instance);
    });
    expect(going?.what).toMatch(/was deleting|had no instance/);
  });

  it('no machine stops in service: the plug is pulled while it drains', async () => {
    const violation = await broken(
      async (world) => {
        const bad = rogue(world);
        await bad.login('cp1');
        await bad.nova('cp1', 'POST', `/v2.1/servers/${instanceOf(world)}/action`, { 'os-stop': null });
        await world.pass(5_000).catch(() => undefined);
      },
      { invariants: (await import('../support/invariants/index.ts')).allInvariants.slice(3, 4) },
    );
    expect(violation?.invariant).toBe('no machine stops in service');
  });

  it('unavailability ceiling: one more is taken out', async () => {
    const violation = await broken(async (world) => {
      const plugin = world.application.plugin({ id: 99, time: world.processTime() });
      for (const name of ['node-03', 'node-04']) {
        const node = { uuid: world.uuid(name), name, role: 'hadoop-worker', instanceName: name };
        void plugin
          .removeNode(
            { ...node, addressesBefore: [], addressesAfter: [] },
            { signal: new AbortController().signal, deadline: Number.MAX_SAFE_INTEGER, progress: () => undefined },
          )
          .catch(() => undefined);
        await Promise.resolve();
      }
    });
    expect(violation?.invariant).toBe('unavailability ceiling');
  });

  it('foreign nodes untouched: a node that is in no plan, and one that bears no mark', async () => {
    const stranger = await broken(async (world) => {
      const bad = rogue(world);
      await bad.login('cp1');
      await bad.ironic('cp1', 'PATCH', `/v1/nodes/${world.uuid('node-01')}`, [
        { op: 'add', path: '/extra/note', value: 'mine' },
      ]);
    });
    expect(stranger?.invariant).toBe('foreign nodes untouched');
    const unmarked = await broken(async (world) => {
      const bad = rogue(world);
      await bad.login('cp2');
      await bad.ironic('cp2', 'POST', '/v1/nodes', { uuid: world.uuid('node-04'), driver: 'fake-hardware' });
    });
    expect(unmarked?.what).toContain('it bears no mark');
  });

  it('foreign nodes untouched: whose mark it is that is taken off was looked at too long ago', async () => {
    const violation = await broken(
      async (world) => {
        const bad = rogue(world);
        await bad.login('cp1');
        await bad.ironic('cp1', 'GET', '/v1/nodes?fields=uuid,provision_state,instance_uuid,maintenance,extra');
        await world.pass(170_000);
        await bad.login('cp1');
        await bad.ironic('cp1', 'PATCH', `/v1/nodes/${uuidOf(world)}`, [{ op: 'remove', path: '/extra/ephyra' }]);
      },
      { drainMs: [300_000, 300_000], invariants: [(world) => new ForeignUntouched(world)] },
    );
    expect(violation?.what).toMatch(/Ironic of cp1 was last asked 17\d{4} ms ago/);
  });

  it('foreign nodes untouched: somebody else’s instance on a node that is claimed', async () => {
    const violation = await broken(
      async (world) => {
        const meddler = new Meddler(world);
        const uuid = uuidOf(world);
        meddler.instance(uuid, 'delete');
        await world.until(() => meddler.boot(uuid));
        await world.until(() => world.mirror('cp1').running(uuid) !== null);
        const bad = rogue(world);
        await bad.login('cp1');
        await bad.nova('cp1', 'POST', `/v2.1/servers/${instanceOf(world)}/action`, { 'os-stop': null });
      },
      { invariants: (await import('../support/invariants/index.ts')).allInvariants.slice(5, 6) },
    );
    expect(violation?.invariant).toBe('foreign nodes untouched');
    expect(violation?.what).toContain("is somebody else's");
  });

  it('roles whole at the end: completed, and a node is missing', async () => {
    const world = new World({ nodes: 2, masters: 0 });
    await world.start();
    await play(world, { options: { nodes: ['node-01'] } });
    const record = structuredClone(world.disk) as {
      deployments: { id: string; nodes: unknown[] }[];
    } & typeof world.disk;
    record.deployments[0]?.nodes.push({ uuid: world.uuid('node-02'), name: 'node-02', role: 'hadoop-worker' });
    if (record.deployments[0] !== undefined) record.deployments[0].id = 'd-another';
    world.tellStored(record);
    expect(world.violation?.invariant).toBe('roles whole at the end');
  });

  for (const [what, end] of [
    ['completed', 'completed'],
    ['stopped, with one that has moved', 'stopped'],
    ['stuck, with one that has moved', 'stuck'],
  ] as const) {
    it(`roles whole at the end: ${what}, and a node is missing on which people laid hands that took nothing away`, async () => {
      for (const deed of [
        (meddler: Meddler, uuid: string) => void meddler.define(uuid, 'asset_tag', 'A-2'),
        (meddler: Meddler, uuid: string) => meddler.protect(uuid),
        (meddler: Meddler, uuid: string) => meddler.maintenance(uuid, 'cp1', true),
      ]) {
        const world = await said({ state: end, place: 'moved' }, 'cp2', (one) => {
          deed(new Meddler(one), uuidOf(one));
        });
        expect(world.violation?.what).toContain('node-02 is still in cp1');
      }
    });
  }

  it('roles whole at the end: back, and it is in no service, or marked', async () => {
    const mark = { v: 1, deployment: 'd-1', epoch: 1, source: 'cp1', target: 'cp2', role: 'x', instance: null };
    const deeds: readonly (readonly [RegExp, (world: World) => void])[] = [
      [/is out/, (world) => world.application.operate(uuidOf(world), 'out')],
      [/still bears its mark/, (world) => void patched(world, [{ op: 'add', path: '/extra/ephyra', value: mark }])],
    ];
    for (const [why, deed] of deeds) {
      const world = await said({ state: 'stopped', place: 'back' }, 'cp2', deed);
      expect(world.violation?.what).toMatch(why);
    }
  });

  it('roles whole at the end: who stops a machine excuses that it is off, unless Ephyra was told', async () => {
    const stop = async (world: World) => {
      new Meddler(world).instance(uuidOf(world), 'stop');
      await world.pass(10_000);
    };
    const unknown = await said({ state: 'completed', place: 'moved' }, 'cp1', stop);
    expect(unknown.violation).toBeNull();
    const told = await said({ state: 'completed', place: 'moved' }, 'cp1', async (world) => {
      await stop(world);
      const bad = rogue(world);
      await bad.login('cp1');
      await bad.nova('cp1', 'GET', '/v2.1/servers/detail?all_tenants=1');
    });
    expect(told.violation?.what).toContain('node-02 does not run in cp1');
  });

  it('no repeated destruction: the same instance stopped twice although the list had shown it', async () => {
    const violation = await broken(
      async (world) => {
        const bad = rogue(world);
        await bad.login('cp1');
        const stop = () => bad.nova('cp1', 'POST', `/v2.1/servers/${instanceOf(world)}/action`, { 'os-stop': null });
        await stop();
        await world.pass(2_000).catch(() => undefined);
        await bad.nova('cp1', 'GET', '/v2.1/servers/detail?all_tenants=1');
        await stop();
      },
      { invariants: (await import('../support/invariants/index.ts')).allInvariants.slice(7, 8) },
    );
    expect(violation?.invariant).toBe('no repeated destruction');
  });

  for (const [what, target] of [
    ['an instance is stopped', 'stop'],
    ['an instance is deleted', 'instance'],
    ['a node is deleted', 'node'],
  ] as const) {
    it(`no repeated destruction: ${what} twice by a process that was told of the success, and has not looked since`, async () => {
      const violation = await broken(
        async (world) => {
          const bad = rogue(world);
          await bad.login('cp1');
          const [uuid, id] = [uuidOf(world), instanceOf(world)];
          const deeds = {
            stop: () => bad.nova('cp1', 'POST', `/v2.1/servers/${id}/action`, { 'os-stop': null }),
            instance: () => bad.nova('cp1', 'DELETE', `/v2.1/servers/${id}`),
            node: () => bad.ironic('cp1', 'DELETE', `/v1/nodes/${uuid}`),
          };
          if (target === 'node') {
            await deeds.instance();
            await world.pass(30_000).catch(() => undefined);
          }
          expect((await deeds[target]()).status).toBeLessThan(300);
          await deeds[target]();
        },
        { invariants: [(world) => new NoRepeatedDestruction(world)] },
      );
      expect(violation?.what).toMatch(/it had succeeded \d+ ms ago/);
    });
  }

  it('no repeated destruction: what was there again in between is another one, and so is what was given up', async () => {
    const again = await broken(
      async (world) => {
        const bad = rogue(world);
        await bad.login('cp1');
        const action = (what: string) =>
          bad.nova('cp1', 'POST', `/v2.1/servers/${instanceOf(world)}/action`, { [what]: null });
        for (const what of ['os-stop', 'os-start', 'os-stop']) {
          expect((await action(what)).status).toBe(202);
          await world.pass(5_000);
        }
        const uuid = world.uuid('node-04');
        const remove = () => bad.nova('cp1', 'DELETE', `/v2.1/servers/${world.mirror('cp1').instanceOn(uuid)?.id}`);
        new Meddler(world).protect(uuid);
        expect((await remove()).status).toBe(204);
        await world.pass(5_000);
        expect(world.mirror('cp1').instanceOn(uuid)?.status).toBe('ERROR');
        expect((await remove()).status).toBe(204);
      },
      { invariants: [(world) => new NoRepeatedDestruction(world)], drainMs: [100_000, 100_000] },
    );
    expect(again).toBeNull();
  });

  it('one deployment per pair: two on disk at once, one under a lock, one marking after its end', async () => {
    const doubled = await broken((world) => {
      const [one] = world.disk.deployments;
      if (one === undefined) throw new Error('no deployment');
      world.tellStored({ ...world.disk, deployments: [one, { ...one, id: 'd-other' }] });
    });
    expect(doubled?.invariant).toBe('one deployment per pair');
    const locked = await broken((world) => {
      const [one] = world.disk.deployments;
      if (one === undefined) throw new Error('no deployment');
      const lock = { id: 'lock-1', scope: 'all' as const, owner: ALICE, reason: 'no', since: 0, expiresAt: null };
      world.tellStored({ ...world.disk, locks: [lock], deployments: [{ ...one, id: 'd-other' }] });
    });
    expect(locked?.what).toContain('under the lock');
  });

  it('no secret gets out: in the log, in an answer, in the store, in what faces are told', async () => {
    for (const secret of ['bmc-secret-02', KEYSTONE_PASSWORD, `gAAAAABr${'0'.repeat(40)}`]) {
      const inStore = await broken((world) => {
        world.tellStored({
          ...world.disk,
          deployments: world.disk.deployments.map((one) => ({ ...one, note: secret })),
        });
      });
      expect(inStore?.invariant).toBe('no secret gets out');
      const inLog = await broken((world) => world.tellOutput('log', `{"msg":"trouble with ${secret}"}`));
      expect(inLog?.what).toMatch(/^log has one/);
    }
  });

  it('no secret gets out: in the metrics, though nothing happens after they were scraped', async () => {
    vi.spyOn(World.prototype, 'metricsText').mockImplementation(async function scraped(this: World) {
      this.tellOutput('metrics', '# bmc-secret-02');
      return '';
    });
    const { outcome } = await run({ ...scenarioOf(1), rivals: [] });
    vi.restoreAllMocks();
    expect(outcome.failure?.message).toMatch(/^no secret gets out: metrics has one/);
  });
});

describe('what a process is answered', () => {
  it('is its own: whatever it does with it, the clouds are as they were', async () => {
    const world = new World({ nodes: 3 });
    const bad = rogue(world);
    await bad.login('cp1');
    const uuid = world.uuid('node-02');
    const before = JSON.stringify(world.mirror('cp1').nodes.get(uuid));
    const { json } = await bad.ironic('cp1', 'GET', `/v1/nodes/${uuid}`);
    const node = json as { driver_info: Record<string, unknown> };
    expect(node.driver_info).toHaveProperty('ipmi_address');
    delete node.driver_info['ipmi_address'];
    expect(JSON.stringify(world.mirror('cp1').nodes.get(uuid))).toBe(before);

    const list = await bad.ironic('cp1', 'GET', '/v1/nodes?limit=1000&fields=uuid,extra');
    const [first] = (list.json as { nodes: { extra: Record<string, unknown> }[] }).nodes;
    expect(() => Object.assign(first?.extra ?? {}, { ephyra: 1 })).toThrow(TypeError);
  });
});

describe('a violation', () => {
  it('says which invariant, when, what, and what had happened before', async () => {
    const violation = await broken(async (world) => {
      const bad = rogue(world);
      await bad.login('cp1');
      await bad.nova('cp1', 'DELETE', `/v2.1/servers/${instanceOf(world)}`);
    });
    expect(violation).toBeInstanceOf(Violation);
    const lines = (violation?.message ?? '').split('\n');
    expect(lines[0]).toMatch(/^evidence before destruction: #\d+ p99 cp1 nova DELETE .*\[delete instance 0002\]/);
    expect(lines.length).toBeGreaterThan(20);
    expect(lines.at(-1)).toMatch(/^\s+1\.000 sent/);
    expect(violation?.message).not.toMatch(/bmc-secret|keystone-secret|gAAAAA/);
  });

  it('ends what waits for the world', async () => {
    const world = new World({ nodes: 2, masters: 0 });
    await world.start();
    await begin(world);
    world.time.after(500, () => world.violate('a test', 'on purpose'));
    await expect(insist(world, () => new Promise(() => undefined))).rejects.toThrow('a test: on purpose');
  });
});

describe('the same world', () => {
  it('played twice is the same to the last event', async () => {
    const traces = [];
    for (let round = 0; round < 2; round += 1) {
      const world = new World({ nodes: 5, seed: 42, latencyMs: [0, 500], shuffle: true, wholeTrace: true });
      await world.start();
      await play(world, { abortAfter: 2 });
      traces.push(world.trace.last(Number.POSITIVE_INFINITY).join('\n'));
    }
    expect(traces[0]).toBe(traces[1]);
    expect(traces[0]?.split('\n').length).toBeGreaterThan(500);
  });

  it('with another seed is another one', async () => {
    const totals = new Set<string>();
    for (const seed of [1, 2, 3]) {
      const world = new World({ nodes: 3, seed, latencyMs: [0, 500], shuffle: true });
      await world.start();
      await play(world);
      totals.add(`${world.trace.total} ${world.time.now()}`);
    }
    expect(totals.size).toBe(3);
  });
});
