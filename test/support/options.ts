import { type ParseArgsConfig, parseArgs } from 'node:util';

/** The options of a command line; what is wrong with them is said in one line, and ends the process with 2. */
export function optionsOf<T extends ParseArgsConfig>(config: T): ReturnType<typeof parseArgs<T>>['values'] {
  try {
    return parseArgs(config).values;
  } catch (error) {
    return refuse(error instanceof Error ? error.message : String(error));
  }
}

/** A whole number from 0 on. */
export function numberOf(name: string, text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !Number.isSafeInteger(value) || value < 0)
    refuse(`--${name} "${text}" is no whole number from 0 on.`);
  return value;
}

function refuse(message: string): never {
  console.error(`${message}\nSee the options: --help`);
  process.exit(2);
}
