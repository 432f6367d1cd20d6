import { homedir } from 'node:os';
import { Secret } from '../config/secrets.ts';
import { CATALOG_SERVICES, type CatalogService } from './catalog.ts';
import {
  type CloudFiles,
  type CloudProblem,
  type CloudsDeps,
  CloudsError,
  codeOf,
  mergeDeep,
  normalizeKeys,
  type Raw,
} from './cloud-files.ts';
import type { TlsConfig } from './http.ts';
import { isRecord } from './messages.ts';

/** A name is only unique within a domain, so it comes with one; an id stands alone. */
export type NamedOrId = { readonly id: string } | { readonly name: string; readonly domain: DomainRef };
export type DomainRef = { readonly id: string } | { readonly name: string };

export type CloudAuth =
  | { readonly method: 'password'; readonly user: NamedOrId; readonly password: Secret }
  | {
      readonly method: 'application_credential';
      readonly credential: { readonly id: string } | { readonly name: string; readonly user: NamedOrId };
      readonly secret: Secret;
    };

/** What a token is for. `none`: an application credential brings its own project. */
export type CloudScope =
  | { readonly kind: 'project'; readonly project: NamedOrId }
  | { readonly kind: 'system' }
  | { readonly kind: 'none' };

/** One cloud, ready to be used. */
export interface CloudConfig {
  /** Its name in clouds.yaml. */
  readonly name: string;
  /** Ends in `/v3`. */
  readonly authUrl: string;
  readonly auth: CloudAuth;
  readonly scope: CloudScope;
  readonly region: string | null;
  /** Catalog interfaces, the preferred one first. */
  readonly interfaces: readonly string[];
  readonly tls: TlsConfig;
  /** `api_timeout`; undefined: the default. */
  readonly timeoutMs?: number;
  /** `<type>_endpoint_override`: where a service is, whatever the catalog says. */
  readonly endpointOverrides: Readonly<Partial<Record<CatalogService, string>>>;
}

/** YAML's ways to say nothing. */
function isEmpty(value: unknown): boolean {
  return value === undefined || value === null || value === '' || value === '~' || value === 'null';
}

/** Reads one cloud's fields, collecting problems, so that all of them can be told at once. */
class Fields {
  readonly problems: CloudProblem[] = [];
  readonly #file: string;
  readonly #cloud: string;
  readonly raw: Raw;
  readonly auth: Raw;

  constructor(file: string, cloud: string, raw: Raw) {
    this.#file = file;
    this.#cloud = cloud;
    this.raw = raw;
    this.auth = isRecord(raw['auth']) ? raw['auth'] : {};
  }

  fail(field: string, problem: string, remedy: string): void {
    this.problems.push({ file: this.#file, cloud: this.#cloud, field, problem, remedy });
  }

  /** A value of the cloud itself. Numbers (of a JSON file) are taken as text, as openstacksdk does. */
  top(...keys: string[]): string | null {
    return this.#text(this.raw, '', keys);
  }

  /**
   * A value of `auth`, or of the cloud itself. Which of the two wins differs: for scope and domains the cloud's own (an
   * override), for credentials the one in `auth`.
   */
  inAuth(keys: string[], prefer: 'auth' | 'top' = 'auth'): string | null {
    const auth = () => this.#text(this.auth, 'auth.', keys);
    const top = () => this.#text(this.raw, '', keys);
    return prefer === 'auth' ? (auth() ?? top()) : (top() ?? auth());
  }

  #text(from: Raw, prefix: string, keys: string[]): string | null {
    for (const key of keys) {
      const value = from[key];
      if (isEmpty(value)) continue;
      if (typeof value === 'string') return value;
      if (typeof value === 'number') return String(value);
      this.fail(`${prefix}${key}`, 'must be text', 'Put the value in quotes.');
    }
    return null;
  }

  boolean(key: string): boolean | null {
    const value = this.raw[key];
    if (isEmpty(value)) return null;
    if (typeof value === 'boolean') return value;
    if (typeof value === 'string' && /^(true|false|yes|no|on|off|1|0)$/i.test(value)) {
      return /^(true|yes|on|1)$/i.test(value);
    }
    this.fail(key, 'must be true or false', `Write ${key}: true or ${key}: false.`);
    return null;
  }
}

/**
 * One cloud out of what the files say of it.
 * @param file what problems name as their place
 * @throws CloudsError with all problems of the cloud
 */
export function readCloud(name: string, raw: Raw, file: string, files: CloudFiles, deps: CloudsDeps): CloudConfig {
  const fields = new Fields(file, name, normalizeKeys(withProfile(name, raw, file, files)));
  const authUrl = readAuthUrl(fields);
  const auth = readAuth(fields);
  const scope = readScope(fields, auth);
  const region = readRegion(fields);
  const interfaces = readInterfaces(fields);
  const tls = readTls(fields, deps);
  const timeoutMs = readTimeout(fields);
  const endpointOverrides = readOverrides(fields);
  if (fields.problems.length > 0 || authUrl === null || auth === null || scope === null) {
    throw new CloudsError(fields.problems);
  }
  return {
    name,
    authUrl,
    auth,
    scope,
    region,
    interfaces,
    tls,
    ...(timeoutMs === null ? {} : { timeoutMs }),
    endpointOverrides,
  };
}

/** Lays the cloud over the vendor profile that it names (`profile`, formerly `cloud`) in clouds-public.yaml. */
function withProfile(name: string, raw: Raw, file: string, files: CloudFiles): Raw {
  const profile = raw['profile'] ?? raw['cloud'];
  if (typeof profile !== 'string' || profile === '') return raw;
  const known = files.vendors?.content['public-clouds'];
  const found = isRecord(known) ? known[profile] : undefined;
  if (isRecord(found)) return mergeDeep(found, raw);
  throw new CloudsError([
    {
      file,
      cloud: name,
      field: 'profile',
      problem: `the profile ${profile} is in no clouds-public.yaml`,
      remedy: 'Define it there under public-clouds, or write its values into the cloud itself.',
    },
  ]);
}

function readAuthUrl(fields: Fields): string | null {
  // Vendor profiles write `https://{region_name}.example.org`.
  const url = fields.inAuth(['auth_url'])?.replace(/\{(\w+)\}/g, (all, key: string) => fields.top(key) ?? all) ?? null;
  if (url === null) {
    fields.fail(
      'auth.auth_url',
      'is missing',
      "Set it to Keystone's address, e.g. https://keystone.example.org:5000/v3.",
    );
    return null;
  }
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol)) {
    fields.fail('auth.auth_url', 'is not an http or https URL', 'Write it like https://keystone.example.org:5000/v3.');
    return null;
  }
  return `${url.replace(/\/+$/, '').replace(/\/v(2\.0|3)$/, '')}/v3`;
}

