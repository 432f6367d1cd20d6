import type { ActionsBlock, Button, KnownBlock } from '@slack/types';
import type { DeploymentState, DeploymentView, NodePlace, NodeView } from '../deployments/types.ts';
import { FINAL_STATES } from '../deployments/types.ts';
import { context, fields, header, lines, section } from './blocks.ts';
import { type ButtonName, buttonValue } from './buttonValue.ts';
import { code, safe } from './escape.ts';
import type { SlackMessage } from './types.ts';
import { at, count, duration, failureText, route, STATE_SIGNS, STATE_WORDS, tally, waitReason, who } from './words.ts';

/** The live card: one message per deployment, presented from the whole state each time. Pure. */

export const PLACE_SIGNS = {
  moved: '🟩',
  moving: '🟦',
  going_back: '🟨',
  back: '🟧',
  stuck: '🟥',
  waiting: '⬜',
} as const satisfies Record<NodePlace, string>;
export const PLACE_WORDS = {
  moved: 'moved',
  moving: 'moving',
  going_back: 'going back',
  back: 'back in the source',
  stuck: 'stuck',
  waiting: 'waiting',
} as const satisfies Record<NodePlace, string>;
export const PLACE_ORDER = Object.keys(PLACE_SIGNS) as NodePlace[];

const BAR_LENGTH = 20;
const MAX_IN_FLIGHT = 12;
const MAX_FAILURES = 6;

/** The block by which a card is found again when the answer to posting it was lost. */
export function cardBlockId(deployment: string): string {
  return `ephyra-card:${deployment}`.slice(0, 255);
}

/**
 * @param now epoch milliseconds of the state that is shown, from which an ETA is counted
 * @param buttons false leaves the buttons out, e.g. in a private answer
 */
export function presentCard(view: DeploymentView, now: number, options: { readonly buttons: boolean }): SlackMessage {
  const blocks: KnownBlock[] = [
    options.buttons ? { ...header(headline(view)), block_id: cardBlockId(view.id) } : header(headline(view)),
    fields(facts(view, now)),
    section(`${bar(view.nodes)}\n${progress(view)}`),
  ];
  if (view.note !== null && view.note !== '') blocks.push(section(`⚠️ ${safe(view.note, 600)}`));
  const flying = inFlight(view);
  if (flying !== '') blocks.push(section(`*${view.state === 'found' ? 'Standing half-way' : 'Under way'}*\n${flying}`));
  const failed = failures(view.nodes);
  if (failed !== '') blocks.push(section(`*Failures*\n${failed}`));
  if (options.buttons) {
    const actions = buttons(view);
    if (actions !== null) blocks.push(actions);
  }
  blocks.push(context(footer(view)));
  return { text: cardText(view), blocks };
}

function headline(view: DeploymentView): string {
  return `${STATE_SIGNS[view.state]} ${view.source} → ${view.target}: ${STATE_WORDS[view.state]}`;
}

/** One line that says it all, for notifications. */
export function cardText(view: DeploymentView): string {
  const by = tally(view.nodes);
  const parts = [`${by.moved} of ${count(view.nodes.length, 'node')} moved`];
  if (by.moving > 0) parts.push(`${by.moving} moving`);
  if (by.going_back > 0) parts.push(`${by.going_back} going back`);
  if (by.back > 0) parts.push(`${by.back} back`);
  if (by.stuck > 0) parts.push(`${by.stuck} stuck`);
  return `${STATE_SIGNS[view.state]} ${route(view)}: ${STATE_WORDS[view.state]}. ${parts.join(', ')} (${safe(view.id, 60)}).`;
}

function facts(view: DeploymentView, now: number): [string, string][] {
  const result: [string, string][] = [
    ['Deployment', code(view.id, 60)],
    ['Requested by', `${who(view.requestedBy)}, ${at(view.requestedAt)}`],
    ['Approval', approval(view)],
    ['At once', `up to ${count(view.maxUnavailable, 'node')} out of service`],
  ];
  if (view.endedAt !== null) {
    const took = view.startedAt === null ? '' : `, after ${duration(view.endedAt - view.startedAt)}`;
    const by = view.endedBy === null ? '' : ` by ${who(view.endedBy)}`;
    result.push(['Ended', `${at(view.endedAt)}${took}${by}`]);
  } else if (view.startedAt !== null) {
    result.push(['Started', at(view.startedAt)]);
    if (view.etaMs !== null) result.push(['Done at about', at(now + view.etaMs)]);
  }
  return result;
}

