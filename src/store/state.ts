import { z } from 'zod';
import { REASONS } from '../../machines/errors.ts';
import { DEPLOYMENT_STATES, FINAL_STATES } from '../deployments/types.ts';
import { type DeepReadonly, HISTORY_LIMIT, HISTORY_NODES, type StoreState } from './types.ts';

const NODE_PLACES = ['waiting', 'moving', 'moved', 'going_back', 'back', 'stuck'] as const;

const time = z.number().int().nonnegative();
const text = z.string().min(1);

const actor = z.strictObject({
  via: z.enum(['slack', 'api', 'cli', 'webhook', 'system']),
  id: z.string(),
  display: z.string(),
});

const failure = z.strictObject({
  reason: z.enum(REASONS),
  next: z.enum(['retry', 'stop', 'ask', 'cancelled']),
  message: z.string(),
  remedy: z.string().optional(),
  afterMs: z.number().nonnegative().optional(),
});

const lock = z.strictObject({
  id: text,
  scope: text,
  owner: actor,
  reason: z.string(),
  since: time,
  expiresAt: time.nullable(),
});

const result = z.strictObject({
  uuid: text,
  place: z.enum(NODE_PLACES),
  failure: failure.nullable(),
  startedAt: time.nullable(),
  endedAt: time.nullable(),
  attempts: z.number().int().nonnegative(),
});

const deployment = z.strictObject({
  id: text,
  epoch: z.number().int().nonnegative(),
  source: text,
  target: text,
  requestedBy: actor,
  requestedAt: time,
  options: z.strictObject({
    maxUnavailable: z.number().int().positive(),
    failureDomain: text.nullable(),
    nodes: z.array(z.string()).nullable(),
  }),
  nodes: z.array(
    z.strictObject({
      uuid: text,
      name: z.string(),
      role: text,
      failureDomain: text.nullable(),
      instanceId: text.nullable(),
    }),
  ),
  excluded: z.array(z.strictObject({ uuid: text, name: z.string(), reason: z.string() })),
  digest: text,
  approval: z.strictObject({ by: actor, at: time }).nullable(),
  approvalExpiresAt: time.nullable(),
  intent: z.enum(['forward', 'stop', 'abort']),
  intentBy: actor.nullable(),
  state: z.enum(DEPLOYMENT_STATES),
  startedAt: time.nullable(),
  endedAt: time.nullable(),
  endedBy: actor.nullable(),
  note: z.string().nullable(),
  thread: z.strictObject({ face: z.literal('slack'), channel: text, ts: text }).nullable(),
  idempotencyKeys: z.array(text),
  results: z.array(result),
});

/**
 * Strict at every level: a key that we do not know would be lost by the next write, so a file that has one is not ours
 * to write.
 */
export const storeStateSchema = z.strictObject({
  format: z.literal(4),
  epoch: z.number().int().nonnegative(),
  installation: text.optional(),
  locks: z.array(lock).check(unique((entry) => entry.id)),
  deployments: z.array(deployment).check(unique((entry) => entry.id)),
});

function unique<T>(key: (entry: T) => string) {
  return (context: z.core.ParsePayload<T[]>): void => {
    const seen = new Set<string>();
    context.value.forEach((entry, index) => {
      if (seen.has(key(entry))) {
        context.issues.push({
          code: 'custom',
          path: [index, 'id'],
          message: `"${key(entry)}" is there twice`,
          input: entry,
        });
      }
      seen.add(key(entry));
    });
  };
}

/** The state before anything has happened. */
export function emptyState(): StoreState {
  return { format: 4, epoch: 0, locks: [], deployments: [] };
}

/** Whether a deployment has ended, i.e. belongs to the history. */
export function isEnded(entry: { readonly state: StoreState['deployments'][number]['state'] }): boolean {
  return FINAL_STATES.includes(entry.state);
}

/**
 * Removes the oldest ended deployments beyond {@link HISTORY_LIMIT} and {@link HISTORY_NODES}; the newest of them stays
 * whatever its size, and those that have not ended are never touched.
 */
export function pruneHistory(draft: StoreState): void {
  const newestFirst = draft.deployments
    .filter(isEnded)
    .sort((a, b) => (b.endedAt ?? b.requestedAt) - (a.endedAt ?? a.requestedAt));
  const gone = new Set<string>();
  let nodes = 0;
  newestFirst.forEach((entry, index) => {
    nodes += entry.nodes.length;
    if (index >= HISTORY_LIMIT || (index > 0 && nodes > HISTORY_NODES)) gone.add(entry.id);
  });
  if (gone.size > 0) draft.deployments = draft.deployments.filter((entry) => !gone.has(entry.id));
}

/** Freezes a value to the bottom, in place. */
export function deepFreeze<T>(value: T): DeepReadonly<T> {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    for (const inner of Object.values(value)) deepFreeze(inner);
    Object.freeze(value);
  }
  return value as DeepReadonly<T>;
}
