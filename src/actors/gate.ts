import { Failure } from '../../machines/errors.ts';
import type { Item } from '../../machines/migration/items.ts';
import type { GateAnswer, GateInput } from '../../machines/migration/setup.ts';
import type { ApplicationHealth, ApplicationPlugin } from '../../machines/plugin.ts';
import type { Clock } from '../openstack/http.ts';
import { withPatience } from './patience.ts';

export interface GateDeps {
  readonly plugin: Pick<ApplicationPlugin, 'verifyApplication'>;
  readonly clock: Clock;
  /** Nodes that may be out of service at once, for whatever reason. */
  readonly maxUnavailable: number;
  /** All names under which the application may know a node of ours: node, instance, addresses. */
  readonly aliases: (item: Item) => readonly string[];
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
  const out = input.out.length + strangers(health.unavailable ?? [], [...input.out, input.next], deps).length;
  if (out + 1 > deps.maxUnavailable) {
    return {
      open: false,
      reason: `${out} of at most ${deps.maxUnavailable} nodes are out of service: ${outNames(input, health).join(', ')}`,
    };
  }
  return { open: true };
}

/** Resolves once the application has been healthy without a break for `soakMs`; gives up after `patienceMs`. */
export async function soak(
  deps: Pick<GateDeps, 'plugin' | 'clock' | 'patienceMs'>,
  timing: { soakMs: number; checkMs: number; giveUpMs: number },
  signal: AbortSignal,
): Promise<void> {
  const started = deps.clock.now();
  let healthySince: number | null = null;
  for (;;) {
    const health = await ask(deps, signal);
    const now = deps.clock.now();
    if (health.health !== 'healthy') healthySince = null;
    else healthySince ??= now;
    if (healthySince !== null && now - healthySince >= timing.soakMs) return;
    if (now - started > timing.soakMs + timing.giveUpMs) throw gaveUp(health);
    const left = healthySince === null ? timing.checkMs : timing.soakMs - (now - healthySince);
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
function strangers(unavailable: readonly string[], ours: readonly Item[], deps: Pick<GateDeps, 'aliases'>): string[] {
  const known = new Set(ours.flatMap((item) => deps.aliases(item)));
  return unavailable.filter((name) => !known.has(name));
}

const outNames = (input: GateInput, health: ApplicationHealth): string[] => [
  ...new Set([...input.out.map((item) => item.name), ...(health.unavailable ?? [])]),
];

const complaint = (health: ApplicationHealth): string =>
  `the application is ${health.health}: ${health.reasons.join('; ') || 'it gives no reason'}`;
