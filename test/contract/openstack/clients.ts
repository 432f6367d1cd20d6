import { expect } from 'vitest';
import { Secret } from '../../../src/config/secrets.ts';
import { axiosTransport } from '../../../src/openstack/axios-transport.ts';
import { systemClock } from '../../../src/openstack/clock.ts';
import type { CloudAuth, CloudConfig, CloudScope } from '../../../src/openstack/clouds.ts';
import { type ControlPlane, createControlPlane } from '../../../src/openstack/control-plane.ts';
import type { Transport } from '../../../src/openstack/http.ts';
import type { Backend } from './backend.ts';
import { exchange } from './http.ts';
import { serverOn } from './nova-boot.ts';
import { customClass } from './placement.ts';
import type { Case } from './suite.ts';
import { nodeMac, nodeName, nodeUuid, ORPHANED, SPARE, STOPPED, type World } from './world.ts';

const NOWHERE = '00000000-0000-4000-8000-000000000000';

interface Settings {
  readonly pageSize?: number;
  readonly transport?: Transport;
  readonly auth?: CloudAuth;
  readonly scope?: CloudScope;
}

function connect({ admin, authUrl, name }: Backend, settings: Settings = {}): ControlPlane {
  const user = { name: admin.username, domain: { name: admin.userDomain } };
  const cloud: CloudConfig = {
    name,
    authUrl,
    auth: settings.auth ?? { method: 'password', user, password: new Secret(admin.password) },
    scope: settings.scope ?? {
      kind: 'project',
      project: { name: admin.project, domain: { name: admin.projectDomain } },
    },
    region: admin.region,
    interfaces: ['public'],
    tls: { verify: true },
    endpointOverrides: {},
  };
  const { pageSize, transport } = settings;
  return createControlPlane(name, cloud, {
    clock: systemClock,
    random: () => 0.5,
    ...(pageSize !== undefined && { pageSize }),
    ...(transport && { transport }),
  });
}

/** One client for the whole suite, as Ephyra has: its token is reused. */
const connected = new WeakMap<Backend, ControlPlane>();
function clients({ backend }: World): ControlPlane {
  const known = connected.get(backend) ?? connect(backend);
  connected.set(backend, known);
  return known;
}

function refusal(kind: string, detail: string | null = null): object {
  return expect.objectContaining({ name: 'OpenStackError', kind, detail });
}

