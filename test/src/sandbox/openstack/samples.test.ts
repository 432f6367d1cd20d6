import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { seedNodes, seedUuid } from '../../../../src/sandbox/openstack/index.ts';
import { type Answer, type Body, Lab } from './support.ts';

function sample(name: string): {
  request: { url: string };
  response: { status: number; headers: Record<string, string>; body: Body };
} {
  return JSON.parse(readFileSync(new URL(`fixtures/${name}.json`, import.meta.url), 'utf8'));
}

/** Maps whose keys are the user's own. */
const FREE = new Set([
  'extra',
  'driver_info',
  'driver_internal_info',
  'instance_info',
  'properties',
  'metadata',
  'internal_info',
  'addresses',
]);

/** What differs in shape: keys that are missing or too many, and values of another kind. Null stands for anything. */
function differences(real: Body, got: Body, path = ''): string[] {
  if (real === null || got === null) return [];
  const kind = (value: Body) => (Array.isArray(value) ? 'list' : typeof value);
  if (kind(real) !== kind(got)) return [`${path} is ${kind(got)}, not ${kind(real)}`];
  if (Array.isArray(real))
    return real.length === 0 || got.length === 0 ? [] : differences(real[0], got[0], `${path}[0]`);
  if (typeof real !== 'object' || FREE.has(path.split('.').at(-1) ?? '')) return [];
  const keys = [...new Set([...Object.keys(real), ...Object.keys(got)])];
  return keys.flatMap((key) => {
    if (!(key in got)) return [`${path}.${key} is missing`];
    if (!(key in real)) return [`${path}.${key} is too much`];
    return differences(real[key], got[key], `${path}.${key}`);
  });
}

/** Ids, versions asked for and hosts are of the run, not of the service. */
function leveled(value: unknown): string {
  return JSON.stringify(value)
    .replaceAll(/req-[0-9a-f-]{36}/g, 'REQUEST')
    .replaceAll(/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g, 'UUID')
    .replaceAll(/cp\d/g, 'CP')
    .replaceAll(/http:\/\/[\w.:]+/g, 'HOST');
}

const DEAD = '00000000-0000-4000-8000-00000000dead';
const FIRST = seedUuid(1);
const SECOND = seedUuid(2);
const DELETABLE = "('manageable', 'enroll', 'adopt failed', 'available')";

async function lab(): Promise<Lab> {
  const made = await Lab.open();
  made.plane.seed({ nodes: seedNodes(5), booted: true });
  return made;
}

async function enrolled(made: Lab, uuid = DEAD): Promise<Answer> {
  const body = {
    uuid,
    name: 'probe-1',
    driver: 'fake-hardware',
    driver_info: { ipmi_password: 'x' },
    resource_class: 'bm-worker',
  };
  return made.ironic('POST', '/v1/nodes', body);
}

const serverId = async (made: Lab): Promise<string> => (await made.get('nova', '/v2.1/servers')).servers[0].id;

type Ask = (made: Lab) => Promise<Answer>;
const get =
  (service: 'ironic' | 'nova' | 'placement' | 'neutron', path: string): Ask =>
  (made) =>
    made.send(service, 'GET', path);

const SHAPES: readonly (readonly [string, Ask])[] = [
  ['ironic-root-no-auth', get('ironic', '/')],
  ['ironic-node-active', get('ironic', `/v1/nodes/${FIRST}`)],
  ['ironic-node-created-201', (made) => enrolled(made)],
  ['ironic-node-states-active', get('ironic', `/v1/nodes/${FIRST}/states`)],
  ['ironic-nodes-page-1', get('ironic', '/v1/nodes?limit=3')],
  ['ironic-ports-detail', get('ironic', `/v1/ports/detail?node=${FIRST}`)],
  [
    'ironic-port-created-201',
    (made) =>
      made.ironic('POST', '/v1/ports', {
        node_uuid: FIRST,
        address: '52:54:00:99:00:01',
        local_link_connection: { switch_id: '00:11:22:33:44:55', port_id: 'Eth1/1', switch_info: 'leaf' },
      }),
  ],
  [
    'ironic-portgroup-created-201',
    (made) => made.ironic('POST', '/v1/portgroups', { node_uuid: FIRST, name: 'bond0', properties: { miimon: '100' } }),
  ],
  ['keystone-root', (made) => made.send('keystone', 'GET', '/')],
  ['keystone-v3', (made) => made.send('keystone', 'GET', '/v3')],
  ['keystone-token-201', (made) => made.signIn()],
  ['nova-root-no-auth', get('nova', '/')],
  ['nova-flavors-detail', get('nova', '/v2.1/flavors/detail')],
  ['nova-os-hypervisors-detail', get('nova', '/v2.1/os-hypervisors/detail')],
  ['nova-quota-detail', get('nova', '/v2.1/os-quota-sets/p1/detail')],
  ['nova-servers-page-1', get('nova', '/v2.1/servers?limit=3')],
  ['nova-server-active', async (made) => made.nova('GET', `/servers/${await serverId(made)}`)],
  ['placement-root-no-auth', get('placement', '/')],
  ['placement-resource-providers', get('placement', `/resource_providers?name=${FIRST}`)],
  ['placement-inventories-in-use', get('placement', `/resource_providers/${SECOND}/inventories`)],
  ['placement-traits', get('placement', `/resource_providers/${FIRST}/traits`)],
  [
    'neutron-network',
    async (made) =>
      made.send('neutron', 'GET', `/v2.0/networks/${(await made.get('neutron', '/v2.0/networks')).networks[0].id}`),
  ],
  ['neutron-subnets', get('neutron', '/v2.0/subnets')],
  ['neutron-network-ip-availabilities', get('neutron', '/v2.0/network-ip-availabilities')],
  [
    'neutron-ports-of-server',
    async (made) => made.send('neutron', 'GET', `/v2.0/ports?device_id=${await serverId(made)}`),
  ],
];