function approval(view: DeploymentView): string {
  if (view.approval !== null) return `by ${who(view.approval.by)}, ${at(view.approval.at)}`;
  if (view.state === 'found') return 'a decision is needed';
  if (view.state === 'awaiting_approval') {
    return view.approvalExpiresAt === null ? 'needed' : `needed before ${at(view.approvalExpiresAt)}`;
  }
  return FINAL_STATES.includes(view.state) && view.startedAt === null ? 'not given' : 'not needed';
}

/** One square a node up to twenty nodes, then twenty squares in proportion; nothing that exists is rounded away. */
export function bar(nodes: readonly NodeView[]): string {
  const by = tally(nodes);
  if (nodes.length === 0) return 'No nodes.';
  const length = Math.min(BAR_LENGTH, nodes.length);
  const squares = new Map(PLACE_ORDER.map((place) => [place, Math.floor((by[place] / nodes.length) * length)]));
  for (const place of PLACE_ORDER) if (by[place] > 0 && squares.get(place) === 0) squares.set(place, 1);
  const total = () => [...squares.values()].reduce((sum, n) => sum + n, 0);
  const biggest = () => [...squares].sort((one, other) => other[1] - one[1])[0]?.[0] ?? 'waiting';
  // Rounding leaves a few squares over, or takes a few too many: the largest part gives or takes them, as it hurts least.
  while (total() > length) squares.set(biggest(), (squares.get(biggest()) ?? 1) - 1);
  while (total() < length) squares.set(biggest(), (squares.get(biggest()) ?? 0) + 1);
  return PLACE_ORDER.map((place) => PLACE_SIGNS[place].repeat(squares.get(place) ?? 0)).join('');
}

function progress(view: DeploymentView): string {
  const by = tally(view.nodes);
  const rest = PLACE_ORDER.filter((place) => place !== 'moved' && by[place] > 0).map(
    (place) => `${by[place]} ${PLACE_WORDS[place]}`,
  );
  const percent = view.nodes.length === 0 ? 0 : Math.floor((by.moved / view.nodes.length) * 100);
  return [`*${by.moved} of ${count(view.nodes.length, 'node')} moved* (${percent} %)`, ...rest].join(' · ');
}

/** What each node under way does now, and what it waits for. */
function inFlight({ nodes, state }: DeploymentView): string {
  const flying = nodes.filter((node) => node.place === 'moving' || node.place === 'going_back');
  const line = state === 'found' ? (node: NodeView) => `${PLACE_SIGNS[node.place]} *${safe(node.name, 60)}*` : nodeLine;
  const shown = flying.slice(0, MAX_IN_FLIGHT).map(line);
  if (flying.length > MAX_IN_FLIGHT)
    shown.push(`… and ${flying.length - MAX_IN_FLIGHT} more: \`/ephyra nodes moving\``);
  return lines(shown, 2800, (left) => `… and ${left} more: \`/ephyra nodes moving\``);
}

/** `🟦 *worker-03*  boot, try 2: waiting for ACTIVE (since 03:12)` */
export function nodeLine(node: NodeView): string {
  const step = node.step === null ? 'beginning' : `${node.step}${node.attempt > 1 ? `, try ${node.attempt}` : ''}`;
  const back = node.place === 'going_back' ? 'going back, ' : '';
  const waits = node.waiting === null ? '' : `: ${waitReason(node, 160)} (since ${at(node.waiting.since, '{time}')})`;
  return `${PLACE_SIGNS[node.place]} *${safe(node.name, 60)}*  ${back}${step}${waits}`;
}

