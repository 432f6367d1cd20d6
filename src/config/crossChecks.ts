import { STEPS } from '../../machines/domain.ts';
import { formatDuration, parseDuration } from './duration.ts';
import { type Findings, nearest } from './issues.ts';
import type { Outside } from './resolve.ts';
import { fileSchema, RESERVED_NAMES, type SecretRef } from './schema.ts';
import { type Path, valueAt } from './source.ts';

/** The plugins that come with Ephyra. */
export const BUILT_IN_PLUGINS: readonly string[] = ['hadoop', 'exec', 'none'];

/**
 * What concerns more than one key, or the world outside the file. Runs on the raw content, so that a mistake in one
 * place hides none in another: every check looks only at values that have the right kind, the schema reports the rest.
 */
export function crossCheck(content: unknown, findings: Findings, outside: Outside): void {
  const context = new Context(content, findings, outside);
  checkControlPlanes(context);
  checkRoles(context);
  checkDeployment(context);
  checkApplication(context);
  checkSlack(context);
}

/** Tolerant access to the raw content. */
class Context {
  readonly #content: unknown;
  readonly findings: Findings;
  readonly outside: Outside;

  constructor(content: unknown, findings: Findings, outside: Outside) {
    this.#content = content;
    this.findings = findings;
    this.outside = outside;
  }

