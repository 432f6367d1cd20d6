import { describe, expect, it } from 'vitest';
import { Secret } from '../../../src/config/secrets.ts';
import { endpointFrom } from '../../../src/openstack/catalog.ts';
import { errorOf, fakeClock, sample, startCloud, TOKEN_ROUTE, tokenReply } from './support.ts';

const NODES = 'GET /baremetal/v1/nodes';
const NO_NODES = { status: 200, body: { nodes: [] } };
const UNAUTHORIZED = sample('ironic-401-expired').response;

describe('a token', () => {
  it('is fetched once for all services, however many ask at once', async () => {
    const cloud = await startCloud();
    cloud.on(NODES, NO_NODES);
    cloud.on('GET /image/v2/images', { status: 200, body: { images: [] } });
    cloud.on('GET /placement/resource_providers', { status: 200, body: { resource_providers: [] } });
    const plane = cloud.controlPlane();
    await Promise.all([plane.ironic.listNodes(), plane.glance.listImages(), plane.placement.listProviders()]);
    expect(cloud.seen(TOKEN_ROUTE)).toHaveLength(1);
    expect(cloud.seen(NODES)[0]?.headers['x-auth-token']).toBe('token-1');
  });

  it('is asked for with user, password and project scope', async () => {
    const cloud = await startCloud();
    await cloud.controlPlane().authenticate();
    expect(cloud.seen(TOKEN_ROUTE)[0]?.body).toEqual({
      auth: {
        identity: {
          methods: ['password'],
          password: { user: { name: 'admin', domain: { name: 'Default' }, password: 'hunter2-hunter2' } },
        },
        scope: { project: { name: 'admin', domain: { name: 'Default' } } },
      },
    });
  });

  it('is asked for with an application credential, which has no scope to name', async () => {
    const cloud = await startCloud();
    const auth = { method: 'application_credential', credential: { id: 'c1' }, secret: new Secret('s1') } as const;
    await cloud.controlPlane({}, { auth, scope: { kind: 'none' } }).authenticate();
    expect(cloud.seen(TOKEN_ROUTE)[0]?.body).toEqual({
      auth: { identity: { methods: ['application_credential'], application_credential: { id: 'c1', secret: 's1' } } },
    });
  });

  it('can be for the system, and then has no project', async () => {
    const cloud = await startCloud();
    const reply = tokenReply(cloud.origin);
    const { project: _, ...token } = (reply.body as { token: Record<string, unknown> }).token;
    cloud.on(TOKEN_ROUTE, { ...reply, body: { token } });
    const plane = cloud.controlPlane({}, { scope: { kind: 'system' } });
    await expect(plane.projectId()).resolves.toBeNull();
    expect(cloud.seen(TOKEN_ROUTE)[0]?.body).toMatchObject({ auth: { scope: { system: { all: true } } } });
  });

  it('tells the project that it is for', async () => {
    const cloud = await startCloud();
    await expect(cloud.controlPlane().projectId()).resolves.toBe('708bafd9df5d4f72a6f97defbdf0c993');
  });

  it('is renewed shortly before it ends, whatever the clock of the server says', async () => {
    const cloud = await startCloud();
    const clock = fakeClock();
    cloud.on(NODES, NO_NODES);
    cloud.on(TOKEN_ROUTE, tokenReply(cloud.origin, 'old', 3_600_000), tokenReply(cloud.origin, 'new', 3_600_000));
    const plane = cloud.controlPlane({ clock });
    await plane.ironic.listNodes();
    clock.advance(3_600_000 - 121_000);
    await plane.ironic.listNodes();
    expect(cloud.seen(TOKEN_ROUTE)).toHaveLength(1);
    clock.advance(2_000);
    await plane.ironic.listNodes();
    expect(cloud.seen(NODES).map((it) => it.headers['x-auth-token'])).toEqual(['old', 'old', 'new']);
  });

  it('with a short life is used for nine tenths of it', async () => {
    const cloud = await startCloud();
    const clock = fakeClock();
    cloud.on(NODES, NO_NODES);
    cloud.on(TOKEN_ROUTE, tokenReply(cloud.origin, 't', 6000));
    const plane = cloud.controlPlane({ clock });
    await plane.ironic.listNodes();
    clock.advance(5000);
    await plane.ironic.listNodes();
    expect(cloud.seen(TOKEN_ROUTE)).toHaveLength(1);
    clock.advance(500);
    await plane.ironic.listNodes();
    expect(cloud.seen(TOKEN_ROUTE)).toHaveLength(2);
  });

  it('is renewed early for a boot, because Nova goes on working with it', async () => {
    const cloud = await startCloud();
    const clock = fakeClock();
    cloud.on('POST /compute/v2.1/servers', { status: 202, body: sample('nova-server-create-202').response.body });
    const plane = cloud.controlPlane({ clock });
    await plane.authenticate();
    clock.advance(50 * 60_000);
    await plane.authenticate();
    expect(cloud.seen(TOKEN_ROUTE)).toHaveLength(1);
    await plane.nova.createServer({ name: 'w', flavorRef: 'f', imageRef: 'i', networks: [] });
    expect(cloud.seen(TOKEN_ROUTE)).toHaveLength(2);
  });
});