describe('answers have the shape of the real ones', () => {
  for (const [name, ask] of SHAPES) {
    it(name, async () => {
      const { response } = sample(name);
      const answer = await ask(await lab());
      expect(answer.status).toBe(response.status);
      expect(differences(response.body, answer.body, name)).toEqual([]);
    });
  }

  it('allocations of a provider and of a server, keyed by each other', async () => {
    const made = await lab();
    const id = await serverId(made);
    const { allocations } = await made.get('placement', `/allocations/${id}`);
    const [provider] = Object.keys(allocations);
    const real = sample('placement-allocation-of-server').response.body;
    expect(differences(Object.values(real.allocations)[0], allocations[provider ?? ''])).toEqual([]);
    const ofProvider = await made.get('placement', `/resource_providers/${provider}/allocations`);
    expect(ofProvider.allocations[id].resources).toEqual({ CUSTOM_BM_WORKER: 1 });
    expect(Object.keys(ofProvider)).toEqual(Object.keys(sample('placement-allocations').response.body));
  });
});

const TEXTS: readonly (readonly [string, Ask])[] = [
  ['ironic-404-node', get('ironic', '/v1/nodes/nope')],
  [
    'ironic-406-version',
    (made) => made.send('ironic', 'GET', '/v1/nodes?limit=1', undefined, { 'X-OpenStack-Ironic-API-Version': '1.999' }),
  ],
  [
    'ironic-400-wrong-state',
    (made) => made.ironic('PUT', `/v1/nodes/${FIRST}/states/provision`, { target: 'provide' }),
  ],
  ['ironic-409-delete-active', (made) => made.ironic('DELETE', `/v1/nodes/${FIRST}`)],
  [
    'ironic-409-duplicate-mac',
    async (made) => {
      const port = { node_uuid: FIRST, address: '52:54:00:99:00:01' };
      await made.ironic('POST', '/v1/ports', port);
      return made.ironic('POST', '/v1/ports', port);
    },
  ],
  [
    'ironic-409-node-locked',
    (made) => {
      made.plane.disturb(FIRST, { reservation: 'cp2-conductor' });
      return made.patiently(made.ironic('PATCH', `/v1/nodes/${FIRST}`, [{ op: 'add', path: '/extra/z', value: 1 }]));
    },
  ],
  ['keystone-401-expired', (made) => made.send('keystone', 'GET', '/v3/users', undefined, { 'X-Auth-Token': 'over' })],
  ['nova-400-unknown-hypervisor', async (made) => made.nova('POST', '/servers', await made.serverFor(DEAD))],
  ['nova-404-server', (made) => made.nova('GET', `/servers/${DEAD}`)],
  [
    'nova-406-version',
    (made) =>
      made.send('nova', 'GET', '/v2.1/servers?limit=1', undefined, { 'OpenStack-API-Version': 'compute 2.999' }),
  ],
  ['nova-servers-400-marker', (made) => made.nova('GET', `/servers?marker=${DEAD}`)],
  [
    'nova-409-stop-stopped',
    async (made) => {
      const id = await serverId(made);
      await made.nova('POST', `/servers/${id}/action`, { 'os-stop': null });
      await made.clock.advance(1000);
      return made.nova('POST', `/servers/${id}/action`, { 'os-stop': null });
    },
  ],
  ['placement-404', get('placement', `/resource_providers/${DEAD}/inventories`)],
  [
    'placement-406-version',
    (made) =>
      made.send('placement', 'GET', '/resource_providers', undefined, { 'OpenStack-API-Version': 'placement 1.999' }),
  ],
  ['glance-401-no-token', (made) => made.send('glance', 'GET', '/v2/images', undefined, { 'X-Auth-Token': undefined })],
];

describe('refusals have the status and the words of the real ones', () => {
  for (const [name, ask] of TEXTS) {
    it(name, async () => {
      const { response } = sample(name);
      const answer = await ask(await lab());
      expect(answer.status).toBe(response.status);
      expect(leveled(answer.body)).toBe(leveled(response.body));
    });
  }

  it('ironic-409-delete-clean-failed', async () => {
    const made = await lab();
    made.plane.disturb(FIRST, { provision_state: 'clean failed', instance_uuid: null });
    const answer = await made.ironic('DELETE', `/v1/nodes/${FIRST}`);
    // The order in which Ironic names the states differs from run to run.
    const expected = leveled(sample('ironic-409-delete-clean-failed').response.body).replace(
      /\('manageable'[^)]*\)/,
      DELETABLE,
    );
    expect(leveled(answer.body)).toBe(expected);
  });

  it('nova-403-quota', async () => {
    const made = await Lab.open({ quotas: { instances: 0 } });
    made.plane.seed({ nodes: seedNodes(1), booted: false });
    const answer = await made.nova('POST', '/servers', await made.serverFor(FIRST, 'hadoop-master'));
    expect(answer.status).toBe(403);
    expect(answer.body).toEqual(sample('nova-403-quota').response.body);
  });
});
