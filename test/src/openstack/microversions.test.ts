import { describe, expect, it } from 'vitest';
import { toFailure } from '../../../src/openstack/errors.ts';
import { offeredRange, settle } from '../../../src/openstack/microversions.ts';
import { errorOf, type FakeCloud, type Reply, sample, startCloud } from './support.ts';

const NODES = 'GET /baremetal/v1/nodes';

/** An Ironic that goes up to `max`: refuses higher versions, and says its range in its root document. */
function olderIronic(cloud: FakeCloud, max: string, min = '1.1'): void {
  const minor = (version: unknown) => Number(String(version).split('.')[1]);
  const refusal = sample('ironic-406-version').response;
  cloud.on(NODES, (seen): Reply => {
    const asked = minor(seen.headers['x-openstack-ironic-api-version']);
    return asked > minor(max) || asked < minor(min) ? refusal : { status: 200, body: { nodes: [] } };
  });
  const root = structuredClone(sample('ironic-root-no-auth').response.body);
  for (const entry of [root.default_version, ...root.versions])
    Object.assign(entry, { version: max, min_version: min });
  cloud.on('GET /baremetal/', { status: 200, body: root });
}

const versionsAsked = (cloud: FakeCloud) => cloud.seen(NODES).map((it) => it.headers['x-openstack-ironic-api-version']);

describe('microversions', () => {
  it('cost no call where the cloud knows the one that we want', async () => {
    const cloud = await startCloud();
    olderIronic(cloud, '1.82');
    cloud.on('GET /compute/v2.1/servers/detail', { status: 200, body: { servers: [] } });
    cloud.on('GET /placement/resource_providers', { status: 200, body: { resource_providers: [] } });
    const plane = cloud.controlPlane();
    await plane.ironic.listNodes();
    await plane.nova.listServers();
    await plane.placement.listProviders();
    expect(cloud.requests).toHaveLength(4);
    expect(versionsAsked(cloud)).toEqual(['1.82']);
    const [nova] = cloud.seen('GET /compute/v2.1/servers/detail');
    const [placement] = cloud.seen('GET /placement/resource_providers');
    expect(nova?.headers['openstack-api-version']).toBe('compute 2.90');
    expect(placement?.headers['openstack-api-version']).toBe('placement 1.38');
  });

  it('are settled by one look at an older cloud, without a token, and then kept', async () => {
    const cloud = await startCloud();
    olderIronic(cloud, '1.65');
    const plane = cloud.controlPlane();
    await Promise.all([plane.ironic.listNodes(), plane.ironic.listNodes()]);
    await plane.ironic.listNodes();
    expect(versionsAsked(cloud)).toEqual(['1.82', '1.82', '1.65', '1.65', '1.65']);
    expect(cloud.seen('GET /baremetal/')).toHaveLength(1);
    expect(cloud.seen('GET /baremetal/')[0]?.headers['x-auth-token']).toBeUndefined();
  });

  it('let even a create through, because 406 comes before anything is done', async () => {
    const cloud = await startCloud();
    olderIronic(cloud, '1.81');
    cloud.on('POST /baremetal/v1/nodes', (seen) =>
      seen.headers['x-openstack-ironic-api-version'] === '1.81'
        ? sample('ironic-node-created-201').response
        : sample('ironic-406-version').response,
    );
    await expect(cloud.controlPlane().ironic.createNode({ driver: 'fake' })).resolves.toMatchObject({
      name: 'probe-1',
    });
  });

  it.each([
    ['1.58', '1.1', 'it offers microversions 1.1 to 1.58, needed is at least 1.61'],
    ['1.120', '1.90', 'it offers microversions 1.90 to 1.120'],
  ])('up to %s from %s are a clear error', async (max, min, part) => {
    const cloud = await startCloud();
    olderIronic(cloud, max, min);
    const error = await errorOf(cloud.controlPlane().ironic.listNodes());
    expect(error.kind).toBe('too_old');
    expect(error.message).toContain('ironic of cp1');
    expect(error.message).toContain(part);
    expect(toFailure(error)).toMatchObject({ reason: 'cloud_too_old', next: 'ask' });
  });

  it('that a settled service still refuses are an error, not a circle', async () => {
    const cloud = await startCloud();
    olderIronic(cloud, '1.70');
    cloud.on(NODES, sample('ironic-406-version').response);
    expect((await errorOf(cloud.controlPlane().ironic.listNodes())).kind).toBe('too_old');
    expect(cloud.seen(NODES)).toHaveLength(2);
  });

  it('are read from the root documents of all three services', () => {
    expect(offeredRange(sample('ironic-root-no-auth').response.body)).toEqual({ min: '1.1', max: '1.82' });
    expect(offeredRange(sample('nova-root-no-auth').response.body)).toEqual({ min: '2.1', max: '2.93' });
    expect(offeredRange(sample('placement-root-no-auth').response.body)).toEqual({ min: '1.0', max: '1.39' });
    expect(offeredRange({ hello: 1 })).toBeNull();
  });

  it('are compared as numbers, not as text', () => {
    const pin = { wanted: '1.82', needed: '1.61' };
    expect(settle(pin, { min: '1.1', max: '1.100' })).toBe('1.82');
    expect(settle(pin, { min: '1.1', max: '1.9' })).toBeNull();
    expect(settle(pin, { min: '1.1', max: '1.61' })).toBe('1.61');
  });
});