describe('401 from a service', () => {
  it('gets one new token and one repeat, for a create, too', async () => {
    const cloud = await startCloud();
    cloud.on(TOKEN_ROUTE, tokenReply(cloud.origin, 'old'), tokenReply(cloud.origin, 'new'));
    const created = sample('ironic-node-created-201').response;
    cloud.on('POST /baremetal/v1/nodes', UNAUTHORIZED, created);
    const node = await cloud.controlPlane().ironic.createNode({ driver: 'fake-hardware' });
    expect(node.provision_state).toBe('enroll');
    expect(cloud.seen('POST /baremetal/v1/nodes').map((it) => it.headers['x-auth-token'])).toEqual(['old', 'new']);
  });

  it('after the repeat is an error', async () => {
    const cloud = await startCloud();
    cloud.on(NODES, UNAUTHORIZED);
    expect(await errorOf(cloud.controlPlane().ironic.listNodes())).toMatchObject({ kind: 'auth', service: 'ironic' });
    expect(cloud.seen(NODES)).toHaveLength(2);
    expect(cloud.seen(TOKEN_ROUTE)).toHaveLength(2);
  });

  it('to many calls at once costs one new token', async () => {
    const cloud = await startCloud();
    cloud.on(TOKEN_ROUTE, tokenReply(cloud.origin, 'old'), tokenReply(cloud.origin, 'new'));
    cloud.on(NODES, (seen) => (seen.headers['x-auth-token'] === 'new' ? NO_NODES : UNAUTHORIZED));
    const plane = cloud.controlPlane();
    await Promise.all(Array.from({ length: 8 }, () => plane.ironic.listNodes()));
    expect(cloud.seen(TOKEN_ROUTE)).toHaveLength(2);
  });
});

describe('Keystone', () => {
  it('refusing the credentials is told with user and remedy, and left alone for a while', async () => {
    const cloud = await startCloud();
    const clock = fakeClock();
    cloud.on(TOKEN_ROUTE, sample('keystone-token-401-bad-password').response);
    const plane = cloud.controlPlane({ clock });
    const error = await errorOf(plane.authenticate());
    expect(error).toMatchObject({ kind: 'auth', service: 'keystone', status: 401 });
    expect(error.message).toContain('Keystone refuses the credentials of user admin');
    expect(error.remedy).toContain('mycloud');
    expect(error.message).not.toContain('hunter2');
    await errorOf(plane.ironic.listNodes());
    expect(cloud.seen(TOKEN_ROUTE)).toHaveLength(1);
    clock.advance(31_000);
    await errorOf(plane.authenticate());
    expect(cloud.seen(TOKEN_ROUTE)).toHaveLength(2);
  });

  it.each([400, 404])('quoting the request with a %i does not give the password away', async (status) => {
    const cloud = await startCloud();
    cloud.on(TOKEN_ROUTE, {
      status,
      body: { error: { message: "bad: {'password': 'hunter2-hunter2'}", code: status } },
    });
    const error = await errorOf(cloud.controlPlane().authenticate());
    expect(error.message).toContain('[secret]');
    expect(error.message).not.toContain('hunter2');
  });

  it('that is not there is told as that', async () => {
    const cloud = await startCloud();
    cloud.on(TOKEN_ROUTE, { status: 404, body: 'nothing here' });
    const error = await errorOf(cloud.controlPlane().authenticate());
    expect(error.message).toContain('there is no Keystone v3 here');
    expect(error.remedy).toContain('auth_url');
  });

  it('answering something else than a token is malformed', async () => {
    const cloud = await startCloud();
    cloud.on(TOKEN_ROUTE, { status: 201, headers: { 'x-subject-token': 't' }, body: { hello: 1 } });
    expect((await errorOf(cloud.controlPlane().authenticate())).kind).toBe('malformed');
  });

  it('is asked again when the connection drops', async () => {
    const cloud = await startCloud();
    cloud.on(TOKEN_ROUTE, 'drop', tokenReply(cloud.origin));
    await cloud.controlPlane().authenticate();
    expect(cloud.seen(TOKEN_ROUTE)).toHaveLength(2);
  });
});