  has(...path: Path): boolean {
    const value = valueAt(this.#content, path);
    return value !== undefined && value !== null;
  }

  isSection(...path: Path): boolean {
    return isSection(valueAt(this.#content, path));
  }

  text(...path: Path): string | undefined {
    const value = valueAt(this.#content, path);
    return typeof value === 'string' && value !== '' ? value : undefined;
  }

  list(...path: Path): readonly unknown[] {
    const value = valueAt(this.#content, path);
    return Array.isArray(value) ? value : [];
  }

  section(...path: Path): Readonly<Record<string, unknown>> {
    const value = valueAt(this.#content, path);
    return isSection(value) ? value : {};
  }

  /** The number at the path, the default where there is nothing, undefined where there is something else. */
  number(preset: number, ...path: Path): number | undefined {
    const value = valueAt(this.#content, path);
    if (value === undefined) return preset;
    return typeof value === 'number' ? value : undefined;
  }

  /** Likewise for a duration, in milliseconds. */
  duration(preset: number, ...path: Path): number | undefined {
    const value = valueAt(this.#content, path);
    if (value === undefined) return preset;
    const parsed = parseDuration(value);
    return 'ms' in parsed ? parsed.ms : undefined;
  }

  secretRef(...path: Path): SecretRef | undefined {
    const { env, file, ...rest } = this.section(...path);
    if (Object.keys(rest).length > 0) return undefined;
    if (typeof env === 'string' && env !== '' && file === undefined) return { env };
    if (typeof file === 'string' && file !== '' && env === undefined) return { file };
    return undefined;
  }
}

function checkControlPlanes(context: Context): void {
  const { findings } = context;
  const names = Object.keys(context.section('controlPlanes'));
  if (context.isSection('controlPlanes') && names.length < 2) {
    findings.problem(
      ['controlPlanes'],
      names.length === 0 ? 'no control plane is configured' : 'only one control plane is configured',
      'Name at least two: nodes move from one to another.',
    );
  }
  const seenNames = new Map<string, string>();
  const seenClouds = new Map<string, string>();
  for (const name of names) {
    const path = ['controlPlanes', name];
    if (RESERVED_NAMES.includes(name.toLowerCase())) {
      findings.problem(path, `"${name}" means something else in commands`, 'Choose another name.');
    }
    const twin = seenNames.get(name.toLowerCase());
    if (twin !== undefined) {
      findings.problem(path, `differs from "${twin}" only in case`, 'People would mix them up: choose another name.');
    }
    seenNames.set(name.toLowerCase(), name);

    const cloud = context.text(...path, 'cloud');
    const other = cloud === undefined ? undefined : seenClouds.get(cloud);
    if (other !== undefined) {
      findings.problem([...path, 'cloud'], `${other} is this cloud already`, 'Two control planes need two clouds.');
    }
    if (cloud !== undefined) seenClouds.set(cloud, name);
    checkBmcSecrets(context, path);
  }
}

function checkBmcSecrets(context: Context, path: Path): void {
  const { findings, outside } = context;
  const place = [...path, 'secretsFile'];
  const from = context.has(...path, 'bmcSecrets') ? context.text(...path, 'bmcSecrets') : 'api';
  if (from === 'file' && !context.has(...place)) {
    findings.problem(place, 'is missing', 'With "bmcSecrets: file", write the path of that file.');
  }
  if (from === 'api' && context.has(...place)) {
    findings.problem(place, 'is not used with "bmcSecrets: api"', 'Write "bmcSecrets: file", or remove this line.');
  }
  const file = context.text(...place);
  if (from === 'file' && file !== undefined) outside.bmcSecretsFile(place, file);
}

function checkRoles(context: Context): void {
  const { findings } = context;
  const roles = Object.keys(context.section('roles'));
  if (context.isSection('roles') && roles.length === 0) {
    findings.problem(['roles'], 'no role is configured', 'Name at least one: only nodes with a role are moved.');
  }
  const matches = new Map<string, string>();
  for (const role of roles) {
    const match = context.section('roles', role, 'match');
    const criteria = Object.entries(match).filter(([, value]) => !isSection(value) || Object.keys(value).length > 0);
    if (context.has('roles', role, 'match') && criteria.length === 0) {
      findings.problem(
        ['roles', role, 'match'],
        'has no criterion and would take every node',
        'Name one, e.g. extra: { role: hadoop-worker }.',
      );
    }
    const key = JSON.stringify(criteria.sort(([a], [b]) => (a < b ? -1 : 1)));
    const earlier = matches.get(key);
    if (criteria.length > 0 && earlier !== undefined) {
      findings.problem(
        ['roles', role, 'match'],
        `is the same as that of "${earlier}", so no node would ever get this role`,
        'The first role that matches wins: make them differ.',
      );
    }
    matches.set(key, role);
    checkBoot(context, role);
  }
}

function checkBoot(context: Context, role: string): void {
  const { findings, outside } = context;
  const path = ['roles', role, 'boot'];
  const controlPlanes = Object.keys(context.section('controlPlanes'));
  const entries = Object.keys(context.section(...path));
  for (const entry of entries) {
    if (entry !== 'default' && context.has('controlPlanes') && !controlPlanes.includes(entry)) {
      const near = nearest(entry, ['default', ...controlPlanes]);
      findings.problem(
        [...path, entry],
        'is neither "default" nor a control plane',
        near === null ? `Known here are: ${['default', ...controlPlanes].join(', ')}.` : `Did you mean "${near}"?`,
      );
    }
    const file = context.text(...path, entry, 'userData');
    if (file !== undefined) outside.userData([...path, entry, 'userData'], file);
  }
  if (!context.has(...path)) return;
  for (const key of ['flavor', 'image', 'networks'] as const) {
    if (context.has(...path, 'default', key)) continue;
    const without = controlPlanes.filter((name) => !context.has(...path, name, key));
    if (without.length === 0) continue;
    const everywhere = without.length === controlPlanes.length;
    const example = key === 'networks' ? 'networks: [NAME]' : `${key}: NAME`;
    findings.problem(
      [...path, everywhere ? 'default' : (without[0] ?? 'default'), key],
      everywhere ? 'is missing' : `is missing for ${without.join(', ')}, and "default" has none`,
      `Write "${example}" in "default" for every control plane, or for each of them.`,
    );
  }
}

function checkDeployment(context: Context): void {
  const { findings } = context;
  const preset = fileSchema.shape.deployment.parse(undefined);
  const at = (...path: string[]): Path => ['deployment', ...path];

  const maxUnavailable = context.number(preset.maxUnavailable, ...at('maxUnavailable'));
  const canary = context.number(preset.canary, ...at('canary'));
  if (canary !== undefined && maxUnavailable !== undefined && canary > maxUnavailable && maxUnavailable > 0) {
    findings.problem(
      at('canary'),
      `is more than maxUnavailable (${maxUnavailable}), which holds for the canary, too`,
      `Write ${maxUnavailable} or less, or raise maxUnavailable.`,
    );
  }

  const backoff = context.duration(preset.retries.backoff, ...at('retries', 'backoff'));
  const maxBackoff = context.duration(preset.retries.maxBackoff, ...at('retries', 'maxBackoff'));
  if (backoff !== undefined && maxBackoff !== undefined && backoff > maxBackoff) {
    const place = context.has(...at('retries', 'backoff')) ? 'backoff' : 'maxBackoff';
    findings.problem(
      at('retries', place),
      `backoff (${formatDuration(backoff)}) is longer than maxBackoff (${formatDuration(maxBackoff)})`,
      'The pause begins with backoff and grows to maxBackoff: swap or change them.',
    );
  }

  const poll = context.duration(preset.poll, ...at('poll'));
  for (const step of STEPS) {
    const deadline = context.duration(preset.deadlines[step], ...at('deadlines', step));
    if (poll === undefined || deadline === undefined || deadline > poll) continue;
    findings.problem(
      context.has(...at('deadlines', step)) ? at('deadlines', step) : at('poll'),
      `the deadline of ${step} (${formatDuration(deadline)}) is over before the second look (poll is ${formatDuration(poll)})`,
      'Make the deadline several times as long as poll.',
    );
  }

  const checks = context.number(preset.verify.checks, ...at('verify', 'checks'));
  const interval = context.duration(preset.verify.interval, ...at('verify', 'interval'));
  const verify = context.duration(preset.deadlines.verify, ...at('deadlines', 'verify'));
  if (checks === undefined || interval === undefined || verify === undefined) return;
  const least = (checks - 1) * interval;
  if (least >= verify) {
    findings.problem(
      context.has(...at('verify')) ? at('verify') : at('deadlines', 'verify'),
      `${checks} checks with ${formatDuration(interval)} between them take ${formatDuration(least)}, the deadline of verify is ${formatDuration(verify)}`,
      'Make deadlines.verify longer, or ask for fewer checks.',
    );
  }
}

/** As npm has it: lower case, perhaps with a scope. */
const PACKAGE_NAME = /^(@[a-z0-9~-][a-z0-9._~-]*\/)?[a-z0-9~-][a-z0-9._~-]*$/;

/** A plugin that is being written is named by its path. */
export function isPluginPath(plugin: string): boolean {
  return plugin.startsWith('./') || plugin.startsWith('../') || plugin.startsWith('/');
}

function checkApplication(context: Context): void {
  const plugin = context.text('application', 'plugin');
  if (plugin === undefined || BUILT_IN_PLUGINS.includes(plugin) || isPluginPath(plugin)) return;
  const path = ['application', 'plugin'];
  const near = nearest(plugin, BUILT_IN_PLUGINS);
  const known = `${BUILT_IN_PLUGINS.join(', ')}, the name of an npm package, or a path that begins with "./"`;
  if (near !== null) {
    context.findings.problem(path, 'unknown plugin', `Did you mean "${near}"? Known are ${known}.`);
  } else if (!PACKAGE_NAME.test(plugin)) {
    context.findings.problem(path, 'neither a plugin of Ephyra nor the name of an npm package', `Write ${known}.`);
  }
}

function checkSlack(context: Context): void {
  if (!context.has('slack')) return;
  checkSlackSecrets(context);
  checkSlackPorts(context);
  checkPeople(context);
  const url = context.text('slack', 'apiUrl');
  if (url?.startsWith('http:') === true && !isLoopback(url)) {
    context.findings.problem(['slack', 'apiUrl'], 'would send the tokens unencrypted', 'Write an https address.');
  }
}

/** What each kind of token begins with, and what people paste instead. */
const TOKENS = {
  botToken: { prefix: 'xoxb-', wrong: /^(xapp|xoxp|xoxa|xoxe|xoxr|xoxs)[-.]/, what: 'Bot User OAuth Token' },
  appToken: { prefix: 'xapp-', wrong: /^xox[a-z][-.]/, what: 'App-Level Token (scope connections:write)' },
  signingSecret: { prefix: null, wrong: /^(xapp|xox[a-z])[-.]/, what: 'Signing Secret' },
} as const;

function checkSlackSecrets(context: Context): void {
  const { findings, outside } = context;
  const mode = context.text('slack', 'mode');
  const needed = { botToken: true, appToken: mode === 'socket', signingSecret: mode === 'http' };
  const misspelt = mode !== 'socket' && mode !== 'http';
  for (const key of ['botToken', 'appToken', 'signingSecret'] as const) {
    const path = ['slack', key];
    const { prefix, wrong, what } = TOKENS[key];
    if (key !== 'botToken' && needed[key] && !context.has(...path)) {
      const name = key === 'appToken' ? 'SLACK_APP_TOKEN' : 'SLACK_SIGNING_SECRET';
      findings.problem(
        path,
        `is missing, and mode ${mode} needs it`,
        `Write { env: ${name} } or { file: PATH }: the app's ${what}.`,
      );
    }
    // What the other mode needs may stand here without being there: switching is then one word.
    const ref = needed[key] || misspelt ? context.secretRef(...path) : undefined;
    if (ref === undefined) continue;
    const secret = outside.secret(path, ref);
    if (secret !== null && wrong.test(secret.reveal())) {
      const begins = prefix === null ? '' : `, which begins with ${prefix}`;
      findings.problem(path, 'holds another kind of token', `Put the app's ${what}${begins} there.`);
    }
  }
}

function checkSlackPorts(context: Context): void {
  const port = context.number(3000, 'slack', 'port');
  const other = context.number(8080, 'http', 'port');
  if (context.text('slack', 'mode') === 'http' && port === other && port !== 0) {
    const place = context.has('slack', 'port') ? ['slack', 'port'] : ['http', 'port'];
    context.findings.problem(
      place,
      `slack.port and http.port are both ${port}`,
      'Choose another port for one of them.',
    );
  }
}

function checkPeople(context: Context): void {
  const { findings } = context;
  const users = (who: string) => context.list('slack', who, 'users');
  const nobody = (who: string) => users(who).length === 0 && context.list('slack', who, 'groups').length === 0;
  const approval = (key: string, preset: boolean): boolean => {
    const value = context.section('deployment', 'approval')[key];
    return typeof value === 'boolean' ? value : preset;
  };

  if (context.has('slack', 'operators') && nobody('operators')) {
    findings.problem(
      ['slack', 'operators'],
      'nobody may deploy, stop or lock',
      'Name at least one user id in "users" or user group id in "groups".',
    );
  }
  if (!approval('required', true)) return;
  if (nobody('approvers')) {
    findings.problem(
      ['slack', 'approvers'],
      'nobody may approve, so no deployment would ever start',
      'Name at least one user or group, or set deployment.approval.required to false.',
    );
    return;
  }
  const lone = new Set([...users('operators'), ...users('approvers')]);
  const groups = ['operators', 'approvers'].some((who) => context.list('slack', who, 'groups').length > 0);
  if (lone.size === 1 && !groups && !nobody('operators') && !approval('allowSelf', false)) {
    findings.problem(
      ['slack', 'approvers'],
      'the only approver is the only operator, and nobody may approve what they requested themselves',
      'Name a second person, or set deployment.approval.allowSelf to true.',
    );
  }
}

function isLoopback(url: string): boolean {
  try {
    return ['localhost', '127.0.0.1', '[::1]'].includes(new URL(url).hostname);
  } catch {
    return true;
  }
}

function isSection(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
