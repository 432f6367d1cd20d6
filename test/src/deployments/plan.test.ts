import { describe, expect, it } from 'vitest';
import type { PlanProblem, PlanView } from '../../../src/deployments/types.ts';
import { Meddler } from '../../support/world/meddler.ts';
import { begin, hasEnded } from '../../support/world/people.ts';
import type { WorldOptions } from '../../support/world/world.ts';
import { ALICE, World } from '../../support/world/world.ts';

const REQUEST = { source: 'cp1', target: 'cp2', by: ALICE } as const;

type Asked = { readonly plan: PlanView | null; readonly problems: readonly PlanProblem[]; readonly world: World };

/** What the preflight says of a world with something about it. */
async function planned(
  prepare: (world: World, meddler: Meddler) => void,
  options: WorldOptions = {},
  nodes?: readonly string[],
): Promise<Asked> {
  // What people do to the world before is no violation of anything.
  const world = new World({ invariants: [], ...options });
  prepare(world, new Meddler(world));
  await world.start();
  const before = world.writes.filter(({ write }) => write !== 'token').length;
  const answer = await world.ask((ephyra) =>
    ephyra.plan({ ...REQUEST, ...(nodes === undefined ? {} : { options: { nodes } }) }),
  );
  expect(world.writes.filter(({ write }) => write !== 'token').length, 'a plan writes nothing').toBe(before);
  if (answer === null) throw new Error('no answer');
  return answer.ok
    ? { plan: answer.value, problems: [], world }
    : { plan: null, problems: answer.refusal.problems, world };
}

const fields = ({ problems }: Asked): string[] => problems.map(({ field }) => field);

function expectProblem(asked: Asked, field: string, message: RegExp, remedy: RegExp): void {
  const found = asked.problems.filter((problem) => problem.field === field);
  expect(found, JSON.stringify(asked.problems)).toHaveLength(1);
  expect(found[0]?.message).toMatch(message);
  expect(found[0]?.remedy).toMatch(remedy);
}

describe('a plan', () => {
  it('has every node that can move: workers before masters, then by rack, then by name', async () => {
    const { plan } = await planned(() => undefined, { nodes: 12, masters: 2 });
    expect(plan?.nodes.map(({ name }) => name)).toEqual([
      ...Array.from({ length: 10 }, (_, at) => `node-${String(at + 3).padStart(2, '0')}`),
      'node-01',
      'node-02',
    ]);
    expect(plan?.excluded).toEqual([]);
    expect(plan?.digest).toMatch(/^[0-9a-f]{12}$/);
  });

  it('has the failure domain of each node', async () => {
    const { plan } = await planned(() => undefined, { nodes: 3 });
    expect(plan?.nodes.map(({ name, failureDomain }) => `${name} ${failureDomain}`)).toEqual([
      'node-02 r1',
      'node-03 r2',
      'node-01 r1',
    ]);
  });

  it('is refused when a limit for failure domains holds and one is not known', async () => {
    const forget = (world: World, meddler: Meddler) =>
      void meddler.request('cp1', 'ironic', 'PATCH', `/v1/nodes/${world.uuid('node-02')}`, [
        { op: 'remove', path: '/extra/rack' },
      ]);
    const limited = (maxUnavailable: number | null) => ({
      deployment: { failureDomain: { extra: 'rack', maxUnavailable } },
    });
    expect((await planned(forget, limited(null))).plan?.nodes[0]).toMatchObject({
      name: 'node-02',
      failureDomain: null,
    });
    expectProblem(
      await planned(forget, limited(1)),
      'cp1.extra.rack',
      /^The failure domain of node-02 is not known \(no name in extra\.rack\), and at most 1 of each may be out/,
      /baremetal node set --extra rack=NAME node-02, or leave deployment\.failureDomain\.maxUnavailable out/,
    );
    expect((await planned(() => undefined, limited(1))).problems).toEqual([]);
  });

  it('is the same for the same world, and another for another', async () => {
    const digest = async (options: WorldOptions) => (await planned(() => undefined, options)).plan?.digest;
    expect(await digest({ nodes: 4 })).toBe(await digest({ nodes: 4 }));
    // The same nodes with other instances on them: what was approved was to end those that ran then.
    expect(await digest({ nodes: 4 })).not.toBe(await digest({ nodes: 4, seed: 9 }));
    expect(await digest({ nodes: 4 })).not.toBe(await digest({ nodes: 5 }));
  });

  it('for named nodes has those, by name or uuid', async () => {
    const { plan } = await planned(() => undefined, { nodes: 4 }, ['node-03', 'b0000000-0000-4000-8000-000000000002']);
    expect(plan?.nodes.map(({ name }) => name)).toEqual(['node-02', 'node-03']);
  });

  it('says which of the named nodes is not there', async () => {
    const asked = await planned(() => undefined, { nodes: 3 }, ['node-02', 'nod-03']);
    expectProblem(asked, 'nodes', /no node "nod-03" in cp1/, /baremetal node list/);
  });
});

