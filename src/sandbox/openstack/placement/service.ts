import { type Context, type Visit, visitOf } from '../context.ts';
import { type Call, isUuid, type JsonMap, pythonText, reply, withHeaders } from '../http.ts';
import type { ProviderRecord } from '../records.ts';
import { type Answer, createRouter, type Routes } from '../router.ts';
import type { Reply } from '../types.ts';
import type { Tables } from '../world.ts';

/** A refusal of Placement on its way out of a handler. */
class PlacementError extends Error {
  readonly status: number;
  readonly code: string;
  constructor(status: number, detail: string, code = 'placement.undefined_code') {
    super(detail);
    this.status = status;
    this.code = code;
  }

  toReply(call: Call): Reply {
    const [title, lead] = TITLES[this.status] ?? ['Error', ''];
    const detail = `${lead}\n\n ${this.message}  `;
    return reply(this.status, {
      errors: [{ status: this.status, title, detail, code: this.code, request_id: call.requestId }],
    });
  }
}

const TITLES: Readonly<Record<number, readonly [string, string]>> = {
  400: [
    'Bad Request',
    'The server could not comply with the request since it is either malformed or otherwise incorrect.',
  ],
  403: ['Forbidden', 'Access was denied to this resource.'],
  404: ['Not Found', 'The resource could not be found.'],
};

/** Placement has been told of these before anybody came. */
const STANDARD_TRAIT = /^(HW|COMPUTE|MISC|STORAGE|OWNER)_[A-Z0-9_]+$/;

const routes: Routes<Visit> = {
  'GET /resource_providers': (call, _params, visit) => list(call, visit),
  'GET /resource_providers/:uuid': (_call, { uuid = '' }, visit) => {
    const provider = visit.tables.providers.get(uuid);
    if (provider === undefined) throw new PlacementError(404, `No resource provider with uuid ${uuid} found`);
    return reply(200, providerView(provider, visit.version));
  },
  'GET /resource_providers/:uuid/inventories': (_call, { uuid = '' }, visit) => {
    const provider = providerOf(uuid, visit, ' : ');
    return reply(200, { resource_provider_generation: provider.generation, inventories: inventories(provider) });
  },
  'GET /resource_providers/:uuid/inventories/:name': (_call, { uuid = '', name = '' }, visit) => {
    const provider = providerOf(uuid, visit, ' : ');
    const inventory = inventories(provider)[name];
    if (inventory === undefined) throw new PlacementError(404, `No inventory of class ${name} for ${uuid}`);
    return reply(200, { ...inventory, resource_provider_generation: provider.generation });
  },
  'GET /resource_providers/:uuid/usages': (_call, { uuid = '' }, visit) => {
    const provider = providerOf(uuid, visit, ': ');
    const usages =
      provider.resourceClass === null ? {} : { [provider.resourceClass]: provider.consumer === null ? 0 : 1 };
    return reply(200, { resource_provider_generation: provider.generation, usages });
  },
  'GET /resource_providers/:uuid/aggregates': (_call, { uuid = '' }, visit) =>
    reply(200, { aggregates: [], resource_provider_generation: providerOf(uuid, visit, ': ').generation }),
  'GET /resource_providers/:uuid/traits': (_call, { uuid = '' }, visit) => {
    const provider = providerOf(uuid, visit, ': ');
    return reply(200, { traits: provider.traits, resource_provider_generation: provider.generation });
  },
  'GET /resource_providers/:uuid/allocations': (_call, { uuid = '' }, visit) => {
    const provider = visit.tables.providers.get(uuid);
    if (provider === undefined)
      throw new PlacementError(
        404,
        `Resource provider '${uuid}' not found: No resource provider with uuid ${uuid} found`,
      );
    const allocation = { resources: { [provider.resourceClass ?? '']: 1 }, consumer_generation: 1 };
    const allocations = provider.consumer === null ? {} : { [provider.consumer]: allocation };
    return reply(200, { allocations, resource_provider_generation: provider.generation });
  },
  'GET /allocations/:consumer': (_call, { consumer = '' }, visit) => {
    const provider = [...visit.tables.providers.values()].find((candidate) => candidate.consumer === consumer);
    // Of an unknown consumer, too, this is 200.
    if (provider === undefined) return reply(200, { allocations: {} });
    const instance = visit.tables.instances.get(consumer);
    const allocations = {
      [provider.uuid]: { resources: { [provider.resourceClass ?? '']: 1 }, generation: provider.generation },
    };
    const owner = { project_id: instance?.projectId ?? '', user_id: instance?.userId ?? '' };
    return reply(200, { allocations, ...owner, consumer_generation: 1, consumer_type: 'unknown' });
  },
  'GET /allocation_candidates': (call, _params, visit) => candidates(call, visit),
  'GET /traits': (call, _params, visit) => {
    const known = [...visit.world.catalogue.traits];
    const name = call.query.get('name');
    const wanted = name?.startsWith('in:') ? new Set(name.slice(3).split(',')) : null;
    const prefix = name?.startsWith('startswith:') ? name.slice(11) : '';
    return reply(200, { traits: known.filter((trait) => (wanted?.has(trait) ?? true) && trait.startsWith(prefix)) });
  },
  'GET /resource_classes': (_call, _params, visit) => {
    const names = [...visit.world.catalogue.resourceClasses];
    return reply(200, {
      resource_classes: names.map((name) => ({ name, links: [{ rel: 'self', href: `/resource_classes/${name}` }] })),
    });
  },
};

