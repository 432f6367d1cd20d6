import { type Context, type Visit, visitOf } from '../context.ts';
import { asBoolean, type Call, type JsonMap, novaTime, reply, withHeaders } from '../http.ts';
import type { FlavorRecord, ProviderRecord } from '../records.ts';
import { type Answer, createRouter, type Routes } from '../router.ts';
import type { Reply } from '../types.ts';
import type { Tables } from '../world.ts';
import { NovaError } from './errors.ts';
import { novaLinks } from './server-view.ts';
import { nextPage, readLimit, serverReadRoutes } from './servers-read.ts';
import { serverWriteRoutes, usage } from './servers-write.ts';

const inventory: Routes<Visit> = {
  'GET /v2.1/flavors': (call, _params, visit) => flavors(call, visit, false),
  'GET /v2.1/flavors/detail': (call, _params, visit) => flavors(call, visit, true),
  'GET /v2.1/flavors/:flavor': (_call, { flavor = '' }, visit) => {
    const found = visit.world.catalogue.flavors.get(flavor);
    if (found === undefined) throw new NovaError(404, `Flavor ${flavor} could not be found.`);
    return reply(200, { flavor: flavorView(found, visit) });
  },
  'GET /v2.1/os-keypairs': (_call, _params, visit) => {
    const keypairs = [...visit.world.catalogue.keypairs.values()].map((keypair) => ({
      keypair: {
        name: keypair.name,
        public_key: keypair.publicKey,
        fingerprint: keypair.fingerprint,
        ...(visit.version >= 2 ? { type: 'ssh' } : {}),
      },
    }));
    return reply(200, { keypairs });
  },
  'GET /v2.1/os-keypairs/:name': (_call, { name = '' }, visit) => {
    const keypair = visit.world.catalogue.keypairs.get(name);
    if (keypair === undefined) throw new NovaError(404, `Keypair ${name} not found for user ${visit.token.userId}`);
    const { publicKey, fingerprint, createdAt } = keypair;
    const rest = {
      created_at: novaTime(createdAt),
      deleted: false,
      deleted_at: null,
      id: 1,
      updated_at: null,
      type: 'ssh',
    };
    return reply(200, { keypair: { name, public_key: publicKey, fingerprint, user_id: visit.token.userId, ...rest } });
  },
  'GET /v2.1/os-quota-sets/:project': (_call, { project = '' }, visit) => {
    const limits = Object.fromEntries(quotas(visit).map(([name, limit]) => [name, limit]));
    return reply(200, { quota_set: { id: project, ...limits } });
  },
  'GET /v2.1/os-quota-sets/:project/detail': (_call, { project = '' }, visit) => {
    const details = Object.fromEntries(
      quotas(visit).map(([name, limit, in_use]) => [name, { limit, in_use, reserved: 0 }]),
    );
    return reply(200, { quota_set: { id: project, ...details } });
  },
  'GET /v2.1/limits': (_call, _params, visit) => {
    const { instances, cores, ram } = visit.settings.quotas;
    const used = usage(visit);
    const maxima = {
      maxTotalInstances: instances,
      maxTotalCores: cores,
      maxTotalRAMSize: ram,
      maxServerMeta: 128,
      maxTotalKeypairs: -1,
    };
    const groups = { maxServerGroups: 10, maxServerGroupMembers: 10, totalServerGroupsUsed: 0 };
    const totals = { totalRAMUsed: used.ram, totalCoresUsed: used.cores, totalInstancesUsed: used.instances };
    return reply(200, { limits: { rate: [], absolute: { ...maxima, ...groups, ...totals } } });
  },
  'GET /v2.1/os-hypervisors': (call, _params, visit) => hypervisors(call, visit, false),
  'GET /v2.1/os-hypervisors/detail': (call, _params, visit) => hypervisors(call, visit, true),
  'GET /v2.1/os-hypervisors/:hypervisor': (_call, { hypervisor = '' }, visit) => {
    const found = visit.tables.providers.get(hypervisor);
    if (found === undefined) throw new NovaError(404, `Hypervisor with ID '${hypervisor}' could not be found.`);
    return reply(200, { hypervisor: hypervisorView(found, visit, true) });
  },
  'GET /v2.1/os-services': (call, _params, visit) => {
    const binary = call.query.get('binary');
    const services = ['nova-scheduler', 'nova-conductor', 'nova-compute']
      .filter((name) => binary === null || name === binary)
      .map((name) => ({
        binary: name,
        host: visit.compute.host,
        id: serviceId(name),
        zone: name === 'nova-compute' ? 'nova' : 'internal',
        status: 'enabled',
        state: 'up',
        updated_at: novaTime(visit.clock.now()),
        disabled_reason: null,
        forced_down: false,
      }));
    return reply(200, { services });
  },
  'GET /v2.1/os-availability-zone': () =>
    reply(200, { availabilityZoneInfo: [{ zoneName: 'nova', zoneState: { available: true }, hosts: null }] }),
  'GET /v2.1/os-server-groups': () => reply(200, { server_groups: [] }),
};

const find = createRouter<Visit>(inventory, serverReadRoutes, serverWriteRoutes);

