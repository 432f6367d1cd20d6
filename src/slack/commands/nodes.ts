import type { NodePlace, NodeView } from '../../deployments/types.ts';
import { lines, message } from '../blocks.ts';
import { nodeLine, PLACE_ORDER, PLACE_SIGNS, PLACE_WORDS } from '../card.ts';
import { code, safe } from '../escape.ts';
import { mistake, nearest, type Parsed, parsed, type Words } from '../parse.ts';
import { count, duration, route, some } from '../words.ts';
import { defineCommand, findDeployment } from './command.ts';

interface NodesInput {
  readonly id?: string;
  readonly place?: NodePlace;
}

/** For all groups together, well below what Slack takes in one message. */
const ROOM = 9600;

const ALSO: Readonly<Record<string, NodePlace>> = { 'going-back': 'going_back', done: 'moved', failed: 'stuck' };

function placeOf(word: string): NodePlace | undefined {
  return PLACE_ORDER.find((place) => place === word) ?? (Object.hasOwn(ALSO, word) ? ALSO[word] : undefined);
}

/** A place (`moving`, `stuck` …), a deployment id, both, or neither. */
function readNodes(words: Words): Parsed<NodesInput> {
  let input: NodesInput = {};
  for (const word of words.words) {
    const place = placeOf(word.toLowerCase());
    if (place !== undefined && input.place === undefined) input = { ...input, place };
    else if (place === undefined && input.id === undefined && /\d/.test(word)) input = { ...input, id: word };
    else {
      const near = nearest(word, PLACE_ORDER);
      return mistake(
        `I cannot place "${word}".`,
        `${near === undefined ? '' : `Did you mean ${near}? `}Write a deployment id, or one of ${PLACE_ORDER.join(', ')}.`,
      );
    }
  }
  return parsed(input);
}

/** The nodes at one place: with details while they are few, names alone when they are many. */
function group(place: NodePlace, nodes: readonly NodeView[], room: number): string {
  const title = `${PLACE_SIGNS[place]} *${count(nodes.length, 'node')} ${PLACE_WORDS[place]}*`;
  if (nodes.length > 30 || place === 'waiting') {
    return `${title}: ${some(
      nodes.map((node) => safe(node.name, 60)),
      120,
      room - title.length - 40,
    )}`;
  }
  return `${title}\n${lines(nodes.map(detail), room - title.length, (left) => `… and ${left} more`)}`;
}

function detail(node: NodeView): string {
  if (node.place === 'moving' || node.place === 'going_back') return nodeLine(node);
  const took = node.startedAt === null || node.endedAt === null ? '' : `, ${duration(node.endedAt - node.startedAt)}`;
  const addresses = node.addresses
    .slice(0, 3)
    .map((address) => code(address, 60))
    .map((address) => `, ${address}`)
    .join('');
  const failure = node.failure === null ? '' : `: ${safe(node.failure.message, 200)}`;
  return `• *${safe(node.name, 60)}* (${safe(node.role, 40)})${took}${addresses}${failure}`;
}

export const nodes = defineCommand<NodesInput>({
  name: 'nodes',
  summary: 'every node: where it is and what it does',
  usage: '[moving|moved|waiting|back|stuck] [ID]',
  read: readNodes,
  async run({ id, place }, context) {
    const asked = findDeployment(context.deployments, id, context.prefix);
    if ('none' in asked) return asked.none;
    const { view } = asked;
    const places =
      place === undefined ? (['stuck', 'going_back', 'moving', 'moved', 'back', 'waiting'] as const) : [place];
    const found = places
      .map((one) => ({ place: one, nodes: view.nodes.filter((node) => node.place === one) }))
      .filter((one) => one.nodes.length > 0);
    const room = Math.min(2800, Math.floor(ROOM / Math.max(1, found.length)));
    const groups = found.map((one) => group(one.place, one.nodes, room));
    const title = `*Nodes of ${code(view.id, 60)}, ${route(view)}*: ${count(view.nodes.length, 'node')}`;
    if (groups.length === 0)
      return message(title, place === undefined ? 'No nodes.' : `No node is ${PLACE_WORDS[place]}.`);
    return message(title, ...groups);
  },
});
