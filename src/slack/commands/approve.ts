import { message } from '../blocks.ts';
import { safe } from '../escape.ts';
import { defineCommand, optionalId, orRefusal } from './command.ts';

export const approve = defineCommand<{ readonly id?: string }>({
  name: 'approve',
  aliases: ['ok'],
  summary: 'approve the deployment that waits',
  usage: '[ID]',
  rights: ['approvers'],
  read: optionalId,
  async run(input, context) {
    const answer = await context.deployments.approve({ ...input, by: context.by });
    return orRefusal(answer, (view) =>
      message(`👍 Approved *${safe(view.id, 60)}*. Its card is in <#${context.home}>.`),
    );
  },
});