const find = createRouter(routes);

/** Placement, read only: who asks, which version, and then the route. */
export function servePlacement(call: Call, context: Context, tables: Tables): Answer {
  const requestId = { 'x-openstack-request-id': call.requestId };
  const highest = context.settings.maxVersions.placement;
  const token = context.identity.accept(call.headers['x-auth-token'], 'placement');
  const isRoot = call.segments.length === 0;
  if (token === null && !isRoot) {
    const body = {
      error: { code: 401, title: 'Unauthorized', message: 'The request you have made requires authentication.' },
    };
    return reply(401, body, {
      ...requestId,
      'WWW-Authenticate': `Keystone uri="${context.settings.endpoints.keystone}/v3"`,
    });
  }
  const version = readVersion(call, highest);
  if (typeof version !== 'number') return withHeaders(version, requestId);
  const headers = { ...requestId, 'openstack-api-version': `placement 1.${version}`, vary: 'openstack-api-version' };
  if (isRoot) {
    const links = [{ rel: 'self', href: '' }];
    return reply(
      200,
      { versions: [{ id: 'v1.0', max_version: `1.${highest}`, min_version: '1.0', status: 'CURRENT', links }] },
      headers,
    );
  }
  try {
    if (token === null) throw new Error('a call without token went past the check');
    const found = find(call);
    if (found.kind !== 'route') throw new PlacementError(404, ' ');
    if (!token.roles.includes('admin')) {
      throw new PlacementError(403, `Policy does not allow placement:${call.segments[0] ?? ''}:list to be performed.`);
    }
    const fresh =
      version >= 15
        ? { 'Cache-Control': 'no-cache', 'Last-Modified': new Date(context.clock.now()).toUTCString() }
        : {};
    return withHeaders(found.run(call, visitOf(context, tables, token, version)) as Reply, { ...headers, ...fresh });
  } catch (error) {
    if (error instanceof PlacementError) return withHeaders(error.toReply(call), headers);
    throw error;
  }
}

function readVersion(call: Call, highest: number): number | Reply {
  const named = call.headers['openstack-api-version']?.split(',').map((part) => part.trim().split(/\s+/));
  const asked = named?.find(([service]) => service === 'placement')?.[1];
  if (asked === undefined) return 0;
  if (asked === 'latest') return highest;
  const match = /^(\d+)\.(\d+)$/.exec(asked);
  if (match === null) {
    const detail = `${TITLES[400]?.[1]}\n\n Invalid microversion: invalid version string: ${asked}; invalid literal for int() with base 10: ${pythonText(asked)}  `;
    return reply(400, { errors: [{ status: 400, title: 'Bad Request', detail, request_id: call.requestId }] });
  }
  if (match[1] === '1' && Number(match[2]) <= highest) return Number(match[2]);
  const detail = `The resource could not be generated that was acceptable to your browser (content of type application/json. \n\n Invalid microversion: Unacceptable version header: ${asked}`;
  const range = { max_version: `1.${highest}`, min_version: '1.0' };
  return reply(406, {
    errors: [{ status: 406, title: 'Not Acceptable', detail, request_id: call.requestId, ...range }],
  });
}

function providerOf(uuid: string, visit: Visit, between: string): ProviderRecord {
  const provider = visit.tables.providers.get(uuid);
  const text = `No resource provider with uuid ${uuid} found`;
  // Said twice, with or without a blank.
  if (provider === undefined) throw new PlacementError(404, `${text}${between}${text}`);
  return provider;
}

