import type { Change, DeploymentEvent, DeploymentView, NodeView } from '../deployments/types.ts';
import { FINAL_STATES } from '../deployments/types.ts';
import { lines as fitLines, section } from './blocks.ts';
import { code, safe } from './escape.ts';
import type { SlackMessage } from './types.ts';
import { at, count, duration, failureText, route, STATE_SIGNS, some, tally, who } from './words.ts';

/** The thread under a card: what happened, one line each, rolled up when it is much. Pure. */

export interface ThreadLine {
  /** Lines of one kind can be told as one when there are many. */
  readonly kind: 'started' | 'moved' | 'back' | 'retry' | 'turned' | 'other';
  /** For rolling up: the node, safe for mrkdwn. */
  readonly name: string;
  /** Safe mrkdwn. */
  readonly text: string;
  /** Goes out at once instead of being collected. */
  readonly urgent: boolean;
  /** The channel is to see it, too. */
  readonly broadcast: boolean;
}

type DeploymentChange = Extract<Change, { kind: 'deployment' }>;

/** The lines that a change is worth; most steps are worth none, the card shows them. */
export function threadLines(change: DeploymentChange): ThreadLine[] {
  const { deployment: view, event } = change;
  const node = 'uuid' in event ? view.nodes.find((one) => one.uuid === event.uuid) : undefined;
  const name = node === undefined ? ('uuid' in event ? safe(event.uuid, 40) : '') : safe(node.name, 60);
  switch (event.type) {
    case 'requested':
      return requested(view);
    case 'approved':
      return [
        other(`👍 Approved by ${who(event.by)}.${view.state === 'canary' ? ' The canary goes first, alone.' : ''}`, {
          urgent: true,
        }),
      ];
    case 'expired':
      return [{ kind: 'other', name: '', text: outcome(view), urgent: true, broadcast: true }];
    case 'state':
      return state(view, event.to);
    case 'resumed':
      return [
        other(
          event.after === 'start'
            ? '🔁 Ephyra was started again and goes on with the same nodes.'
            : '🔁 Ephyra has lost its lease on a control plane: once it holds both again, it looks anew where the nodes are.',
        ),
      ];
    case 'found':
      return [other(question(view), { urgent: true, broadcast: true })];
    case 'stop_requested':
    case 'abort_requested':
      return [other(ending(view, event), { urgent: true, broadcast: true })];
    case 'gate':
      return [
        other(
          event.open
            ? `🟢 Going on: ${safe(event.reason, 400)}`
            : `🟠 Holding, no further node is started: ${safe(event.reason, 400)}`,
        ),
      ];
    case 'node_started': {
      const [source, target] = [safe(view.source, 60), safe(view.target, 60)];
      const way =
        event.direction === 'forward' ? `leaves ${source} for ${target}` : `goes back from ${target} to ${source}`;
      return [line('started', name, `▶️ *${name}* ${way}.`)];
    }
    case 'step_failed': {
      const { next } = event.failure;
      if (next === 'cancelled') return [];
      const what = `*${name}*, ${event.step}: ${failureText(event.failure, 400)}.`;
      if (event.willRetry) return [line('retry', name, `🔸 ${what} It is tried again.`)];
      const then = {
        retry: 'That was the last try.',
        stop: 'The node goes back where it came from.',
        ask: 'A person has to look.',
      }[next];
      return [line('other', name, `❌ ${what} ${then}${remedy(event.failure.remedy)}`)];
    }
    case 'node_turned': {
      // The step that failed was told of already: its reason code is enough.
      const why = event.failure === null ? '' : ` (${code(event.failure.reason, 40)})`;
      return [line('turned', name, `↩️ *${name}* turns back to ${safe(view.source, 60)}${why}.`)];
    }
    case 'node_settled':
      return settled(view, node, name, event.place, event.durationMs);
    case 'step_started':
    case 'step_done':
    case 'waiting':
      return [];
  }
}

