import { randomBytes } from 'node:crypto';
import type { ControlPlaneName, Move, Step } from '../machines/domain.ts';
import type { MigrationPorts } from '../machines/migration/setup.ts';
import type { ApplicationPlugin } from '../machines/plugin.ts';
import { loadPlugin } from '../plugins/registry.ts';
import { createPerform } from './actors/actions/index.ts';
import { applicationNode, markerOf } from './actors/application.ts';
import { Away, type Leaver } from './actors/away.ts';
import { Catalogue } from './actors/catalogue.ts';
import type { SecretsNow, SecretsOf } from './actors/definitions.ts';
import { Definitions } from './actors/definitions.ts';
import { createEnsure, type EnsureDeps } from './actors/ensure.ts';
import { gate, permit, soak } from './actors/gate.ts';
import { KnownNodes } from './actors/knownNodes.ts';
import { APPLICATION_PATIENCE_MS, withPatience } from './actors/patience.ts';
import { createProof } from './actors/proof.ts';
import { isServing, whyNotServing } from './actors/serving.ts';
import { Survey } from './actors/survey.ts';
import { followBmcSecrets } from './config/bmcSecrets.ts';
import { ConfigError } from './config/problems.ts';
import { failureDomainOf } from './config/roles.ts';
import type { Config } from './config/types.ts';
import { Crew } from './deployments/crew.ts';
import type { LeaseEvent } from './deployments/leases/keeper.ts';
import { Leases } from './deployments/leases/leases.ts';
import { makePlan } from './deployments/plan.ts';
import { Recovery } from './deployments/recovery.ts';
import { begunOf, leftOnTheWay } from './deployments/resume.ts';
import type { RunListener } from './deployments/run.ts';
import { DeploymentService, SYSTEM } from './deployments/service.ts';
import type { PlanProblem } from './deployments/types.ts';
import { type Logger, logChanges, type Metrics, observeChanges } from './observability/index.ts';
import { type Clock, steadyClock } from './openstack/clock.ts';
import type { CloudConfig, CloudsFile } from './openstack/clouds.ts';
import { loadClouds } from './openstack/clouds.ts';
import type { ControlPlane } from './openstack/control-plane.ts';
import { createControlPlane } from './openstack/control-plane.ts';
import type { HttpDeps, Transport } from './openstack/http.ts';
import type { DeepReadonly, Store, StoredDeployment } from './store/types.ts';

/** What a test or a simulation replaces; everything has a real default. */
export interface Means {
  readonly clock: Clock;
  /** In [0, 1). */
  readonly random: () => number;
  /** Short and unique, for ids that people read. */
  readonly nonce: () => string;
  /** Where this process runs, e.g. the host name. */
  readonly host: string;
  /** Milliseconds from any fixed instant, which nobody sets. */
  readonly monotonic: () => number;
  readonly transport?: Transport;
  /** In place of clouds.yaml. */
  readonly clouds?: Pick<CloudsFile, 'resolveCloud'>;
  /** In place of the plugin that the configuration names. */
  readonly plugin?: ApplicationPlugin;
}

export const randomNonce = (): string => randomBytes(3).toString('hex');

export interface Core {
  readonly deployments: DeploymentService;
  readonly crew: Crew;
  readonly controlPlanes: ReadonlyMap<ControlPlaneName, ControlPlane>;
  close(): Promise<void>;
}

/** Evidence for a destructive action is from the last look, or newer: so much older than the poll interval at most. */
const EVIDENCE_SLACK_MS = 2_000;
/** Evidence is never older, however seldom one looks. */
const EVIDENCE_MOST_MS = 10_000;

/**
 * Puts the program together, all but its faces: clouds, plugin, machines, the door. The only file that knows every
 * adapter. Throws what the configuration's files and the plugin have to complain about.
 */
