import { resolve } from 'node:path';
import { crossCheck, isPluginPath } from './crossChecks.ts';
import { type ConfigFiles, nodeConfigFiles, whyUnreadable } from './files.ts';
import { addSchemaIssues, Findings } from './issues.ts';
import { ConfigError } from './problems.ts';
import { Outside } from './resolve.ts';
import { type BootContent, type FileContent, fileSchema } from './schema.ts';
import type { Secret } from './secrets.ts';
import { parseSource } from './source.ts';
import type { BootSpec, Config, DeploymentConfig, RoleConfig, SlackConfig } from './types.ts';

export interface LoadOptions extends Partial<ConfigFiles> {
  /** Of the YAML file; relative to the working directory. */
  readonly path: string;
  /** Where `{ env: NAME }` is looked up; usually `process.env`. */
  readonly env: Readonly<Record<string, string | undefined>>;
}

/**
 * Reads, checks and completes the configuration, secrets included.
 *
 * @throws ConfigError with every problem there is, in the order of the file.
 */
export function loadConfig(options: LoadOptions): Config {
  const files: ConfigFiles = {
    readFile: options.readFile ?? nodeConfigFiles.readFile,
    fileMode: options.fileMode ?? nodeConfigFiles.fileMode,
  };
  const path = resolve(options.path);
  const source = parseSource(readText(path, files));
  const findings = new Findings(source);
  if (source.fatal) throw new ConfigError(path, findings.problems());
  if (!isSection(source.content)) {
    findings.problem([], 'there is no configuration in this file', 'Begin with a copy of ephyra.example.yml.');
    throw new ConfigError(path, findings.problems());
  }

  const parsed = fileSchema.safeParse(source.content);
  if (!parsed.success) addSchemaIssues(findings, parsed.error.issues, source.content);
  crossCheck(source.content, findings, new Outside(path, options.env, files, findings));
  if (!parsed.success || findings.problems().length > 0) throw new ConfigError(path, findings.problems());

  const outside = new Outside(path, options.env, files, findings);
  const instance = options.env['EPHYRA_INSTANCE']?.trim() || null;
  return frozen(complete(path, parsed.data, outside, findings, instance));
}

/** All secrets that the configuration holds, for the log to hide. */
export function configSecrets(config: Config): readonly Secret[] {
  const { slack, roles } = config;
  const userData = roles.flatMap((role) => Object.values(role.boot).map((boot) => boot.userData?.base64));
  return [slack?.botToken, slack?.appToken, slack?.signingSecret, ...userData].filter(
    (secret) => secret !== undefined && secret !== null,
  );
}

function readText(path: string, files: ConfigFiles): string {
  try {
    return files.readFile(path).toString();
  } catch (thrown) {
    throw new ConfigError(path, [
      {
        path: '',
        value: undefined,
        problem: `the configuration cannot be read: ${whyUnreadable(thrown)}`,
        remedy: 'Copy ephyra.example.yml there and adapt it, or name another file.',
        line: null,
      },
    ]);
  }
}

function complete(
  path: string,
  file: FileContent,
  outside: Outside,
  findings: Findings,
  instance: string | null,
): Config {
  const controlPlanes = Object.entries(file.controlPlanes).map(([name, entry]) => ({
    name,
    cloud: entry.cloud,
    bmcSecrets: entry.bmcSecrets,
    secretsFile: entry.secretsFile === undefined ? null : outside.absolute(entry.secretsFile),
  }));
  const names = controlPlanes.map((entry) => entry.name);
  return {
    path,
    controlPlanes,
    roles: Object.entries(file.roles).map(([name, role]) => completeRole(name, role, names, outside)),
    application: {
      plugin: isPluginPath(file.application.plugin)
        ? outside.absolute(file.application.plugin)
        : file.application.plugin,
      options: file.application.options,
    },
    deployment: completeDeployment(file.deployment, instance),
    slack: file.slack === undefined ? null : completeSlack(file.slack, outside),
    store: outside.absolute(file.store),
    http: file.http,
    log: file.log,
    warnings: findings.warnings(),
  };
}

function completeRole(
  name: string,
  role: FileContent['roles'][string],
  controlPlanes: readonly string[],
  outside: Outside,
): RoleConfig {
  const { extra, instanceMetadata, name: pattern, flavor, resourceClass } = role.match;
  const common = role.boot['default'] ?? {};
  return {
    name,
    match: {
      extra,
      instanceMetadata,
      name: pattern ?? null,
      flavor: flavor ?? null,
      resourceClass: resourceClass ?? null,
    },
    maxUnavailable: role.maxUnavailable ?? null,
    boot: Object.fromEntries(
      controlPlanes.map((controlPlane) => {
        const own = role.boot[controlPlane] ?? {};
        const place = (key: keyof BootContent) => ['roles', name, 'boot', key in own ? controlPlane : 'default', key];
        return [controlPlane, completeBoot({ ...common, ...own }, place, outside)];
      }),
    ),
  };
}

function completeBoot(boot: BootContent, place: (key: keyof BootContent) => string[], outside: Outside): BootSpec {
  const { flavor, image, networks } = boot;
  // The cross checks have refused a file in which one of these is missing.
  if (flavor === undefined || image === undefined || networks === undefined) {
    throw new Error(`incomplete boot at ${place('flavor').join('.')} passed the checks`);
  }
  return {
    flavor,
    image,
    networks,
    keyPair: boot.keyPair ?? null,
    configDrive: boot.configDrive ?? false,
    userData: boot.userData == null ? null : outside.userData(place('userData'), boot.userData),
    metadata: boot.metadata ?? {},
  };
}

function completeDeployment(file: FileContent['deployment'], instance: string | null): DeploymentConfig {
  const { approval, verify, retries } = file;
  return {
    maxUnavailable: file.maxUnavailable,
    failureDomain: {
      extra: file.failureDomain.extra,
      maxUnavailable: file.failureDomain.maxUnavailable ?? null,
    },
    canary: file.canary,
    soakMs: file.soak,
    failureBudget: file.failureBudget,
    nodeAttempts: file.nodeAttempts,
    approval: { required: approval.required, allowSelf: approval.allowSelf, expiresMs: approval.expires },
    pollMs: file.poll,
    verify: { checks: verify.checks, intervalMs: verify.interval },
    retries: { attempts: retries.attempts, backoffMs: retries.backoff, maxBackoffMs: retries.maxBackoff },
    leaseMs: file.lease,
    instance: file.instance ?? instance,
    deadlinesMs: file.deadlines,
  };
}

function completeSlack(file: NonNullable<FileContent['slack']>, outside: Outside): SlackConfig {
  const botToken = outside.secret(['slack', 'botToken'], file.botToken);
  if (botToken === null) throw new Error('slack.botToken vanished between the check and its use');
  const { mode, appToken, signingSecret } = file;
  return {
    mode,
    channel: file.channel,
    botToken,
    appToken: mode === 'socket' && appToken !== undefined ? outside.secret(['slack', 'appToken'], appToken) : null,
    signingSecret:
      mode === 'http' && signingSecret !== undefined ? outside.secret(['slack', 'signingSecret'], signingSecret) : null,
    port: file.port,
    operators: file.operators,
    approvers: file.approvers,
    apiUrl: file.apiUrl.endsWith('/') ? file.apiUrl : `${file.apiUrl}/`,
  };
}

function isSection(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function frozen<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    for (const inner of Object.values(value)) frozen(inner);
    Object.freeze(value);
  }
  return value;
}
