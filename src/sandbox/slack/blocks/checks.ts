import type { Json } from '../model.ts';

/** Collects what is wrong, each with the JSON pointer to it, in Slack's words. */
export class Findings {
  readonly messages: string[] = [];

  add(problem: string, path: string): void {
    this.messages.push(`${problem} [json-pointer:${path}]`);
  }
}

/** Looks at one value and adds what is wrong with it. */
export type Check = (value: unknown, path: string, findings: Findings) => void;

export function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function text(max: number, min = 1): Check {
  return (value, path, findings) => {
    if (typeof value !== 'string') findings.add('must provide a string', path);
    // Slack counts UTF-16 code units, as JavaScript does.
    else if (value.length > max) findings.add(`must be less than ${max + 1} characters`, path);
    else if (value.length < min) findings.add(`must be more than ${min - 1} characters`, path);
  };
}

export const flag: Check = (value, path, findings) => {
  if (typeof value !== 'boolean') findings.add('must provide a boolean', path);
};

export function whole(min: number, max: number): Check {
  return (value, path, findings) => {
    if (typeof value !== 'number' || !Number.isInteger(value)) findings.add('must provide an integer', path);
    else if (value < min || value > max) findings.add(`must be between ${min} and ${max}`, path);
  };
}

export const number: Check = (value, path, findings) => {
  if (typeof value !== 'number') findings.add('must provide a number', path);
};

export const anything: Check = () => undefined;

export function oneOf(...allowed: (string | number)[]): Check {
  return (value, path, findings) => {
    if (!allowed.includes(value as string | number)) {
      findings.add(`value must be one of ${allowed.join(', ')}`, path);
    }
  };
}

export function list(item: Check, max: number, min = 1): Check {
  return (value, path, findings) => {
    if (!Array.isArray(value)) {
      findings.add('must provide an array', path);
      return;
    }
    if (value.length > max) findings.add(`no more than ${max} items allowed`, path);
    if (value.length < min) findings.add(`must have at least ${min} item${min === 1 ? '' : 's'}`, path);
    value.forEach((entry, index) => {
      item(entry, `${path}/${index}`, findings);
    });
  };
}

/** An object with these fields and no others; `also` looks at what fields have to do with each other. */
export function shape(required: Record<string, Check>, optional: Record<string, Check> = {}, also?: Check): Check {
  return (value, path, findings) => {
    if (!isObject(value)) {
      findings.add('must provide an object', path);
      return;
    }
    for (const [field, check] of Object.entries(required)) {
      if (value[field] === undefined) findings.add(`missing required field: ${field}`, path);
      else check(value[field], `${path}/${field}`, findings);
    }
    for (const [field, check] of Object.entries(optional)) {
      if (value[field] !== undefined && value[field] !== null) check(value[field], `${path}/${field}`, findings);
    }
    for (const field of Object.keys(value)) {
      if (!(field in required) && !(field in optional)) findings.add(`invalid additional property: ${field}`, path);
    }
    also?.(value, path, findings);
  };
}

/** An object whose `type` picks its check; any other type is unsupported here. */
export function byType(known: Record<string, Check>): Check {
  return (value, path, findings) => {
    if (!isObject(value)) {
      findings.add('must provide an object', path);
      return;
    }
    const type = value['type'];
    const check = typeof type === 'string' && Object.hasOwn(known, type) ? known[type] : undefined;
    if (type === undefined) findings.add('missing required field: type', path);
    else if (check === undefined) findings.add(`unsupported type: ${String(type)}`, `${path}/type`);
    else check(value, path, findings);
  };
}

/** Only one of the entries may have a given value in `field`. */
export function unique(field: string): Check {
  return (value, path, findings) => {
    if (!Array.isArray(value)) return;
    const seen = new Set<unknown>();
    value.forEach((entry, index) => {
      const id = isObject(entry) ? entry[field] : undefined;
      if (id === undefined) return;
      if (seen.has(id)) findings.add(`\`${field}\` "${String(id)}" already exists`, `${path}/${index}/${field}`);
      seen.add(id);
    });
  };
}

export function all(...checks: Check[]): Check {
  return (value, path, findings) => {
    for (const check of checks) check(value, path, findings);
  };
}
