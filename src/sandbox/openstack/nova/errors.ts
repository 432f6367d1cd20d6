import { reply } from '../http.ts';
import type { Reply } from '../types.ts';

const NAMES: Readonly<Record<number, string>> = {
  400: 'badRequest',
  403: 'forbidden',
  404: 'itemNotFound',
  405: 'badMethod',
  406: 'computeFault',
  409: 'conflictingRequest',
};

/** A refusal of Nova on its way out of a handler. */
export class NovaError extends Error {
  readonly status: number;
  constructor(status: number, text: string) {
    super(text);
    this.status = status;
  }

  toReply(): Reply {
    const body = { [NAMES[this.status] ?? 'computeFault']: { code: this.status, message: this.message } };
    return reply(this.status, body, { 'Content-Type': 'application/json; charset=UTF-8' });
  }
}

export function serverNotFound(id: string): NovaError {
  return new NovaError(404, `Instance ${id} could not be found.`);
}

export function invalidField(field: string, value: string, reason: string): NovaError {
  return new NovaError(400, `Invalid input for field/attribute ${field}. Value: ${value}. ${reason}`);
}
