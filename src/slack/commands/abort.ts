import { message } from '../blocks.ts';
import { safe } from '../escape.ts';
import { defineCommand, optionalId, orRefusal } from './command.ts';

export const abort = defineCommand<{ readonly id?: string }>({
  name: 'abort',
  summary: 'stop, and take everything back to the source',
  usage: '[ID]',
  rights: ['operators', 'approvers'],
  read: optionalId,
  async run(input, context) {
    const answer = await context.deployments.abort({ ...input, by: context.by });
    return orRefusal(answer, (view) =>
      message(
        view.startedAt === null
          ? `⏹️ *${safe(view.id, 60)}* is withdrawn; nothing was moved.`
          : `⏪ *${safe(view.id, 60)}* is aborted: what it moved goes back to ${safe(view.source, 60)}. Its card is in <#${context.home}>.`,
      ),
    );
  },
});