/** Ephyra's own clients, on nodes that nothing runs on: what they parse, and what they make of a refusal. */
export function clientCases(): readonly Case[] {
  const uuid = nodeUuid(SPARE);
  return [
    {
      id: 'client.authenticate',
      call: 'client authenticate, projectId',
      says: 'signs in by password and by application credential, with project and with system scope',
      run: async ({ backend, cloud }) => {
        expect(await connect(backend).projectId()).toBe(cloud.projectId);
        expect(await connect(backend, { scope: { kind: 'system' } }).projectId()).toBeNull();
        const { id, secret } = await backend.applicationCredential();
        const auth = { method: 'application_credential', credential: { id }, secret: new Secret(secret) } as const;
        expect(await connect(backend, { auth, scope: { kind: 'none' } }).projectId()).toBe(cloud.projectId);
      },
    },
    {
      id: 'client.authenticate.refused',
      call: 'client authenticate',
      says: 'a wrong password is an error of kind `auth`, without the password',
      run: async ({ backend }) => {
        const user = { name: backend.admin.username, domain: { name: backend.admin.userDomain } };
        const auth = { method: 'password', user, password: new Secret('a-wrong-password') } as const;
        const thrown = await connect(backend, { auth })
          .ironic.listNodes()
          .catch((error: unknown) => error);
        expect(thrown).toEqual(refusal('auth'));
        expect(String(thrown)).not.toContain('a-wrong-password');
      },
    },
    {
      id: 'client.authenticate.again',
      call: 'client keystone DELETE token, then ironic GET',
      says: 'a token that is refused is replaced by a new one without the caller noticing',
      run: async ({ backend, cloud }) => {
        const tokens: string[] = [];
        const send = axiosTransport();
        const plane = connect(backend, {
          transport: async (request) => {
            const answer = await send(request);
            const token = answer.headers['x-subject-token'];
            if (token !== undefined) tokens.push(token);
            return answer;
          },
        });
        await plane.authenticate();
        // Before any service saw it: those that did go on accepting a revoked token for minutes.
        const headers = { 'x-auth-token': cloud.token, 'x-subject-token': String(tokens[0]) };
        expect((await exchange('DELETE', `${backend.authUrl}/auth/tokens`, headers)).status).toBe(204);
        expect((await plane.ironic.listNodes()).length).toBeGreaterThan(0);
        expect(tokens).toHaveLength(2);
      },
    },
    {
      id: 'client.ironic.lists',
      call: 'client ironic.listNodes, listNodesDetail, listPorts, listPortgroups, listDrivers',
      says: 'every list is parsed, whole, also in pages of two',
      run: async (world) => {
        const { ironic } = clients(world);
        const paged = connect(world.backend, { pageSize: 2 }).ironic;
        const nodes = await ironic.listNodes();
        expect(nodes.map((node) => node.uuid)).toContain(nodeUuid(STOPPED));
        expect(await paged.listNodes()).toEqual(nodes);
        const details = await ironic.listNodesDetail();
        const stopped = details.find((node) => node.uuid === nodeUuid(STOPPED));
        expect(stopped?.traits).toEqual([world.backend.contents.worker.trait]);
        expect(stopped).toEqual(await ironic.getNode(nodeName(STOPPED)));
        const ports = await ironic.listPorts({ node: nodeUuid(STOPPED) });
        expect(ports.map(({ address }) => address)).toEqual([nodeMac(STOPPED)]);
        // The link to the next page does not say of which node.
        const singly = connect(world.backend, { pageSize: 1 }).ironic;
        expect(await singly.listPorts({ node: nodeUuid(STOPPED) })).toEqual(ports);
        expect(await paged.listPorts()).toEqual(await ironic.listPorts());
        expect(await ironic.listPortgroups()).toEqual([]);
        expect((await ironic.listDrivers()).map((driver) => driver.name)).toContain('fake-hardware');
      },
    },
    {
      id: 'client.ironic.absent',
      call: 'client ironic.getNode, getChassis, deleteNode, deleteChassis',
      says: 'what is not there is null to a read and `absent` to a delete',
      run: async (world) => {
        const { ironic } = clients(world);
        expect(await ironic.getNode(NOWHERE)).toBeNull();
        expect(await ironic.getChassis(NOWHERE)).toBeNull();
        expect(await ironic.deleteNode(NOWHERE)).toBe('absent');
        expect(await ironic.deleteChassis(NOWHERE)).toBe('absent');
      },
    },
    {
      id: 'client.ironic.create',
      call: 'client ironic.createNode, createPortgroup, createPort, setTraits, setTargetRaidConfig, patchNode',
      says: 'a node is created complete',
      run: async (world) => {
        const { ironic } = clients(world);
        await world.remove(SPARE);
        expect((await ironic.createNode({ ...world.nodeBody(SPARE), raid_interface: 'fake' })).uuid).toBe(uuid);
        const group = await ironic.createPortgroup({ node_uuid: uuid, address: '52:54:00:ee:00:02' });
        const port = { node_uuid: uuid, address: nodeMac(SPARE), portgroup_uuid: group.uuid };
        expect(await ironic.createPort(port)).toMatchObject(port);
        await ironic.setTraits(uuid, ['CUSTOM_LAB']);
        const raid = { logical_disks: [{ size_gb: 100, raid_level: '1' }] };
        await ironic.setTargetRaidConfig(uuid, raid);
        await ironic.patchNode(uuid, [{ op: 'add', path: '/extra/ephyra', value: { v: 1 } }]);
        expect(await ironic.getNode(uuid)).toMatchObject({
          traits: ['CUSTOM_LAB'],
          target_raid_config: raid,
          extra: { ephyra: { v: 1 } },
          driver_info: { ipmi_password: `lab-secret-${SPARE}` },
        });
      },
    },
    {
      id: 'client.ironic.duplicate',
      call: 'client ironic.createNode, createPort, createChassis, listChassis, patchChassis',
      says: 'what exists is refused as `duplicate`',
      run: async (world) => {
        const { ironic } = clients(world);
        const duplicate = refusal('conflict', 'duplicate');
        await expect(ironic.createNode(world.nodeBody(SPARE))).rejects.toEqual(duplicate);
        const port = { node_uuid: uuid, address: nodeMac(SPARE) };
        await expect(ironic.createPort(port)).rejects.toEqual(duplicate);
        await ironic.createChassis({ uuid: nodeUuid(SPARE), extra: { epoch: 1 } });
        await expect(ironic.createChassis({ uuid: nodeUuid(SPARE) })).rejects.toEqual(duplicate);
        expect((await ironic.listChassis()).map((chassis) => chassis.uuid)).toContain(uuid);
        const patched = await ironic.patchChassis(uuid, [{ op: 'replace', path: '/extra/epoch', value: 2 }]);
        expect(patched.extra).toEqual({ epoch: 2 });
        expect(await ironic.deleteChassis(uuid)).toBe('deleted');
      },
    },
    {
      id: 'client.ironic.boot-device',
      call: 'client ironic.getBootDevice',
      says: 'the boot device of a node in enroll is told, and the node stays as it is',
      run: async (world) => {
        const { ironic } = clients(world);
        const { provision_state: state, power_state: power } = (await ironic.getNode(uuid)) ?? {};
        expect(await ironic.getBootDevice(uuid)).toEqual({ boot_device: 'pxe', persistent: false });
        expect(state).toBe('enroll');
        expect(await ironic.getNode(uuid)).toMatchObject({
          provision_state: state,
          power_state: power,
          reservation: null,
        });
      },
    },
    {
      id: 'client.ironic.states',
      call: 'client ironic.provision, setPower, deleteNode',
      says: 'a verb that does not fit is `wrong_state`, a lock is `locked`, a transition `in_transition`',
      run: async (world) => {
        const { ironic } = clients(world);
        await expect(ironic.provision(uuid, 'provide')).rejects.toEqual(refusal('bad_request', 'wrong_state'));
        await ironic.provision(uuid, 'manage');
        await world.until('manageable', async () => {
          const node = await ironic.getNode(uuid);
          return node?.provision_state === 'manageable' && node.reservation === null;
        });
        await ironic.setPower(uuid, 'power on');
        await world.until('power on', async () => {
          const node = await ironic.getNode(uuid);
          return node?.power_state === 'power on' && node.reservation === null;
        });
        const extra = [{ op: 'add', path: '/extra/x', value: 1 }] as const;
        await world.backend.lockNode(uuid);
        await expect(ironic.patchNode(uuid, extra)).rejects.toEqual(refusal('locked'));
        await world.backend.unlockNode(uuid);
        await world.backend.beginTransition(uuid);
        await expect(ironic.patchNode(uuid, extra)).rejects.toEqual(refusal('conflict', 'in_transition'));
        await expect(ironic.deleteNode(uuid)).rejects.toEqual(refusal('conflict', 'wrong_state'));
        await world.backend.settleNode(uuid, 'manageable');
        expect(await ironic.deleteNode(uuid)).toBe('deleted');
      },
    },
    {
      id: 'client.nova',
      call: 'client nova.listFlavors, listKeypairs, getKeypair, quota, getServer, deleteServer',
      says: 'what a boot needs is parsed, what is not there is null or `absent`',
      run: async (world) => {
        const plane = clients(world);
        const { contents } = world.backend;
        const flavor = (await plane.nova.listFlavors()).find(({ name }) => name === contents.worker.flavor);
        expect(flavor?.extra_specs?.[`trait:${contents.worker.trait}`]).toBe('required');
        expect((await plane.nova.listKeypairs()).map(({ name }) => name)).toContain(contents.keyPair);
        expect((await plane.nova.getKeypair(contents.keyPair))?.name).toBe(contents.keyPair);
        expect(await plane.nova.getKeypair('no-such-key')).toBeNull();
        expect((await plane.nova.quota(world.cloud.projectId)).instances.limit).toBe(-1);
        expect(await plane.nova.getServer(NOWHERE)).toBeNull();
        expect(await plane.nova.deleteServer(NOWHERE)).toBe('absent');
      },
    },
    {
      id: 'client.nova.host-unknown',
      call: 'client nova.createServer',
      says: 'a pin to a node that Nova has not seen is `host_unknown`: too early, not wrong',
      run: async (world) => {
        const plane = clients(world);
        const flavor = (await plane.nova.listFlavors()).find(
          ({ name }) => name === world.backend.contents.worker.flavor,
        );
        const [image] = await plane.glance.listImages({ name: world.backend.contents.image });
        const [network] = await plane.neutron.listNetworks({ name: world.backend.contents.network });
        const body = {
          name: 'lab-nowhere',
          flavorRef: String(flavor?.id),
          imageRef: String(image?.id),
          networks: [{ uuid: String(network?.id) }],
          hypervisor_hostname: NOWHERE,
        };
        await expect(plane.nova.createServer(body)).rejects.toEqual(refusal('bad_request', 'host_unknown'));
      },
    },
    {
      id: 'client.placement',
      call: 'client placement.listProviders, getInventories',
      says: 'providers with room are told from all, an unknown one has no inventories',
      run: async (world) => {
        const { placement } = clients(world);
        const { worker } = world.backend.contents;
        const resources = `${customClass(worker.resourceClass)}:1`;
        const free = await placement.listProviders({ resources, required: [worker.trait] });
        expect(free.map(({ uuid: provider }) => provider)).toContain(nodeUuid(STOPPED));
        expect((await placement.listProviders()).length).toBeGreaterThan(free.length);
        const inventories = await placement.getInventories(nodeUuid(STOPPED));
        expect(inventories?.[customClass(worker.resourceClass)]).toMatchObject({ total: 1, reserved: 0 });
        expect(await placement.getInventories(NOWHERE)).toBeNull();
      },
    },
    {
      id: 'client.placement.unknown-class',
      call: 'client placement.listProviders',
      says: 'a class that no node here ever had is a `bad_request`: on a cloud without nodes it means none yet',
      run: async (world) => {
        const asked = clients(world).placement.listProviders({ resources: 'CUSTOM_NO_SUCH_CLASS:1' });
        await expect(asked).rejects.toEqual(refusal('bad_request'));
      },
    },
    {
      id: 'client.neutron-glance',
      call: 'client neutron.listNetworks, ipAvailability, listPorts; glance.listImages',
      says: 'networks, free addresses and images are parsed',
      run: async (world) => {
        const { neutron, glance } = clients(world);
        const [network] = await neutron.listNetworks({ name: world.backend.contents.network });
        const [free] = await neutron.ipAvailability(network?.id);
        expect(free?.network_name).toBe(world.backend.contents.network);
        expect(free?.total_ips).toBeGreaterThan(free?.used_ips ?? Number.POSITIVE_INFINITY);
        expect((await neutron.ipAvailability()).map(({ network_id: id }) => id)).toContain(network?.id);
        expect(await neutron.listPorts({ deviceId: NOWHERE })).toEqual([]);
        expect((await glance.listImages({ name: world.backend.contents.image }))[0]?.status).toBe('active');
      },
    },
  ];
}