/** Stuck nodes first: those need a person. */
function failures(nodes: readonly NodeView[]): string {
  const failed = nodes
    .filter((node) => node.failure !== null && node.place !== 'moved')
    .sort((one, other) => Number(other.place === 'stuck') - Number(one.place === 'stuck'));
  const shown = failed.slice(0, MAX_FAILURES).map((node) => {
    const what = node.failure === null ? '' : failureText(node.failure, 240);
    const remedy = node.failure?.remedy === undefined ? '' : `\n      → ${safe(node.failure.remedy, 240)}`;
    const step = node.step === null ? '' : ` at ${node.step}`;
    const where = node.place === 'waiting' ? 'is back and will be tried again' : PLACE_WORDS[node.place];
    return `${PLACE_SIGNS[node.place]} *${safe(node.name, 60)}* ${where}${step}: ${what}${remedy}`;
  });
  const more = (left: number) => `… and ${left} more: \`/ephyra nodes\``;
  if (failed.length > MAX_FAILURES) shown.push(more(failed.length - MAX_FAILURES));
  return lines(shown, 2800, more);
}

function footer(view: DeploymentView): string {
  const excluded =
    view.excluded.length === 0 ? '' : `${count(view.excluded.length, 'node')} left out (see the thread) · `;
  return `${excluded}plan ${code(view.digest.slice(0, 12), 20)} · details in the thread`;
}

/** Which decisions make sense in a state. Where the list is empty the card has no buttons. */
const BUTTONS = {
  awaiting_approval: ['approve', 'abort'],
  found: ['approve', 'abort'],
  canary: ['stop', 'abort'],
  soaking: ['stop', 'abort'],
  rolling: ['stop', 'abort'],
  stopping: ['abort'],
  rolling_back: [],
  completed: [],
  stopped: [],
  rolled_back: [],
  stuck: [],
  expired: [],
} as const satisfies Record<DeploymentState, readonly ButtonName[]>;

function buttons(view: DeploymentView): ActionsBlock | null {
  const names: readonly ButtonName[] = BUTTONS[view.state];
  if (names.length === 0) return null;
  return {
    type: 'actions',
    block_id: `ephyra-buttons:${view.id}`.slice(0, 255),
    elements: names.map((name) => button(name, view)),
  };
}

function button(name: ButtonName, view: DeploymentView): Button {
  const by = tally(view.nodes);
  const found = view.state === 'found';
  const { label, title, text, confirm, style } = {
    approve: found
      ? {
          label: 'Finish moving',
          title: 'Finish moving these nodes?',
          text:
            `${count(by.moving + by.going_back, 'node')} half-way will go on to ${view.target}` +
            (by.waiting === 0 ? '.' : `, and ${by.waiting} that have not begun will follow.`),
          confirm: 'Finish moving',
          style: 'primary' as const,
        }
      : {
          label: 'Approve',
          title: `Move ${count(view.nodes.length, 'node')}?`,
          text:
            `${count(view.nodes.length, 'node')} will leave ${view.source} for ${view.target}, ` +
            `up to ${view.maxUnavailable} at once. Moving begins at once.`,
          confirm: 'Approve',
          style: 'primary' as const,
        },
    stop: {
      label: 'Stop',
      title: 'Stop this deployment?',
      text:
        `${count(by.moving + by.going_back, 'node')} under way will finish or go back, no more will start. ` +
        `${by.moved} already moved stay in ${view.target}.`,
      confirm: 'Stop',
      style: undefined,
    },
    abort: {
      label: found ? 'Bring back' : 'Abort',
      title:
        view.state === 'awaiting_approval'
          ? 'Withdraw this deployment?'
          : found
            ? 'Bring these nodes back?'
            : 'Abort and take everything back?',
      text:
        view.state === 'awaiting_approval'
          ? 'Nothing has moved yet, and nothing will.'
          : `${count(by.moved + by.moving, 'node')} will go back to ${view.source}, newest first. This takes as long as moving them did.`,
      confirm: found ? 'Bring back' : 'Abort',
      style: 'danger' as const,
    },
  }[name];
  return {
    type: 'button',
    action_id: `ephyra:${name}`,
    text: { type: 'plain_text', text: label },
    value: buttonValue(view),
    confirm: {
      title: { type: 'plain_text', text: title.slice(0, 100) },
      text: { type: 'plain_text', text: text.slice(0, 300) },
      confirm: { type: 'plain_text', text: confirm },
      deny: { type: 'plain_text', text: 'Leave it' },
      ...(style === undefined ? {} : { style }),
    },
    ...(style === undefined ? {} : { style }),
  };
}
