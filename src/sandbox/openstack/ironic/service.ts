import { type Context, type Visit, visitOf } from '../context.ts';
import { asBoolean, type Call, finish, ironicTime, isUuid, reply, withHeaders } from '../http.ts';
import { type Answer, createRouter, type Routes } from '../router.ts';
import type { Reply } from '../types.ts';
import type { Tables } from '../world.ts';
import { chassisRoutes } from './chassis.ts';
import { IronicError, plainError } from './errors.ts';
import { nodeActionRoutes } from './node-actions.ts';
import { INTERFACES, links } from './node-fields.ts';
import { needs, nodeReadRoutes } from './nodes-read.ts';
import { nodeWriteRoutes } from './nodes-write.ts';
import { portgroupRoutes } from './portgroups.ts';
import { portRoutes } from './ports.ts';

const HEADER = 'x-openstack-ironic-api-version';

const inventory: Routes<Visit> = {
  'GET /v1/drivers': (call, _params, visit) => {
    const detail = asBoolean(call.query.get('detail') ?? 'no') === true;
    return reply(200, { drivers: [detail ? wholeDriver(visit) : driver(visit)] });
  },
  'GET /v1/drivers/:driver': (_call, { driver: name = '' }, visit) => {
    if (name !== 'fake-hardware')
      throw new IronicError(404, `Could not find the following driver(s) or hardware type(s): ${name}.`);
    return reply(200, wholeDriver(visit));
  },
  'GET /v1/conductors': (_call, _params, visit) => {
    needs(visit, 49);
    return reply(200, { conductors: [conductor(visit)] });
  },
  'GET /v1/conductors/:host': (_call, { host = '' }, visit) => {
    needs(visit, 49);
    if (host !== visit.conductor.host) throw new IronicError(404, `Conductor ${host} could not be found.`);
    const times = { created_at: ironicTime(visit.startedAt), updated_at: ironicTime(visit.clock.now()) };
    return reply(200, { ...times, ...conductor(visit), drivers: ['fake-hardware'] });
  },
  'GET /v1/volume/connectors': () => reply(200, { connectors: [] }),
  'GET /v1/volume/targets': () => reply(200, { targets: [] }),
  'GET /v1/allocations': () => reply(200, { allocations: [] }),
  'GET /v1/deploy_templates': () => reply(200, { deploy_templates: [] }),
};

const find = createRouter<Visit>(
  inventory,
  nodeReadRoutes,
  nodeWriteRoutes,
  nodeActionRoutes,
  portRoutes,
  portgroupRoutes,
  chassisRoutes,
);

/** Ironic: who asks, which version, and then the route. */
export function serveIronic(call: Call, context: Context, tables: Tables): Answer {
  if (call.method === 'GET' && call.segments.length === 0)
    return reply(200, root(context), { 'Openstack-Request-Id': call.requestId });
  const isV1Root = call.method === 'GET' && call.path.replace(/\/$/, '') === '/v1';
  const token = context.identity.accept(call.headers['x-auth-token'], 'ironic');
  if (token === null && !isV1Root) {
    const body = {
      error: { code: 401, title: 'Unauthorized', message: 'The request you have made requires authentication.' },
    };
    return reply(401, body, { 'Www-Authenticate': `Keystone uri="${context.settings.endpoints.keystone}/v3"` });
  }
  const version = readVersion(call, context);
  if (typeof version !== 'number') return version;
  const range = {
    'X-Openstack-Ironic-Api-Minimum-Version': '1.1',
    'X-Openstack-Ironic-Api-Maximum-Version': `1.${context.settings.maxVersions.ironic}`,
  };
  const headers = {
    ...range,
    'X-Openstack-Ironic-Api-Version': `1.${version}`,
    'Openstack-Request-Id': call.requestId,
  };
  if (isV1Root) return reply(200, v1(context), headers);
  if (token === null) throw new Error('a call without token went past the check');
  const done = (answer: Reply) => withHeaders(answer, headers);
  const found = find(call);
  if (found.kind === 'method') {
    return plainError(405, 'Method Not Allowed', '', { Allow: found.allowed.join(', ') });
  }
  if (found.kind === 'none') {
    const [, collection, , below] = call.segments;
    if (collection === 'nodes' && below !== undefined && call.method === 'GET') {
      return done(new IronicError(400, `Field ${below} is not a valid field.`).toReply());
    }
    return plainError(404, 'Not Found', '');
  }
  if (!token.roles.includes('admin')) return done(denied(call));
  try {
    const answer = found.run(call, visitOf(context, tables, token, version));
    if (!(answer instanceof Promise)) return done(answer);
    return answer.then(done, (error: unknown) => done(asReply(error)));
  } catch (error) {
    return finish(asReply(error), done);
  }
}

