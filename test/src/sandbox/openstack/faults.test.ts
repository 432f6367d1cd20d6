import { describe, expect, it } from 'vitest';
import { seedNodes, seedUuid } from '../../../../src/sandbox/openstack/index.ts';
import type { RequestEvent } from '../../../../src/sandbox/openstack/types.ts';
import { type Body, Lab } from './support.ts';

const FREE = seedUuid(2);

async function lab(booted = false): Promise<Lab> {
  const made = await Lab.open();
  made.plane.seed({ nodes: seedNodes(3), booted });
  return made;
}

async function boot(made: Lab, node = FREE): Promise<string> {
  return (await made.nova('POST', '/servers', await made.serverFor(node))).body.server.id;
}

const server = async (made: Lab, id: string): Promise<Body> => (await made.nova('GET', `/servers/${id}`)).body.server;

describe('a fault of requests', () => {
  it('answers in the place of the service, for the node named and as often as said', async () => {
    const made = await lab();
    made.plane.faults.add({
      match: { service: 'ironic', method: 'GET', node: 'node-02' },
      times: 2,
      effect: { kind: 'answer', status: 500 },
    });
    const statuses = [];
    for (const path of [seedUuid(1), FREE, 'node-02', FREE])
      statuses.push((await made.ironic('GET', `/v1/nodes/${path}`)).status);
    expect(statuses).toEqual([200, 500, 500, 200]);
    expect(made.plane.faults.list()).toEqual([]);
  });

  it('passes so many occasions before the first', async () => {
    const made = await lab();
    made.plane.faults.add({ match: { path: /^\/v1\/nodes\?/ }, after: 1, effect: { kind: 'answer', status: 503 } });
    const statuses = [];
    for (let time = 0; time < 3; time += 1) statuses.push((await made.ironic('GET', '/v1/nodes?limit=1')).status);
    expect(statuses).toEqual([200, 503, 200]);
  });

  it('does what was asked and loses the answer', async () => {
    const made = await lab();
    const requests: RequestEvent[] = [];
    made.plane.onRequest((event) => requests.push(event));
    made.plane.faults.add({ match: { method: 'POST' }, effect: { kind: 'lose-answer' } });
    const body = { uuid: 'b0000000-0000-4000-8000-0000000000aa', driver: 'fake-hardware' };
    expect((await made.ironic('POST', '/v1/nodes', body)).dropped).toBe('reset');
    expect(requests).toMatchObject([{ status: 201, dropped: 'reset', method: 'POST', service: 'ironic' }]);
    expect((await made.ironic('POST', '/v1/nodes', body)).status).toBe(409);
  });

  it('drops the connection before anything is done', async () => {
    const made = await lab();
    made.plane.faults.add({ match: { method: 'DELETE' }, effect: { kind: 'drop' } });
    expect((await made.ironic('DELETE', `/v1/nodes/${FREE}`)).dropped).toBe('reset');
    expect((await made.ironic('GET', `/v1/nodes/${FREE}`)).status).toBe(200);
  });

  it('delays by the clock, and hangs for ever', async () => {
    const made = await lab();
    made.plane.faults.add({ match: { service: 'glance' }, effect: { kind: 'delay', ms: 4000 } });
    made.plane.faults.add({ match: { service: 'neutron' }, effect: { kind: 'hang' } });
    const done: string[] = [];
    void made.send('glance', 'GET', '/v2/images').then(() => done.push('glance'));
    void made.send('neutron', 'GET', '/v2.0/networks').then(() => done.push('neutron'));
    await made.clock.advance(3900);
    expect(done).toEqual([]);
    await made.clock.advance(100_000);
    expect(done).toEqual(['glance']);
  });

  it('answers a list from the world as it was', async () => {
    const made = await lab();
    const states = async () => (await made.get('ironic', '/v1/nodes')).nodes.map((node: Body) => node.provision_state);
    made.plane.faults.add({
      match: { service: 'ironic', path: '^/v1/nodes$' },
      times: 2,
      effect: { kind: 'stale', ms: 5000 },
    });
    await made.clock.advance(1000);
    await made.ironic('PUT', `/v1/nodes/${FREE}/states/provision`, { target: 'manage' });
    expect(await states()).toEqual(['available', 'available', 'available']);
    await made.clock.advance(5000);
    expect(await states()).toEqual(['available', 'manageable', 'available']);
  });

  it('takes a service down until it is removed', async () => {
    const made = await lab();
    const id = made.plane.faults.add({ match: { service: 'nova' }, effect: { kind: 'service-down' } });
    expect((await made.nova('GET', '/servers')).dropped).toBe('refused');
    expect((await made.ironic('GET', '/v1/nodes')).status).toBe(200);
    made.plane.faults.remove(id);
    made.plane.faults.add({ match: { service: 'nova' }, effect: { kind: 'service-down', answer: 503 } });
    expect((await made.nova('GET', '/servers')).status).toBe(503);
  });
});