function requested(view: DeploymentView): ThreadLine[] {
  const order = other(
    `📋 In this order: ${some(
      view.nodes.map((node) => safe(node.name, 60)),
      40,
    )}.`,
  );
  if (view.excluded.length === 0) return [order];
  const left = view.excluded.map((one) => `    • *${safe(one.name, 60)}*: ${safe(one.reason, 200)}`);
  const more = (n: number) => `    … and ${n} more`;
  const shown = left.length > 20 ? [...left.slice(0, 20), more(left.length - 20)] : left;
  return [order, other(`🚫 Left out:\n${fitLines(shown, 1200, more)}`)];
}

/** What only people can say: how it goes on with nodes of which the store does not know what is wanted. */
function question(view: DeploymentView): string {
  const id = safe(view.id, 60);
  return (
    `${STATE_SIGNS.found} *Half-way, and nobody has said what becomes of it:* ${id}, ${route(view)}.${note(view)}\n` +
    `To finish moving the nodes: \`/ephyra approve ${id}\`. To bring them back: \`/ephyra abort ${id}\`.`
  );
}

/** Something that is about no deployment, for the channel. */
export function noticeLine({ message, remedy: what }: Extract<Change, { kind: 'notice' }>): string {
  return `⚠️ ${safe(message, 800)}\n      → ${safe(what, 600)}`;
}

/** Stop and abort, told by what they mean where the deployment stands. */
function ending(
  view: DeploymentView,
  event: Extract<DeploymentEvent, { type: 'stop_requested' | 'abort_requested' }>,
): string {
  const by = event.by === null ? 'decided by Ephyra' : `asked for by ${who(event.by)}`;
  // Nothing follows that would tell the outcome: it has ended with this.
  if (view.startedAt === null) return `⏹️ *WITHDRAWN* ${route(view)}, ${by}: nothing was moved, nothing will be.`;
  if (event.type === 'stop_requested') return `✋ Stop, ${by}: nodes under way finish or go back, no more are started.`;
  return `⏪ Abort, ${by}: everything that this deployment moved goes back to ${safe(view.source, 60)}.`;
}

function state(view: DeploymentView, to: DeploymentView['state']): ThreadLine[] {
  // Told by an event of its own.
  if (to === 'expired') return [];
  if (FINAL_STATES.includes(to))
    return [{ kind: 'other', name: '', text: outcome(view), urgent: true, broadcast: true }];
  const target = safe(view.target, 60);
  switch (to) {
    case 'canary':
      return [other(`🐤 The first ${view.nodes.length === 1 ? 'node is' : 'nodes are'} moved alone, as canary.`)];
    case 'soaking':
      return [other(`👀 The canary is in ${target}; the application is watched for a while before the others follow.`)];
    case 'rolling':
      return [other(`🚚 Moving the rest, up to ${count(view.maxUnavailable, 'node')} at once.`)];
    case 'stopping':
    case 'rolling_back': {
      // A person who asked for it was told of already; a note means that Ephyra decided.
      if (view.note === null || view.note === '') return [];
      const what =
        to === 'stopping' ? '✋ No more nodes are started' : `⏪ Everything goes back to ${safe(view.source, 60)}`;
      return [other(`${what}: ${safe(view.note, 400)}`, { urgent: true, broadcast: true })];
    }
    default:
      return [];
  }
}

function settled(
  view: DeploymentView,
  node: NodeView | undefined,
  name: string,
  place: NodeView['place'],
  durationMs: number,
): ThreadLine[] {
  const addresses = (node?.addresses ?? []).slice(0, 4).map((address) => code(address, 60));
  const where = addresses.length === 0 ? '' : `, now ${addresses.join(', ')}`;
  const took = duration(durationMs);
  if (place === 'moved')
    return [line('moved', name, `✅ *${name}* is in ${safe(view.target, 60)} after ${took}${where}.`)];
  if (place === 'back')
    return [line('back', name, `⏪ *${name}* is back in ${safe(view.source, 60)} after ${took}${where}.`)];
  if (place === 'stuck') {
    const why = node?.failure === null || node?.failure === undefined ? '' : `: ${failureText(node.failure, 400)}`;
    const at = node?.step === null || node?.step === undefined ? '' : ` at ${node.step}`;
    return [
      other(`🚨 *${name}* is stuck${at}${why}. Ephyra does nothing more to it.${remedy(node?.failure?.remedy)}`, {
        urgent: true,
      }),
    ];
  }
  return [];
}