function providerView(provider: ProviderRecord, version: number): JsonMap {
  const { uuid, generation } = provider;
  const below = [
    'inventories',
    'usages',
    ...(version >= 1 ? ['aggregates'] : []),
    ...(version >= 6 ? ['traits'] : []),
    ...(version >= 11 ? ['allocations'] : []),
  ];
  const links = ['', ...below].map((name) =>
    name === ''
      ? { rel: 'self', href: `/resource_providers/${uuid}` }
      : { rel: name, href: `/resource_providers/${uuid}/${name}` },
  );
  const tree = version >= 14 ? { parent_provider_uuid: null, root_provider_uuid: uuid } : {};
  return { uuid, name: uuid, generation, links, ...tree };
}

function inventories(provider: ProviderRecord): Record<string, JsonMap> {
  if (provider.resourceClass === null) return {};
  const inventory = {
    total: 1,
    reserved: provider.reserved,
    min_unit: 1,
    max_unit: 1,
    step_size: 1,
    allocation_ratio: 1,
  };
  return { [provider.resourceClass]: inventory };
}

/** Providers that have the resources and traits of the query free. */
function fitting(call: Call, visit: Visit): ProviderRecord[] {
  const resources = call.query.get('resources');
  const wanted = resources === null ? [] : readResources(resources, visit);
  const required = call.query.getAll('required').flatMap((text) => text.split(','));
  const isKnown = (trait: string) => STANDARD_TRAIT.test(trait) || visit.world.catalogue.traits.has(trait);
  const missing = required.map((trait) => trait.replace(/^!/, '')).filter((trait) => !isKnown(trait));
  if (missing.length > 0)
    throw new PlacementError(400, `Invalid trait(s) in "required" parameter: No such trait(s): ${missing.join(', ')}.`);
  return [...visit.tables.providers.values()].filter(
    (provider) =>
      wanted.every(
        ([name, amount]) =>
          provider.resourceClass === name && amount <= 1 - provider.reserved - (provider.consumer === null ? 0 : 1),
      ) &&
      required.every((trait) =>
        trait.startsWith('!') ? !provider.traits.includes(trait.slice(1)) : provider.traits.includes(trait),
      ),
  );
}

function readResources(text: string, visit: Visit): [string, number][] {
  return text.split(',').map((part) => {
    const match = /^([A-Z0-9_]+):(\d+)$/.exec(part);
    if (match === null) {
      throw new PlacementError(
        400,
        `Badly formed resources parameter. Expected resources query string parameter in form: ?resources=VCPU:2,MEMORY_MB:1024. Got: ${text}.`,
      );
    }
    const [, name = '', amount] = match;
    if (!visit.world.catalogue.resourceClasses.has(name)) {
      throw new PlacementError(400, `Invalid resource class in resources parameter: No such resource class ${name}.`);
    }
    return [name, Number(amount)];
  });
}

function list(call: Call, visit: Visit): Reply {
  const known = ['name', 'uuid', 'resources', 'required', 'in_tree', 'member_of'];
  const unknown = [...call.query.keys()].find((key) => !known.includes(key));
  if (unknown !== undefined) {
    throw new PlacementError(
      400,
      `Invalid query string parameters: Additional properties are not allowed ('${unknown}' was unexpected)`,
    );
  }
  for (const name of ['uuid', 'in_tree']) {
    const value = call.query.get(name);
    if (value !== null && !isUuid(value))
      throw new PlacementError(400, `Invalid query string parameters: ${pythonText(value)} is not a 'uuid'`);
  }
  const names = ['uuid', 'name', 'in_tree'].map((key) => call.query.get(key)).filter((value) => value !== null);
  const found = fitting(call, visit).filter(({ uuid }) => names.every((name) => name === uuid));
  return reply(200, { resource_providers: found.map((provider) => providerView(provider, visit.version)) });
}

function candidates(call: Call, visit: Visit): Reply {
  if (call.query.get('resources') === null) {
    throw new PlacementError(
      400,
      'There must be at least one resources or resources[$S] parameter.',
      'placement.query.missing_value',
    );
  }
  const tree = call.query.get('in_tree');
  const limit = Number(call.query.get('limit') ?? 1000);
  const found = fitting(call, visit)
    .filter(({ uuid }) => tree === null || uuid === tree)
    .slice(0, limit);
  const requests = found.map((provider) => {
    const resources = { [provider.resourceClass ?? '']: 1 };
    return { allocations: { [provider.uuid]: { resources } }, mappings: { '': [provider.uuid] } };
  });
  const summaries = found.map((provider) => [
    provider.uuid,
    {
      resources: { [provider.resourceClass ?? '']: { capacity: 1, used: 0 } },
      traits: provider.traits,
      parent_provider_uuid: null,
      root_provider_uuid: provider.uuid,
    },
  ]);
  return reply(200, { allocation_requests: requests, provider_summaries: Object.fromEntries(summaries) });
}
