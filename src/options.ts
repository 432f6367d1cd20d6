import { type ParseArgsConfig, parseArgs } from 'node:util';

/** A command line that is not understood; the message names what is wrong with it, and the way to the help. */
export class OptionError extends Error {
  override readonly name = 'OptionError';
}

/** The options of a command line. @throws OptionError */
export function optionsOf<T extends ParseArgsConfig>(config: T): ReturnType<typeof parseArgs<T>>['values'] {
  try {
    return parseArgs(config).values;
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new OptionError(`${why}\nSee the options: --help`, { cause: error });
  }
}