/** What only an admin may do. */
const ADMIN_ONLY = new Set(['os-hypervisors', 'os-services', 'os-quota-sets']);

/** Nova: who asks, which version, and then the route. */
export function serveNova(call: Call, context: Context, tables: Tables): Answer {
  const [first = '', second] = call.segments;
  if (call.method === 'GET' && second === undefined && (first === '' || first === 'v2')) {
    return reply(
      200,
      first === ''
        ? { versions: [oldVersion(context), newVersion(context)] }
        : { version: described(oldVersion(context)) },
    );
  }
  if (first !== 'v2.1') return choices(call, context);
  const requestIds = { 'X-Openstack-Request-Id': call.requestId, 'X-Compute-Request-Id': call.requestId };
  const token = context.identity.accept(call.headers['x-auth-token'], 'nova');
  if (token === null && second !== undefined) {
    const body = {
      error: { code: 401, title: 'Unauthorized', message: 'The request you have made requires authentication.' },
    };
    return reply(401, body, {
      ...requestIds,
      'Www-Authenticate': `Keystone uri="${context.settings.endpoints.keystone}/v3"`,
    });
  }
  const asked = askedVersion(call);
  const version = readVersion(asked, context.settings.maxVersions.nova);
  if (version instanceof NovaError)
    return withHeaders(
      version.toReply(),
      version.status === 406 ? { ...requestIds, ...versionHeaders(asked ?? '') } : requestIds,
    );
  const headers = { ...requestIds, ...versionHeaders(`2.${version}`) };
  if (second === undefined) return reply(200, { version: described(newVersion(context)) }, headers);
  if (token === null) throw new Error('a call without token went past the check');
  const found = find(call);
  if (found.kind !== 'route') {
    const missing = {
      message: 'The resource could not be found.<br /><br />\n\n\n',
      code: '404 Not Found',
      title: 'Not Found',
    };
    return reply(404, missing, requestIds);
  }
  try {
    if (call.malformed) throw new NovaError(400, 'Malformed request body');
    if (ADMIN_ONLY.has(second) && !token.roles.includes('admin')) {
      throw new NovaError(403, `Policy doesn't allow os_compute_api:${second} to be performed.`);
    }
    return withHeaders(found.run(call, visitOf(context, tables, token, version)) as Reply, headers);
  } catch (error) {
    if (error instanceof NovaError) return withHeaders(error.toReply(), headers);
    throw error;
  }
}

function versionHeaders(version: string) {
  return {
    'Openstack-Api-Version': `compute ${version}`,
    'X-Openstack-Nova-Api-Version': version,
    Vary: 'OpenStack-API-Version, X-OpenStack-Nova-API-Version',
  };
}

function askedVersion(call: Call): string | undefined {
  const named = call.headers['openstack-api-version']?.split(',').map((part) => part.trim().split(/\s+/));
  // A header that names another service is none.
  return named?.find(([service]) => service === 'compute')?.[1] ?? call.headers['x-openstack-nova-api-version'];
}

function readVersion(asked: string | undefined, highest: number): number | NovaError {
  if (asked === undefined) return 1;
  if (asked === 'latest') return highest;
  const match = /^(\d+)\.(\d+)$/.exec(asked);
  if (match === null)
    return new NovaError(400, `API Version String ${asked} is of invalid format. Must be of format MajorNum.MinorNum.`);
  const minor = Number(match[2]);
  if (match[1] === '2' && minor >= 1 && minor <= highest) return minor;
  return new NovaError(
    406,
    `Version ${asked} is not supported by the API. Minimum is 2.1 and maximum is 2.${highest}.`,
  );
}

function oldVersion(context: Context) {
  const links = [{ rel: 'self', href: `${context.settings.endpoints.nova}/v2/` }];
  return { id: 'v2.0', status: 'SUPPORTED', version: '', min_version: '', updated: '2011-01-21T11:33:21Z', links };
}

function newVersion(context: Context) {
  const links = [{ rel: 'self', href: `${context.settings.endpoints.nova}/v2.1/` }];
  const version = `2.${context.settings.maxVersions.nova}`;
  return { id: 'v2.1', status: 'CURRENT', version, min_version: '2.1', updated: '2013-07-23T11:33:21Z', links };
}

function described(version: ReturnType<typeof newVersion>) {
  const type = `application/vnd.openstack.compute+json;version=${version.id.replace('v', '').replace('.0', '')}`;
  const more = { rel: 'describedby', type: 'text/html', href: 'http://docs.openstack.org/' };
  return { ...version, links: [...version.links, more], 'media-types': [{ base: 'application/json', type }] };
}

function choices(call: Call, context: Context): Reply {
  const entries = [oldVersion(context), newVersion(context)].map(({ id, status }) => {
    const short = id === 'v2.0' ? 'v2' : id;
    const links = [{ rel: 'self', href: `${context.settings.endpoints.nova}/${short}${call.path}` }];
    return {
      id,
      status,
      links,
      'media-types': [
        { base: 'application/json', type: `application/vnd.openstack.compute+json;version=${short.slice(1)}` },
      ],
    };
  });
  return reply(300, { choices: entries });
}

