import type { Context } from '../context.ts';
import { type Call, type JsonMap, reply, withHeaders, zuluTime } from '../http.ts';
import type { NetworkRecord, NeutronPortRecord } from '../records.ts';
import { type Answer, createRouter, type Routes } from '../router.ts';
import type { Reply } from '../types.ts';
import type { Tables } from '../world.ts';

interface NeutronVisit extends Context {
  readonly tables: Tables;
}

class NeutronError extends Error {
  readonly status: number;
  readonly type: string;
  constructor(status: number, type: string, message: string) {
    super(message);
    this.status = status;
    this.type = type;
  }
}

const routes: Routes<NeutronVisit> = {
  'GET /v2.0/networks': (call, _params, visit) =>
    list(
      'networks',
      networks(visit).map((network) => networkView(network, visit)),
      call,
      visit,
    ),
  'GET /v2.0/networks/:id': (_call, { id = '' }, visit) =>
    reply(200, { network: networkView(networkOf(id, visit), visit) }),
  'GET /v2.0/subnets': (call, _params, visit) =>
    list(
      'subnets',
      networks(visit).map((network) => subnetView(network, visit)),
      call,
      visit,
    ),
  'GET /v2.0/subnets/:id': (_call, { id = '' }, visit) => {
    const network = networks(visit).find(({ subnetId }) => subnetId === id);
    if (network === undefined) throw notFound('Subnet', id);
    return reply(200, { subnet: subnetView(network, visit) });
  },
  'GET /v2.0/ports': (call, _params, visit) =>
    list('ports', [...visit.tables.neutronPorts.values()].map(portView), call, visit),
  'GET /v2.0/ports/:id': (_call, { id = '' }, visit) => {
    const port = visit.tables.neutronPorts.get(id);
    if (port === undefined) throw notFound('Port', id);
    return reply(200, { port: portView(port) });
  },
  'GET /v2.0/network-ip-availabilities': (call, _params, visit) => {
    const [id, name] = [call.query.get('network_id'), call.query.get('network_name')];
    const found = networks(visit).filter(
      (network) => (id === null || network.id === id) && (name === null || network.name === name),
    );
    return reply(200, { network_ip_availabilities: found.map((network) => availability(network, visit)) });
  },
  'GET /v2.0/network-ip-availabilities/:id': (_call, { id = '' }, visit) =>
    reply(200, { network_ip_availability: availability(networkOf(id, visit), visit) }),
  'GET /v2.0/extensions': () => reply(200, { extensions: [extension()] }),
  'GET /v2.0/extensions/network-ip-availability': () => reply(200, { extension: extension() }),
  'GET /v2.0/agents': () => reply(200, { agents: [] }),
};

const find = createRouter(routes);

/** Neutron, read only: networks, subnets, ports, free addresses. */
export function serveNeutron(call: Call, context: Context, tables: Tables): Answer {
  const base = context.settings.endpoints.neutron;
  const headers = { 'X-Openstack-Request-Id': call.requestId };
  const [first, second] = call.segments;
  if (first === undefined)
    return reply(
      200,
      { versions: [{ id: 'v2.0', status: 'CURRENT', links: [{ rel: 'self', href: `${base}/v2.0/` }] }] },
      headers,
    );
  if (context.identity.accept(call.headers['x-auth-token'], 'neutron') === null) {
    const body = {
      error: { code: 401, title: 'Unauthorized', message: 'The request you have made requires authentication.' },
    };
    return reply(401, body, {
      ...headers,
      'Www-Authenticate': `Keystone uri="${context.settings.endpoints.keystone}/v3"`,
    });
  }
  if (first !== 'v2.0') return reply(404, { code: 404, title: 'Not Found', description: null }, headers);
  if (second === undefined && call.path === '/v2.0/') {
    const resources = ['network', 'subnet', 'port'].map((name) => ({
      name,
      collection: `${name}s`,
      links: [{ rel: 'self', href: `${base}/v2.0/${name}s` }],
    }));
    return reply(200, { resources }, headers);
  }
  try {
    const found = find(call);
    if (found.kind !== 'route') throw new NeutronError(404, 'HTTPNotFound', 'The resource could not be found.');
    return withHeaders(found.run(call, { ...context, tables }) as Reply, headers);
  } catch (error) {
    if (!(error instanceof NeutronError)) throw error;
    return reply(error.status, { NeutronError: { type: error.type, message: error.message, detail: '' } }, headers);
  }
}

