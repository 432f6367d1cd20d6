import { describe, expect, it } from 'vitest';
import { seedNodes, seedUuid } from '../../../../src/sandbox/openstack/index.ts';
import { fault, Lab, passwordLogin } from './support.ts';

const NODE = 'b0000000-0000-4000-8000-0000000000f1';

async function lab(options: ConstructorParameters<typeof Lab>[0] = {}, booted = true): Promise<Lab> {
  const made = await Lab.open(options);
  made.plane.seed({ nodes: seedNodes(4), booted });
  return made;
}

const create = (made: Lab, more: Record<string, unknown> = {}) =>
  made.ironic('POST', '/v1/nodes', { uuid: NODE, driver: 'fake-hardware', ...more });
const patch = (made: Lab, op: string, path: string, value?: unknown) =>
  made.ironic('PATCH', `/v1/nodes/${NODE}`, [{ op, path, ...(value === undefined ? {} : { value }) }]);

describe('Ironic refuses to create', () => {
  const cases: readonly (readonly [string, Record<string, unknown>, number, string])[] = [
    [
      'what is not on its list, however harmless',
      { traits: [], protected: true },
      400,
      "Schema error for node: Additional properties are not allowed ('protected', 'traits' were unexpected)",
    ],
    [
      'a node of another owner for a project-scoped admin',
      { owner: 'other' },
      400,
      'Cannot create a node as a project scoped admin with an owner other than your own project.',
    ],
    [
      'a node in a conductor group that is not there',
      { conductor_group: 'g9' },
      400,
      'No valid host was found. Reason: No conductor service registered which supports driver fake-hardware for conductor group "g9".',
    ],
    [
      'a node with a driver that is not there',
      { driver: 'ipmi' },
      400,
      'No valid host was found. Reason: No conductor service registered which supports driver ipmi for conductor group "".',
    ],
    [
      'an interface that is not enabled, naming those that are',
      { network_interface: 'neutron' },
      400,
      "Could not find the following interface in the 'ironic.hardware.interfaces.network' entrypoint: neutron. Valid interfaces are ['flat', 'noop'].",
    ],
    [
      'a chassis that is not there',
      { chassis_uuid: '00000000-0000-4000-8000-00000000dead' },
      400,
      'Chassis 00000000-0000-4000-8000-00000000dead could not be found.',
    ],
    ['a shard below version 1.82', { shard: 'a' }, 406, 'Request not acceptable.'],
    ['a name with a blank', { name: 'bad name' }, 400, "Cannot create node with invalid name 'bad name'"],
    ['a name twice', { name: 'node-01' }, 409, 'A node with name node-01 already exists.'],
    ['a uuid twice', { uuid: seedUuid(1) }, 409, `A node with UUID ${seedUuid(1)} already exists.`],
  ];
  for (const [what, body, status, text] of cases) {
    it(what, async () => {
      const answer = await create(await lab(), body);
      expect([answer.status, fault(answer)]).toEqual([status, text]);
    });
  }

  it('nothing of another owner when the token is system-scoped', async () => {
    const made = await lab();
    await made.signIn({ system: { all: true } });
    expect((await create(made, { owner: 'other' })).body.owner).toBe('other');
    expect((await made.ironic('POST', '/v1/nodes', { driver: 'fake-hardware' })).body.owner).toBeNull();
  });
});

describe('Ironic patches', () => {
  const refused: readonly (readonly [string, string, string, unknown, string])[] = [
    [
      'no key that is not there',
      'replace',
      '/extra/b',
      1,
      "Couldn't apply patch '{'op': 'replace', 'path': '/extra/b', 'value': 1}'. Reason: can't replace a non-existent object 'b'",
    ],
    [
      'nothing below a key that is not there',
      'add',
      '/extra/x/y',
      1,
      "Couldn't apply patch '{'op': 'add', 'path': '/extra/x/y', 'value': 1}'. Reason: member 'x' not found in {'role': 'x'}",
    ],
    [
      'by no compare-and-set',
      'test',
      '/extra/role',
      'x',
      "Schema error for patch: 'test' is not one of ['add', 'replace', 'remove']",
    ],
  ];
  for (const [what, op, path, value, text] of refused) {
    it(what, async () => {
      const made = await lab();
      await create(made, { extra: { role: 'x' } });
      const answer = await patch(made, op, path, value);
      expect([answer.status, fault(answer)]).toEqual([400, text]);
    });
  }

  it('single keys, lists and whole maps', async () => {
    const made = await lab();
    await create(made, { extra: { list: [1, 2] } });
    await patch(made, 'add', '/extra/list/-', 3);
    await patch(made, 'remove', '/extra/list/0');
    await patch(made, 'add', '/extra/ephyra', { epoch: 1 });
    expect((await patch(made, 'replace', '/extra/ephyra/epoch', 2)).body.extra).toEqual({
      list: [2, 3],
      ephyra: { epoch: 2 },
    });
    expect((await patch(made, 'remove', '/extra')).body.extra).toEqual({});
  });

  it('protected only on a node in use, retired not on an available one', async () => {
    const made = await lab({}, false);
    const path = `/v1/nodes/${seedUuid(1)}`;
    expect((await made.ironic('PATCH', path, [{ op: 'replace', path: '/protected', value: true }])).status).toBe(409);
    expect((await made.ironic('PATCH', path, [{ op: 'replace', path: '/retired', value: true }])).status).toBe(409);
  });
});

