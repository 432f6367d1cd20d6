import type { FailureData } from '../../machines/errors.ts';
import type { Actor, DeploymentState, DeploymentView, NodePlace, NodeView } from '../deployments/types.ts';
import { code, safe } from './escape.ts';

/** The words that cards, threads and answers share, so that they say the same thing the same way. */

export const STATE_WORDS = {
  awaiting_approval: 'waiting for approval',
  found: 'found half-way, somebody has to decide',
  canary: 'canary under way',
  soaking: 'watching the canary',
  rolling: 'moving nodes',
  stopping: 'stopping',
  rolling_back: 'rolling back',
  completed: 'COMPLETED',
  stopped: 'STOPPED',
  rolled_back: 'ROLLED BACK',
  stuck: 'STUCK, a person is needed',
  expired: 'EXPIRED without approval',
} as const satisfies Record<DeploymentState, string>;

export const STATE_SIGNS = {
  awaiting_approval: '⏳',
  found: '🧭',
  canary: '🐤',
  soaking: '👀',
  rolling: '🚚',
  stopping: '✋',
  rolling_back: '⏪',
  completed: '✅',
  stopped: '⏹️',
  rolled_back: '↩️',
  stuck: '🚨',
  expired: '⌛',
} as const satisfies Record<DeploymentState, string>;

/** Who did it, for mrkdwn: Slack shows a user id as the person's name. */
export function who(actor: Actor): string {
  if (actor.via === 'system') return 'Ephyra';
  if (actor.via === 'slack' && /^[UW][A-Z0-9]{2,30}$/.test(actor.id)) return `<@${actor.id}>`;
  const name = safe(actor.display === '' ? actor.id : actor.display, 80);
  return actor.via === 'slack' ? name : `${name} (${actor.via})`;
}

/** The same for `plain_text` and notifications, where ids would be shown as they are. */
export function whoPlain(actor: Actor): string {
  if (actor.via === 'system') return 'Ephyra';
  return safe(actor.display === '' ? actor.id : actor.display, 80);
}

/** `1 node`, `12 nodes`. */
export function count(n: number, noun: string): string {
  return `${n} ${noun}${n === 1 ? '' : 's'}`;
}

/** `45 s`, `4 min 10 s`, `2 h 5 min`, `3 d 4 h`. */
export function duration(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  const units: [number, string][] = [
    [86_400, 'd'],
    [3600, 'h'],
    [60, 'min'],
    [1, 's'],
  ];
  const first = units.findIndex(([size]) => seconds >= size);
  if (first < 0) return '0 s';
  let left = seconds;
  const parts: string[] = [];
  for (const [size, name] of units.slice(first, first + 2)) {
    const n = Math.floor(left / size);
    left -= n * size;
    if (n > 0) parts.push(`${n} ${name}`);
  }
  return parts.join(' ');
}

/** A point in time: every reader sees it in their own time zone, and it stays true however old the message gets. */
export function at(
  ms: number,
  format: '{date_short_pretty} at {time}' | '{time}' = '{date_short_pretty} at {time}',
): string {
  return `<!date^${Math.floor(ms / 1000)}^${format}|${utc(ms)}>`;
}

/** The same where Slack does not translate, e.g. in notifications. */
export function utc(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 16).replace('T', ' ')} UTC`;
}

/** Nodes by where they are now. */
export function tally(nodes: readonly NodeView[]): Record<NodePlace, number> {
  const result = { waiting: 0, moving: 0, moved: 0, going_back: 0, back: 0, stuck: 0 };
  for (const node of nodes) result[node.place] += 1;
  return result;
}

/** `cp1 → cp2`, for mrkdwn. */
export function route(view: Pick<DeploymentView, 'source' | 'target'>): string {
  return `${safe(view.source, 60)} → ${safe(view.target, 60)}`;
}

/** `a, b, c and 9 more`, in about `room` characters. The names must be safe already. */
export function some(names: readonly string[], max: number, room = 1500): string {
  const shown: string[] = [];
  let length = 0;
  for (const name of names.slice(0, max)) {
    length += name.length + 2;
    if (length > room) break;
    shown.push(name);
  }
  const left = names.length - shown.length;
  return left === 0 ? shown.join(', ') : `${shown.join(', ')} and ${left} more`;
}

/** What a node waits for, without its name in front: that is there already. */
export function waitReason(node: Pick<NodeView, 'name' | 'waiting'>, max: number): string {
  const reason = node.waiting?.reason ?? '';
  const prefix = `${node.name}: `;
  return safe(reason.startsWith(prefix) ? reason.slice(prefix.length) : reason, max);
}

/** What was seen, without the full stop that messages of services may or may not end with, and the reason code. */
export function failureText(failure: FailureData, max: number): string {
  return `${safe(failure.message.replace(/[.\s]+$/, ''), max)} (${code(failure.reason, 40)})`;
}
