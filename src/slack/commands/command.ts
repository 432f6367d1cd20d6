import type { Actor, Answer, Deployments, DeploymentView } from '../../deployments/types.ts';
import { message } from '../blocks.ts';
import { safe } from '../escape.ts';
import {
  firstWord,
  type Mistake,
  mistake,
  nearest,
  normalise,
  type OptionKinds,
  type Parsed,
  parsed,
  split,
  unifyArrows,
  type Words,
} from '../parse.ts';
import type { Right } from '../permissions.ts';
import { refusalMessage } from '../refusal.ts';
import type { SlackMessage } from '../types.ts';

/** What a subcommand gets to work with. */
export interface CommandContext {
  readonly deployments: Deployments;
  readonly by: Actor;
  /** Epoch milliseconds. */
  readonly now: number;
  /** The same for every delivery of the same command. */
  readonly key: string;
  /** The channel in which the cards are. */
  readonly home: string;
  /** The channel in which the command was given. */
  readonly channel: string;
  /** How people call us here: `/ephyra`. */
  readonly prefix: string;
}

/** A private answer, or nothing when the channel shows the result anyway. */
export type Reply = SlackMessage | null;

export interface Command {
  readonly name: string;
  readonly aliases: readonly string[];
  /** One line for `help`. */
  readonly summary: string;
  /** What follows the name, e.g. `CP→CP`. */
  readonly usage: string;
  /** Whoever has one of these rights may; null: everyone. */
  readonly rights: readonly Right[] | null;
  /** May take seconds: then people are told that it is being worked on. */
  readonly slow: boolean;
  /** Reads the rest of the line; what comes back runs when the person may. Pure. */
  prepare(
    rest: string,
    deployments: Pick<Deployments, 'controlPlanes'>,
  ): Parsed<(context: CommandContext) => Promise<Reply>>;
}

/** Describes a subcommand: how to read its words, and what to do then. */
export function defineCommand<T>(definition: {
  readonly name: string;
  readonly aliases?: readonly string[];
  readonly summary: string;
  readonly usage?: string;
  readonly rights?: readonly Right[];
  readonly slow?: boolean;
  readonly options?: OptionKinds;
  /** The words hold a route: every spelling of the arrow becomes a word `→`. */
  readonly arrows?: boolean;
  readonly read: (words: Words, controlPlanes: readonly string[]) => Parsed<T>;
  readonly run: (input: T, context: CommandContext) => Promise<Reply>;
}): Command {
  return {
    name: definition.name,
    aliases: definition.aliases ?? [],
    summary: definition.summary,
    usage: definition.usage ?? '',
    rights: definition.rights ?? null,
    slow: definition.slow ?? false,
    prepare(rest, deployments) {
      const words = split(definition.arrows === true ? unifyArrows(rest) : rest, definition.options ?? {});
      if (!words.ok) return words;
      const input = definition.read(words.value, deployments.controlPlanes());
      if (!input.ok) return input;
      return parsed((context: CommandContext) => definition.run(input.value, context));
    },
  };
}

/** For commands that take no words. */
export function noWords(words: Words): Parsed<undefined> {
  if (words.words.length === 0) return parsed(undefined);
  return mistake(`I cannot place "${words.words.join(' ')}".`, 'Write the command alone.');
}

/** For commands that may name a deployment. */
export function optionalId(words: Words): Parsed<{ readonly id?: string }> {
  const [id, ...rest] = words.words;
  if (id === undefined) return parsed({});
  if (rest.length > 0)
    return mistake(`I cannot place "${rest.join(' ')}".`, 'Write the command, and at most one deployment id.');
  return parsed({ id });
}

/** The value, or the refusal as a private answer. */
export function orRefusal<T>(answer: Answer<T>, then: (value: T) => Reply): Reply {
  return answer.ok ? then(answer.value) : refusalMessage(answer.refusal);
}

/** Where the channel sees the result: nothing more is said there, elsewhere people are pointed to it. */
export function seenInChannel(context: CommandContext, text: string): Reply {
  return context.channel === context.home ? null : message(`${text} See <#${context.home}>.`);
}

/** The deployment that is meant, or what to say when there is none. */
export function findDeployment(
  deployments: Pick<Deployments, 'get'>,
  id: string | undefined,
  prefix: string,
): { readonly view: DeploymentView } | { readonly none: SlackMessage } {
  const view = deployments.get(id);
  if (view !== undefined) return { view };
  return {
    none:
      id === undefined
        ? message(`There has been no deployment yet. \`${prefix} help\` shows how to start one.`)
        : message(`There is no deployment *${safe(id, 60)}*. \`${prefix} list\` shows those that are known.`),
  };
}

export interface Found {
  readonly command: Command;
  readonly rest: string;
}

/** The subcommand that was typed; nothing typed is `help`, a typo is answered with the nearest. */
export function findCommand(text: string, commands: readonly Command[], prefix: string): Parsed<Found> {
  const { word, rest } = firstWord(text);
  const name = word === '' ? 'help' : word;
  const command = commands.find((one) => one.name === name || one.aliases.includes(name));
  if (command !== undefined) return parsed({ command, rest: normalise(rest) });
  const near = nearest(
    name,
    commands.flatMap((one) => [one.name, ...one.aliases]),
  );
  return mistake(
    `There is no command "${name}".`,
    near === undefined
      ? `${prefix} help lists the commands.`
      : `Did you mean ${prefix} ${near}? ${prefix} help lists them all.`,
  );
}

/** A mistake in what was typed, with the usage of the command if one was recognised. */
export function mistakeMessage(
  problem: Mistake,
  prefix: string,
  controlPlanes: readonly string[],
  command?: Command,
): SlackMessage {
  const usage = command === undefined ? '' : `Usage: \`${usageOf(command, prefix, controlPlanes)}\``;
  return message(`🤔 ${safe(problem.message, 400)} ${safe(problem.remedy, 400)}`, usage);
}

/** `/ephyra deploy cp1→cp2 [--max-unavailable N]`, with control planes that exist here. */
export function usageOf(command: Command, prefix: string, controlPlanes: readonly string[]): string {
  const [one = 'cp1', two = 'cp2'] = controlPlanes.map((name) => safe(name, 60));
  return `${prefix} ${command.name} ${command.usage.replace('CP→CP', `${one}→${two}`)}`.trim();
}
