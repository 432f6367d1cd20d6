import { z } from 'zod';
import { type Catalog, type CatalogService, catalogSchema, type Endpoint, findEndpoint } from './catalog.ts';
import type { Clock } from './clock.ts';
import type { CloudConfig } from './clouds.ts';
import { AbortError, classify, OpenStackError } from './errors.ts';
import { type Http, type HttpCall, type HttpResponse, plainUrl, requestIdOf } from './http.ts';
import { parseJson, unwrapMessage } from './messages.ts';

/** What a token says about itself. */
const tokenSchema = z.object({
  token: z.object({
    issued_at: z.string(),
    expires_at: z.string(),
    project: z.object({ id: z.string(), name: z.string().nullish() }).nullish(),
    catalog: catalogSchema.nullish(),
  }),
});

interface Token {
  readonly id: string;
  readonly projectId: string | null;
  readonly catalog: Catalog;
  /** Found in the catalog already. */
  readonly endpoints: Map<CatalogService, Endpoint>;
  /** By our own clock: the server's may differ, so only the length of its life is taken from the answer. */
  readonly expiresAt: number;
  readonly lifeMs: number;
}

export interface Session {
  /** Makes sure that there is a token. Throws OpenStackError `auth` when Keystone refuses. */
  authenticate(signal?: AbortSignal): Promise<void>;
  /** Null with system scope. */
  projectId(signal?: AbortSignal): Promise<string | null>;
  endpoint(service: CatalogService, signal?: AbortSignal): Promise<Endpoint>;
  /**
   * Sends with a token. 401 means: one new token, one repeat. The answer comes back whatever its status.
   * `lastsMs`: the token must be good for at least so long, for services that go on working with it.
   */
  send(call: HttpCall, lastsMs?: number): Promise<HttpResponse>;
  /** Values that must not be shown: password, application credential secret, current token. */
  secrets(): readonly string[];
}

/** A token this close to its end is not used any more, or a tenth of its life if that is shorter. */
const MARGIN_MS = 120_000;
/** After Keystone has refused the credentials it is left alone for so long: accounts get locked by repeated failures. */
const REFUSED_MS = 30_000;

