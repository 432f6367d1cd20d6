import type { Call } from './http.ts';
import { SERVICES, type Service } from './types.ts';

/** What goes wrong with a request that fits the rule. */
export type RequestEffect =
  /** Answered at once, nothing is done. */
  | {
      readonly kind: 'answer';
      readonly status: number;
      readonly body?: unknown;
      readonly headers?: Readonly<Record<string, string>>;
    }
  /** Done, and then the connection is dropped. */
  | { readonly kind: 'lose-answer' }
  /** Dropped before anything is done. */
  | { readonly kind: 'drop' }
  /** Done after `ms` milliseconds. */
  | { readonly kind: 'delay'; readonly ms: number }
  /** Never done, never answered. */
  | { readonly kind: 'hang' }
  /** A GET answers from the world of `ms` milliseconds ago (at most back to when the rule was made). */
  | { readonly kind: 'stale'; readonly ms: number };

/** What goes wrong in the world; `match.node` (uuid or name) narrows it to one node, `match.service` to one service. */
export type WorldEffect =
  | { readonly kind: 'clean-fails' }
  /** Ironic's deploy fails: Nova undeploys the node, then the server is ERROR. */
  | { readonly kind: 'deploy-fails' }
  /** The node waits for its agent for ever, the server stays BUILD. */
  | { readonly kind: 'deploy-hangs' }
  /** The conductor dies in the deploy: node `deploy failed` with instance_uuid set; server BUILD for ever, without node. */
  | { readonly kind: 'deploy-lost' }
  /** The same, and Nova has noticed: server ERROR, without node as well. */
  | { readonly kind: 'deploy-aborted' }
  | { readonly kind: 'no-valid-host' }
  /** `manage` cannot reach the BMC: back to `enroll` with last_error. */
  | { readonly kind: 'verify-fails' }
  | { readonly kind: 'power-never-reported' }
  /** Holds the lock of `match.node` for `ms` milliseconds from now. */
  | { readonly kind: 'node-locked'; readonly ms: number }
  /** All calls to the service are refused (or reset, or 503) until the rule is removed. Behind a socket, refused is reset. */
  | { readonly kind: 'service-down'; readonly answer?: 'refused' | 'reset' | 503 }
  /** Tokens issued while the rule is there live `ms` milliseconds; those of before are not touched. */
  | { readonly kind: 'tokens-expire'; readonly ms: number }
  /** All tokens issued so far are refused by every service at once. */
  | { readonly kind: 'tokens-revoked' };

export type Effect = RequestEffect | WorldEffect;

export interface FaultRule {
  readonly match?: {
    readonly service?: Service;
    readonly method?: string;
    /** Expression that the path with its query must fit. */
    readonly path?: RegExp | string;
    /** Node uuid or name that the request speaks of, or to which the world fault happens. */
    readonly node?: string;
  };
  /** How often it happens before it is spent. Default once; `Infinity` or 0: until it is removed. */
  readonly times?: number;
  /** How many fitting occasions pass before the first. */
  readonly after?: number;
  readonly effect: Effect;
}

export interface ActiveFault extends FaultRule {
  readonly id: string;
  /** Occasions left; null without limit. */
  readonly left: number | null;
}

const REQUEST_KINDS: ReadonlySet<string> = new Set(['answer', 'lose-answer', 'drop', 'delay', 'hang', 'stale']);
/** In force from the moment they are made until removed, however many requests meet them. */
const STANDING: ReadonlySet<string> = new Set(['service-down', 'tokens-expire']);
/** Done the moment they are made. */
const AT_ONCE: ReadonlySet<string> = new Set(['node-locked', 'tokens-revoked']);

export const EFFECT_KINDS: readonly Effect['kind'][] = [
  'answer',
  'lose-answer',
  'drop',
  'delay',
  'hang',
  'stale',
  'clean-fails',
  'deploy-fails',
  'deploy-hangs',
  'deploy-lost',
  'deploy-aborted',
  'no-valid-host',
  'verify-fails',
  'power-never-reported',
  'node-locked',
  'service-down',
  'tokens-expire',
  'tokens-revoked',
];

interface Entry {
  readonly id: string;
  readonly rule: FaultRule;
  readonly path: RegExp | null;
  skip: number;
  left: number;
}

