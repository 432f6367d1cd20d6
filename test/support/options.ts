import { type ParseArgsConfig, parseArgs } from 'node:util';

/** The options of a command line, or {@link orRefuse}. */
export const optionsOf = <T extends ParseArgsConfig>(config: T): ReturnType<typeof parseArgs<T>>['values'] =>
  orRefuse(() => parseArgs(config).values);

/** A whole number from 0 on, or {@link orRefuse}. */
export const numberOf = (name: string, text: string): number =>
  orRefuse(() => {
    const value = Number(text);
    if (text.trim() !== '' && Number.isSafeInteger(value) && value >= 0) return value;
    throw new Error(`--${name} "${text}" is no whole number from 0 on`);
  });

/** What is wrong with a command line is said without a stack, and ends the process with 2. */
export function orRefuse<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : error}\nSee the options: --help`);
    process.exit(2);
  }
}