function flavorView(flavor: FlavorRecord, visit: Visit): JsonMap {
  return {
    id: flavor.id,
    name: flavor.name,
    ram: flavor.ram,
    disk: flavor.disk,
    swap: visit.version >= 75 ? 0 : '',
    'OS-FLV-EXT-DATA:ephemeral': 0,
    'OS-FLV-DISABLED:disabled': false,
    vcpus: flavor.vcpus,
    'os-flavor-access:is_public': true,
    rxtx_factor: 1,
    links: novaLinks(visit.settings.endpoints.nova, `flavors/${flavor.id}`),
    ...(visit.version >= 55 ? { description: null } : {}),
    ...(visit.version >= 61 ? { extra_specs: flavor.extraSpecs } : {}),
  };
}

function flavors(call: Call, visit: Visit, detail: boolean): Reply {
  const all = [...visit.world.catalogue.flavors.values()];
  const limit = readLimit(call.query.get('limit'));
  const marker = call.query.get('marker');
  const start = marker === null ? 0 : all.findIndex((flavor) => flavor.id === marker) + 1;
  if (marker !== null && start === 0) throw new NovaError(400, `marker [${marker}] not found`);
  const page = all.slice(start, start + limit);
  const base = visit.settings.endpoints.nova;
  const brief = (flavor: FlavorRecord) => ({
    id: flavor.id,
    name: flavor.name,
    links: novaLinks(base, `flavors/${flavor.id}`),
    ...(visit.version >= 55 ? { description: null } : {}),
  });
  const views = page.map((flavor) => (detail ? flavorView(flavor, visit) : brief(flavor)));
  const last = page.length === limit ? page.at(-1) : undefined;
  const next = last === undefined ? {} : { flavors_links: [{ rel: 'next', href: nextPage(base, call, last.id) }] };
  return reply(200, { flavors: views, ...next });
}

function quotas(visit: Visit): readonly (readonly [string, number, number])[] {
  const { instances, cores, ram } = visit.settings.quotas;
  const used = usage(visit);
  return [
    ['cores', cores, used.cores],
    ['instances', instances, used.instances],
    ['key_pairs', -1, 0],
    ['metadata_items', 128, 0],
    ['ram', ram, used.ram],
    ['server_group_members', 10, 0],
    ['server_groups', 10, 0],
  ];
}

function serviceId(binary: string): string {
  const number = ['nova-scheduler', 'nova-conductor', 'nova-compute'].indexOf(binary) + 1;
  return `00000000-0000-4000-8000-0000000000e${number}`;
}

function hypervisorView(provider: ProviderRecord, visit: Visit, detail: boolean): JsonMap {
  const modern = visit.version >= 53;
  const id = modern ? provider.uuid : [...visit.tables.providers.keys()].indexOf(provider.uuid) + 1;
  const brief = { id, hypervisor_hostname: provider.uuid, state: 'up', status: 'enabled' };
  if (!detail) return brief;
  const service = { id: modern ? serviceId('nova-compute') : 3, host: visit.compute.host, disabled_reason: null };
  const more = { hypervisor_type: 'ironic', hypervisor_version: 1, host_ip: '127.0.0.1', service };
  if (visit.version >= 88) return { ...brief, ...more, uptime: null };
  const sizes = {
    vcpus: 0,
    memory_mb: 0,
    local_gb: 0,
    vcpus_used: 0,
    memory_mb_used: 0,
    local_gb_used: 0,
    free_ram_mb: 0,
    free_disk_gb: 0,
  };
  const running_vms = provider.consumer === null ? 0 : 1;
  return { ...brief, ...more, ...sizes, current_workload: 0, running_vms, disk_available_least: 0, cpu_info: '' };
}

function hypervisors(call: Call, visit: Visit, detail: boolean): Reply {
  const pattern = call.query.get('hypervisor_hostname_pattern');
  const all = [...visit.tables.providers.values()].filter(({ uuid }) => pattern === null || uuid.includes(pattern));
  if (pattern !== null && all.length === 0)
    throw new NovaError(404, `No hypervisor matching '${pattern}' could be found.`);
  const limit = readLimit(call.query.get('limit'));
  const marker = call.query.get('marker');
  const start = marker === null ? 0 : all.findIndex(({ uuid }) => uuid === marker) + 1;
  if (marker !== null && start === 0) throw new NovaError(400, `marker [${marker}] not found`);
  const page = all.slice(start, start + limit);
  const withServers = asBoolean(call.query.get('with_servers') ?? 'no') === true;
  const views = page.map((provider) => ({
    ...hypervisorView(provider, visit, detail),
    ...(withServers && provider.consumer !== null
      ? { servers: [{ name: provider.consumer, uuid: provider.consumer }] }
      : {}),
  }));
  const last = page.length === limit ? page.at(-1) : undefined;
  const next =
    last === undefined
      ? {}
      : { hypervisors_links: [{ rel: 'next', href: nextPage(visit.settings.endpoints.nova, call, last.uuid) }] };
  return reply(200, { hypervisors: views, ...next });
}