export interface Faults {
  /** Makes a rule; its id removes it. */
  add(rule: FaultRule): string;
  remove(id: string): boolean;
  clear(): void;
  list(): ActiveFault[];
  /** The effect for this request, used up once; the oldest rule that fits. */
  forRequest(call: Call, speaksOf: (node: string, call: Call) => boolean): RequestEffect | null;
  /** Whether this happens to the node now; used up once. */
  strikes(kind: WorldEffect['kind'], node?: { readonly uuid: string; readonly name: string | null }): boolean;
  /** A standing fault of this kind, for the service if it names one. */
  standing<K extends 'service-down' | 'tokens-expire'>(
    kind: K,
    service?: Service,
  ): Extract<WorldEffect, { kind: K }> | null;
}

/** Rules are asked in the order in which they were made. `onAdd` and `onEnd` let the world do what is done at once. */
export function createFaults(hooks: { onAdd(rule: FaultRule): void; onEnd(): void }): Faults {
  let entries: Entry[] = [];
  let made = 0;

  function use(entry: Entry): boolean {
    if (entry.skip > 0) {
      entry.skip -= 1;
      return false;
    }
    entry.left -= 1;
    if (entry.left <= 0) entries = entries.filter((other) => other !== entry);
    return true;
  }

  const faults: Faults = {
    add(rule) {
      made += 1;
      const id = `fault-${made}`;
      checkRule(rule);
      const { kind } = rule.effect;
      if (!AT_ONCE.has(kind)) {
        const path = rule.match?.path;
        const times = rule.times ?? (STANDING.has(kind) ? 0 : 1);
        entries.push({
          id,
          rule,
          path: path === undefined ? null : typeof path === 'string' ? new RegExp(path) : path,
          skip: rule.after ?? 0,
          left: times === 0 ? Number.POSITIVE_INFINITY : times,
        });
      }
      hooks.onAdd(rule);
      return id;
    },
    remove(id) {
      const before = entries.length;
      entries = entries.filter((entry) => entry.id !== id);
      hooks.onEnd();
      return entries.length < before;
    },
    clear() {
      entries = [];
      hooks.onEnd();
    },
    list() {
      return entries.map(({ id, rule, left }) => ({ ...rule, id, left: Number.isFinite(left) ? left : null }));
    },
    forRequest(call, speaksOf) {
      for (const entry of entries) {
        const { match, effect } = entry.rule;
        if (!isRequestEffect(effect)) continue;
        if (match?.service !== undefined && match.service !== call.service) continue;
        if (match?.method !== undefined && match.method.toUpperCase() !== call.method) continue;
        if (entry.path !== null && call.target.search(entry.path) < 0) continue;
        if (effect.kind === 'stale' && call.method !== 'GET') continue;
        if (match?.node !== undefined && !speaksOf(match.node, call)) continue;
        if (use(entry)) return effect;
      }
      return null;
    },
    strikes(kind, node) {
      for (const entry of entries) {
        const wanted = entry.rule.match?.node;
        if (entry.rule.effect.kind !== kind) continue;
        if (wanted !== undefined && wanted !== node?.uuid && wanted !== node?.name) continue;
        if (use(entry)) return true;
      }
      return false;
    },
    standing(kind, service) {
      for (const { rule } of entries) {
        const wanted = rule.match?.service;
        if (rule.effect.kind !== kind || (wanted !== undefined && wanted !== service)) continue;
        return rule.effect as never;
      }
      return null;
    },
  };
  return faults;
}

function isRequestEffect(effect: Effect): effect is RequestEffect {
  return REQUEST_KINDS.has(effect.kind);
}

/** @throws Error naming the field, its value and what it may be. */
function checkRule({ effect, match, times, after }: FaultRule): void {
  const fields: Readonly<Record<string, unknown>> = { ...effect };
  if (!(EFFECT_KINDS as readonly string[]).includes(effect.kind)) {
    throw new Error(`effect.kind "${effect.kind}" is unknown; use one of ${EFFECT_KINDS.join(', ')}`);
  }
  if (match?.service !== undefined && !SERVICES.includes(match.service)) {
    throw new Error(`match.service "${match.service}" is unknown; use one of ${SERVICES.join(', ')}`);
  }
  const number = (name: string, value: unknown) => {
    if (typeof value !== 'number' || !(value >= 0))
      throw new Error(`${name} ${JSON.stringify(value)} is no number; give one from 0 on`);
  };
  if (['delay', 'stale', 'node-locked', 'tokens-expire'].includes(effect.kind)) number('effect.ms', fields['ms']);
  if (effect.kind === 'answer') number('effect.status', fields['status']);
  if (times !== undefined) number('times', times);
  if (after !== undefined) number('after', after);
}