export async function wire(
  config: Config,
  parts: {
    store: Store;
    log: Logger;
    metrics: Metrics;
    means: Means;
    /** Told of the passwords of clouds.yaml and of the BMC secrets in files, for the log to hide, before they are used. */
    hide?: (secrets: readonly string[]) => void;
  },
): Promise<Core> {
  const { store, log, metrics, means, hide = () => undefined } = parts;
  const { clock, monotonic } = means;
  // By this one it is told how old an answer is; by the other one what is written down, and shown to people.
  const steady = steadyClock(clock, monotonic);
  const clouds = means.clouds ?? loadClouds();
  const cloudOf = new Map(config.controlPlanes.map(({ name, cloud }) => [name, clouds.resolveCloud(cloud)]));
  hide([...cloudOf.values()].map(passwordOf));
  // The clients ask the leases whether they may write, and the leases write by the clients.
  let leases: Leases | null = null;
  const controlPlanes = connect(cloudOf, metrics, means, steady, (at) => leases?.fence(at) ?? null);
  const secretsFiles = new Map(
    config.controlPlanes.map(({ name, secretsFile }) => [
      name,
      secretsFile === null ? null : followBmcSecrets(secretsFile, (all) => hide(all.map((secret) => secret.reveal()))),
    ]),
  );
  const secretsNow: SecretsNow = (at) => secretsFiles.get(at)?.() ?? null;
  for (const at of secretsFiles.keys()) secretsNow(at);
  const plugin =
    means.plugin ??
    (await loadPlugin(config.application.plugin, {
      options: config.application.options,
      now: steady.now,
      elapsed: steady.elapsed,
      date: () => clock.now(),
      sleep: steady.sleep,
      log: (fields, message) => log.info({ plugin: config.application.plugin, ...fields }, message),
    }));

  leases = new Leases({
    controlPlanes,
    clock,
    monotonic,
    random: means.random,
    leaseMs: config.deployment.leaseMs,
    host: config.deployment.instance ?? means.host,
    nonce: longNonce(means),
    owner: () => installationOf(store, means),
    onEvent: (at, event) => noteLease(at, event, log, metrics),
  });
  const holds = leases;
  const latest: EnsureDeps['latest'] = new Map();
  const survey = new Survey(controlPlanes, steady);
  const catalogue = new Catalogue(controlPlanes, steady);
  const definitions = new Definitions(controlPlanes, secretsNow, steady);
  const roles = new Map(config.roles.map((role) => [role.name, role]));
  const deadlineMs = (step: Step) => config.deployment.deadlinesMs[step];

  const ports = (record: DeepReadonly<StoredDeployment>, listener: RunListener): MigrationPorts => {
    const { deployment } = config;
    const domainKey = record.options.failureDomain;
    const known = new KnownNodes({
      planned: record.nodes,
      controlPlanes: [record.source, record.target],
      survey,
      // As the plan did: two ways of telling them would never agree, and nobody would share a domain with anybody.
      failureDomainOf: (extra) => (domainKey === null ? null : failureDomainOf(extra, domainKey)),
    });
    const left = leftOnTheWay(store.read().deployments, record);
    const away = new Away(
      record,
      [...left.values()].map(({ node }) => node),
    );
    const serving = {
      plugin,
      survey,
      clock: steady,
      listsMs: deployment.pollMs,
      patienceMs: APPLICATION_PATIENCE_MS,
    };
    const gateDeps = {
      plugin,
      clock: steady,
      away,
      whyNotServing: (node: Leaver, signal: AbortSignal) =>
        whyNotServing(node, { ...serving, course: left.get(node.uuid)?.course ?? record }, signal),
      maxUnavailable: record.options.maxUnavailable,
      roleLimits: Object.fromEntries(
        config.roles.flatMap(({ name, maxUnavailable }) => (maxUnavailable === null ? [] : [[name, maxUnavailable]])),
      ),
      failureDomainLimit: deployment.failureDomain.maxUnavailable,
      nodeCalled: (name: string) => known.called(name),
      // Nobody else looks when nobody is on the move.
      refresh: async () => {
        const notBefore = steady.now() - deployment.pollMs;
        const lists = [record.source, record.target].flatMap((at) => [
          survey.read({ of: 'nodes', at }, 0, notBefore),
          survey.read({ of: 'instances', at }, 0, notBefore),
        ]);
        await Promise.all(lists);
        known.learn();
      },
      patienceMs: APPLICATION_PATIENCE_MS,
    };
    const mayWrite = async (move: Move, signal: AbortSignal) => {
      await holds.mayWrite(move, signal, ({ message, remedy }) =>
        listener.waiting(move.uuid, `${message}. ${remedy}`.trim()),
      );
      // A token that is fetched only now makes old what the decision was founded upon. Without one the write says why.
      const tokens = [move.source, move.target].map((at) => controlPlanes.get(at)?.authenticate(signal));
      await Promise.allSettled(tokens);
    };
    const leavingDeps = { ...gateDeps, pollMs: deployment.pollMs, waiting: listener.waiting };
    const mayLeave = async (move: Move, signal: AbortSignal) => {
      const failureDomain = known.called(move.uuid).failureDomain;
      await permit({ ...move, failureDomain }, move.from !== move.source, leavingDeps, signal);
    };
    const isWritable = ({ source, target }: Move) => holds.open(source) && holds.open(target);
    const begun = begunOf(record);
    const perform = createPerform({
      begun,
      controlPlanes,
      roles,
      catalogue,
      definitions,
      plugin,
      clock: steady,
      verify: deployment.verify,
      deadlineMs,
      permit: mayLeave,
      isWritable,
      waiting: listener.waiting,
    });
    const ensure = createEnsure({
      proveOther: createProof({ controlPlanes, definitions, clock: steady }),
      survey,
      begun,
      latest,
      clock: steady,
      perform,
      permit: mayLeave,
      mayWrite,
      isWritable,
      pollMs: deployment.pollMs,
      evidenceMs: Math.min(deployment.pollMs + EVIDENCE_SLACK_MS, EVIDENCE_MOST_MS),
      waiting: listener.waiting,
      questions: {
        membership: async (session, move) => {
          const { sides } = session.observe(move);
          const [from, to] = [sides[move.from], sides[move.to]];
          const nodeOf = (side: typeof from) => (side?.node.is === 'present' ? side.node.value : null);
          const instancesOf = (side: typeof from) => (side?.instances.is === 'present' ? side.instances.value : []);
          const marker = markerOf(nodeOf(from), nodeOf(to));
          const node = applicationNode(move, instancesOf(from), instancesOf(to), marker);
          const answer = await withPatience(steady, APPLICATION_PATIENCE_MS, (context) =>
            plugin.verifyNode(node, context),
          );
          if (isServing(answer)) away.serves(move.uuid);
          if (answer.membership !== 'unknown') return answer.membership;
          return { unknown: answer.reasons.join('; ') || 'it does not know' };
        },
        definitionsEqual: (session, move, notBefore) => definitions.equal(session, move, notBefore),
      },
    });
    return {
      node: {
        start: ensure.start,
        ensure: ensure.ensure,
        report: listener.node,
        awaited: listener.awaited,
        policy: {
          attempts: deployment.retries.attempts,
          backoffMs: (attempt, afterMs) => backoff(attempt, afterMs, deployment.retries, means.random),
          deadlineMs,
        },
      },
      gate: (input, signal) => gate(input, gateDeps, signal),
      soak: (signal) =>
        soak(
          gateDeps,
          { soakMs: deployment.soakMs, checkMs: deployment.pollMs, giveUpMs: deadlineMs('verify') },
          signal,
        ),
      report: (report) => {
        if (report.type === 'node_started') away.started(report.item);
        if (report.type === 'node_settled') {
          definitions.forget(report.item.uuid);
          away.settled(report.item);
        }
        listener.migration(report);
      },
      // What verifying a node may take is also how long the application may keep the gate shut.
      timing: { gateRecheckMs: deployment.pollMs, gatePatienceMs: deadlineMs('verify') },
    };
  };

  const crew = new Crew({
    config,
    store,
    survey,
    clock,
    leases,
    ports,
    onError: (error, deployment) => log.error({ err: error, deployment }, 'deployment trouble'),
  });
  const recovery = new Recovery({
    config,
    store,
    survey,
    clock,
    by: SYSTEM,
    onError: (error) => log.error({ err: error }, 'looking for marks failed'),
  });
  const deployments = new DeploymentService({
    config,
    store,
    clock,
    nonce: means.nonce,
    leases,
    crew,
    recovery,
    plan: async ({ source, target, options }) => {
      const secrets = secretsFor([source, target], secretsNow);
      if ('problems' in secrets) return { plan: null, problems: secrets.problems };
      const result = await makePlan(
        {
          source,
          target,
          maxUnavailable: options?.maxUnavailable ?? config.deployment.maxUnavailable,
          only: options?.nodes ?? null,
        },
        {
          controlPlanes,
          roles: config.roles,
          failureDomain: config.deployment.failureDomain,
          secrets: secrets.of,
          survey,
          catalogue,
          plugin,
          clock: steady,
          onPorts: (at, ports) => definitions.witness(at, ports),
        },
      );
      // A message to a person has room for some of them, the log has all.
      if (result.problems.length > 0) log.warn({ source, target, problems: result.problems }, 'plan refused');
      return result;
    },
    onListenerError: (error) => log.error({ err: error }, 'listener failed'),
  });
  const stops = [
    metrics.beforeReading(() => metrics.leases(holds.states())),
    observeChanges(deployments, metrics),
    logChanges(deployments, log),
  ];

  return {
    deployments,
    crew,
    controlPlanes,
    async close() {
      await deployments.close();
      await holds.close();
      for (const stop of stops) stop();
      await plugin.close?.();
    },
  };
}