function notFound(kind: string, id: string): NeutronError {
  return new NeutronError(404, `${kind}NotFound`, `${kind} ${id} could not be found.`);
}

function networks(visit: NeutronVisit): NetworkRecord[] {
  return [...visit.world.catalogue.networks.values()];
}

function networkOf(id: string, visit: NeutronVisit): NetworkRecord {
  const network = visit.world.catalogue.networks.get(id);
  if (network === undefined) throw notFound('Network', id);
  return network;
}

function ownerOf(visit: NeutronVisit): string {
  return [...visit.identity.projects.values()].find(({ name }) => name !== 'service')?.id ?? '';
}

function networkView(network: NetworkRecord, visit: NeutronVisit): JsonMap {
  const created = zuluTime(network.createdAt);
  return {
    id: network.id,
    name: network.name,
    tenant_id: ownerOf(visit),
    admin_state_up: true,
    mtu: 1500,
    status: 'ACTIVE',
    subnets: [network.subnetId],
    shared: true,
    availability_zone_hints: [],
    availability_zones: [],
    ipv4_address_scope: null,
    ipv6_address_scope: null,
    'router:external': false,
    description: '',
    tags: [],
    created_at: created,
    updated_at: created,
    revision_number: 2,
    project_id: ownerOf(visit),
    'provider:network_type': 'flat',
    'provider:physical_network': 'physnet1',
    'provider:segmentation_id': null,
  };
}

function subnetView(network: NetworkRecord, visit: NeutronVisit): JsonMap {
  const created = zuluTime(network.createdAt);
  return {
    id: network.subnetId,
    name: network.subnetName,
    tenant_id: ownerOf(visit),
    network_id: network.id,
    ip_version: 4,
    subnetpool_id: null,
    enable_dhcp: false,
    ipv6_ra_mode: null,
    ipv6_address_mode: null,
    gateway_ip: network.gateway,
    cidr: network.cidr,
    allocation_pools: [{ start: dotted(network.first), end: dotted(network.last) }],
    host_routes: [],
    dns_nameservers: [],
    description: '',
    service_types: [],
    tags: [],
    created_at: created,
    updated_at: created,
    revision_number: 0,
    project_id: ownerOf(visit),
  };
}

export function dotted(address: number): string {
  return [24, 16, 8, 0].map((shift) => (address >>> shift) & 255).join('.');
}

function portView(port: NeutronPortRecord): JsonMap {
  return {
    id: port.id,
    name: '',
    network_id: port.networkId,
    tenant_id: port.projectId,
    mac_address: port.macAddress,
    admin_state_up: true,
    // Nobody binds ports of fake hardware; the server is ACTIVE all the same.
    status: 'DOWN',
    device_id: port.deviceId,
    device_owner: 'compute:nova',
    fixed_ips: [{ subnet_id: port.subnetId, ip_address: port.ipAddress }],
    allowed_address_pairs: [],
    extra_dhcp_opts: [],
    security_groups: [],
    description: '',
    'binding:vnic_type': 'normal',
    'binding:profile': {},
    'binding:host_id': '',
    'binding:vif_type': 'unbound',
    'binding:vif_details': {},
    tags: [],
    created_at: zuluTime(port.createdAt),
    updated_at: zuluTime(port.updatedAt),
    revision_number: 3,
    project_id: port.projectId,
  };
}

