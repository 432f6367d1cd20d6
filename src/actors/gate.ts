import type { FailureDomain, NodeUuid, RoleName } from '../../machines/domain.ts';
import { Failure } from '../../machines/errors.ts';
import { mayBeOf } from '../../machines/migration/items.ts';
import type { GateAnswer, GateInput } from '../../machines/migration/setup.ts';
import type { ApplicationHealth, ApplicationPlugin } from '../../machines/plugin.ts';
import type { SteadyClock } from '../openstack/clock.ts';
import type { Away, Leaver } from './away.ts';
import type { Called, Known } from './knownNodes.ts';
import { withPatience } from './patience.ts';

export interface GateDeps {
  readonly plugin: Pick<ApplicationPlugin, 'verifyApplication'>;
  readonly clock: SteadyClock;
  /** Nodes that may be out of service at once, for whatever reason. */
  readonly maxUnavailable: number;
  /** Roles that have a limit of their own. */
  readonly roleLimits: Readonly<Record<RoleName, number>>;
  /** Nodes of one failure domain that may be out at once; null when there is no such limit. */
  readonly failureDomainLimit: number | null;
  /** Those of the deployment who are not known to be in service. */
  readonly away: Away;
  /** Whether the application has one of them in service who is at rest: null when it says so, else why that is not known. */
  readonly whyNotServing: (node: Leaver, signal: AbortSignal) => Promise<string | null>;
  /** What is known of whoever the application calls so. */
  readonly nodeCalled: (name: string) => Called;
  /** Brings up to date what `nodeCalled` goes by, as far as that can be had; never rejects. */
  readonly refresh: () => Promise<void>;
  /** Milliseconds that one question to the application may take. */
  readonly patienceMs: number;
}

/**
 * May one more node leave the application, and which of those in line? Only when it says that it is healthy, and when with
 * this one no more nodes than allowed are out, counting those that are out without our doing. Unknown is never yes.
 */
export async function gate({ line, out }: GateInput, deps: GateDeps, signal: AbortSignal): Promise<GateAnswer> {
  const around = await lookAround([...out, ...line], deps, signal);
  if (around.health.health !== 'healthy') return { open: false, reason: complaint(around.health) };
  let first: string | null = null;
  for (const next of line) {
    const full = whyFull({ next, out }, around, deps);
    if (full === null) return { open: true, next: next.uuid };
    first ??= full;
  }
  return { open: false, reason: first ?? 'nobody is in line' };
}

/** Somebody who is out, by the name that the application gives. */
interface Absentee extends Called {
  readonly name: string;
}

interface Around {
  readonly health: ApplicationHealth;
  readonly absent: readonly Absentee[];
  /** Of ours who were at rest: null who is in service, else why that is not known. */
  readonly atRest: ReadonlyMap<NodeUuid, string | null>;
}

/** How the application is, and who is out; by newer lists when somebody is who is none of `ours`. */
async function lookAround(ours: readonly Leaver[], deps: GateDeps, signal: AbortSignal): Promise<Around> {
  const look = async (): Promise<Around> => {
    // Whoever comes to rest while the application answers is not in what it says.
    const [resting, moving] = [deps.away.atRest(), deps.away.onTheirWay()];
    const health = await ask(deps, signal);
    const absent = (health.unavailable ?? []).map((name) => ({ name, ...deps.nodeCalled(name) }));
    const isNamed = ({ uuid }: Leaver) => absent.some(({ uuids }) => uuids.includes(uuid));
    if (health.unavailable !== undefined) {
      // Who is out is counted by the name that the application gives, and nobody else is.
      for (const node of [...resting, ...moving]) if (!isNamed(node)) deps.away.serves(node.uuid);
      return { health, absent, atRest: new Map(resting.map(({ uuid }) => [uuid, null])) };
    }
    const atRest = new Map<NodeUuid, string | null>();
    if (health.health === 'unknown') return { health, absent, atRest };
    await Promise.all(
      resting.map(async (node) => {
        const why = await deps.whyNotServing(node, signal);
        atRest.set(node.uuid, why);
        if (why === null) deps.away.serves(node.uuid);
      }),
    );
    return { health, absent, atRest };
  };
  const first = await look();
  if (strangers(first.absent, ours).length === 0) return first;
  await deps.refresh();
  // Meanwhile what it said has become old.
  return look();
}

/** Those who are none of `ours`. A name that somebody else has had as well may mean him. */
function strangers(absent: readonly Absentee[], ours: readonly Leaver[]): Absentee[] {
  const known = new Set(ours.map(({ uuid }) => uuid));
  return absent.filter(({ uuids }) => uuids.length === 0 || !uuids.every((uuid) => known.has(uuid)));
}

/** One that is out, or not known to be in service. */
interface Counted extends Known {
  readonly name: string;
  /** What is not known of it. */
  readonly doubts: readonly string[];
  /** It is at rest, and the application does not say that it serves: people can do something about that. */
  readonly isUnseen: boolean;
}

/**
 * Null when with `next` no more are out than allowed, in all, of its role and of its failure domain, with `out`, those of ours
 * who are not known to be back, and whoever else is out; else which limit it is, and who is out.
 */
