import type { Context } from '../context.ts';
import { type Call, isMap, reply, withHeaders } from '../http.ts';
import { type Answer, createRouter, type Routes } from '../router.ts';
import { type Reply, SERVICES, type Service, type User } from '../types.ts';
import type { Project, Scope, Token } from './identity.ts';

const TYPES: Record<Service, string> = {
  keystone: 'identity',
  ironic: 'baremetal',
  nova: 'compute',
  placement: 'placement',
  neutron: 'network',
  glance: 'image',
};

class Refusal extends Error {
  readonly answer: Reply;
  constructor(answer: Reply) {
    super('refused');
    this.answer = answer;
  }
}

function error(status: number, title: string, message: string, headers: Readonly<Record<string, string>> = {}): Reply {
  return reply(status, { error: { code: status, message, title } }, headers);
}

const BLAME =
  'The server could not comply with the request since it is either malformed or otherwise incorrect. The client is assumed to be in error.';

function expecting(what: string, where: string): Refusal {
  return new Refusal(error(400, 'Bad Request', `Expecting to find ${what} in ${where}. ${BLAME}`));
}

function unauthorized(context: Context): Reply {
  // One text for a bad password, an unknown user or project, a token that is over, revoked or was never one.
  return error(401, 'Unauthorized', 'The request you have made requires authentication.', {
    'WWW-Authenticate': `Keystone uri="${context.settings.endpoints.keystone}/v3"`,
  });
}

const routes: Routes<Context> = {
  'GET /': (_call, _params, context) =>
    reply(
      300,
      { versions: { values: [version(context)] } },
      { Location: `${context.settings.endpoints.keystone}/v3/` },
    ),
  'GET /v3': (_call, _params, context) => reply(200, { version: version(context) }),
  'POST /v3/auth/tokens': (call, _params, context) => authenticate(call, context),
  'GET /v3/auth/tokens': (call, _params, context) =>
    validate(call, context, (token) => tokenReply(200, token, context)),
  'HEAD /v3/auth/tokens': (call, _params, context) =>
    validate(call, context, (token) => ({ ...tokenReply(200, token, context), body: undefined })),
  'DELETE /v3/auth/tokens': (call, _params, context) =>
    validate(call, context, (token) => {
      context.identity.revoke(token.id);
      return reply(204);
    }),
  'GET /v3/auth/catalog': (call, _params, context) =>
    asker(call, context, () => reply(200, { catalog: catalog(context), links: links(call, context) })),
  'GET /v3/projects': (call, _params, context) =>
    asker(call, context, (token) => {
      if (!token.roles.includes('admin')) {
        return error(
          403,
          'Forbidden',
          'You are not authorized to perform the requested action: identity:list_projects.',
        );
      }
      const name = call.query.get('name');
      const projects = [...context.identity.projects.values()]
        .filter((project) => name === null || project.name === name)
        .map((project) => projectView(project, context));
      return reply(200, { projects, links: links(call, context) });
    }),
  'POST /v3/users/:user/application_credentials': (call, _params, context) =>
    asker(call, context, (token) => createCredential(call, token, context)),
  'DELETE /v3/users/:user/application_credentials/:id': (call, { id = '' }, context) =>
    asker(call, context, () =>
      context.identity.credentials.delete(id)
        ? reply(204)
        : error(404, 'Not Found', `Could not find Application Credential: ${id}.`),
    ),
  'GET /v3/users': (call, _params, context) =>
    asker(call, context, () => {
      const users = context.identity.users.map((user) => ({
        id: context.identity.userId(user),
        name: user.name,
        domain_id: 'default',
        enabled: true,
      }));
      return reply(200, { users, links: links(call, context) });
    }),
};

const find = createRouter(routes);

/** Keystone v3: tokens, their validation and revocation, the catalog. */
export function serveKeystone(call: Call, context: Context): Answer {
  const found = find(call);
  const headers = { Vary: 'X-Auth-Token', 'x-openstack-request-id': call.requestId };
  if (found.kind === 'route') {
    try {
      return withHeaders(found.run(call, context) as Reply, headers);
    } catch (refusal) {
      if (refusal instanceof Refusal) return withHeaders(refusal.answer, headers);
      throw refusal;
    }
  }
  const html = (status: number, title: string, text: string) =>
    reply(
      status,
      `<!doctype html>\n<html lang=en>\n<title>${status} ${title}</title>\n<h1>${title}</h1>\n<p>${text}</p>\n`,
      {
        ...headers,
        'Content-Type': 'text/html; charset=utf-8',
      },
    );
  return found.kind === 'method'
    ? html(405, 'Method Not Allowed', 'The method is not allowed for the requested URL.')
    : html(
        404,
        'Not Found',
        'The requested URL was not found on the server. If you entered the URL manually please check your spelling and try again.',
      );
}

