import { STEPS } from '../../machines/domain.ts';
import { formatDuration } from './duration.ts';
import { formatProblem } from './problems.ts';
import type { BootSpec, Config, RoleMatch } from './types.ts';

/** What the configuration amounts to, for a person who checks it. Several lines; no secrets. */
export function describeConfig(config: Config): string {
  const { deployment, slack, http, application } = config;
  const { approval, verify, retries, deadlinesMs } = deployment;
  const lines = [
    `Configuration ${config.path}`,
    '',
    'Control planes:',
    ...config.controlPlanes.map(
      (entry) =>
        `  ${entry.name}: cloud ${entry.cloud}, BMC secrets from ${entry.secretsFile === null ? 'Ironic' : entry.secretsFile}`,
    ),
    '',
    'Roles, in the order in which they move:',
    ...config.roles.flatMap((role) => [
      `  ${role.name}: ${describeMatch(role.match)}${role.maxUnavailable === null ? '' : `, at most ${role.maxUnavailable} out at once`}`,
      ...Object.entries(role.boot).map(([name, boot]) => `    on ${name}: ${describeBoot(boot)}`),
    ]),
    '',
    `Application plugin: ${application.plugin}`,
    '',
    'Deployments:',
    `  at most ${deployment.maxUnavailable} out at once; canary ${deployment.canary}, then healthy for ${formatDuration(deployment.soakMs)}`,
    ...(deployment.failureDomain.maxUnavailable === null
      ? []
      : [
          `  at most ${deployment.failureDomain.maxUnavailable} of one failure domain (extra.${deployment.failureDomain.extra}) out at once`,
        ]),
    `  back when more than ${deployment.failureBudget} fail; each node tried ${deployment.nodeAttempts} times`,
    approval.required
      ? `  approval within ${formatDuration(approval.expiresMs)}, ${approval.allowSelf ? 'also by the requester' : 'not by the requester'}`
      : '  no approval needed',
    `  looks every ${formatDuration(deployment.pollMs)}; healthy ${verify.checks} times, ${formatDuration(verify.intervalMs)} apart`,
    `  each step tried ${retries.attempts} times, pauses ${formatDuration(retries.backoffMs)} to ${formatDuration(retries.maxBackoffMs)}`,
    `  leases on the control planes last ${formatDuration(deployment.leaseMs)} without a renewal` +
      (deployment.instance === null ? '' : `, held as ${deployment.instance}`),
    `  deadlines: ${STEPS.map((step) => `${step} ${formatDuration(deadlinesMs[step])}`).join(', ')}`,
    '',
    slack === null
      ? 'Slack: not configured'
      : `Slack: ${slack.mode} mode${slack.mode === 'http' ? ` on port ${slack.port}` : ''}, channel ${slack.channel}, ` +
        `${people(slack.operators)} may operate, ${people(slack.approvers)} may approve`,
    `Store: ${config.store}`,
    `Health and metrics: http://${http.host.includes(':') ? `[${http.host}]` : http.host}:${http.port}/healthz, /readyz, /metrics`,
    `Log level: ${config.log.level}`,
  ];
  if (config.warnings.length > 0)
    lines.push('', 'Look at:', ...config.warnings.map((warning) => formatProblem(warning)));
  return lines.join('\n');
}

function describeMatch(match: RoleMatch): string {
  const pairs = (what: string, entries: Readonly<Record<string, unknown>>) =>
    Object.entries(entries).map(([key, value]) => `${what} ${key}=${value}`);
  const single = (what: string, value: string | null) => (value === null ? [] : [`${what} ${value}`]);
  return [
    ...pairs('extra', match.extra),
    ...pairs('instance metadata', match.instanceMetadata),
    ...single('name', match.name),
    ...single('flavor', match.flavor),
    ...single('resource class', match.resourceClass),
  ].join(' and ');
}

function describeBoot(boot: BootSpec): string {
  return [
    `flavor ${boot.flavor}`,
    `image ${boot.image}`,
    `networks ${boot.networks.join(', ')}`,
    boot.keyPair === null ? 'no key pair' : `key pair ${boot.keyPair}`,
    ...(boot.configDrive ? ['config drive'] : []),
    ...(boot.userData === null ? [] : [`user data ${boot.userData.path}`]),
    ...Object.entries(boot.metadata).map(([key, value]) => `metadata ${key}=${value}`),
  ].join('; ');
}

function people(who: { readonly users: readonly string[]; readonly groups: readonly string[] }): string {
  const count = (amount: number, what: string) => (amount === 1 ? `1 ${what}` : `${amount} ${what}s`);
  const parts = [
    ...(who.users.length > 0 ? [count(who.users.length, 'user')] : []),
    ...(who.groups.length > 0 ? [count(who.groups.length, 'group')] : []),
  ];
  return parts.length === 0 ? 'nobody' : parts.join(' and ');
}
