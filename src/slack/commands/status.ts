import { section } from '../blocks.ts';
import { presentCard } from '../card.ts';
import { defineCommand, findDeployment, optionalId } from './command.ts';
import { lockLines } from './locks.ts';

export const status = defineCommand<{ readonly id?: string }>({
  name: 'status',
  summary: 'how the deployment stands',
  usage: '[ID]',
  read: optionalId,
  async run({ id }, context) {
    const found = findDeployment(context.deployments, id, context.prefix);
    const locks = lockLines(context.deployments.locks(), context.now);
    if ('none' in found) {
      return locks === '' ? found.none : { text: found.none.text, blocks: [...found.none.blocks, section(locks)] };
    }
    const card = presentCard(found.view, context.now, { buttons: false });
    return locks === '' ? card : { text: card.text, blocks: [...card.blocks, section(locks)] };
  },
});
