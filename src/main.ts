#!/usr/bin/env node
import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { parseArgs } from 'node:util';
import { ConfigError, cannotListen, checkConfig, configSecrets, loadConfig } from './config/index.ts';
import { createLogger, createMetrics, keepHeapSmall, Redactor, startHttp } from './observability/index.ts';
import { systemClock } from './openstack/clock.ts';
import { CloudsError } from './openstack/cloud-files.ts';
import { loadClouds } from './openstack/clouds.ts';
import { createSlackFace } from './slack/index.ts';
import { openStore, StoreError } from './store/index.ts';
import { randomNonce, wire } from './wiring.ts';

const USAGE = `ephyra: moves Ironic nodes with their workload between OpenStack control planes

  ephyra [--config FILE]           start the service (default: ephyra.yml, or EPHYRA_CONFIG)
  ephyra --check [--config FILE]   read the configuration, say what it means, change nothing
  ephyra --version
  ephyra --help
`;

/** Locks and approvals are looked at so often for having expired. */
const SWEEP_MS = 2_000;

/** Errors whose message is written for the operator; their stack would only bury it. */
const forOperator = (error: unknown): error is Error =>
  error instanceof ConfigError ||
  error instanceof CloudsError ||
  error instanceof StoreError ||
  (error instanceof Error && /^Plugin/.test(error.name));

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      config: { type: 'string', short: 'c' },
      check: { type: 'boolean' },
      version: { type: 'boolean' },
      help: { type: 'boolean', short: 'h' },
    },
  });
  if (values.help === true) return void process.stdout.write(USAGE);
  if (values.version === true) return void process.stdout.write(`${version()}\n`);
  const path = values.config ?? process.env['EPHYRA_CONFIG'] ?? 'ephyra.yml';
  if (values.check === true) return check(path);
  await serve(path);
}

function check(path: string): void {
  const { ok, text } = checkConfig({ path, env: process.env });
  process.stdout.write(`${text}\n`);
  if (!ok) {
    process.exitCode = 1;
    return;
  }
  const clouds = loadClouds();
  for (const { name, cloud } of loadConfig({ path, env: process.env }).controlPlanes) {
    process.stdout.write(`${name}: ${clouds.resolveCloud(cloud).authUrl}\n`);
  }
}

async function serve(path: string): Promise<void> {
  keepHeapSmall();
  const config = loadConfig({ path, env: process.env });
  const redactor = new Redactor();
  redactor.register(configSecrets(config).map((secret) => secret.reveal()));
  const log = createLogger({ level: config.log.level, redactor });
  for (const warning of config.warnings) log.warn({ ...warning }, 'configuration warning');
  const metrics = createMetrics({ version: version() });
  const store = await openStore(config.store, {
    onLost: (error) => {
      log.fatal({ err: error }, 'the store is not ours any more; stopping before anything else is done');
      process.exit(3);
    },
  });
  const core = await wire(config, {
    store,
    log,
    metrics,
    hide: (secrets) => redactor.register(secrets),
    means: {
      clock: systemClock,
      monotonic: () => performance.now(),
      random: Math.random,
      nonce: randomNonce,
      host: hostname(),
    },
  });
  const slack =
    config.slack === null
      ? null
      : createSlackFace({
          config: {
            ...config.slack,
            botToken: config.slack.botToken.reveal(),
            appToken: config.slack.appToken?.reveal(),
            signingSecret: config.slack.signingSecret?.reveal(),
          },
          deployments: core.deployments,
          log,
          clock: { now: () => Date.now(), after },
          onSlackCall: (call) => metrics.slackCall(call),
          onSlackCommand: (command, ms) => metrics.slackCommand(command, ms),
        });
  let ready = false;
  const http = await startHttp({
    ...config.http,
    alive: { store: () => store.problem() },
    ready: { started: () => (ready ? null : 'still starting') },
    metrics: { text: () => metrics.text(), contentType: metrics.registry.contentType },
    log,
  }).catch(cannotListen(config.path, 'http', config.http));
  // Slack is told what happens, it is not waited for. What is waited for in http mode is our own port.
  const connected = slack?.start().catch(cannotListen(config.path, 'slack', { port: config.slack?.port }));
  if (config.slack?.mode === 'http') await connected;
  core.deployments.resume();
  await connected;
  const sweep = setInterval(() => {
    core.deployments.sweep().catch((error: unknown) => log.error({ err: error }, 'sweep failed'));
  }, SWEEP_MS);
  ready = true;
  log.info(
    { version: version(), http: http.url, slackPort: slack?.port() ?? null, config: config.path },
    'ephyra is up',
  );

  const shutdown = async (signal: string): Promise<void> => {
    log.info({ signal }, 'shutting down; what is under way goes on at the next start');
    clearInterval(sweep);
    await core.close();
    await slack?.stop();
    await http.close();
    await store.close();
    process.exit(0);
  };
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.once(signal, () => {
      // Whoever asks twice means it: nothing is lost by ending hard.
      process.once(signal, () => process.exit(130));
      shutdown(signal).catch((error: unknown) => {
        log.error({ err: error }, 'shutdown failed');
        process.exit(1);
      });
    });
  }
}

function after(ms: number, run: () => void): () => void {
  const timer = setTimeout(run, ms);
  return () => clearTimeout(timer);
}

function version(): string {
  // From src/ while developing, from dist/src/ once built.
  for (const place of ['../package.json', '../../package.json']) {
    try {
      const found = JSON.parse(readFileSync(new URL(place, import.meta.url), 'utf8')) as { version?: string };
      if (found.version !== undefined) return found.version;
    } catch {
      // Not here; the next place.
    }
  }
  return 'unknown';
}

/** What Node says of an option that does not exist, without its stack. */
const isUsage = (error: unknown): error is Error =>
  error instanceof Error && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS');

main().catch((error: unknown) => {
  if (isUsage(error)) {
    process.stderr.write(`${error.message.split('. ', 1)[0]}. What there is: ephyra --help\n`);
    process.exit(2);
  }
  process.stderr.write(forOperator(error) ? `${error.message}\n` : `${error instanceof Error ? error.stack : error}\n`);
  process.exit(2);
});
