import { message } from '../blocks.ts';
import { safe } from '../escape.ts';
import { defineCommand, optionalId, orRefusal } from './command.ts';

export const stop = defineCommand<{ readonly id?: string }>({
  name: 'stop',
  summary: 'finish the nodes under way, start no more',
  usage: '[ID]',
  rights: ['operators'],
  read: optionalId,
  async run(input, context) {
    const answer = await context.deployments.stop({ ...input, by: context.by });
    return orRefusal(answer, (view) =>
      message(
        view.startedAt === null
          ? `⏹️ *${safe(view.id, 60)}* is withdrawn; nothing was moved.`
          : `✋ *${safe(view.id, 60)}* stops: nodes under way finish or go back. Its card is in <#${context.home}>.`,
      ),
    );
  },
});
