import type { DeploymentView } from '../../deployments/types.ts';
import { lines, message } from '../blocks.ts';
import { code } from '../escape.ts';
import { at, route, STATE_SIGNS, STATE_WORDS, tally, who } from '../words.ts';
import { defineCommand, noWords } from './command.ts';

const SHOWN = 10;

function entry(view: DeploymentView): string {
  const moved = tally(view.nodes).moved;
  return (
    `${STATE_SIGNS[view.state]} ${code(view.id, 60)} ${route(view)}: ${STATE_WORDS[view.state]}, ` +
    `${moved} of ${view.nodes.length} moved, by ${who(view.requestedBy)}, ${at(view.requestedAt)}`
  );
}

export const list = defineCommand({
  name: 'list',
  aliases: ['ls', 'history'],
  summary: 'the newest deployments',
  read: noWords,
  async run(_none, context) {
    const all = context.deployments.list();
    if (all.length === 0)
      return message(`There has been no deployment yet. \`${context.prefix} help\` shows how to start one.`);
    const shown = all.slice(0, SHOWN).map(entry);
    if (all.length > SHOWN) shown.push(`… and ${all.length - SHOWN} older`);
    return message(
      '*Deployments, newest first*',
      lines(shown, 2900, (left) => `… and ${left} older`),
    );
  },
});
