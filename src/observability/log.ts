import { type DestinationStream, destination, type Logger, pino } from 'pino';
import { plainFields } from './errors.ts';
import { Redactor } from './redact.ts';

export type { Logger } from 'pino';

export interface LogSetup {
  readonly level: string;
  /** Values that must never be shown: tokens, passwords. More can be made known later with the redactor. */
  readonly secrets?: Iterable<string>;
  readonly redactor?: Redactor;
  /** Where lines go, each with its newline. Default: standard output, written before the call returns. */
  readonly destination?: { write(line: string): void };
  /** Milliseconds now. Default: the clock. */
  readonly now?: () => number;
}

/**
 * The process's log: one JSON object a line. Messages are constant sentences, data goes into fields, so that lines can be
 * searched and counted. No secret gets out: everything passes one redactor at the very end, after the library has put the
 * line together, so it covers fields, messages, errors and the bindings of child loggers alike.
 */
export function createLogger(setup: LogSetup): Logger {
  const redactor = setup.redactor ?? new Redactor();
  redactor.register(setup.secrets ?? []);
  const out: DestinationStream = setup.destination ?? destination({ dest: 1, sync: true });
  const { now } = setup;
  return pino(
    {
      level: setup.level,
      base: null,
      timestamp: now === undefined ? () => `,"time":${Date.now()}` : () => `,"time":${now()}`,
      formatters: {
        level: (label) => ({ level: label }),
        log: (fields) => plainFields(fields) as Record<string, unknown>,
      },
      // Errors are plain data by now; the library's own serializer would look for things that are gone.
      serializers: { err: (error: unknown) => error },
    },
    { write: (line: string) => out.write(redactLine(line, redactor)) },
  );
}

/** Children's bindings are serialised by the library early; whatever is in the line is read back and cleaned as one. */
function redactLine(line: string, redactor: Redactor): string {
  let record: unknown;
  try {
    record = JSON.parse(line);
  } catch {
    // Not what we made it to be: then at least as a text.
    return redactor.text(line);
  }
  return `${JSON.stringify(redactor.data(record))}\n`;
}

/** A log that says nothing, for tests. */
export function silentLogger(): Logger {
  return pino({ level: 'silent' });
}
