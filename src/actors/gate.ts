import type { FailureDomain, RoleName } from '../../machines/domain.ts';
import { Failure } from '../../machines/errors.ts';
import type { Item } from '../../machines/migration/items.ts';
import { mayShareDomain } from '../../machines/migration/items.ts';
import type { GateAnswer, GateInput } from '../../machines/migration/setup.ts';
import type { ApplicationHealth, ApplicationPlugin } from '../../machines/plugin.ts';
import type { SteadyClock } from '../openstack/clock.ts';
import type { Known } from './knownNodes.ts';
import { withPatience } from './patience.ts';

export interface GateDeps {
  readonly plugin: Pick<ApplicationPlugin, 'verifyApplication'>;
  readonly clock: SteadyClock;
  /** Nodes that may be out of service at once, for whatever reason. */
  readonly maxUnavailable: number;
  /** All names under which the application may know a node of ours: node, instance, addresses. */
  readonly aliases: (item: Pick<Item, 'uuid' | 'name'>) => readonly string[];
  /** Roles that have a limit of their own. */
  readonly roleLimits: Readonly<Record<RoleName, number>>;
  /** Nodes of one failure domain that may be out at once; null when there is no such limit. */
  readonly failureDomainLimit: number | null;
  /** What is known of the node that the application calls so. */
  readonly nodeCalled: (name: string) => Known;
  /** Milliseconds that one question to the application may take. */
  readonly patienceMs: number;
}

/**
 * May one more node leave the application? Only when it says that it is healthy, and when with this one no more nodes
 * than allowed are out, counting those that are out without our doing. Unknown is never yes.
 */
export async function gate(input: GateInput, deps: GateDeps, signal: AbortSignal): Promise<GateAnswer> {
  const health = await ask(deps, signal);
  if (health.health !== 'healthy') return { open: false, reason: complaint(health) };
  return room(input, health, deps);
}

type Leaver = Pick<Item, 'uuid' | 'name' | 'role'>;

/**
 * Whether with `next` no more are out than allowed, in all, of its role and of its failure domain, when `out` and whoever
 * else is out count.
 */
export function room(
  { next, out }: { readonly next: Leaver; readonly out: readonly Leaver[] },
  health: ApplicationHealth,
  deps: Omit<GateDeps, 'plugin' | 'clock' | 'patienceMs'>,
): GateAnswer {
  const names = [...out.map(({ name }) => name), ...strangers(health.unavailable ?? [], [...out, next], deps)];
  const full = (who: () => readonly string[], limit: number | null, what: string): GateAnswer | null => {
    const counted = limit === null ? [] : who();
    if (limit === null || counted.length < limit) return null;
    const are = `${counted.length} of at most ${limit} ${what} are out of service`;
    return { open: false, reason: `${are}: ${counted.join(', ')}` };
  };
  const { failureDomain } = deps.nodeCalled(next.name);
  // Of whose role or failure domain nothing is known may be of this very one: unknown is never no.
  const ofRole = () => names.filter((name) => [next.role, null].includes(deps.nodeCalled(name).role));
  const ofDomain = () => names.filter((name) => mayShareDomain(deps.nodeCalled(name).failureDomain, failureDomain));
  return (
    full(() => names, deps.maxUnavailable, 'nodes') ??
    full(ofRole, deps.roleLimits[next.role] ?? null, `nodes of role ${next.role}`) ??
    full(ofDomain, deps.failureDomainLimit, `nodes of ${domainName(failureDomain)}`) ?? { open: true }
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
      const health = await ask(this.#deps, signal);
      const well = health.health === 'healthy' || (wayBack && health.health === 'unhealthy');
      const out = [...this.#left.values()].filter(({ uuid }) => uuid !== next.uuid);
      const answer = well ? room({ next, out }, health, this.#deps) : { open: false, reason: complaint(health) };
      if (answer.open) {
        // In the same turn as the count, so that of two who ask at the same time the second sees the first.
        this.#left.set(next.uuid, next);
        return;
      }
      waiting(next.uuid, 'reason' in answer ? answer.reason : '');
      await clock.sleep(pollMs, signal);
    }
  }

  back(uuid: string): void {
    this.#left.delete(uuid);
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

/** Members that are out without our doing. */
function strangers(unavailable: readonly string[], ours: readonly Leaver[], deps: Pick<GateDeps, 'aliases'>): string[] {
  // Host names know no case: an instance "Worker-01" is "worker-01" to its application, and not one more that is out.
  const known = new Set(ours.flatMap((item) => deps.aliases(item).map((name) => name.toLowerCase())));
  return unavailable.filter((name) => !known.has(name.toLowerCase()));
}

const domainName = (domain: FailureDomain | null): string =>
  domain === null ? 'an unknown failure domain' : `failure domain ${domain}`;

const complaint = (health: ApplicationHealth): string =>
  `the application is ${health.health}: ${health.reasons.join('; ') || 'it gives no reason'}`;