function whyFull(
  { next, out }: { readonly next: Leaver; readonly out: readonly Leaver[] },
  { absent, atRest }: Around,
  deps: Pick<GateDeps, 'maxUnavailable' | 'roleLimits' | 'failureDomainLimit' | 'away'>,
): string | null {
  const resting = without(deps.away.atRest(), [...out, next]).filter(({ uuid }) => atRest.get(uuid) !== null);
  const others = strangers(absent, [...out, ...resting, next]);
  const everybody: readonly Counted[] = [
    ...[...out, ...others].map((one) => ({ ...one, doubts: [], isUnseen: false })),
    ...resting.map((one) => {
      const why = atRest.get(one.uuid) ?? 'the application was not asked yet';
      return { ...one, doubts: [`not seen in service: ${why}`], isUnseen: true };
    }),
  ];
  const full = (limit: number | null, what: string, counts: readonly Counted[]): string | null =>
    limit === null || counts.length < limit ? null : tooMany(limit, what, counts);
  /** Of whom it is not known whether they count may do so: unknown is never no. */
  const alike = (key: keyof Known, words: string): Counted[] =>
    everybody
      .filter((one) => mayBeOf(one[key], next[key]))
      .map((one) => (one[key] === null ? { ...one, doubts: [`${words} not known`, ...one.doubts] } : one));
  return (
    full(deps.maxUnavailable, 'nodes', everybody) ??
    full(deps.roleLimits[next.role] ?? null, `nodes of role ${next.role}`, alike('role', 'role')) ??
    full(
      deps.failureDomainLimit,
      `nodes of ${domainName(next.failureDomain)}`,
      alike('failureDomain', 'failure domain'),
    )
  );
}

function tooMany(limit: number, what: string, counts: readonly Counted[]): string {
  const names = counts.map(({ name, doubts }) => (doubts.length === 0 ? name : `${name} (${doubts.join('; ')})`));
  const said = `${counts.length} of at most ${limit} ${what} are out of service: ${names.join(', ')}`;
  const unseen = counts.filter(({ isUnseen }) => isUnseen).map(({ name }) => name);
  if (unseen.length === 0) return said;
  return `${said}. Once the application says that ${unseen.join(', ')} is in service and healthy, this goes on`;
}

const without = (nodes: readonly Leaver[], others: readonly Leaver[]): Leaver[] =>
  nodes.filter(({ uuid }) => others.every((other) => other.uuid !== uuid));

export interface LeavingDeps extends GateDeps {
  /** Milliseconds between two questions. */
  readonly pollMs: number;
  readonly waiting: (uuid: string, reason: string) => void;
}

/**
 * The last question before a node leaves: between the gate and here its claim may have taken minutes, and meanwhile others
 * may have failed. Nodes that have been let go count until they are back. Resolves once the application can spare the
 * node. On the way back the application need not be healthy: that may be the cure.
 */
export async function permit(next: Leaver, wayBack: boolean, deps: LeavingDeps, signal: AbortSignal): Promise<void> {
  const others = () => without(deps.away.onTheirWay(), [next]);
  for (;;) {
    const around = await lookAround([...others(), next], deps, signal);
    const { health } = around.health;
    const well = health === 'healthy' || (wayBack && health === 'unhealthy');
    const shut = well ? whyFull({ next, out: others() }, around, deps) : complaint(around.health);
    if (shut === null) {
      // In the same turn as the count, so that of two who ask at the same time the second sees the first.
      deps.away.letGo(next);
      return;
    }
    deps.waiting(next.uuid, shut);
    await deps.clock.sleep(deps.pollMs, signal);
  }
}

/** Resolves once the application has been healthy without a break for `soakMs`; gives up after `patienceMs`. */
export async function soak(
  deps: Pick<GateDeps, 'plugin' | 'clock' | 'patienceMs'>,
  timing: { soakMs: number; checkMs: number; giveUpMs: number },
  signal: AbortSignal,
): Promise<void> {
  const started = deps.clock.elapsed();
  let healthySince: number | null = null;
  for (;;) {
    const health = await ask(deps, signal);
    const elapsed = deps.clock.elapsed();
    if (health.health !== 'healthy') healthySince = null;
    else healthySince ??= elapsed;
    if (healthySince !== null && elapsed - healthySince >= timing.soakMs) return;
    if (elapsed - started > timing.soakMs + timing.giveUpMs) throw gaveUp(health);
    const left = healthySince === null ? timing.checkMs : timing.soakMs - (elapsed - healthySince);
    await deps.clock.sleep(Math.max(1, Math.min(timing.checkMs, left)), signal);
  }
}

function gaveUp(health: ApplicationHealth): Failure {
  return new Failure({
    reason: health.health === 'unknown' ? 'application_unknown' : 'application_unhealthy',
    next: 'stop',
    message: `The application did not stay healthy during the soak: ${complaint(health)}`,
  });
}

async function ask(
  deps: Pick<GateDeps, 'plugin' | 'clock' | 'patienceMs'>,
  signal: AbortSignal,
): Promise<ApplicationHealth> {
  try {
    return await withPatience(deps.clock, deps.patienceMs, (context) => deps.plugin.verifyApplication(context), signal);
  } catch (error) {
    signal.throwIfAborted();
    return { health: 'unknown', reasons: [error instanceof Error ? error.message : String(error)] };
  }
}

const domainName = (domain: FailureDomain | null): string =>
  domain === null ? 'an unknown failure domain' : `failure domain ${domain}`;

const complaint = (health: ApplicationHealth): string =>
  `the application is ${health.health}: ${health.reasons.join('; ') || 'it gives no reason'}`;
