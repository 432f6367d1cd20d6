import { describe, expect, it } from 'vitest';
import type { Marker } from '../../../machines/domain.ts';
import { readMarker, toNodeFacts } from '../../../src/openstack/ironic/index.ts';
import { serverSchema, toInstanceFacts } from '../../../src/openstack/nova/index.ts';
import { customResourceClass } from '../../../src/openstack/placement/index.ts';
import { errorOf, sample, startCloud } from './support.ts';

const MARKER: Marker = {
  v: 1,
  deployment: 'd-20261122-1',
  epoch: 3,
  source: 'cp1',
  target: 'cp2',
  role: 'hadoop-worker',
  instance: {
    at: 'cp1',
    name: 'w1',
    flavor: 'bm.hadoop-worker',
    image: null,
    networks: ['tenant-net'],
    keyName: 'ops',
    configDrive: false,
    metadata: { role: 'hadoop-worker' },
    addresses: ['10.1.0.7'],
  },
};

describe('facts of a node', () => {
  it('come from the bulk list under our own names', async () => {
    const cloud = await startCloud();
    const body = sample('ironic-node-active').response.body;
    const marked = { ...body, extra: { ...body.extra, ephyra: JSON.parse(JSON.stringify(MARKER)) } };
    cloud.on('GET /baremetal/v1/nodes', { status: 200, body: { nodes: [marked] } });
    const [node] = await cloud.controlPlane().ironic.listNodes();
    expect(node).not.toHaveProperty('links');
    expect(node && toNodeFacts(node)).toEqual({
      uuid: 'b0000000-0000-4000-8000-000000000001',
      name: 'node-01',
      provisionState: 'active',
      targetProvisionState: null,
      powerState: 'power on',
      instanceUuid: '1d062c8f-9853-4011-9460-b9e54ff7db16',
      maintenance: false,
      maintenanceReason: null,
      protected: false,
      retired: false,
      reservation: null,
      lastError: null,
      resourceClass: 'bm-master',
      extra: marked.extra,
      marker: MARKER,
    });
    const asked = cloud.seen('GET /baremetal/v1/nodes')[0]?.query;
    expect(asked?.get('limit')).toBe('1000');
    expect(asked?.get('fields')?.split(',')).toContain('reservation');
  });

  it.each([
    ['of a future format', { ...MARKER, v: 2 }],
    ['without an epoch', { ...MARKER, epoch: undefined }],
    ['that is text', 'claimed by bob'],
    ['with a broken recipe', { ...MARKER, instance: { name: 'w1' } }],
  ])('have an invalid marker when there is one %s', (_, found) => {
    expect(readMarker({ ephyra: found })).toBe('invalid');
  });

  it('have none when there is none', () => {
    expect(readMarker({ role: 'x' })).toBeNull();
    expect(readMarker({ ephyra: null })).toBeNull();
  });
});

describe('facts of an instance', () => {
  const body = sample('nova-server-active').response.body.server;

  it('come from a server', () => {
    expect(toInstanceFacts(serverSchema.parse(body))).toEqual({
      id: '4e2c0fa8-cb78-43fe-b2fd-ef4a457255ff',
      name: 'probe',
      status: 'ACTIVE',
      taskState: null,
      nodeUuid: 'b0000000-0000-4000-8000-0000000000f1',
      addresses: ['10.2.0.88'],
      networks: ['tenant-net'],
      metadata: { 'ephyra:migration': 'm1', role: 'hadoop-worker' },
      flavorName: 'bm.hadoop-worker',
      imageId: 'e7bb2b86-f83a-40ed-8c69-e1b0ba35f5e2',
      keyName: null,
      configDrive: false,
      createdAt: '2026-11-22T18:59:36Z',
      fault: null,
    });
  });

  it('know no image of a volume boot, a config drive, and no floating address', () => {
    const addresses = {
      net: [
        { version: 4, addr: '10.0.0.5', 'OS-EXT-IPS:type': 'fixed' },
        { version: 4, addr: '203.0.113.9', 'OS-EXT-IPS:type': 'floating' },
      ],
    };
    const facts = toInstanceFacts(serverSchema.parse({ ...body, image: '', config_drive: 'True', addresses }));
    expect(facts).toMatchObject({ imageId: null, configDrive: true, addresses: ['10.0.0.5'] });
  });

  it('tell the fault in one line, and no node before it is claimed', () => {
    const failed = serverSchema.parse(sample('nova-server-error-novalidhost').response.body.server);
    expect(toInstanceFacts(failed)).toMatchObject({
      status: 'ERROR',
      nodeUuid: null,
      fault: 'No valid host was found.',
    });
  });
});