describe('secrets in driver_info', () => {
  it('are masked by the name of the key, and writing the mask back destroys them', async () => {
    const made = await lab();
    const info = {
      ipmi_password: 'a',
      deploy_token: 'b',
      my_secret: 'c',
      Password: 'd',
      client_key: 'e',
      ipmi_username: 'f',
    };
    const created = await create(made, { driver_info: info });
    expect(created.body.driver_info).toEqual({
      ...info,
      ipmi_password: '******',
      deploy_token: '******',
      my_secret: '******',
      Password: '******',
    });
    expect((await patch(made, 'replace', '/driver_info', created.body.driver_info)).status).toBe(200);
    const kept = made.plane.snapshot().nodes.find(({ uuid }) => uuid === NODE);
    expect(kept?.driver_info).toMatchObject({ ipmi_password: '******', client_key: 'e' });
  });

  it('are shown to an admin while the policy says so', async () => {
    const made = await lab();
    const read = async () => (await made.node(seedUuid(2))).driver_info.ipmi_password;
    made.plane.setShowPassword(true);
    expect(await read()).toBe('bmc-secret-02');
    expect((await made.get('ironic', '/v1/nodes/detail')).nodes[1].driver_info.ipmi_password).toBe('bmc-secret-02');
    made.plane.setShowPassword(false);
    expect(await read()).toBe('******');
  });

  it('are never in what a page is given', async () => {
    const made = await lab();
    expect(JSON.stringify(made.plane.fleet())).not.toContain('bmc-secret');
    expect(JSON.stringify(made.plane.control('GET', '/fleet').body)).not.toContain('bmc-secret');
  });
});

describe('versions', () => {
  const asked = (made: Lab, version: string | undefined, path: string) =>
    made.send('ironic', 'GET', path, undefined, { 'X-OpenStack-Ironic-API-Version': version });

  it('without a header Ironic knows no names and no state of an available node', async () => {
    const made = await lab({}, false);
    expect((await asked(made, undefined, '/v1/nodes/node-01')).status).toBe(404);
    const node = (await asked(made, undefined, `/v1/nodes/${seedUuid(1)}`)).body;
    expect(node.provision_state).toBeNull();
    expect(node).not.toHaveProperty('name');
    expect((await asked(made, '1.2', `/v1/nodes/${seedUuid(1)}`)).body.provision_state).toBe('available');
    expect((await asked(made, '1.1', '/v1/nodes?fields=uuid')).status).toBe(406);
  });

  it('an older release tells its own range and refuses what is newer', async () => {
    const made = await lab({ maxVersions: { ironic: '1.58', nova: '2.60', placement: '1.20' } });
    expect((await made.ironic('GET', '/v1/nodes')).status).toBe(406);
    expect((await made.get('ironic', '/')).default_version.version).toBe('1.58');
    expect((await made.nova('GET', '/servers')).body.computeFault.message).toContain('maximum is 2.60');
    expect((await made.send('placement', 'GET', '/resource_providers')).body.errors[0].max_version).toBe('1.20');
  });

  it('the pin to a node needs Nova 2.74', async () => {
    const made = await lab({}, false);
    const body = await made.serverFor(seedUuid(2));
    const answer = await made.send('nova', 'POST', '/v2.1/servers', body, { 'OpenStack-API-Version': 'compute 2.73' });
    expect(answer.status).toBe(400);
    expect(answer.body.badRequest.message).toContain("('hypervisor_hostname' was unexpected)");
  });
});

describe('pages', () => {
  it('of Ironic have a next whenever they are full, the last may be empty, a marker that is gone is 404', async () => {
    const made = await lab();
    const full = await made.get('ironic', '/v1/nodes?limit=4');
    expect(full.next).toMatch(/^http:\/\/ironic\.cp1\.test\/v1\/nodes\?.*limit=4&marker=/);
    const { path = '' } = made.plane.resolve(full.next) ?? {};
    expect(await made.get('ironic', path)).toEqual({ nodes: [] });
    expect((await made.ironic('GET', `/v1/nodes?marker=${NODE}`)).status).toBe(404);
  });

  it('of Nova give the newest first, and a marker that is gone is 400', async () => {
    const made = await lab();
    const page = await made.get('nova', '/v2.1/servers?limit=4');
    expect(page.servers.map(({ name }: { name: string }) => name)).toEqual([
      'hadoop-worker-node-04',
      'hadoop-worker-node-03',
      'hadoop-worker-node-02',
      'hadoop-master-node-01',
    ]);
    expect(page.servers_links).toHaveLength(1);
    const { path = '' } = made.plane.resolve(page.servers_links[0].href) ?? {};
    expect(await made.get('nova', path)).toEqual({ servers: [] });
    expect((await made.nova('GET', `/servers?marker=${NODE}`)).status).toBe(400);
    expect(await made.get('nova', '/v2.1/servers?limit=0')).toEqual({ servers: [] });
  });
});

