import type { DeploymentView, NodeView } from '../../deployments/types.ts';
import { FINAL_STATES } from '../../deployments/types.ts';
import { lines, message } from '../blocks.ts';
import { PLACE_SIGNS, PLACE_WORDS } from '../card.ts';
import { code, safe } from '../escape.ts';
import { mistake, nearest, type Parsed, parsed, type Words } from '../parse.ts';
import type { SlackMessage } from '../types.ts';
import { at, duration, failureText, route, STATE_SIGNS, STATE_WORDS, waitReason } from '../words.ts';
import { defineCommand, findDeployment } from './command.ts';
import { lockLines } from './locks.ts';

interface WhyInput {
  readonly what?: string;
}

function readWhy(words: Words): Parsed<WhyInput> {
  const [what, ...rest] = words.words;
  if (rest.length > 0)
    return mistake(`I cannot place "${rest.join(' ')}".`, 'Write why, and at most one node or deployment.');
  return parsed(what === undefined ? {} : { what });
}

/** What the deployment as a whole waits for. */
function standing(view: DeploymentView, prefix: string): string {
  switch (view.state) {
    case 'awaiting_approval':
      return (
        'It waits for an approver' +
        (view.approvalExpiresAt === null
          ? ''
          : `, until ${at(view.approvalExpiresAt)}; after that it expires and nothing has moved`) +
        `. Approve with the button on the card, or \`${prefix} approve\`.`
      );
    case 'found':
      return (
        'Its nodes stand half-way, and the store does not know what is wanted of them. ' +
        `\`${prefix} approve ${safe(view.id, 60)}\` finishes moving them, \`${prefix} abort ${safe(view.id, 60)}\` brings them back.`
      );
    case 'soaking':
      return 'The canary has moved. The application has to stay healthy for a while before the others follow.';
    case 'stopping':
      return 'It was told to stop: nodes under way finish or go back, then it ends.';
    case 'rolling_back':
      return `It takes what it moved back to ${safe(view.source, 60)}.`;
    case 'canary':
    case 'rolling':
      return view.nodes.some((node) => node.place === 'moving' || node.place === 'going_back')
        ? ''
        : 'No node is under way just now.';
    default:
      return 'It has ended and waits for nothing.';
  }
}

function nodeReason(node: NodeView, now: number): string {
  const head = `${PLACE_SIGNS[node.place]} *${safe(node.name, 60)}* (${safe(node.role, 40)}), ${PLACE_WORDS[node.place]}`;
  const step = node.step === null ? '' : `, step ${node.step}${node.attempt > 1 ? ` (try ${node.attempt})` : ''}`;
  const waits =
    node.waiting === null
      ? ''
      : `\n      waits${now - node.waiting.since < 1000 ? '' : ` for ${duration(now - node.waiting.since)} already`}: ${waitReason(node, 300)}`;
  const failed = node.failure === null ? '' : `\n      ${failureText(node.failure, 300)}`;
  const remedy = node.failure?.remedy === undefined ? '' : `\n      → ${safe(node.failure.remedy, 300)}`;
  return `${head}${step}${waits}${failed}${remedy}`;
}

function whyDeployment(view: DeploymentView, locks: string, now: number, prefix: string): SlackMessage {
  const interesting = view.nodes.filter(
    (node) => node.place === 'moving' || node.place === 'going_back' || node.place === 'stuck',
  );
  const order = interesting.sort((one, other) => Number(other.place === 'stuck') - Number(one.place === 'stuck'));
  const more = (left: number) => `… and ${left} more: \`${prefix} nodes\``;
  return message(
    `${STATE_SIGNS[view.state]} *${route(view)}* (${code(view.id, 60)}) is ${STATE_WORDS[view.state]}. ${standing(view, prefix)}`.trim(),
    view.note === null || view.note === '' ? '' : `⚠️ ${safe(view.note, 600)}`,
    lines(
      order.map((node) => nodeReason(node, now)),
      2800,
      more,
    ),
    FINAL_STATES.includes(view.state) ? locks : '',
  );
}

export const why = defineCommand<WhyInput>({
  name: 'why',
  summary: 'what is being waited for, and since when',
  usage: '[NODE|ID]',
  read: readWhy,
  async run({ what }, context) {
    const locks = lockLines(context.deployments.locks(), context.now);
    const named = what === undefined ? undefined : context.deployments.get(what);
    if (named !== undefined) return whyDeployment(named, locks, context.now, context.prefix);
    const found = findDeployment(context.deployments, undefined, context.prefix);
    if ('none' in found) return locks === '' ? found.none : message(found.none.text, locks);
    if (what === undefined) return whyDeployment(found.view, locks, context.now, context.prefix);
    const node = found.view.nodes.find((one) => one.name === what || one.uuid === what);
    if (node !== undefined) return message(nodeReason(node, context.now));
    const left = found.view.excluded.find((one) => one.name === what || one.uuid === what);
    if (left !== undefined) return message(`🚫 *${safe(left.name, 60)}* was left out: ${safe(left.reason, 400)}`);
    const near = nearest(
      what,
      found.view.nodes.map((one) => one.name),
    );
    return message(
      `There is no node or deployment *${safe(what, 80)}* here. ` +
        (near === undefined ? `\`${context.prefix} nodes\` lists the nodes.` : `Did you mean ${safe(near, 80)}?`),
    );
  },
});