describe('a fault of the world', () => {
  it('fails the cleaning of one node so many times; manage is the only way out and keeps last_error', async () => {
    const made = await lab();
    made.plane.faults.add({ match: { node: FREE }, effect: { kind: 'clean-fails' } });
    for (const node of [FREE, seedUuid(3)]) {
      await made.ironic('PUT', `/v1/nodes/${node}/states/provision`, { target: 'manage' });
      await made.ironic('PUT', `/v1/nodes/${node}/states/provision`, { target: 'provide' });
    }
    await made.clock.advance(2000);
    expect(await made.node(FREE)).toMatchObject({
      provision_state: 'clean failed',
      target_provision_state: 'available',
      maintenance: false,
    });
    expect((await made.node(seedUuid(3))).provision_state).toBe('available');
    expect((await made.ironic('PUT', `/v1/nodes/${FREE}/states/provision`, { target: 'provide' })).status).toBe(400);
    await made.ironic('PUT', `/v1/nodes/${FREE}/states/provision`, { target: 'manage' });
    const managed = await made.node(FREE);
    expect(managed.provision_state).toBe('manageable');
    expect(managed.last_error).toMatch(/cleaning/);
  });

  it('fails the deploy: Nova undeploys the node, which forgets why, and only then the server is ERROR', async () => {
    const made = await lab();
    made.plane.faults.add({ match: { node: 'node-02' }, effect: { kind: 'deploy-fails' } });
    const id = await boot(made);
    await made.clock.advance(10_000);
    expect((await server(made, id)).fault.message).toBe(
      `Exceeded maximum number of retries. Exhausted all hosts available for retrying build failures for instance ${id}.`,
    );
    expect(await made.node(FREE)).toMatchObject({
      provision_state: 'available',
      instance_uuid: null,
      last_error: null,
    });
    const order = made.changes
      .filter(
        ({ kind, uuid }) =>
          (kind === 'node.provision_state' && uuid === FREE) || (kind === 'instance.status' && uuid === id),
      )
      .map(({ after }) => after?.['provision_state'] ?? after?.['status']);
    expect(order).toEqual(['deploying', 'deploy failed', 'deleting', 'cleaning', 'available', 'ERROR']);
  });

  it('leaves a server in BUILD for ever when the deploy hangs; it can be deleted and the node comes back', async () => {
    const made = await lab();
    made.plane.faults.add({ effect: { kind: 'deploy-hangs' } });
    const id = await boot(made);
    await made.clock.advance(3_000_000);
    expect(await server(made, id)).toMatchObject({ status: 'BUILD', 'OS-EXT-STS:task_state': 'spawning' });
    expect((await made.node(FREE)).provision_state).toBe('wait call-back');
    await made.nova('DELETE', `/servers/${id}`);
    await made.clock.advance(5000);
    expect(await made.node(FREE)).toMatchObject({ provision_state: 'available', instance_uuid: null });
  });

  it('leaves the node behind when the conductor died in the deploy: the server goes, the node must be freed by hand', async () => {
    const made = await lab();
    made.plane.faults.add({ effect: { kind: 'deploy-lost' } });
    const id = await boot(made);
    await made.clock.advance(100_000);
    expect(await server(made, id)).toMatchObject({
      status: 'BUILD',
      'OS-EXT-STS:task_state': null,
      'OS-EXT-SRV-ATTR:hypervisor_hostname': null,
      addresses: {},
    });
    await made.nova('DELETE', `/servers/${id}`);
    await made.clock.advance(1000);
    expect((await made.nova('GET', `/servers/${id}`)).status).toBe(404);
    expect(await made.node(FREE)).toMatchObject({ provision_state: 'deploy failed', instance_uuid: id });
    await made.ironic('PUT', `/v1/nodes/${FREE}/states/provision`, { target: 'deleted' });
    await made.clock.advance(5000);
    expect(await made.node(FREE)).toMatchObject({ provision_state: 'available', instance_uuid: null });
  });

  it('names no node on a server whose deploy was aborted with its conductor; the node names the server all the same', async () => {
    const made = await lab();
    made.plane.faults.add({ effect: { kind: 'deploy-aborted' } });
    const id = await boot(made);
    await made.clock.advance(100_000);
    expect(await server(made, id)).toMatchObject({
      status: 'ERROR',
      'OS-EXT-STS:task_state': null,
      'OS-EXT-SRV-ATTR:host': null,
      'OS-EXT-SRV-ATTR:hypervisor_hostname': null,
      fault: { message: expect.stringContaining('aborted') },
    });
    expect(await made.node(FREE)).toMatchObject({ provision_state: 'deploy failed', instance_uuid: id });
    await made.nova('DELETE', `/servers/${id}`);
    await made.clock.advance(1000);
    expect(await made.node(FREE)).toMatchObject({ provision_state: 'deploy failed', instance_uuid: id });
  });

  it('finds no valid host, in the words of Nova with the blank at their end', async () => {
    const made = await lab();
    made.plane.faults.add({ match: { node: FREE }, effect: { kind: 'no-valid-host' } });
    const id = await boot(made);
    await made.clock.advance(1000);
    expect(await server(made, id)).toMatchObject({
      status: 'ERROR',
      fault: { message: 'No valid host was found. ' },
      'OS-EXT-SRV-ATTR:host': null,
    });
  });

  it('keeps the BMC out of reach: manage ends in enroll with last_error, and once more it works', async () => {
    const made = await lab();
    const uuid = 'b0000000-0000-4000-8000-0000000000aa';
    await made.ironic('POST', '/v1/nodes', { uuid, driver: 'fake-hardware' });
    made.plane.faults.add({ match: { node: uuid }, effect: { kind: 'verify-fails' } });
    const states = [];
    for (let time = 0; time < 2; time += 1) {
      await made.ironic('PUT', `/v1/nodes/${uuid}/states/provision`, { target: 'manage' });
      await made.clock.advance(1000);
      states.push((await made.node(uuid)).provision_state);
    }
    expect(states).toEqual(['enroll', 'manageable']);
  });

  it('never learns a power state, so the node is never schedulable', async () => {
    const made = await lab();
    const uuid = 'b0000000-0000-4000-8000-0000000000aa';
    await made.ironic('POST', '/v1/nodes', { uuid, driver: 'fake-hardware', resource_class: 'bm-worker' });
    made.plane.faults.add({ match: { node: uuid }, times: 0, effect: { kind: 'power-never-reported' } });
    for (const target of ['manage', 'provide']) {
      await made.ironic('PUT', `/v1/nodes/${uuid}/states/provision`, { target });
      await made.clock.advance(5000);
    }
    expect(await made.node(uuid)).toMatchObject({ provision_state: 'available', power_state: null });
    expect(made.plane.fleet().nodes.find((node) => node.uuid === uuid)?.schedulable).toBe(false);
  });

  it('refuses a kind that there is not, and a lock without a node, saying what there is', async () => {
    const { plane } = await lab();
    expect(() => plane.faults.add({ effect: { kind: 'fire' } as never })).toThrow(
      /effect.kind "fire" is unknown; use one of answer, /,
    );
    expect(() => plane.faults.add({ match: { service: 'heat' as never }, effect: { kind: 'drop' } })).toThrow(
      /match.service "heat" is unknown; use one of keystone, /,
    );
    expect(() => plane.faults.add({ effect: { kind: 'delay' } as never })).toThrow(/effect.ms undefined is no number/);
    expect(() => plane.faults.add({ match: { node: 'node-99' }, effect: { kind: 'node-locked', ms: 1 } })).toThrow(
      /"node-99" is no node of cp1/,
    );
  });
});