function version(context: Context) {
  return {
    id: 'v3.14',
    status: 'stable',
    updated: '2020-04-07T00:00:00Z',
    links: [{ rel: 'self', href: `${context.settings.endpoints.keystone}/v3/` }],
    'media-types': [{ base: 'application/json', type: 'application/vnd.openstack.identity-v3+json' }],
  };
}

function links(call: Call, context: Context) {
  return { next: null, self: `${context.settings.endpoints.keystone}${call.target}`, previous: null };
}

function projectView(project: Project, context: Context) {
  return {
    id: project.id,
    name: project.name,
    domain_id: 'default',
    description: '',
    enabled: true,
    parent_id: 'default',
    is_domain: false,
    tags: [],
    options: {},
    links: { self: `${context.settings.endpoints.keystone}/v3/projects/${project.id}` },
  };
}

function asker(call: Call, context: Context, then: (token: Token) => Reply): Reply {
  const token = context.identity.accept(call.headers['x-auth-token'], 'keystone');
  return token === null ? unauthorized(context) : then(token);
}

function validate(call: Call, context: Context, then: (token: Token) => Reply): Reply {
  return asker(call, context, () => {
    const subject = call.headers['x-subject-token'];
    if (subject === undefined) return error(404, 'Not Found', 'No token in the request');
    const token = context.identity.look(subject);
    if (token === 'unknown') return error(404, 'Not Found', 'Could not recognize Fernet token');
    if (token === 'revoked') return error(404, 'Not Found', 'Failed to validate token');
    return then(token);
  });
}

function authenticate(call: Call, context: Context): Reply {
  if (call.malformed || (call.body !== undefined && !isMap(call.body))) throw expecting('valid JSON', 'request body');
  const auth = call.body?.['auth'];
  if (!isMap(auth)) throw expecting('auth', 'request body');
  const identity = auth['identity'];
  if (!isMap(identity) || !Array.isArray(identity['methods'])) {
    throw new Refusal(
      error(
        400,
        'Bad Request',
        "'identity' is a required property\n\nFailed validating 'required' in schema:\n    {'properties': {'identity': {}}}",
      ),
    );
  }
  const method = String(identity['methods'][0]);
  const proof = identity[method];
  if (!isMap(proof)) throw expecting(method, 'identity');
  if (method === 'password') {
    const user = passwordUser(proof['user'], context);
    return grant(user, wantedScope(auth['scope'], user, context), ['password'], context);
  }
  if (method === 'application_credential') return byApplicationCredential(proof, auth['scope'], context);
  if (method === 'token') {
    const parent = context.identity.accept(typeof proof['id'] === 'string' ? proof['id'] : undefined, 'keystone');
    if (parent === null) throw new Refusal(unauthorized(context));
    const scope = wantedScope(auth['scope'], parent.user, context);
    return grant(parent.user, scope, [...parent.methods, 'token'], context, { parent });
  }
  throw expecting(method, 'identity');
}

function passwordUser(claim: unknown, context: Context): User {
  if (!isMap(claim)) throw expecting('user', 'password');
  if (claim['id'] === undefined) checkDomain(claim['domain'], 'user', context);
  const user = context.identity.users.find(
    (known) =>
      (claim['id'] === undefined ? known.name === claim['name'] : context.identity.userId(known) === claim['id']) &&
      known.password === claim['password'],
  );
  if (user === undefined) throw new Refusal(unauthorized(context));
  return user;
}

function checkDomain(domain: unknown, of: string, context: Context): void {
  if (!isMap(domain)) throw expecting('domain', of);
  const known = context.identity.domain;
  // Names are compared by the database, which does not look at the case.
  const fits =
    domain['id'] === undefined
      ? String(domain['name']).toLowerCase() === known.name.toLowerCase()
      : domain['id'] === known.id;
  if (!fits) throw new Refusal(unauthorized(context));
}

function wantedScope(scope: unknown, user: User, context: Context): Scope {
  if (!isMap(scope)) return { kind: 'none' };
  if (isMap(scope['system'])) {
    if (user.system !== true) throw new Refusal(unauthorized(context));
    return { kind: 'system' };
  }
  const wanted = scope['project'];
  if (!isMap(wanted)) throw new Refusal(unauthorized(context));
  if (wanted['id'] === undefined) checkDomain(wanted['domain'], 'project', context);
  const project = [...context.identity.projects.values()].find((known) =>
    wanted['id'] === undefined ? known.name === wanted['name'] : known.id === wanted['id'],
  );
  if (project === undefined || !user.projects.includes(project.name)) throw new Refusal(unauthorized(context));
  return { kind: 'project', project };
}