describe('the catalog', () => {
  it.each([
    ['ironic', 'http://h:6385', 'http://h:6385/v1', 'http://h:6385'],
    ['ironic', 'http://h/baremetal/v1/', 'http://h/baremetal/v1', 'http://h/baremetal'],
    ['nova', 'http://h:8774/v2.1', 'http://h:8774/v2.1', 'http://h:8774'],
    ['nova', 'http://h:8774/v2/', 'http://h:8774/v2.1', 'http://h:8774'],
    [
      'nova',
      'http://h/compute/v2.1/708bafd9df5d4f72a6f97defbdf0c993',
      'http://h/compute/v2.1/708bafd9df5d4f72a6f97defbdf0c993',
      'http://h/compute',
    ],
    ['placement', 'http://h/placement/', 'http://h/placement', 'http://h/placement'],
    ['neutron', 'http://h:9696/', 'http://h:9696/v2.0', 'http://h:9696'],
    ['neutron', 'http://h:9696/v2.0', 'http://h:9696/v2.0', 'http://h:9696'],
    ['glance', 'http://h:9292', 'http://h:9292/v2', 'http://h:9292'],
    ['glance', 'http://h:9292/v2/', 'http://h:9292/v2', 'http://h:9292'],
  ] as const)('of %s: %s is used as %s', (service, url, base, root) => {
    expect(endpointFrom(service, url)).toEqual({ base, root });
  });

  it('lacking a service says what it has', async () => {
    const cloud = await startCloud();
    const reply = tokenReply(cloud.origin);
    const { token } = reply.body as { token: { catalog: { type: string }[] } };
    cloud.on(TOKEN_ROUTE, {
      ...reply,
      body: { token: { ...token, catalog: token.catalog.filter((it) => it.type !== 'baremetal') } },
    });
    const error = await errorOf(cloud.controlPlane().ironic.listNodes());
    expect(error.kind).toBe('no_endpoint');
    expect(error.message).toContain('no service of type baremetal; it has compute, image, network, placement');
  });

  it.each([
    [{ region: 'RegionTwo' }, 'in region RegionTwo; it has admin in RegionOne, public in RegionOne'],
    [{ interfaces: ['internal'] }, 'for interface internal in region RegionOne'],
  ])('without %j says where the service is', async (more, part) => {
    const cloud = await startCloud();
    const error = await errorOf(cloud.controlPlane({}, more).ironic.listNodes());
    expect(error).toMatchObject({ kind: 'no_endpoint' });
    expect(error.message).toContain(part);
  });

  it('of several regions is not guessed from', async () => {
    const cloud = await startCloud();
    const reply = tokenReply(cloud.origin);
    const { token } = reply.body as { token: { catalog: { endpoints: { region_id: string }[] }[] } };
    const twice = token.catalog.map((it) => ({
      ...it,
      endpoints: it.endpoints.flatMap((at) => [at, { ...at, region: 'RegionTwo', region_id: 'RegionTwo' }]),
    }));
    cloud.on(TOKEN_ROUTE, { ...reply, body: { token: { ...token, catalog: twice } } });
    const error = await errorOf(cloud.controlPlane({}, { region: null }).ironic.listNodes());
    expect(error.message).toContain('in the regions RegionOne, RegionTwo, and the cloud names none');
    expect(error.remedy).toContain('region_name');
  });

  it('is passed over where clouds.yaml says the address', async () => {
    const cloud = await startCloud();
    cloud.on('GET /other/v1/nodes', NO_NODES);
    const plane = cloud.controlPlane({}, { endpointOverrides: { ironic: `${cloud.origin}/other/` } });
    await expect(plane.ironic.listNodes()).resolves.toEqual([]);
  });
});
