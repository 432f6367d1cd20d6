import { describe, expect, it } from 'vitest';
import { seedNodes, seedUuid } from '../../../../src/sandbox/openstack/index.ts';
import { type Body, fault, Lab } from './support.ts';

const NODE = 'b0000000-0000-4000-8000-0000000000f1';

async function enrol(lab: Lab, more: Record<string, unknown> = {}): Promise<void> {
  const body = {
    uuid: NODE,
    name: 'node-f1',
    driver: 'fake-hardware',
    resource_class: 'bm-worker',
    extra: { role: 'hadoop-worker' },
  };
  expect((await lab.ironic('POST', '/v1/nodes', { ...body, ...more })).status).toBe(201);
  await lab.ironic('POST', '/v1/ports', { node_uuid: NODE, address: '52:54:00:99:00:01' });
  await lab.ironic('PUT', `/v1/nodes/${NODE}/traits`, { traits: ['CUSTOM_HADOOP_WORKER'] });
}

async function verb(lab: Lab, target: string, ms = 3000): Promise<Body> {
  expect((await lab.ironic('PUT', `/v1/nodes/${NODE}/states/provision`, { target })).status).toBe(202);
  await lab.clock.advance(ms);
  return lab.node(NODE);
}

async function available(lab: Lab): Promise<void> {
  await enrol(lab);
  await verb(lab, 'manage');
  expect((await verb(lab, 'provide')).provision_state).toBe('available');
}

async function boot(lab: Lab, node = NODE, role = 'hadoop-worker'): Promise<string> {
  const answer = await lab.nova('POST', '/servers', await lab.serverFor(node, role));
  expect(answer.status).toBe(202);
  return answer.body.server.id;
}

const server = async (lab: Lab, id: string): Promise<Body> => (await lab.nova('GET', `/servers/${id}`)).body.server;
const reservedOf = async (lab: Lab): Promise<number> =>
  (await lab.get('placement', `/resource_providers/${NODE}/inventories`)).inventories.CUSTOM_BM_WORKER.reserved;

describe('a node on its way to being schedulable', () => {
  it('appears in Placement at the next look of nova-compute, reserved, while it is still in enroll', async () => {
    const lab = await Lab.open();
    await enrol(lab);
    expect((await lab.send('placement', 'GET', `/resource_providers/${NODE}`)).status).toBe(404);
    await lab.clock.advance(1500);
    expect(await reservedOf(lab)).toBe(1);
    expect((await lab.nova('GET', '/os-hypervisors')).body.hypervisors[0].state).toBe('up');
  });

  it('is free only at the look after it became available', async () => {
    const lab = await Lab.open({ delays: { resourceInterval: 60_000, clean: 800, verify: 200 } });
    await enrol(lab);
    await verb(lab, 'manage', 1000);
    await verb(lab, 'provide', 1000);
    expect((await lab.send('placement', 'GET', `/resource_providers/${NODE}`)).status).toBe(404);
    await lab.clock.advance(60_000);
    expect(await reservedOf(lab)).toBe(0);
  });

  it('stays reserved as long as no power state was ever reported', async () => {
    const lab = await Lab.open({ bmcReportsPower: false });
    await available(lab);
    await lab.clock.advance(5000);
    expect(await reservedOf(lab)).toBe(1);
    await lab.ironic('PUT', `/v1/nodes/${NODE}/states/power`, { target: 'power on' });
    await lab.clock.advance(2000);
    expect(await reservedOf(lab)).toBe(0);
  });

  it('leaves Placement at the look after its deletion', async () => {
    const lab = await Lab.open();
    await available(lab);
    await lab.clock.advance(2000);
    expect((await lab.ironic('DELETE', `/v1/nodes/${NODE}`)).status).toBe(204);
    expect((await lab.send('placement', 'GET', `/resource_providers/${NODE}`)).status).toBe(200);
    await lab.clock.advance(1500);
    expect((await lab.send('placement', 'GET', `/resource_providers/${NODE}`)).status).toBe(404);
  });

  it('needs no timer once nothing changes any more', async () => {
    const lab = await Lab.open();
    await available(lab);
    await lab.clock.advance(10_000);
    expect(lab.clock.pending).toBe(0);
  });
});

