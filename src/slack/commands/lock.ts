import { controlPlane, mistake, nearest, type Parsed, parseDuration, parsed, type Words } from '../parse.ts';
import { defineCommand, orRefusal, seenInChannel } from './command.ts';

interface LockInput {
  readonly scope: string;
  readonly reason: string;
  readonly forMs?: number;
}

/**
 * A first word that is a control plane, or `all`, is the scope; else everything is locked and all words are the reason.
 * A first word that is nearly a control plane is asked about: a typo must not lock something else than was meant.
 */
function readLock(words: Words, controlPlanes: readonly string[]): Parsed<LockInput> {
  const [first = '', ...others] = words.words;
  const named = controlPlane(first, controlPlanes);
  const scope = named.ok ? named.value : 'all';
  const hasScope = named.ok || first.toLowerCase() === 'all';
  const near = hasScope ? undefined : nearest(first, controlPlanes);
  if (near !== undefined) {
    return mistake(
      `There is no control plane "${first}", but there is ${near}.`,
      `Write "lock ${near} ${others.join(' ')}", or "lock all ${words.words.join(' ')}" to lock everything.`,
    );
  }
  const reason = (hasScope ? others : words.words).join(' ').trim();
  if (reason === '')
    return mistake(
      'The reason is missing.',
      'Others will want to know why, e.g. lock cp1 switch maintenance --for 2h.',
    );
  const time = words.options['for'];
  if (typeof time !== 'string') return parsed({ scope, reason });
  const forMs = parseDuration(time);
  return forMs.ok ? parsed({ scope, reason, forMs: forMs.value }) : forMs;
}

export const lock = defineCommand<LockInput>({
  name: 'lock',
  summary: 'let no deployment start, with a reason',
  usage: '[CP] REASON [--for 2h]',
  rights: ['operators'],
  options: { for: 'value' },
  read: readLock,
  async run(input, context) {
    const answer = await context.deployments.lock({ ...input, by: context.by });
    return orRefusal(answer, () => seenInChannel(context, '🔒 Locked.'));
  },
});