const PASSWORD_TYPES = ['password', 'v3password'];
const CREDENTIAL_TYPES = ['v3applicationcredential'];

function readAuth(fields: Fields): CloudAuth | null {
  const type = fields.top('auth_type', 'auth_plugin') ?? 'password';
  if (PASSWORD_TYPES.includes(type)) return readPassword(fields);
  if (CREDENTIAL_TYPES.includes(type)) return readCredential(fields);
  fields.fail(
    'auth_type',
    `${type} is not supported`,
    `Use one of ${[...PASSWORD_TYPES, ...CREDENTIAL_TYPES].join(', ')}.`,
  );
  return null;
}

function readPassword(fields: Fields): CloudAuth | null {
  if (fields.inAuth(['application_credential_id', 'application_credential_name']) !== null) {
    fields.fail(
      'auth_type',
      'an application credential is given, but the type is password',
      'Set auth_type: v3applicationcredential.',
    );
    return null;
  }
  const user = readNamedOrId(fields, 'user', ['username', 'user_name']);
  const password = fields.inAuth(['password']);
  if (user === 'missing') fields.fail('auth.username', 'is missing', 'Set auth.username (or auth.user_id).');
  if (password === null) fields.fail('auth.password', 'is missing', 'Set it here or in secure.yaml.');
  return user === 'missing' || user === 'bad' || password === null
    ? null
    : { method: 'password', user, password: new Secret(password) };
}

function readCredential(fields: Fields): CloudAuth | null {
  const id = fields.inAuth(['application_credential_id']);
  const name = fields.inAuth(['application_credential_name']);
  const secret = fields.inAuth(['application_credential_secret']);
  if (secret === null)
    fields.fail('auth.application_credential_secret', 'is missing', 'Set it here or in secure.yaml.');
  if (id !== null)
    return secret === null
      ? null
      : { method: 'application_credential', credential: { id }, secret: new Secret(secret) };
  if (name === null) {
    fields.fail(
      'auth.application_credential_id',
      'is missing',
      'Set it (or application_credential_name with its user).',
    );
    return null;
  }
  const user = readNamedOrId(fields, 'user', ['username', 'user_name']);
  if (user === 'missing') {
    fields.fail(
      'auth.username',
      'is missing',
      'A credential given by name needs its user: set auth.username or auth.user_id.',
    );
  }
  return user === 'missing' || user === 'bad' || secret === null
    ? null
    : { method: 'application_credential', credential: { name, user }, secret: new Secret(secret) };
}