function remedy(text: string | undefined): string {
  return text === undefined || text === '' ? '' : `\n      → ${safe(text, 400)}`;
}

/** How it ended: the word, the counts, how long it took, and what a person must do if anything. */
export function outcome(view: DeploymentView): string {
  const by = tally(view.nodes);
  const total = count(view.nodes.length, 'node');
  const took = view.startedAt === null || view.endedAt === null ? '' : ` in ${duration(view.endedAt - view.startedAt)}`;
  const sign = STATE_SIGNS[view.state];
  const what = route(view);
  const source = safe(view.source, 60);
  const target = safe(view.target, 60);
  switch (view.state) {
    case 'completed':
      return `${sign} *COMPLETED* ${what}: ${by.moved} of ${total} moved${took}.${slowest(view)}${leftBack(by.back, source)}${wayBack(view)}`;
    case 'rolled_back':
      return `${sign} *ROLLED BACK* ${what}: ${by.back} of ${total} are back in ${source}${took}, ${by.waiting} had not been touched.${note(view)}`;
    case 'stopped':
      return (
        `${sign} *STOPPED* ${what}: ${by.moved} of ${total} are in ${target}, ${by.waiting + by.back} in ${source}${took}.${note(view)}` +
        (view.startedAt === null
          ? ''
          : `\nTo go on with what is left: \`/ephyra deploy ${source}→${target}\`.${wayBack(view)}`)
      );
    case 'expired':
      return `${sign} *EXPIRED* ${what}: nobody approved in time, nothing was moved. To ask again: \`/ephyra deploy ${source}→${target}\``;
    case 'stuck':
      return stuck(view);
    default:
      return `${sign} ${what}`;
  }
}

/** A deployment that has ended can still be taken back. */
function wayBack(view: DeploymentView): string {
  return tally(view.nodes).moved === 0 ? '' : ` To take back what has moved: \`/ephyra abort ${safe(view.id, 60)}\`.`;
}

function leftBack(back: number, source: string): string {
  return back === 0 ? '' : ` ${count(back, 'node')} went back to ${source}.`;
}

function note(view: DeploymentView): string {
  return view.note === null || view.note === '' ? '' : ` ${safe(view.note, 400)}`;
}

function slowest(view: DeploymentView): string {
  let slow: { name: string; ms: number } | undefined;
  for (const node of view.nodes) {
    if (node.startedAt === null || node.endedAt === null) continue;
    const ms = node.endedAt - node.startedAt;
    if (slow === undefined || ms > slow.ms) slow = { name: node.name, ms };
  }
  return slow === undefined ? '' : ` The slowest was ${safe(slow.name, 60)} with ${duration(slow.ms)}.`;
}

function stuck(view: DeploymentView): string {
  const by = tally(view.nodes);
  const nodes = view.nodes.filter((node) => node.place === 'stuck');
  const details = nodes.map((node) => {
    const why = node.failure === null ? 'no reason was recorded' : failureText(node.failure, 300);
    const what =
      node.failure?.remedy === undefined ? 'Look at it in both control planes.' : safe(node.failure.remedy, 300);
    return `    • *${safe(node.name, 60)}*${node.step === null ? '' : ` at ${node.step}`}: ${why}\n      → ${what}`;
  });
  const shown = details.slice(0, 10);
  if (details.length > 10) shown.push(`    … and ${details.length - 10} more: \`/ephyra nodes stuck\``);
  return (
    `${STATE_SIGNS.stuck} *STUCK* ${route(view)}: a person is needed for ${count(by.stuck, 'node')}; ` +
    `${by.moved} moved, ${by.back} back, ${by.waiting} not touched.${note(view)}\n` +
    `${fitLines(shown, 2000, (n) => `    … and ${n} more: \`/ephyra nodes stuck\``)}\n` +
    `When they are mended: \`/ephyra deploy ${safe(view.source, 60)}→${safe(view.target, 60)}\` goes on with what is left. ` +
    `To take ${by.moved === 0 ? 'them' : 'them and what has moved'} back: \`/ephyra abort ${safe(view.id, 60)}\`.`
  );
}

