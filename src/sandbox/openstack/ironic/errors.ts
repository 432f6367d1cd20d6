import { reply } from '../http.ts';
import type { Reply } from '../types.ts';

/** A refusal of Ironic on its way out of a handler. */
export class IronicError extends Error {
  readonly status: number;
  constructor(status: number, text: string) {
    super(text);
    this.status = status;
  }

  /** Ironic's errors are a JSON string inside JSON. */
  toReply(): Reply {
    const faultcode = this.status >= 500 ? 'Server' : 'Client';
    const inner = { faultcode, faultstring: this.message, debuginfo: null };
    return reply(this.status, { error_message: spaced(inner) });
  }
}

/** The other shape: 404 of a path, 405, and 406 of the version header come from the layer above. */
export function plainError(
  code: number,
  title: string,
  description: string,
  headers: Readonly<Record<string, string>> = {},
): Reply {
  return reply(code, { error_message: spaced({ code, title, description }) }, headers);
}

/** JSON as Python writes it, with a blank after colon and comma. */
function spaced(value: Readonly<Record<string, unknown>>): string {
  return `{${Object.entries(value)
    .map(([key, item]) => `${JSON.stringify(key)}: ${JSON.stringify(item)}`)
    .join(', ')}}`;
}

export function nodeNotFound(ident: string): IronicError {
  return new IronicError(404, `Node ${ident} could not be found.`);
}

export function nodeLocked(uuid: string, host: string): IronicError {
  return new IronicError(
    409,
    `Node ${uuid} is locked by host ${host}, please retry after the current operation is completed.`,
  );
}

export function expectedUuid(field: string, value: unknown): IronicError {
  return new IronicError(400, `Expected UUID for ${field}: ${String(value)}`);
}

export function notAcceptable(): IronicError {
  return new IronicError(406, 'Request not acceptable.');
}

export function additionalProperties(what: string, names: readonly string[]): IronicError {
  const quoted = [...names]
    .sort()
    .map((name) => `'${name}'`)
    .join(', ');
  const verb = names.length === 1 ? 'was' : 'were';
  return new IronicError(
    400,
    `Schema error for ${what}: Additional properties are not allowed (${quoted} ${verb} unexpected)`,
  );
}