/** User or project: by id, or by name with a domain. `domain_*` stands for both, `default_domain_*` fills gaps. */
function readNamedOrId(fields: Fields, what: 'user' | 'project', nameKeys: string[]): NamedOrId | 'missing' | 'bad' {
  const ids = what === 'project' ? ['project_id', 'tenant_id'] : ['user_id'];
  const prefer = what === 'project' ? 'top' : 'auth';
  const id = fields.inAuth(ids, prefer);
  if (id !== null) return { id };
  const name = fields.inAuth(nameKeys, prefer);
  if (name === null) return 'missing';
  const domain = (prefix: string): DomainRef | null => {
    const byId = fields.inAuth([`${prefix}_id`], 'top');
    if (byId !== null) return { id: byId };
    const byName = fields.inAuth([`${prefix}_name`], 'top');
    return byName === null ? null : { name: byName };
  };
  const found = domain(`${what}_domain`) ?? domain('domain') ?? domain('default_domain');
  if (found !== null) return { name, domain: found };
  fields.fail(
    `auth.${what}_domain_name`,
    `is missing: a ${what} given by name needs its domain`,
    `Set it, often to Default; or use auth.${what}_id.`,
  );
  return 'bad';
}

function readScope(fields: Fields, auth: CloudAuth | null): CloudScope | null {
  if (auth?.method === 'application_credential') return { kind: 'none' };
  const system = fields.inAuth(['system_scope'], 'top');
  const project = readNamedOrId(fields, 'project', ['project_name', 'tenant_name']);
  if (project === 'bad') return null;
  if (system !== null) {
    if (project !== 'missing') {
      fields.fail('auth.system_scope', 'a system scope and a project are both given', 'Keep one of the two.');
      return null;
    }
    if (system === 'all') return { kind: 'system' };
    fields.fail('auth.system_scope', 'can only be all', 'Write system_scope: all.');
    return null;
  }
  if (project !== 'missing') return { kind: 'project', project };
  fields.fail(
    'auth.project_name',
    'is missing: without a scope a token has no rights and no catalog',
    'Set auth.project_name with auth.project_domain_name, or auth.project_id, or auth.system_scope: all.',
  );
  return null;
}

/** `region_name`, or the first of `regions`: what openstacksdk takes when nobody asks for another. */
function readRegion(fields: Fields): string | null {
  const regions = fields.raw['regions'];
  const list = Array.isArray(regions)
    ? regions
    : Array.isArray(fields.raw['region_name'])
      ? fields.raw['region_name']
      : null;
  if (list !== null) {
    const first: unknown = list[0];
    const name = isRecord(first) ? first['name'] : first;
    if (typeof name === 'string' && name !== '') return name;
    fields.fail('regions', 'must be a list of names', 'Write regions: [RegionOne], or region_name: RegionOne.');
    return null;
  }
  return fields.top('region_name')?.split(',')[0]?.trim() ?? null;
}

const INTERFACES = ['public', 'internal', 'admin'];

function readInterfaces(fields: Fields): string[] {
  const value = fields.raw['interface'] ?? fields.raw['endpoint_type'] ?? 'public';
  const list = (Array.isArray(value) ? value : [value]).map((it) => String(it).replace(/URL$/, ''));
  const wrong = list.find((it) => !INTERFACES.includes(it));
  if (wrong !== undefined) fields.fail('interface', `${wrong} is none`, `Use one of ${INTERFACES.join(', ')}.`);
  return list;
}

function readTls(fields: Fields, deps: CloudsDeps): TlsConfig {
  const verify = fields.boolean('insecure') === true ? false : (fields.boolean('verify') ?? true);
  const content = (key: string): string | null => {
    const path = fields.top(key);
    if (path === null) return null;
    try {
      return deps.readFile(path.replace(/^~(?=\/)/, deps.home || homedir()));
    } catch (thrown) {
      fields.fail(key, `the file ${path} cannot be read (${codeOf(thrown)})`, 'Mend the path or the permissions.');
      return null;
    }
  };
  // A CA that is not used need not be there.
  const ca = verify ? content('cacert') : null;
  const cert = content('cert');
  // Without `key` the certificate's file holds both, as Python's requests takes it.
  const key = cert === null ? null : (content('key') ?? cert);
  return {
    verify,
    ...(ca === null ? {} : { ca }),
    ...(cert === null ? {} : { cert }),
    ...(key === null ? {} : { key }),
  };
}

function readTimeout(fields: Fields): number | null {
  const text = fields.top('api_timeout');
  if (text === null) return null;
  const seconds = Number(text);
  if (Number.isFinite(seconds) && seconds > 0) return seconds * 1000;
  fields.fail('api_timeout', 'must be a number of seconds above 0', 'Write e.g. api_timeout: 60.');
  return null;
}

function readOverrides(fields: Fields): Partial<Record<CatalogService, string>> {
  const overrides: Partial<Record<CatalogService, string>> = {};
  for (const [service, { types }] of Object.entries(CATALOG_SERVICES) as [
    CatalogService,
    { types: readonly string[] },
  ][]) {
    const key = `${types[0]?.replaceAll('-', '_')}_endpoint_override`;
    const url = fields.top(key);
    if (url === null) continue;
    if (URL.canParse(url)) overrides[service] = url;
    else fields.fail(key, 'is not a URL', 'Write it like https://host:port/path.');
  }
  return overrides;
}
