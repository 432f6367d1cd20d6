import { inspect } from 'node:util';

const SHOWN = '[secret]';

/**
 * A value that must not be seen. Printed, logged, put into JSON or into a template it says `[secret]`; only
 * {@link Secret.reveal} gives it away, so every place that does is found by searching for that name.
 */
export class Secret {
  readonly #value: string;

  constructor(value: string) {
    this.#value = value;
  }

  /** The value itself. Call it where it is sent, and keep the result in no variable that lives longer. */
  reveal(): string {
    return this.#value;
  }

  toString(): string {
    return SHOWN;
  }

  toJSON(): string {
    return SHOWN;
  }

  [inspect.custom](): string {
    return SHOWN;
  }
}