describe('an instance', () => {
  it('goes through scheduling, networking and spawning to ACTIVE, with the address known at the end', async () => {
    const lab = await Lab.open();
    await available(lab);
    await lab.clock.advance(2000);
    const id = await boot(lab);
    await lab.clock.advance(5000);
    const tasks = lab.changes
      .filter(({ kind, uuid }) => uuid === id && kind === 'instance.task_state')
      .map(({ after }) => after?.['taskState']);
    expect(tasks).toEqual([null, 'networking', 'spawning', null]);
    const built = await server(lab, id);
    expect(built).toMatchObject({ status: 'ACTIVE', 'OS-EXT-SRV-ATTR:hypervisor_hostname': NODE });
    expect(built.addresses['tenant-net'][0]).toMatchObject({
      addr: '10.1.0.10',
      'OS-EXT-IPS-MAC:mac_addr': '52:54:00:99:00:01',
    });
    expect(await lab.node(NODE)).toMatchObject({
      provision_state: 'active',
      instance_uuid: id,
      power_state: 'power on',
    });
  });

  it('is 404 while its node is still being cleaned, and the node keeps extra alone', async () => {
    const lab = await Lab.open({ delays: { clean: 5000 } });
    await enrol(lab);
    await verb(lab, 'manage', 6000);
    await verb(lab, 'provide', 8000);
    const id = await boot(lab);
    await lab.clock.advance(5000);
    expect((await lab.nova('DELETE', `/servers/${id}`)).status).toBe(204);
    expect(await server(lab, id)).toMatchObject({ status: 'ACTIVE', 'OS-EXT-STS:task_state': 'deleting' });
    await lab.clock.advance(1000);
    expect((await lab.nova('GET', `/servers/${id}`)).status).toBe(404);
    expect(await lab.node(NODE)).toMatchObject({
      provision_state: 'cleaning',
      instance_uuid: null,
      instance_info: {},
      extra: { role: 'hadoop-worker' },
    });
    await lab.clock.advance(5000);
    expect(await lab.node(NODE)).toMatchObject({ provision_state: 'available', power_state: 'power off' });
    const deleted = await lab.nova('GET', '/servers/detail?deleted=true&all_tenants=1');
    expect(deleted.body.servers[0]).toMatchObject({ id, status: 'DELETED', metadata: {} });
  });

  it('gets another address when it is booted again', async () => {
    const lab = await Lab.open();
    await available(lab);
    await lab.clock.advance(2000);
    const first = await boot(lab);
    await lab.clock.advance(3000);
    await lab.nova('DELETE', `/servers/${first}`);
    await lab.clock.advance(5000);
    const second = await boot(lab);
    await lab.clock.advance(3000);
    expect((await server(lab, second)).addresses['tenant-net'][0].addr).toBe('10.1.0.11');
    const { network_ip_availabilities: networks } = await lab.get('neutron', '/v2.0/network-ip-availabilities');
    expect(networks[0].used_ips).toBe(1);
  });

  it('ends in ERROR when its node is locked at the moment of the boot, and leaves no allocation', async () => {
    const lab = await Lab.open();
    await available(lab);
    await lab.clock.advance(2000);
    lab.plane.faults.add({ match: { node: NODE }, effect: { kind: 'node-locked', ms: 1000 } });
    const id = await boot(lab);
    await lab.clock.advance(3000);
    expect((await server(lab, id)).fault.message).toBe(
      `Build of instance ${id} aborted: Failure prepping block device.`,
    );
    expect(await lab.get('placement', `/allocations/${id}`)).toEqual({ allocations: {} });
    expect(await lab.node(NODE)).toMatchObject({ provision_state: 'available', instance_uuid: null });
  });

  it('ends in ERROR on the stale provider of a node deleted and created again within one look', async () => {
    const lab = await Lab.open({ delays: { resourceInterval: 60_000 } });
    await available(lab);
    await lab.clock.advance(60_000);
    await lab.ironic('DELETE', `/v1/nodes/${NODE}`);
    await available(lab);
    expect(await reservedOf(lab)).toBe(0);
    const id = await boot(lab);
    await lab.clock.advance(1000);
    expect((await server(lab, id)).status).toBe('ERROR');
  });

  it('stays ACTIVE on nothing when its node is deleted in maintenance', async () => {
    const lab = await Lab.open();
    lab.plane.seed({ nodes: seedNodes(1), booted: true });
    const { id } = (await lab.get('nova', '/v2.1/servers')).servers[0];
    expect((await lab.ironic('DELETE', `/v1/nodes/${seedUuid(1)}`)).status).toBe(409);
    await lab.ironic('PUT', `/v1/nodes/${seedUuid(1)}/maintenance`, {});
    expect((await lab.ironic('DELETE', `/v1/nodes/${seedUuid(1)}`)).status).toBe(204);
    await lab.clock.advance(5000);
    expect((await server(lab, id)).status).toBe('ACTIVE');
    expect((await lab.nova('POST', `/servers/${id}/action`, { 'os-stop': null })).status).toBe(202);
    await lab.clock.advance(5000);
    expect(await server(lab, id)).toMatchObject({ status: 'ACTIVE', 'OS-EXT-STS:task_state': null });
    await lab.nova('DELETE', `/servers/${id}`);
    await lab.clock.advance(1000);
    expect((await lab.nova('GET', `/servers/${id}`)).status).toBe(404);
  });

  it('refuses a stop while it is being stopped, with the task in the text', async () => {
    const lab = await Lab.open();
    lab.plane.seed({ nodes: seedNodes(1), booted: true });
    const { id } = (await lab.get('nova', '/v2.1/servers')).servers[0];
    await lab.nova('POST', `/servers/${id}/action`, { 'os-stop': null });
    const again = await lab.nova('POST', `/servers/${id}/action`, { 'os-stop': null });
    expect(again.status).toBe(409);
    expect(again.body.conflictingRequest.message).toBe(
      `Cannot 'stop' instance ${id} while it is in task_state powering-off`,
    );
    await lab.clock.advance(300);
    expect(await server(lab, id)).toMatchObject({ status: 'SHUTOFF', 'OS-EXT-STS:power_state': 4 });
    expect((await lab.node(seedUuid(1))).power_state).toBe('power off');
  });
});

