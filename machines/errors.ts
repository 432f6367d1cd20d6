/**
 * Failures, divided by what happens next. Nothing in Ephyra parses an error's text to decide: it looks at `next`
 * and at the reason code, and the same code is what Slack, the logs and the metrics show.
 */

/** Every reason a step, a node migration or a deployment can have for its outcome. A closed list. */
export const REASONS = [
  'cancelled',
  'cloud_unreachable',
  'cloud_refused',
  'cloud_auth',
  'cloud_too_old',
  'node_missing',
  'node_in_both',
  'node_foreign',
  'node_maintenance',
  'node_protected',
  'node_retired',
  'node_locked',
  'node_not_movable',
  'definition_differs',
  'secret_masked',
  'clean_failed',
  'deploy_failed',
  'verify_failed_bmc',
  'no_valid_host',
  'instance_error',
  'instance_unexpected',
  'instance_gone',
  'not_schedulable',
  'application_refused',
  'application_unhealthy',
  'application_unknown',
  'evidence_stale',
  'lease_lost',
  'deadline',
  'rolled_back',
  'operator',
  'bug',
] as const;

export type Reason = (typeof REASONS)[number];

/**
 * What happens next:
 * - `retry`: the same step again, after a pause;
 * - `stop`: this direction is given up, the node goes back where it came from;
 * - `ask`: a person has to look, nothing more is done to the node;
 * - `cancelled`: we were told to stop waiting; not a failure.
 */
export const NEXTS = ['retry', 'stop', 'ask', 'cancelled'] as const;
export type Next = (typeof NEXTS)[number];

/** A failure as plain data: it travels through machine events, the store and messages. */
export interface FailureData {
  readonly reason: Reason;
  readonly next: Next;
  /** One sentence for a person: what was seen, where. Never contains a secret. */
  readonly message: string;
  /** What a person can do about it, if there is something. */
  readonly remedy?: string;
  /** With `retry`: not before this many milliseconds. */
  readonly afterMs?: number;
}

/** The one error class thrown across module borders; everything else that is thrown counts as a bug. */
export class Failure extends Error implements FailureData {
  override readonly name = 'Failure';
  readonly reason: Reason;
  readonly next: Next;
  readonly remedy?: string;
  readonly afterMs?: number;

  constructor(data: FailureData, options?: { cause?: unknown }) {
    super(data.message, options);
    this.reason = data.reason;
    this.next = data.next;
    if (data.remedy !== undefined) this.remedy = data.remedy;
    if (data.afterMs !== undefined) this.afterMs = data.afterMs;
  }
}

/** By its shape, not its class: a plugin of another package has its own copy of the class, or none. */
export function isFailure(thrown: unknown): thrown is Error & FailureData {
  if (!(thrown instanceof Error)) return false;
  const { reason, next } = thrown as Partial<FailureData>;
  return (REASONS as readonly unknown[]).includes(reason) && (NEXTS as readonly unknown[]).includes(next);
}

/** Turns anything thrown into failure data; what is not a {@link Failure} is a bug and is retried like a hiccup. */
export function toFailureData(thrown: unknown): FailureData {
  if (isFailure(thrown)) {
    return {
      reason: thrown.reason,
      next: thrown.next,
      message: thrown.message,
      ...(thrown.remedy === undefined ? {} : { remedy: thrown.remedy }),
      ...(thrown.afterMs === undefined ? {} : { afterMs: thrown.afterMs }),
    };
  }
  if (thrown instanceof Error && thrown.name === 'AbortError') {
    return { reason: 'cancelled', next: 'cancelled', message: 'The wait was cancelled.' };
  }
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return { reason: 'bug', next: 'retry', message: `Unexpected: ${message}` };
}
