import type { FailureDomain, RoleName } from '../../machines/domain.ts';
import { Failure } from '../../machines/errors.ts';
import type { Item } from '../../machines/migration/items.ts';
import { mayBeOf } from '../../machines/migration/items.ts';
import type { GateAnswer, GateInput } from '../../machines/migration/setup.ts';
import type { ApplicationHealth, ApplicationPlugin } from '../../machines/plugin.ts';
import type { SteadyClock } from '../openstack/clock.ts';
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
  const { health, absent } = await lookAround([...out, ...line], deps, signal);
  if (health.health !== 'healthy') return { open: false, reason: complaint(health) };
  let first: string | null = null;
  for (const next of line) {
    const full = whyFull({ next, out }, absent, deps);
    if (full === null) return { open: true, next: next.uuid };
    first ??= full;
  }
  return { open: false, reason: first ?? 'nobody is in line' };
}

type Leaver = Pick<Item, 'uuid' | 'name' | 'role' | 'failureDomain'>;

/** Somebody who is out, by the name that the application gives. */
interface Absentee extends Called {
  readonly name: string;
}

/** How the application is, and who is out; by newer lists when somebody is who is none of `ours`. */
async function lookAround(
  ours: readonly Leaver[],
  deps: GateDeps,
  signal: AbortSignal,
): Promise<{ health: ApplicationHealth; absent: readonly Absentee[] }> {
  const look = async () => {
    const health = await ask(deps, signal);
    const absent = (health.unavailable ?? []).map((name) => ({ name, ...deps.nodeCalled(name) }));
    return { health, absent };
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

/**
 * Null when with `next` no more are out than allowed, in all, of its role and of its failure domain, with `out` and whoever
 * else is out; else which limit it is, and who is out.
 */
function whyFull(
  { next, out }: { readonly next: Leaver; readonly out: readonly Leaver[] },
  absent: readonly Absentee[],
  deps: Pick<GateDeps, 'maxUnavailable' | 'roleLimits' | 'failureDomainLimit'>,
): string | null {
  const everybody: readonly (Known & { readonly name: string })[] = [...out, ...strangers(absent, [...out, next])];
  const full = (limit: number | null, what: string, counts: readonly string[]): string | null =>
    limit === null || counts.length < limit
      ? null
      : `${counts.length} of at most ${limit} ${what} are out of service: ${counts.join(', ')}`;
  /** Of whom it is not known whether they count may do so: unknown is never no. */
  const alike = (key: keyof Known, words: string): string[] =>
    everybody
      .filter((one) => mayBeOf(one[key], next[key]))
      .map((one) => (one[key] === null ? `${one.name} (${words} not known)` : one.name));
  return (
    full(
      deps.maxUnavailable,
      'nodes',
      everybody.map(({ name }) => name),
    ) ??
    full(deps.roleLimits[next.role] ?? null, `nodes of role ${next.role}`, alike('role', 'role')) ??
    full(
      deps.failureDomainLimit,
      `nodes of ${domainName(next.failureDomain)}`,
      alike('failureDomain', 'failure domain'),
    )
  );
}

export interface LeavingDeps extends GateDeps {
  /** Milliseconds between two questions. */
  readonly pollMs: number;
  readonly waiting: (uuid: string, reason: string) => void;
}

/**
 * The last question before a node leaves: between the gate and here its claim may have taken minutes, and meanwhile others
 * may have failed. Nodes that have been let go count until they are back.
 */
export class Leaving {
  readonly #left = new Map<string, Leaver>();
  readonly #deps: LeavingDeps;

  constructor(deps: LeavingDeps) {
    this.#deps = deps;
  }

  /** Resolves once the application can spare the node. On the way back it need not be healthy: that may be the cure. */
  async permit(next: Leaver, wayBack: boolean, signal: AbortSignal): Promise<void> {
    const { clock, pollMs, waiting } = this.#deps;
    for (;;) {
      const { health, absent } = await lookAround([...this.#others(next), next], this.#deps, signal);
      const well = health.health === 'healthy' || (wayBack && health.health === 'unhealthy');
      const shut = well ? whyFull({ next, out: this.#others(next) }, absent, this.#deps) : complaint(health);
      if (shut === null) {
        // In the same turn as the count, so that of two who ask at the same time the second sees the first.
        this.#left.set(next.uuid, next);
        return;
      }
      waiting(next.uuid, shut);
      await clock.sleep(pollMs, signal);
    }
  }

  back(uuid: string): void {
    this.#left.delete(uuid);
  }

  #others(next: Leaver): Leaver[] {
    return [...this.#left.values()].filter(({ uuid }) => uuid !== next.uuid);
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