/** One Keystone session of a control plane: one token for all services, fetched by one request at a time. */
export function createSession(
  controlPlane: string,
  cloud: CloudConfig,
  http: Http,
  clock: Pick<Clock, 'now'>,
): Session {
  let current: Token | null = null;
  let underway: Promise<Token> | null = null;
  let refused: { error: OpenStackError; until: number } | null = null;

  function usable(token: Token, lastsMs: number): boolean {
    const margin = Math.max(Math.min(MARGIN_MS, token.lifeMs / 10), Math.min(lastsMs, token.lifeMs / 2));
    return clock.now() < token.expiresAt - margin;
  }

  /** Many callers, one request. It is bound to no caller's signal: each may leave without stopping it for the others. */
  async function token(signal: AbortSignal | undefined, lastsMs = 0): Promise<Token> {
    if (current && usable(current, lastsMs)) return current;
    if (refused && clock.now() < refused.until) throw refused.error;
    if (signal?.aborted) throw new AbortError(signal.reason);
    if (underway === null) {
      underway = fetchToken().finally(() => {
        underway = null;
      });
      // All callers may have left before it fails: then nobody is there to take the error, and that is all right.
      underway.catch(() => {});
    }
    return abortable(underway, signal);
  }

  async function fetchToken(): Promise<Token> {
    const asked = clock.now();
    const call: HttpCall = {
      service: 'keystone',
      method: 'POST',
      url: `${cloud.authUrl}/auth/tokens`,
      route: '/v3/auth/tokens',
      body: { auth: authBody(cloud) },
      expected: [201],
      repeatable: true,
    };
    const response = await http.send(call);
    if (response.status !== 201) {
      const error = tokenRefused(response);
      if (error.kind === 'auth') refused = { error, until: clock.now() + REFUSED_MS };
      throw error;
    }
    refused = null;
    const id = response.headers['x-subject-token'];
    const parsed = tokenSchema.safeParse(parseJson(response.body));
    if (!parsed.success || !id) {
      const issue = parsed.error?.issues[0];
      throw keystoneError(response, {
        kind: 'malformed',
        message: id
          ? `a token that we cannot read: ${issue?.path.join('.') ?? ''}: ${issue?.message ?? ''}`
          : 'a token answer without X-Subject-Token',
        remedy: 'Check that auth_url is the address of a Keystone v3.',
      });
    }
    const { token: body } = parsed.data;
    const lifeMs = Date.parse(body.expires_at) - Date.parse(body.issued_at);
    current = {
      id,
      projectId: body.project?.id ?? null,
      catalog: body.catalog ?? [],
      endpoints: new Map(),
      lifeMs: Number.isFinite(lifeMs) ? lifeMs : 0,
      expiresAt: asked + (Number.isFinite(lifeMs) ? lifeMs : 0),
    };
    return current;
  }

  function tokenRefused(response: HttpResponse): OpenStackError {
    // Keystone quotes a request that it cannot read, password and all.
    const said = unwrapMessage(response.body, secrets());
    const { kind } = classify('keystone', response.status, said);
    const who = describeAuth(cloud);
    if (kind === 'auth') {
      return keystoneError(response, {
        kind,
        message: `Keystone refuses the credentials of ${who}`,
        remedy: `Check user, secret, domains and project of cloud ${cloud.name} in clouds.yaml or secure.yaml.`,
      });
    }
    if (kind === 'not_found' || kind === 'malformed') {
      return keystoneError(response, {
        kind: 'bad_request',
        message: `there is no Keystone v3 here: ${said}`,
        remedy: `Check auth_url of cloud ${cloud.name} in clouds.yaml.`,
      });
    }
    return keystoneError(response, { kind, message: said });
  }

  function keystoneError(
    response: HttpResponse,
    data: { kind: OpenStackError['kind']; message: string; remedy?: string },
  ): OpenStackError {
    return new OpenStackError({
      controlPlane,
      service: 'keystone',
      method: 'POST',
      url: plainUrl(`${cloud.authUrl}/auth/tokens`),
      expected: [201],
      status: response.status,
      requestId: requestIdOf(response),
      ...data,
    });
  }

  function secrets(): readonly string[] {
    const { auth } = cloud;
    const own = auth.method === 'password' ? auth.password : auth.secret;
    return [own.reveal(), ...(current ? [current.id] : [])];
  }

  return {
    secrets,
    async authenticate(signal) {
      await token(signal);
    },
    async projectId(signal) {
      return (await token(signal)).projectId;
    },
    async endpoint(service, signal) {
      const { catalog, endpoints } = await token(signal);
      const known = endpoints.get(service);
      if (known !== undefined) return known;
      const found = findEndpoint(catalog, cloud, controlPlane, service);
      endpoints.set(service, found);
      return found;
    },
    async send(call, lastsMs) {
      const withToken = (id: string): HttpCall => ({ ...call, headers: { ...call.headers, 'x-auth-token': id } });
      const first = await token(call.signal, lastsMs);
      const response = await http.send(withToken(first.id));
      if (response.status !== 401) return response;
      // Expired, revoked and never valid look alike (401 never says why). Another call may have renewed it meanwhile.
      if (current === first) current = null;
      const second = await token(call.signal, lastsMs);
      return http.send(withToken(second.id));
    },
  };
}

function abortable<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return work;
  if (signal.aborted) return Promise.reject(new AbortError(signal.reason));
  return new Promise<T>((resolve, reject) => {
    const stop = () => reject(new AbortError(signal.reason));
    signal.addEventListener('abort', stop, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', stop));
  });
}

/** The body of `POST /v3/auth/tokens`. */
function authBody(cloud: CloudConfig): unknown {
  const { auth, scope } = cloud;
  const identity =
    auth.method === 'password'
      ? {
          methods: ['password'],
          password: { user: { ...auth.user, password: auth.password.reveal() } },
        }
      : {
          methods: ['application_credential'],
          application_credential: {
            ...('id' in auth.credential ? { id: auth.credential.id } : auth.credential),
            secret: auth.secret.reveal(),
          },
        };
  if (scope.kind === 'none') return { identity };
  if (scope.kind === 'system') return { identity, scope: { system: { all: true } } };
  return { identity, scope: { project: scope.project } };
}

function describeAuth(cloud: CloudConfig): string {
  const { auth } = cloud;
  const name = (it: { id?: string; name?: string }) => it.name ?? it.id ?? '?';
  return auth.method === 'password'
    ? `user ${name(auth.user)}`
    : `application credential ${'id' in auth.credential ? auth.credential.id : auth.credential.name}`;
}
