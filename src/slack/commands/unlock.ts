import { controlPlane, mistake, type Parsed, parsed, type Words } from '../parse.ts';
import { defineCommand, orRefusal, seenInChannel } from './command.ts';

interface UnlockInput {
  readonly scope: string;
  readonly steal: boolean;
}

function readUnlock(words: Words, controlPlanes: readonly string[]): Parsed<UnlockInput> {
  const [first, ...rest] = words.words;
  if (rest.length > 0)
    return mistake(`I cannot place "${rest.join(' ')}".`, 'Write unlock, and at most one control plane.');
  const steal = words.options['steal'] === true;
  if (first === undefined || first.toLowerCase() === 'all') return parsed({ scope: 'all', steal });
  const scope = controlPlane(first, controlPlanes);
  return scope.ok ? parsed({ scope: scope.value, steal }) : scope;
}

export const unlock = defineCommand<UnlockInput>({
  name: 'unlock',
  summary: 'take a lock away; --steal if it is not yours',
  usage: '[CP] [--steal]',
  rights: ['operators'],
  options: { steal: 'flag' },
  read: readUnlock,
  async run({ scope, steal }, context) {
    const answer = await context.deployments.unlock({ scope, by: context.by, ...(steal ? { steal } : {}) });
    return orRefusal(answer, () => seenInChannel(context, '🔓 Unlocked.'));
  },
});