describe('absence', () => {
  it('of a node, an instance or a provider is null when the service says so', async () => {
    const cloud = await startCloud();
    const node = sample('ironic-404-node');
    const server = sample('nova-404-server');
    const serverId = server.request.url.split('/').at(-1) ?? '';
    cloud.on('GET /baremetal/v1/nodes/nope', node.response);
    cloud.on(`GET /compute/v2.1/servers/${serverId}`, server.response);
    const provider = '00000000-0000-4000-8000-00000000dead';
    cloud.on(`GET /placement/resource_providers/${provider}/inventories`, sample('placement-404').response);
    const plane = cloud.controlPlane();
    await expect(plane.ironic.getNode('nope')).resolves.toBeNull();
    await expect(plane.nova.getServer(serverId)).resolves.toBeNull();
    await expect(plane.placement.getInventories(provider)).resolves.toBeNull();
  });

  it.each([
    ['a page of a proxy', '<html><body>404 page not found</body></html>'],
    [
      'a path that the service does not know',
      { error_message: '{"code": 404, "title": "Not Found", "description": ""}' },
    ],
    ['nothing', ''],
  ])('is not concluded from %s', async (_, body) => {
    const cloud = await startCloud();
    cloud.on('GET /baremetal/v1/nodes/n1', { status: 404, body });
    cloud.on('DELETE /baremetal/v1/nodes/n1', { status: 404, body });
    const { ironic } = cloud.controlPlane();
    expect((await errorOf(ironic.getNode('n1'))).kind).toBe('malformed');
    expect((await errorOf(ironic.deleteNode('n1'))).kind).toBe('malformed');
  });

  it('shows no secret that is quoted where one is not concluded', async () => {
    const cloud = await startCloud();
    cloud.on('GET /baremetal/v1/nodes/n1', { status: 404, body: 'no route for x-auth-token: token-1' });
    expect((await errorOf(cloud.controlPlane().ironic.getNode('n1'))).said).toContain('x-auth-token: [secret]');
  });
});

