import { context as contextBlock, section } from '../blocks.ts';
import { safe } from '../escape.ts';
import { parsed } from '../parse.ts';
import type { SlackMessage } from '../types.ts';
import { type Command, defineCommand, usageOf } from './command.ts';

/** One screen: what can be typed, by what people want, with the control planes that exist here. */
export function helpMessage(
  commands: readonly Command[],
  controlPlanes: readonly string[],
  prefix: string,
): SlackMessage {
  const [one = 'cp1', two = 'cp2'] = controlPlanes.map((name) => safe(name, 60));
  const row = (command: Command) => `\`${usageOf(command, prefix, controlPlanes)}\`  ${command.summary}`;
  const asking = commands.filter((command) => command.rights === null && command.name !== 'help').map(row);
  const acting = commands.filter((command) => command.rights !== null).map(row);
  return {
    text: `Ephyra moves nodes between ${controlPlanes.map((name) => safe(name, 60)).join(', ')}. Try ${prefix} plan ${one}→${two}`,
    blocks: [
      section(`*For everyone*\n${asking.join('\n')}`),
      section(`*For operators and approvers*\n${acting.join('\n')}`),
      section(
        `*For example*\n\`${prefix} plan ${one}→${two}\`\n\`${prefix} deploy ${one}→${two} --max-unavailable 2\`\n` +
          `\`${prefix} lock ${two} switch maintenance --for 2h\``,
      ),
      contextBlock(
        `Control planes: ${controlPlanes.map((name) => safe(name, 60)).join(', ')} · \`-&gt;\` and \`to\` work like \`→\` · in threads mention the app: \`@Ephyra status\``,
      ),
    ],
  };
}

/** @param all every command, this one included; asked for late because the registry is made of it */
export function helpCommand(all: () => readonly Command[]): Command {
  return defineCommand({
    name: 'help',
    aliases: ['?', '-h', '--help', 'usage'],
    summary: 'this',
    // Whoever asks for help gets it, whatever else is on the line.
    read: () => parsed(undefined),
    async run(_none, context) {
      return helpMessage(all(), context.deployments.controlPlanes(), context.prefix);
    },
  });
}
