import type { Backend } from './backend.ts';
import { type Answer, exchange } from './http.ts';

export const SERVICES = ['identity', 'baremetal', 'compute', 'placement', 'network', 'image'] as const;
export type Service = (typeof SERVICES)[number];

/** The microversions that Ephyra pins. */
export const PINNED = { baremetal: '1.81', compute: '2.90', placement: '1.38' } as const;
export type Versioned = keyof typeof PINNED;

export interface Token {
  readonly expires_at: string;
  readonly issued_at: string;
  readonly user: { readonly id: string; readonly name: string };
  readonly project?: { readonly id: string; readonly name: string };
  readonly system?: { readonly all: boolean };
  readonly roles?: readonly { readonly name: string }[];
  readonly catalog?: readonly CatalogEntry[];
}

export interface CatalogEntry {
  readonly type: string;
  readonly endpoints: readonly { readonly interface: string; readonly region_id: string; readonly url: string }[];
}

export interface CallOptions {
  readonly json?: unknown;
  /** Another token than the session's; null sends none. */
  readonly token?: string | null;
  /** Another microversion than the pinned one. */
  readonly version?: string;
  readonly accept?: string;
}

export type Scope = 'project' | 'system' | 'unscoped';

/** The header by which a service is asked for a microversion. */
export function versionHeader(service: Service, version?: string): Record<string, string> {
  if (service === 'baremetal') return { 'x-openstack-ironic-api-version': version ?? PINNED.baremetal };
  if (service === 'compute') return { 'openstack-api-version': `compute ${version ?? PINNED.compute}` };
  if (service === 'placement') return { 'openstack-api-version': `placement ${version ?? PINNED.placement}` };
  return {};
}

/** The body that asks Keystone for a token by password. */
export function passwordLogin(backend: Backend, scope: Scope, wrong: { password?: string; project?: string } = {}) {
  const { admin } = backend;
  const scopes = {
    project: { project: { name: wrong.project ?? admin.project, domain: { name: admin.projectDomain } } },
    system: { system: { all: true } },
  };
  return {
    auth: {
      identity: {
        methods: ['password'],
        password: {
          user: {
            name: admin.username,
            domain: { name: admin.userDomain },
            password: wrong.password ?? admin.password,
          },
        },
      },
      ...(scope !== 'unscoped' && { scope: scopes[scope] }),
    },
  };
}

export function login(backend: Backend, json: unknown): Promise<Answer<{ token: Token }>> {
  return exchange('POST', `${backend.authUrl}/auth/tokens`, {}, json);
}

/** A signed-in admin of one control plane, by raw HTTP. */
export class Cloud {
  readonly token: string;
  readonly about: Token;
  readonly roots: ReadonlyMap<Service, string>;

  constructor(token: string, about: Token, roots: ReadonlyMap<Service, string>) {
    this.token = token;
    this.about = about;
    this.roots = roots;
  }

  static async signIn(backend: Backend, scope: 'project' | 'system' = 'project'): Promise<Cloud> {
    const answer = await login(backend, passwordLogin(backend, scope));
    const token = answer.headers['x-subject-token'];
    if (answer.status !== 201 || typeof token !== 'string') {
      throw new Error(`no token from ${backend.authUrl}: ${answer.status} ${answer.text}`);
    }
    return new Cloud(token, answer.body.token, serviceRoots(answer.body.token, backend.admin.region));
  }

  get projectId(): string {
    return this.about.project?.id ?? '';
  }

  root(service: Service): string {
    const url = this.roots.get(service);
    if (url === undefined) throw new Error(`the catalog has no ${service} service`);
    return url;
  }

  /** `path` starts with the API's version, e.g. `/v1/nodes` or `/v2.1/servers`. */
  call<T = unknown>(service: Service, method: string, path: string, options: CallOptions = {}): Promise<Answer<T>> {
    const token = options.token === undefined ? this.token : options.token;
    return exchange(
      method,
      path.startsWith('http') ? path : this.root(service) + path,
      {
        ...versionHeader(service, options.version),
        ...(token !== null && { 'x-auth-token': token }),
        ...(options.accept !== undefined && { accept: options.accept }),
      },
      options.json,
    );
  }

  ironic<T = unknown>(method: string, path: string, json?: unknown): Promise<Answer<T>> {
    return this.call('baremetal', method, path, { json });
  }

  nova<T = unknown>(method: string, path: string, json?: unknown): Promise<Answer<T>> {
    return this.call('compute', method, `/v2.1${path}`, { json });
  }

  placement<T = unknown>(path: string): Promise<Answer<T>> {
    return this.call('placement', 'GET', path);
  }

  neutron<T = unknown>(path: string): Promise<Answer<T>> {
    return this.call('network', 'GET', `/v2.0${path}`);
  }

  glance<T = unknown>(path: string): Promise<Answer<T>> {
    return this.call('image', 'GET', `/v2${path}`);
  }
}

/** Roots without a version: clouds differ in whether their catalog has one. */
function serviceRoots(token: Token, region: string): Map<Service, string> {
  const roots = new Map<Service, string>();
  for (const service of SERVICES) {
    const url = token.catalog
      ?.find((entry) => entry.type === service)
      ?.endpoints.find((endpoint) => endpoint.interface === 'public' && endpoint.region_id === region)?.url;
    if (url !== undefined) roots.set(service, url.replace(/\/+$/, '').replace(/\/v\d[\d.]*$/, ''));
  }
  return roots;
}

/** Ironic's message: a JSON string inside JSON. */
export function fault(answer: Answer): string {
  const { error_message: message } = (answer.body ?? {}) as { error_message?: string };
  if (message === undefined) return '';
  return (JSON.parse(message) as { faultstring?: string }).faultstring ?? '';
}