describe('the lock of a node', () => {
  it('makes writes wait two seconds and then refuses them, while reads go on', async () => {
    const lab = await Lab.open();
    await enrol(lab);
    lab.plane.faults.add({ match: { node: 'node-f1' }, effect: { kind: 'node-locked', ms: 10_000 } });
    const begun = lab.clock.now();
    const answer = await lab.patiently(
      lab.ironic('PATCH', `/v1/nodes/${NODE}`, [{ op: 'add', path: '/extra/x', value: 1 }]),
    );
    expect(answer.status).toBe(409);
    expect(fault(answer)).toContain('is locked by host cp1-conductor');
    expect(lab.clock.now() - begun).toBeGreaterThanOrEqual(2000);
    expect((await lab.node(NODE)).reservation).toBe('cp1-conductor');
  });

  it('lets a write through that waits when it goes away', async () => {
    const lab = await Lab.open();
    await enrol(lab);
    lab.plane.faults.add({ match: { node: NODE }, effect: { kind: 'node-locked', ms: 1500 } });
    const answer = await lab.patiently(
      lab.ironic('PATCH', `/v1/nodes/${NODE}`, [{ op: 'add', path: '/extra/x', value: 1 }]),
    );
    expect(answer.status).toBe(200);
    expect(answer.body.extra).toEqual({ role: 'hadoop-worker', x: 1 });
  });

  it('refuses a patch in a transition at once, with another text', async () => {
    const lab = await Lab.open();
    await enrol(lab);
    await verb(lab, 'manage');
    await lab.ironic('PUT', `/v1/nodes/${NODE}/states/provision`, { target: 'provide' });
    const answer = await lab.ironic('PATCH', `/v1/nodes/${NODE}`, [{ op: 'add', path: '/extra/x', value: 1 }]);
    expect(fault(answer)).toContain('can not be updated while a state transition is in progress');
  });
});

describe('a retired node', () => {
  it('ends in manageable after its instance, and is not provided until it is not retired any more', async () => {
    const lab = await Lab.open();
    await available(lab);
    await lab.clock.advance(60_000);
    const id = await boot(lab);
    await lab.clock.advance(30_000);
    const retire = (value: boolean) =>
      lab.ironic('PATCH', `/v1/nodes/${NODE}`, [{ op: 'replace', path: '/retired', value }]);
    expect((await retire(true)).status).toBe(200);
    await lab.nova('DELETE', `/servers/${id}`);
    await lab.clock.advance(30_000);
    expect((await lab.node(NODE)).provision_state).toBe('manageable');
    const refused = await lab.ironic('PUT', `/v1/nodes/${NODE}/states/provision`, { target: 'provide' });
    expect([refused.status, fault(refused)]).toEqual([
      400,
      `The providing operation can't be performed on node ${NODE} because it is retired.`,
    ]);
    await retire(false);
    expect((await verb(lab, 'provide')).provision_state).toBe('available');
  });
});

describe('with no delays at all', () => {
  it('a whole life still takes its steps, each in a turn of its own', async () => {
    const none = {
      power: 0,
      verify: 0,
      clean: 0,
      deploy: 0,
      teardown: 0,
      adopt: 0,
      schedule: 0,
      network: 0,
      purge: 0,
      lockRetry: 0,
      resourceInterval: 0,
    };
    const lab = await Lab.open({ delays: none });
    await enrol(lab);
    expect((await verb(lab, 'manage', 0)).provision_state).toBe('manageable');
    expect((await verb(lab, 'provide', 0)).provision_state).toBe('available');
    const id = await boot(lab);
    await lab.clock.advance(0);
    expect((await server(lab, id)).status).toBe('ACTIVE');
    await lab.nova('DELETE', `/servers/${id}`);
    await lab.clock.advance(0);
    expect((await lab.node(NODE)).provision_state).toBe('available');
    expect((await lab.nova('GET', `/servers/${id}`)).status).toBe(404);
    const states = lab.changes
      .filter(({ kind }) => kind === 'node.provision_state')
      .map(({ after }) => after?.['provision_state']);
    expect(states).toEqual([
      'verifying',
      'manageable',
      'cleaning',
      'available',
      'deploying',
      'active',
      'deleting',
      'cleaning',
      'available',
    ]);
  });
});