describe('writes', () => {
  it('send what the API wants and accept only its answer', async () => {
    const cloud = await startCloud();
    const ironic = '/baremetal/v1/nodes/n1';
    cloud.on(`PUT ${ironic}/traits`, { status: 204 });
    cloud.on(`PUT ${ironic}/states/provision`, { status: 202 });
    cloud.on(`PUT ${ironic}/states/power`, { status: 202 });
    cloud.on(`PUT ${ironic}/states/raid`, { status: 204 });
    cloud.on(`DELETE ${ironic}`, { status: 204 });
    cloud.on('POST /compute/v2.1/servers/s1/action', { status: 202 });
    cloud.on('DELETE /compute/v2.1/servers/s1', { status: 204 });
    const plane = cloud.controlPlane();
    await plane.ironic.setTraits('n1', ['CUSTOM_A']);
    await plane.ironic.provision('n1', 'manage');
    await plane.ironic.setPower('n1', 'power off');
    await plane.ironic.setTargetRaidConfig('n1', { logical_disks: [] });
    await expect(plane.ironic.deleteNode('n1')).resolves.toBe('deleted');
    await plane.nova.stopServer('s1');
    await plane.nova.startServer('s1');
    await expect(plane.nova.deleteServer('s1')).resolves.toBe('accepted');
    const bodies = cloud.requests.slice(1).map((it) => it.body);
    expect(bodies).toEqual([
      { traits: ['CUSTOM_A'] },
      { target: 'manage' },
      { target: 'power off' },
      { logical_disks: [] },
      undefined,
      { 'os-stop': null },
      { 'os-start': null },
      undefined,
    ]);
  });

  it('take an unexpected success for malformed, and one that may have worked', async () => {
    const cloud = await startCloud();
    cloud.on('PUT /baremetal/v1/nodes/n1/states/provision', { status: 200 });
    const error = await errorOf(cloud.controlPlane().ironic.provision('n1', 'manage'));
    expect(error).toMatchObject({ kind: 'malformed', status: 200, expected: [202], maybeDone: true });
  });

  it("keep of a boot only the instance's id, not its admin password", async () => {
    const cloud = await startCloud();
    cloud.on('POST /compute/v2.1/servers', sample('nova-server-create-202').response);
    const server = { name: 'w', flavorRef: 'f', imageRef: 'i', networks: [{ uuid: 'n' }], hypervisor_hostname: 'n1' };
    await expect(cloud.controlPlane().nova.createServer(server)).resolves.toEqual({
      id: '4e2c0fa8-cb78-43fe-b2fd-ef4a457255ff',
    });
    expect(cloud.seen('POST /compute/v2.1/servers')[0]?.body).toEqual({ server });
  });

  it('do not show BMC secrets that a refusal quotes', async () => {
    const cloud = await startCloud();
    // Seen: Ironic puts the offending value into its message.
    const fault = JSON.stringify({ faultstring: "Schema error for node: 'hunter22' is not of type 'object', 'null'" });
    cloud.on('POST /baremetal/v1/nodes', { status: 400, body: { error_message: fault } });
    const work = cloud.controlPlane().ironic.createNode({ driver: 'fake', driver_info: { ipmi_password: 'hunter22' } });
    const error = await errorOf(work);
    expect(error.message).toContain("'[secret]' is not of type");
    expect(JSON.stringify(error) + error.stack).not.toContain('hunter22');
  });

  it('show no part of a secret where a long refusal is cut', async () => {
    const cloud = await startCloud();
    const data = Buffer.from('TOKEN-abcdefgh '.repeat(3_000)).toString('base64');
    // As Nova words it (nova/api/validation/validators.py).
    const message = `Invalid input for field/attribute user_data. Value: ${data}. '${data}' is too long`;
    cloud.on('POST /compute/v2.1/servers', { status: 400, body: { badRequest: { code: 400, message } } });
    const server = { name: 'w', flavorRef: 'f', imageRef: 'i', networks: [{ uuid: 'n' }], hypervisor_hostname: 'n1' };
    const error = await errorOf(cloud.controlPlane().nova.createServer({ ...server, user_data: data }));
    expect(error.said).toBe("Invalid input for field/attribute user_data. Value: [secret]. '[secret]' is too long");
  });

  it('one of eight gets a chassis, the others are told that it exists', async () => {
    const cloud = await startCloud();
    const taken = { error_message: JSON.stringify({ faultstring: 'A chassis with UUID c1 already exists.' }) };
    cloud.on('POST /baremetal/v1/chassis', { status: 201, body: { uuid: 'c1' } }, { status: 409, body: taken });
    const { ironic } = cloud.controlPlane();
    const tries = await Promise.allSettled(Array.from({ length: 8 }, () => ironic.createChassis({ uuid: 'c1' })));
    expect(tries.filter((it) => it.status === 'fulfilled')).toHaveLength(1);
    const lost = tries.flatMap((it) => (it.status === 'rejected' ? [it.reason] : []));
    for (const reason of lost) expect(reason).toMatchObject({ kind: 'conflict', detail: 'duplicate' });
  });
});

describe('Placement, Neutron and Nova lists', () => {
  it('ask for free providers by class and traits', async () => {
    const cloud = await startCloud();
    cloud.on('GET /placement/resource_providers', sample('placement-resource-providers').response);
    const found = await cloud.controlPlane().placement.listProviders({
      resources: `${customResourceClass('bm-worker')}:1`,
      required: ['CUSTOM_A', 'CUSTOM_B'],
    });
    const uuid = 'b0000000-0000-4000-8000-0000000000f1';
    expect(found).toEqual([{ uuid, name: uuid }]);
    const query = cloud.seen('GET /placement/resource_providers')[0]?.query;
    expect(query?.get('resources')).toBe('CUSTOM_BM_WORKER:1');
    expect(query?.get('required')).toBe('CUSTOM_A,CUSTOM_B');
  });

  it('read the addresses that a network has left', async () => {
    const cloud = await startCloud();
    cloud.on('GET /network/v2.0/network-ip-availabilities', sample('neutron-network-ip-availabilities').response);
    const [network] = await cloud.controlPlane().neutron.ipAvailability('a5b55da1');
    expect(network).toMatchObject({ network_name: 'tenant-net', total_ips: 191, used_ips: 2 });
  });

  it('unwrap key pairs', async () => {
    const cloud = await startCloud();
    const keypairs = [{ keypair: { name: 'ops', fingerprint: 'aa:bb', type: 'ssh' } }];
    cloud.on('GET /compute/v2.1/os-keypairs', { status: 200, body: { keypairs } });
    await expect(cloud.controlPlane().nova.listKeypairs()).resolves.toMatchObject([{ name: 'ops' }]);
  });
});