function line(kind: ThreadLine['kind'], name: string, text: string): ThreadLine {
  return { kind, name, text, urgent: false, broadcast: false };
}

function other(text: string, flags: { readonly urgent?: boolean; readonly broadcast?: boolean } = {}): ThreadLine {
  return { kind: 'other', name: '', text, urgent: flags.urgent ?? false, broadcast: flags.broadcast ?? false };
}

const ROLLED_UP = {
  started: (n: number, names: string) => `▶️ ${count(n, 'node')} started: ${names}.`,
  moved: (n: number, names: string) => `✅ ${count(n, 'node')} moved: ${names}.`,
  back: (n: number, names: string) => `⏪ ${count(n, 'node')} are back: ${names}.`,
  retry: (n: number, names: string) => `🔸 ${count(n, 'step')} failed and are tried again: ${names}.`,
  turned: (n: number, names: string) => `↩️ ${count(n, 'node')} turn back: ${names}.`,
} as const;

/** Lines as they are while they are few; else those of one kind told as one, and the rest kept. */
export function rollUp(items: readonly ThreadLine[], max = 12): string[] {
  if (items.length <= max) return items.map((item) => item.text);
  const groups = new Map<ThreadLine['kind'], ThreadLine[]>();
  for (const item of items) groups.set(item.kind, [...(groups.get(item.kind) ?? []), item]);
  const told = new Set<ThreadLine['kind']>();
  const result: string[] = [];
  for (const item of items) {
    const group = groups.get(item.kind) ?? [];
    if (item.kind === 'other' || group.length < 3) {
      result.push(item.text);
    } else if (!told.has(item.kind)) {
      told.add(item.kind);
      result.push(ROLLED_UP[item.kind](group.length, some([...new Set(group.map((one) => one.name))], 20)));
    }
  }
  return result;
}

/**
 * One thread message.
 * @param blockId by which it is found again when the answer to posting it was lost
 * @param dropped lines that had to be given up because Slack was away too long
 */
export function threadMessage(items: readonly ThreadLine[], blockId: string, dropped: number): SlackMessage {
  const told = rollUp(items);
  if (dropped > 0) told.unshift(`… ${count(dropped, 'earlier line')} could not be sent while Slack was away.`);
  const more = (left: number) => `… and ${left} more. \`/ephyra nodes\` shows where every node is.`;
  const text = fitLines(told, 2900, more);
  return {
    text: told.length === 1 ? text : fitLines(told, 600, more),
    blocks: [{ ...section(text), block_id: blockId }],
  };
}

/** A lock that came or went, for the channel. */
export function lockLine(change: Extract<Change, { kind: 'lock' }>): string {
  const { lock, event, by } = change;
  const what = lock.scope === 'all' ? 'all deployments' : `deployments from and to ${safe(lock.scope, 60)}`;
  const scope = lock.scope === 'all' ? '' : ` ${safe(lock.scope, 60)}`;
  if (event === 'locked') {
    const until = lock.expiresAt === null ? 'until unlocked' : `until ${at(lock.expiresAt)}`;
    return `🔒 ${who(lock.owner)} locked ${what} ${until}: ${safe(lock.reason, 400)}\nTo unlock: \`/ephyra unlock${scope}\``;
  }
  if (event === 'expired')
    return `🔓 The lock of ${who(lock.owner)} on ${what} has run out (${safe(lock.reason, 200)}).`;
  const stolen = by.id === lock.owner.id && by.via === lock.owner.via ? '' : `, held by ${who(lock.owner)}`;
  return `🔓 ${who(by)} unlocked ${what}${stolen} (${safe(lock.reason, 200)}).`;
}
