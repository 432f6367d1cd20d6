import { STEPS, type Step } from '../../../machines/domain.ts';
import { Secret } from '../../../src/config/secrets.ts';
import type { BootSpec, Config, DeploymentConfig, RoleConfig } from '../../../src/config/types.ts';
import type { CloudConfig } from '../../../src/openstack/clouds.ts';
import type { Delays } from '../../../src/sandbox/openstack/index.ts';

/** Passwords of the world: whatever Ephyra writes is searched for them. */
export const KEYSTONE_PASSWORD = 'keystone-secret-pw';
export const USER_DATA_SECRET = 'userdata-secret-join-token';

/** Clouds that take seconds where real ones take minutes, in proportion: every wait spans a few polls. */
export const CLOUD_DELAYS: Partial<Delays> = {
  power: 1_000,
  verify: 800,
  clean: 3_000,
  deploy: 5_000,
  teardown: 1_500,
  schedule: 300,
  network: 300,
  purge: 200,
  lockRetry: 1_000,
  resourceInterval: 5_000,
};

export const POLL_MS = 4_000;

export function cloudConfig(name: string): CloudConfig {
  return {
    name,
    authUrl: `http://keystone.${name}.test/v3`,
    auth: {
      method: 'password',
      user: { name: 'admin', domain: { name: 'Default' } },
      password: new Secret(KEYSTONE_PASSWORD),
    },
    scope: { kind: 'project', project: { name: 'admin', domain: { name: 'Default' } } },
    region: 'RegionOne',
    interfaces: ['public'],
    tls: { verify: true },
    endpointOverrides: {},
  };
}

export interface ConfigOptions {
  readonly deployment?: Partial<DeploymentConfig>;
  /** By role name. */
  readonly roleMax?: Readonly<Record<string, number>>;
}

/** The configuration of the world's Ephyra, as if it had been read from a file. */
export function worldConfig({ deployment, roleMax }: ConfigOptions): Config {
  return {
    path: '/ephyra.yml',
    controlPlanes: ['cp1', 'cp2'].map((name) => ({ name, cloud: name, bmcSecrets: 'api', secretsFile: null })),
    roles: ['hadoop-worker', 'hadoop-master'].map((name) => role(name, roleMax?.[name] ?? null)),
    application: { plugin: 'scripted', options: {} },
    deployment: {
      maxUnavailable: 2,
      failureDomain: { extra: 'rack', maxUnavailable: null },
      canary: 1,
      soakMs: 4_000,
      failureBudget: 1,
      nodeAttempts: 2,
      approval: { required: true, allowSelf: false, expiresMs: 4 * 3_600_000 },
      pollMs: POLL_MS,
      verify: { checks: 2, intervalMs: POLL_MS },
      retries: { attempts: 3, backoffMs: 1_000, maxBackoffMs: 10_000 },
      leaseMs: 300_000,
      instance: null,
      deadlinesMs: Object.fromEntries(STEPS.map((step) => [step, 300_000])) as Record<Step, number>,
      ...deployment,
    },
    slack: null,
    store: '/ephyra.json',
    http: { host: '127.0.0.1', port: 0 },
    log: { level: 'debug' },
    warnings: [],
  };
}

function role(name: string, maxUnavailable: number | null): RoleConfig {
  const boot: BootSpec = {
    flavor: `bm.${name}`,
    image: 'hadoop-image',
    networks: ['tenant-net'],
    keyPair: 'ops',
    configDrive: false,
    userData: { path: '/user-data', base64: new Secret(Buffer.from(USER_DATA_SECRET).toString('base64')) },
    metadata: {},
  };
  return {
    name,
    match: { extra: { role: name }, instanceMetadata: {}, name: null, flavor: null, resourceClass: null },
    maxUnavailable,
    boot: { cp1: boot, cp2: boot },
  };
}