function connect(
  cloudOf: ReadonlyMap<ControlPlaneName, CloudConfig>,
  metrics: Metrics,
  means: Means,
  clock: Clock,
  fence: NonNullable<HttpDeps['fence']>,
): ReadonlyMap<ControlPlaneName, ControlPlane> {
  const deps: HttpDeps = {
    clock,
    random: means.random,
    onCall: (call) => metrics.openstackCall(call),
    fence,
    ...(means.transport === undefined ? {} : { transport: means.transport }),
  };
  return new Map([...cloudOf].map(([name, cloud]) => [name, createControlPlane(name, cloud, deps)]));
}

/** What the files say now, for a plan as a whole; or why a file cannot be used. */
function secretsFor(
  names: readonly ControlPlaneName[],
  now: SecretsNow,
): { readonly of: SecretsOf } | { readonly problems: readonly PlanProblem[] } {
  const of = new Map<ControlPlaneName, ReturnType<SecretsNow>>();
  for (const at of names) {
    try {
      of.set(at, now(at));
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      const field = `${at}.secrets`;
      return {
        problems: error.problems.map(({ problem, path, remedy }) => ({
          field,
          message: `${error.file}${path === '' ? '' : `, ${path}`}: ${problem}.`,
          remedy,
        })),
      };
    }
  }
  return { of };
}