/** The same clients on nodes and servers in use. */
export function clientInUseCases(): readonly Case[] {
  return [
    {
      id: 'client.nova.servers',
      call: 'client nova.listServers, getServer; neutron.listPorts',
      says: 'servers in use are parsed, one as in the list, also in pages of one',
      run: async (world) => {
        const plane = clients(world);
        const id = await serverOn(world, STOPPED);
        const servers = await plane.nova.listServers();
        const server = servers.find((one) => one.id === id);
        expect(server?.metadata['ephyra_node']).toBe(nodeUuid(STOPPED));
        expect(await plane.nova.getServer(id)).toMatchObject({ ...server });
        expect(await connect(world.backend, { pageSize: 1 }).nova.listServers()).toEqual(servers);
        const [port] = await plane.neutron.listPorts({ deviceId: id });
        expect(port?.fixed_ips[0]?.ip_address).toMatch(new RegExp(`^${world.backend.contents.block}\\.`));
      },
    },
    {
      id: 'client.in-use.refusals',
      call: 'client ironic.deleteNode, provision; nova.startServer',
      says: 'what is in use is neither deleted nor provided nor started: `has_instance`, `wrong_state`',
      run: async (world) => {
        const { ironic, nova } = clients(world);
        const uuid = nodeUuid(ORPHANED);
        await expect(ironic.deleteNode(uuid)).rejects.toEqual(refusal('conflict', 'has_instance'));
        await expect(ironic.provision(uuid, 'provide')).rejects.toEqual(refusal('bad_request', 'wrong_state'));
        const id = await serverOn(world, ORPHANED);
        await expect(nova.startServer(id)).rejects.toEqual(refusal('conflict', 'wrong_state'));
      },
    },
  ];
}