describe('nodes that stay', () => {
  const reasonOf = (asked: Asked, name: string) => asked.plan?.excluded.find((node) => node.name === name)?.reason;

  it('are told with their reason, and the others move', async () => {
    const asked = await planned(
      (world, meddler) => {
        world.plane('cp1').setMaintenance('node-02', true, 'fan broken');
        meddler.protect(world.uuid('node-03'));
        meddler.request('cp1', 'ironic', 'PATCH', `/v1/nodes/${world.uuid('node-04')}`, [
          { op: 'replace', path: '/retired', value: true },
        ]);
        meddler.request('cp1', 'ironic', 'PATCH', `/v1/nodes/${world.uuid('node-05')}`, [
          { op: 'add', path: '/extra/role', value: 'database' },
        ]);
        world.plane('cp1').disturb('node-06', { provision_state: 'rescue' });
        meddler.mark(world.uuid('node-07'), 'hands off');
        meddler.mark(world.uuid('node-08'), {
          v: 1,
          deployment: 'd-other',
          epoch: 1,
          source: 'cp1',
          target: 'cp2',
          role: 'x',
          instance: null,
        });
        meddler.instance(world.uuid('node-09'), 'stop');
      },
      { nodes: 10, masters: 0, delays: { power: 0 } },
    );
    // Node 09 is on its way down, which is no state to move in either.
    await asked.world.pass(5_000);
    const again = await asked.world.ask((ephyra) => ephyra.plan(REQUEST));
    const now: Asked = { ...asked, plan: again?.ok ? again.value : null };
    expect(reasonOf(now, 'node-02')).toMatch(/maintenance: fan broken/);
    expect(reasonOf(now, 'node-03')).toMatch(/protected/);
    expect(reasonOf(now, 'node-04')).toMatch(/retired/);
    expect(reasonOf(now, 'node-05')).toMatch(/no role/);
    expect(reasonOf(now, 'node-06')).toMatch(/it is rescue, not active/);
    expect(reasonOf(now, 'node-07')).toMatch(/extra\.ephyra cannot be read/);
    expect(reasonOf(now, 'node-08')).toMatch(/claimed by deployment d-other/);
    expect(reasonOf(now, 'node-09')).toMatch(/SHUTOFF, not ACTIVE/);
    expect(now.plan?.nodes.map(({ name }) => name)).toEqual(['node-01', 'node-10']);
  });

  it('because the target has their uuid, their name or their MAC address', async () => {
    const asked = await planned(
      (world, meddler) => {
        const create = (body: object) =>
          meddler.request('cp2', 'ironic', 'POST', '/v1/nodes', { driver: 'fake-hardware', ...body });
        create({ uuid: world.uuid('node-02') });
        const other = 'c0000000-0000-4000-8000-000000000001';
        create({ uuid: other, name: 'node-03' });
        meddler.request('cp2', 'ironic', 'POST', '/v1/ports', { node_uuid: other, address: '52:54:00:00:04:00' });
      },
      { nodes: 5, masters: 0 },
    );
    expect(reasonOf(asked, 'node-02')).toMatch(/cp2 already has a node with this uuid/);
    expect(reasonOf(asked, 'node-03')).toMatch(/another node of this name, c0000000/);
    expect(reasonOf(asked, 'node-04')).toMatch(/has its MAC address 52:54:00:00:04:00 on node c0000000/);
    expect(asked.plan?.nodes.map(({ name }) => name)).toEqual(['node-01', 'node-05']);
  });

  it('all of them is an error that names the reasons', async () => {
    const asked = await planned(
      (world) => {
        for (const name of ['node-01', 'node-02']) world.plane('cp1').setMaintenance(name, true, 'move to rack 7');
      },
      { nodes: 2 },
    );
    expectProblem(
      asked,
      'nodes',
      /No node of cp1 can be moved \(node-01: it is in maintenance: move to rack 7; node-02/,
      /roles/,
    );
  });

  it('none at all is an error, too: perhaps the direction is wrong', async () => {
    const world = new World();
    await world.start();
    const answer = await world.ask((ephyra) => ephyra.plan({ source: 'cp2', target: 'cp1', by: ALICE }));
    const problems = answer?.ok === false ? answer.refusal.problems : [];
    expect(problems).toMatchObject(
      [{ field: 'nodes', message: 'cp2 has no nodes to move.', remedy: /direction/ }].map((it) => ({
        ...it,
        remedy: expect.stringMatching(it.remedy),
      })),
    );
  });
});

describe('what stands in the way', () => {
  it('masked BMC secrets: the policy line that shows them', async () => {
    const asked = await planned((world) => world.plane('cp1').setShowPassword(false));
    // One policy for all nodes: one problem, with the nodes in it.
    expectProblem(
      asked,
      'cp1.secrets',
      /masks driver_info\.ipmi_password of node-01, node-02, node-03/,
      /"show_password": "role:admin".*secretsFile/,
    );
  });

  it('a flavor, image, network or key pair that the target does not have, with those it has', async () => {
    const cases = [
      ['flavor', { flavor: 'bm.hadoop-worker' }, /no flavor "bm\.hadoop-worker"; it has bm\.hadoop-master/],
      ['image', { image: 'hadoop-image' }, /no image "hadoop-image"; it has none at all/],
      ['network', { network: 'tenant-net' }, /no network "tenant-net"/],
      ['keyPair', { keypair: 'ops' }, /no key pair "ops"/],
    ] as const;
    for (const [what, forgotten, message] of cases) {
      const asked = await planned((world) => world.plane('cp2').forget(forgotten), { masters: 0 });
      expectProblem(
        asked,
        `cp2.${what}`,
        message,
        what === 'keyPair' ? /keypair create/ : /Create it in cp2, or change roles\.hadoop-worker\.boot/,
      );
    }
  });

  it('quotas, in instances, cores and memory', async () => {
    for (const [kind, value] of [
      ['instances', 2],
      ['cores', 64],
      ['ram', 200_000],
    ] as const) {
      const asked = await planned(
        (world) => {
          world.plane('cp2').quotas[kind] = value;
        },
        { masters: 0 },
      );
      expectProblem(asked, 'cp2.quota', new RegExp(`leaves ${value} ${kind}`), new RegExp(`quota set --${kind}`));
    }
  });

  it('too few free addresses', async () => {
    const network = {
      id: 'net-1',
      name: 'tenant-net',
      status: 'ACTIVE',
      admin_state_up: true,
      shared: true,
      subnets: [],
    };
    const use = {
      network_id: 'net-1',
      network_name: 'tenant-net',
      total_ips: 250,
      used_ips: 248,
      subnet_ip_availability: [],
    };
    const asked = await planned((world) => {
      const answer = (path: string, body: object) =>
        world
          .plane('cp2')
          .faults.add({ match: { service: 'neutron', path }, effect: { kind: 'answer', status: 200, body } });
      answer('^/v2.0/networks', { networks: [network] });
      answer('^/v2.0/network-ip-availabilities', { network_ip_availabilities: [use] });
    });
    expectProblem(
      asked,
      'cp2.network',
      /tenant-net of cp2 has 2 free addresses; 3 nodes need one/,
      /allocation pool.*--nodes/,
    );
  });

  it('an interface or a driver that the target has not enabled, and for which nodes', async () => {
    const answered = (driver: object) => (world: World) => {
      const body = { drivers: [{ hosts: ['cp2-conductor'], type: 'dynamic', ...driver }] };
      world.plane('cp2').faults.add({ match: { path: '^/v1/drivers' }, effect: { kind: 'answer', status: 200, body } });
    };
    expectProblem(
      await planned(answered({ name: 'fake-hardware', enabled_power_interfaces: ['ipmitool'] })),
      'cp2.drivers',
      /has not enabled power interface fake, which node-0\d, node-0\d, node-0\d use/,
      /ironic\.conf of cp2/,
    );
    expectProblem(
      await planned(answered({ name: 'redfish' })),
      'cp2.drivers',
      /has not enabled driver fake-hardware/,
      /ironic\.conf of cp2/,
    );
  });

  it('a cloud that does not answer, once, not once for each call', async () => {
    for (const [plane, service] of [
      ['cp1', 'keystone'],
      ['cp2', 'keystone'],
      ['cp1', 'ironic'],
      ['cp2', 'ironic'],
      ['cp1', 'nova'],
      ['cp2', 'nova'],
      ['cp2', 'neutron'],
      ['cp2', 'glance'],
    ] as const) {
      const asked = await planned((world) => {
        world.plane(plane).faults.add({ match: { service }, effect: { kind: 'service-down', answer: 'refused' } });
      });
      const about = fields(asked).filter((field) => field.startsWith(`${plane}.`));
      expect(about, `${plane} ${service}`).toHaveLength(1);
      expect(asked.problems[0]?.message).toContain(service);
      expect(asked.problems[0]?.remedy).toBeTruthy();
    }
  });

  it('a wrong password: which cloud, whose, and where to look', async () => {
    const asked = await planned((world) => {
      world.plane('cp2').faults.add({
        match: { service: 'keystone' },
        times: 0,
        effect: {
          kind: 'answer',
          status: 401,
          body: { error: { code: 401, message: 'The request you have made requires authentication.' } },
        },
      });
    });
    expectProblem(asked, 'cp2.auth', /Keystone refuses the credentials of user admin/, /clouds\.yaml/);
    expect(JSON.stringify(asked.problems)).not.toContain('keystone-secret');
  });

  it('an application that is not healthy, cannot be asked, or does not answer', async () => {
    const because = async (fault: (world: World) => void) => planned((world) => fault(world));
    expectProblem(
      await because((world) => {
        world.application.faults.unhealthy = 'one block is missing';
      }),
      'application',
      /unhealthy: one block is missing/,
      /health first/,
    );
    expectProblem(
      await because((world) => {
        world.application.faults.silent = true;
      }),
      'application',
      /unknown: it does not answer/,
      /health first/,
    );
    expectProblem(
      await because((world) => {
        world.application.faults.throws = true;
      }),
      'application',
      /cannot be asked: the application is not to be reached/,
      /health first/,
    );
    expectProblem(
      await because((world) => {
        world.application.faults.hangs = true;
      }),
      'application',
      /did not answer within 30 s/,
      /health first/,
    );
  });

  it('all of it at once, not one after the other', async () => {
    const asked = await planned((world) => {
      world.plane('cp1').setShowPassword(false);
      world.plane('cp2').forget({ image: 'hadoop-image', keypair: 'ops' });
      world.plane('cp2').quotas.instances = 0;
      world.application.faults.unhealthy = 'safe mode';
    });
    expect(new Set(fields(asked))).toEqual(
      new Set(['application', 'cp1.secrets', 'cp2.image', 'cp2.keyPair', 'cp2.quota']),
    );
  });
});

describe('between the plan and the approval', () => {
  const BOB = { via: 'slack', id: 'U0BOB', display: 'bob' } as const;

  it('an old plan is made again: the same world is still approved', async () => {
    const world = new World();
    await world.start();
    await world.ask((ephyra) => ephyra.deploy(REQUEST));
    await world.pass(20 * 60_000);
    const answer = await world.ask((ephyra) => ephyra.approve({ by: BOB }));
    expect(answer?.ok).toBe(true);
    await world.until(() => hasEnded(world));
    expect(world.record?.state).toBe('completed');
  });

  it('an old plan is made again: in a world that has changed it is refused', async () => {
    const world = new World({ nodes: 4 });
    await world.start();
    await world.ask((ephyra) => ephyra.deploy(REQUEST));
    world.plane('cp1').setMaintenance('node-03', true);
    await world.pass(20 * 60_000);
    const answer = await world.ask((ephyra) => ephyra.approve({ by: BOB }));
    expect(answer).toMatchObject({
      ok: false,
      refusal: { code: 'digest_changed', remedy: expect.stringContaining('/ephyra stop') },
    });
    expect(world.writes.filter(({ write }) => write !== 'token')).toEqual([]);
  });

  it('nobody approves in time: it expires, and another can be asked for', async () => {
    const world = new World();
    await world.start();
    await world.ask((ephyra) => ephyra.deploy(REQUEST));
    await world.pass(4 * 3_600_000 + 1);
    await world.ephyra.sweep();
    expect(world.record).toMatchObject({ state: 'expired', note: 'Nobody approved it in time.' });
    await begin(world, { key: 'again' });
    await world.until(() => hasEnded(world));
    expect(world.record?.state).toBe('completed');
  });

  it('the same delivery twice is one deployment', async () => {
    const world = new World();
    await world.start();
    const ids = [];
    for (let round = 0; round < 2; round += 1) {
      const answer = await world.ask((ephyra) => ephyra.deploy({ ...REQUEST, idempotencyKey: 'trigger-1' }));
      ids.push(answer?.ok ? answer.value.id : answer?.refusal.code);
    }
    expect(ids[0]).toBe(ids[1]);
    expect(world.disk.deployments).toHaveLength(1);
  });
});