describe('Keystone', () => {
  const login = (made: Lab, body: unknown) => made.send('keystone', 'POST', '/v3/auth/tokens', body);

  it('gives an unscoped token without catalog, to which Nova shows an empty list', async () => {
    const made = await lab();
    const answer = await made.signIn('unscoped');
    expect(answer.body.token).not.toHaveProperty('catalog');
    expect(await made.get('nova', '/v2.1/servers')).toEqual({ servers: [] });
    expect((await made.ironic('GET', '/v1/nodes')).status).toBe(403);
  });

  it('refuses a password, a project and a domain in the same words', async () => {
    const made = await lab();
    const project = (name: string, domain = 'default') => ({ project: { name, domain: { id: domain } } });
    const answers = [
      await login(made, passwordLogin(project('admin'), 'wrong')),
      await login(made, passwordLogin(project('nope'))),
      await login(made, passwordLogin(project('admin', 'nope'))),
    ];
    expect(new Set(answers.map(({ status, body }) => `${status} ${body.error.message}`))).toEqual(
      new Set(['401 The request you have made requires authentication.']),
    );
  });

  it('knows several users, those without the role admin being refused elsewhere', async () => {
    const reader = { name: 'reader', password: 'r', projects: ['admin'], roles: ['reader'] };
    const admin = { name: 'admin', password: 'adminpass', projects: ['admin'], roles: ['admin'] };
    const made = await Lab.open({ users: [admin, reader] });
    const user = { name: 'reader', domain: { name: 'Default' }, password: 'r' };
    const scope = { project: { name: 'admin', domain: { name: 'default' } } };
    const answer = await login(made, { auth: { identity: { methods: ['password'], password: { user } }, scope } });
    expect(answer.body.token.roles.map(({ name }: { name: string }) => name)).toEqual(['reader']);
    made.token = answer.headers['X-Subject-Token'] ?? '';
    expect((await made.ironic('GET', '/v1/nodes')).status).toBe(403);
    expect((await made.send('placement', 'GET', '/resource_providers')).status).toBe(403);
    expect((await made.signIn({ system: { all: true } })).status).toBe(401);
  });

  it('takes application credentials, without a scope', async () => {
    const credential = { id: 'cred', name: 'ephyra', secret: 's', project: 'admin' };
    const admin = {
      name: 'admin',
      password: 'adminpass',
      projects: ['admin'],
      roles: ['admin'],
      applicationCredentials: [credential],
    };
    const made = await Lab.open({ users: [admin] });
    const by = (proof: object, more: object = {}) =>
      login(made, {
        auth: { identity: { methods: ['application_credential'], application_credential: proof }, ...more },
      });
    expect((await by({ id: 'cred', secret: 's' })).body.token).toMatchObject({
      project: { name: 'admin' },
      application_credential: { name: 'ephyra' },
    });
    expect((await by({ name: 'ephyra', user: { name: 'admin', domain: { id: 'default' } }, secret: 's' })).status).toBe(
      201,
    );
    expect((await by({ id: 'cred', secret: 'x' })).status).toBe(401);
    expect((await by({ id: 'other', secret: 's' })).status).toBe(404);
    expect((await by({ id: 'cred', secret: 's' }, { scope: { system: { all: true } } })).status).toBe(401);
  });
});

describe('Placement', () => {
  it('does not know a resource class that no node ever had, and then never forgets it', async () => {
    const made = await Lab.open();
    const ask = async () =>
      (await made.send('placement', 'GET', '/resource_providers?resources=CUSTOM_BM_WORKER:1')).status;
    expect(await ask()).toBe(400);
    await create(made, { resource_class: 'bm-worker' });
    await made.clock.advance(2000);
    expect(await ask()).toBe(200);
    await made.ironic('DELETE', `/v1/nodes/${NODE}`);
    await made.clock.advance(2000);
    expect((await made.get('placement', '/resource_providers')).resource_providers).toEqual([]);
    expect(await ask()).toBe(200);
  });

  it('lists as candidates what is free, has the traits and is in the tree', async () => {
    const made = await lab({}, false);
    const free = async (more = '') =>
      (await made.get('placement', `/resource_providers?resources=CUSTOM_BM_WORKER:1${more}`)).resource_providers.map(
        ({ uuid }: { uuid: string }) => uuid,
      );
    expect(await free()).toEqual([seedUuid(2), seedUuid(3), seedUuid(4)]);
    expect(await free('&required=CUSTOM_RACK_R2')).toEqual([seedUuid(3), seedUuid(4)]);
    expect(await free(`&in_tree=${seedUuid(3)}`)).toEqual([seedUuid(3)]);
    const candidates = await made.get(
      'placement',
      `/allocation_candidates?resources=CUSTOM_BM_WORKER:1&in_tree=${seedUuid(3)}`,
    );
    expect(Object.keys(candidates.provider_summaries)).toEqual([seedUuid(3)]);
  });
});