function availability(network: NetworkRecord, visit: NeutronVisit): JsonMap {
  let used_ips = 0;
  for (const port of visit.tables.neutronPorts.values()) if (port.networkId === network.id) used_ips += 1;
  const total_ips = network.last - network.first + 1;
  const subnet = {
    subnet_id: network.subnetId,
    ip_version: 4,
    cidr: network.cidr,
    subnet_name: network.subnetName,
    used_ips,
    total_ips,
  };
  const owner = { tenant_id: ownerOf(visit), project_id: ownerOf(visit) };
  return {
    network_id: network.id,
    network_name: network.name,
    ...owner,
    subnet_ip_availability: [subnet],
    used_ips,
    total_ips,
  };
}

function extension() {
  return {
    name: 'Network IP Availability',
    alias: 'network-ip-availability',
    description: 'Provides IP availability data for each network and subnet.',
    updated: '2015-09-24T00:00:00-00:00',
    links: [],
  };
}

const PAGING = new Set(['limit', 'marker', 'page_reverse', 'fields', 'sort_key', 'sort_dir']);

/** A list with Neutron's filters: any field of the object by value, several of one name are alternatives. */
function list(name: string, all: readonly JsonMap[], call: Call, visit: NeutronVisit): Reply {
  const sample = { networks: networkKeys, subnets: subnetKeys, ports: portKeys }[name] ?? new Set<string>();
  const unknown = [...call.query.keys()].filter((key) => !PAGING.has(key) && !sample.has(key));
  if (unknown.length > 0) {
    throw new NeutronError(
      400,
      'HTTPBadRequest',
      `[${unknown.map((key) => `'${key}'`).join(', ')}] is invalid attribute for filtering`,
    );
  }
  const filters = [...new Set(call.query.keys())]
    .filter((key) => !PAGING.has(key))
    .map((key) => [key, call.query.getAll(key)] as const);
  const kept = all.filter((item) =>
    filters.every(([key, values]) => values.some((value) => matches(item[key], value))),
  );
  const marker = call.query.get('marker');
  const start = marker === null ? 0 : kept.findIndex((item) => item['id'] === marker) + 1;
  const limit = call.query.get('limit') === null ? kept.length : Number(call.query.get('limit'));
  const page = kept.slice(start, start + limit);
  const fields = call.query.getAll('fields');
  const shown = page.map((item) =>
    fields.length === 0 ? item : Object.fromEntries(fields.filter((key) => key in item).map((key) => [key, item[key]])),
  );
  const last = page.at(-1)?.['id'];
  if (call.query.get('limit') === null || page.length < limit || typeof last !== 'string')
    return reply(200, { [name]: shown });
  const base = `${visit.settings.endpoints.neutron}${call.path}`;
  return reply(200, {
    [name]: shown,
    [`${name}_links`]: [{ rel: 'next', href: `${base}?limit=${limit}&marker=${last}` }],
  });
}

function matches(value: unknown, wanted: string): boolean {
  if (typeof value === 'boolean') return value === (wanted.toLowerCase() === 'true' || wanted === '1');
  return String(value) === wanted;
}

const networkKeys = new Set([
  'id',
  'name',
  'tenant_id',
  'project_id',
  'status',
  'shared',
  'admin_state_up',
  'mtu',
  'description',
  'router:external',
  'provider:network_type',
  'provider:physical_network',
  'provider:segmentation_id',
  'tags',
  'revision_number',
]);
const subnetKeys = new Set([
  'id',
  'name',
  'tenant_id',
  'project_id',
  'network_id',
  'ip_version',
  'cidr',
  'gateway_ip',
  'enable_dhcp',
  'description',
  'tags',
]);
const portKeys = new Set([
  'id',
  'name',
  'tenant_id',
  'project_id',
  'network_id',
  'mac_address',
  'device_id',
  'device_owner',
  'status',
  'admin_state_up',
  'fixed_ips',
  'binding:host_id',
  'description',
  'tags',
]);