const passwordOf = ({ auth }: CloudConfig): string =>
  (auth.method === 'password' ? auth.password : auth.secret).reveal();

/** Unique among all processes that may ever meet in a cloud. */
const longNonce = ({ nonce }: Means): string => `${nonce()}${nonce()}`;

/** The id of this installation, as its store has it; given at the first need. */
async function installationOf(store: Store, means: Means): Promise<string> {
  return (
    store.read().installation ??
    store.update((draft) => {
      draft.installation ??= longNonce(means);
      return draft.installation;
    })
  );
}

/** How what happens to a lease is logged. */
const LEASE_LINES: Readonly<Record<LeaseEvent['type'], readonly ['debug' | 'info' | 'warn' | 'error', string]>> = {
  renewed: ['debug', 'lease renewed'],
  taken: ['info', 'lease taken'],
  released: ['info', 'lease released'],
  taken_over: ['warn', 'lease taken over from an Ephyra that was silent'],
  refused: ['warn', 'lease refused'],
  renewal_failed: ['warn', 'lease could not be taken or renewed'],
  release_failed: ['warn', 'lease could not be released; it runs out by itself'],
  lost: ['error', 'lease lost'],
};

function noteLease(controlPlane: ControlPlaneName, event: LeaseEvent, log: Logger, metrics: Metrics): void {
  metrics.leaseEvent(controlPlane, event.type);
  const [level, line] = LEASE_LINES[event.type];
  const { type: _, ...more } = event;
  log[level]('error' in more ? { controlPlane, err: more.error } : { controlPlane, ...more }, line);
}

/** Exponential, with half of it at random, so that nodes that failed together do not come back together. */
export function backoff(
  attempt: number,
  afterMs: number | undefined,
  retries: { readonly backoffMs: number; readonly maxBackoffMs: number },
  random: () => number,
): number {
  const full = Math.min(retries.maxBackoffMs, retries.backoffMs * 2 ** (attempt - 1));
  return Math.max(afterMs ?? 0, Math.round(full * (0.5 + random() / 2)));
}