function asReply(error: unknown): Reply {
  if (error instanceof IronicError) return error.toReply();
  throw error;
}

function denied(call: Call): Reply {
  const [, collection = '', ident] = call.segments;
  const what = ident === undefined || !isUuid(ident) ? 'list_all' : 'get';
  const resource = collection.replace(/s$/, '');
  return new IronicError(
    403,
    `Access was denied to the following resource: baremetal:${resource}:${call.method === 'GET' ? what : 'update'}`,
  ).toReply();
}

/** The minor version asked for, or the 406. */
function readVersion(call: Call, context: Context): number | Reply {
  const asked = call.headers[HEADER];
  const highest = context.settings.maxVersions.ironic;
  if (asked === undefined) return 1;
  if (asked === 'latest') return highest;
  const match = /^(\d+)\.(\d+)$/.exec(asked);
  if (match === null)
    return plainError(406, 'Not Acceptable', 'Invalid value for X-OpenStack-Ironic-API-Version header');
  const [major, minor] = [Number(match[1]), Number(match[2])];
  const headers = {
    'X-Openstack-Ironic-Api-Minimum-Version': '1.1',
    'X-Openstack-Ironic-Api-Maximum-Version': `1.${highest}`,
  };
  const range = `The supported version range is: [1.1, 1.${highest}].`;
  if (major !== 1) {
    return plainError(
      406,
      'Not Acceptable',
      `Mutually exclusive versions requested. Version ${asked} requested but not supported by this service. ${range}`,
      headers,
    );
  }
  if (minor < 1 || minor > highest) {
    return plainError(
      406,
      'Not Acceptable',
      `Version ${asked} was requested but the minor version is not supported by this service. ${range}`,
      headers,
    );
  }
  return minor;
}

function apiVersion(context: Context) {
  const base = context.settings.endpoints.ironic;
  return {
    id: 'v1',
    links: [{ href: `${base}/v1/`, rel: 'self' }],
    status: 'CURRENT',
    min_version: '1.1',
    version: `1.${context.settings.maxVersions.ironic}`,
  };
}

function root(context: Context) {
  return {
    name: 'OpenStack Ironic API',
    description: 'Ironic is an OpenStack project which enables the provision and management of baremetal machines.',
    default_version: apiVersion(context),
    versions: [apiVersion(context)],
  };
}

function v1(context: Context) {
  const base = context.settings.endpoints.ironic;
  const collections = [
    'chassis',
    'nodes',
    'ports',
    'drivers',
    'portgroups',
    'volume',
    'lookup',
    'heartbeat',
    'conductors',
    'allocations',
    'deploy_templates',
  ];
  return {
    id: 'v1',
    links: [{ href: `${base}/v1/`, rel: 'self' }],
    media_types: { base: 'application/json', type: 'application/vnd.openstack.ironic.v1+json' },
    version: apiVersion(context),
    ...Object.fromEntries(
      collections.map((name) => [
        name,
        [
          { href: `${base}/v1/${name}/`, rel: 'self' },
          { href: `${base}/${name}/`, rel: 'bookmark' },
        ],
      ]),
    ),
  };
}

function driver(visit: Visit) {
  const base = visit.settings.endpoints.ironic;
  return {
    name: 'fake-hardware',
    hosts: [visit.conductor.host],
    links: links(base, 'drivers', 'fake-hardware'),
    properties: links(base, 'drivers', 'fake-hardware/properties'),
    type: 'dynamic',
  };
}

function wholeDriver(visit: Visit) {
  const interfaces = Object.entries(INTERFACES).flatMap(([kind, { default: standard, enabled }]) => [
    [`default_${kind}_interface`, standard],
    [`enabled_${kind}_interfaces`, enabled],
  ]);
  return { ...driver(visit), ...Object.fromEntries(interfaces) };
}

function conductor(visit: Visit) {
  const { host } = visit.conductor;
  return {
    hostname: host,
    conductor_group: '',
    links: links(visit.settings.endpoints.ironic, 'conductors', host),
    alive: true,
  };
}