function byApplicationCredential(proof: Record<string, unknown>, scope: unknown, context: Context): Reply {
  const { credentials } = context.identity;
  let found = typeof proof['id'] === 'string' ? credentials.get(proof['id']) : undefined;
  if (proof['id'] === undefined) {
    const claim = proof['user'];
    if (!isMap(claim)) throw expecting('user', 'application_credential');
    if (claim['id'] === undefined) checkDomain(claim['domain'], 'user', context);
    const owns = (user: User) =>
      claim['id'] === undefined ? user.name === claim['name'] : context.identity.userId(user) === claim['id'];
    found = [...credentials.values()].find(({ name, user }) => name === proof['name'] && owns(user));
  } else if (found === undefined) {
    throw new Refusal(error(404, 'Not Found', `Could not find Application Credential: ${String(proof['id'])}.`));
  }
  if (found === undefined || found.secret !== proof['secret']) throw new Refusal(unauthorized(context));
  if (scope !== undefined) {
    const message = 'Error authenticating with application credential: Application credentials cannot request a scope.';
    throw new Refusal(reply(401, { error: { code: 401, identity: {}, message, title: 'Unauthorized' } }));
  }
  const project = context.identity.projects.get(found.project);
  if (project === undefined) throw new Refusal(unauthorized(context));
  const { id, name, user } = found;
  return grant(user, { kind: 'project', project }, ['application_credential'], context, {
    applicationCredential: { id, name },
  });
}

/** Made in the project of the token; the secret is told this once. */
function createCredential(call: Call, token: Token, context: Context): Reply {
  const wanted = isMap(call.body) ? call.body['application_credential'] : undefined;
  if (!isMap(wanted) || typeof wanted['name'] !== 'string') throw expecting('application_credential', 'request body');
  if (token.scope.kind !== 'project') {
    return error(
      403,
      'Forbidden',
      'You are not authorized to perform the requested action: identity:create_application_credential.',
    );
  }
  const { name } = wanted;
  const id = context.ids().replaceAll('-', '');
  const secret = typeof wanted['secret'] === 'string' ? wanted['secret'] : `${context.ids()}${context.ids()}`;
  context.identity.credentials.set(id, { id, name, secret, project: token.scope.project.name, user: token.user });
  const owner = { user_id: token.userId, project_id: token.scope.project.id, system: null, expires_at: null };
  const roles = token.roles.map((role) => ({ id: context.identity.roleId(role), name: role }));
  return reply(201, {
    application_credential: { id, name, description: null, ...owner, unrestricted: false, roles, secret },
  });
}

function grant(
  user: User,
  scope: Scope,
  methods: readonly string[],
  context: Context,
  more: { parent?: Token; applicationCredential?: { id: string; name: string } } = {},
): Reply {
  const token = context.identity.issue({
    user,
    scope,
    methods,
    applicationCredential: more.applicationCredential ?? null,
    ...(more.parent === undefined ? {} : { parent: more.parent }),
  });
  return tokenReply(201, token, context);
}

function tokenReply(status: number, token: Token, context: Context): Reply {
  const { domain } = context.identity;
  const time = (ms: number) => `${new Date(ms).toISOString().slice(0, 19)}.000000Z`;
  const roles = token.roles.map((name) => ({ id: context.identity.roleId(name), name }));
  const { scope, applicationCredential } = token;
  const body = {
    methods: token.methods,
    user: { domain, id: token.userId, name: token.user.name, password_expires_at: null },
    audit_ids: token.auditIds,
    expires_at: time(token.expiresAt),
    issued_at: time(token.issuedAt),
    ...(scope.kind === 'project'
      ? { project: { domain, id: scope.project.id, name: scope.project.name }, is_domain: false }
      : {}),
    ...(scope.kind === 'none' ? {} : { roles }),
    ...(scope.kind === 'system' ? { system: { all: true } } : {}),
    ...(scope.kind === 'none' ? {} : { catalog: catalog(context) }),
    ...(applicationCredential === null
      ? {}
      : { application_credential: { ...applicationCredential, restricted: true } }),
  };
  return reply(status, { token: body }, { 'X-Subject-Token': token.id });
}

function catalog(context: Context) {
  const { region, settings } = context;
  const suffix: Partial<Record<Service, string>> = { keystone: '/v3', nova: '/v2.1' };
  return SERVICES.map((service) => ({
    endpoints: (['public', 'internal', 'admin'] as const).map((face) => ({
      id: `${service}-${face}`,
      interface: face,
      region_id: region,
      url: `${settings.endpoints[service]}${suffix[service] ?? ''}`,
      region,
    })),
    id: service,
    type: TYPES[service],
    name: service,
  }));
}