describe('tokens', () => {
  const probes = [
    ['keystone', '/v3/auth/catalog'],
    ['ironic', '/v1/nodes'],
    ['nova', '/v2.1/servers'],
    ['placement', '/resource_providers'],
    ['neutron', '/v2.0/networks'],
    ['glance', '/v2/images'],
  ] as const;
  const statuses = async (made: Lab) => {
    const found = [];
    for (const [service, path] of probes) found.push((await made.send(service, 'GET', path)).status);
    return new Set(found);
  };

  it('are refused by every service after their end, with no grace', async () => {
    const made = await Lab.open({ tokenLifetime: 6000 });
    await made.clock.advance(5999);
    expect(await statuses(made)).toEqual(new Set([200]));
    await made.clock.advance(1);
    expect(await statuses(made)).toEqual(new Set([401]));
  });

  it('that were revoked are still accepted for five minutes by services that had seen them', async () => {
    const made = await lab();
    const { token } = made;
    expect((await made.ironic('GET', '/v1/nodes')).status).toBe(200);
    await made.signIn();
    await made.send('keystone', 'DELETE', '/v3/auth/tokens', undefined, { 'X-Subject-Token': token });
    made.token = token;
    expect((await made.ironic('GET', '/v1/nodes')).status).toBe(200);
    expect((await made.nova('GET', '/servers')).status).toBe(401);
    await made.clock.advance(300_000);
    expect((await made.ironic('GET', '/v1/nodes')).status).toBe(401);
  });

  it('are all refused at once by the fault, and a new one is good', async () => {
    const made = await lab();
    expect(await statuses(made)).toEqual(new Set([200]));
    made.plane.faults.add({ effect: { kind: 'tokens-revoked' } });
    expect(await statuses(made)).toEqual(new Set([401]));
    await made.signIn();
    expect(await statuses(made)).toEqual(new Set([200]));
  });

  it('end early when they were issued while the fault was there, and only those', async () => {
    const made = await lab();
    const { token: before } = made;
    const fault = made.plane.faults.add({ effect: { kind: 'tokens-expire', ms: 2000 } });
    const { body } = await made.signIn();
    expect(Date.parse(body.token.expires_at) - Date.parse(body.token.issued_at)).toBe(2000);
    made.plane.faults.remove(fault);
    await made.clock.advance(1999);
    expect(await statuses(made)).toEqual(new Set([200]));
    await made.clock.advance(1);
    expect(await statuses(made)).toEqual(new Set([401]));
    made.token = before;
    expect(await statuses(made)).toEqual(new Set([200]));
  });
});
