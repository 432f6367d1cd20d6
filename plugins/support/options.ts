import { closest } from 'fastest-levenshtein';
import { z } from 'zod';

/** A plugin's options are wrong: the message lists every problem with its path, what was found and what to write. */
export class PluginOptionsError extends Error {
  override readonly name = 'PluginOptionsError';
  readonly problems: readonly string[];

  constructor(plugin: string, problems: readonly string[]) {
    super(
      `The options of the application plugin "${plugin}" are not usable:\n${problems.map((p) => `  - ${p}`).join('\n')}`,
    );
    this.problems = problems;
  }
}

/**
 * Checks `options` and returns them with defaults filled in. Every problem is reported at once; unknown keys name the
 * nearest known key. Throws {@link PluginOptionsError}.
 */
export function parseOptions<T extends z.ZodType>(plugin: string, schema: T, options: unknown): z.output<T> {
  const parsed = schema.safeParse(options ?? {});
  if (parsed.success) return parsed.data;
  throw new PluginOptionsError(
    plugin,
    parsed.error.issues.flatMap((issue) => sentences(issue, options, schema)),
  );
}

function sentences(issue: z.core.$ZodIssue, options: unknown, schema: z.ZodType): string[] {
  const path = ['options', ...issue.path.map(String)].join('.');
  if (issue.code === 'unrecognized_keys') {
    const known = keysAt(schema, issue.path);
    return issue.keys.map((key) => {
      const hint = known.length > 0 ? `; did you mean "${closest(key, known)}"? Known: ${known.join(', ')}` : '';
      return `${path}.${key}: unknown key${hint}`;
    });
  }
  const found = issue.path.some((key) => MAY_BE_SECRET.test(String(key))) ? undefined : valueAt(options, issue.path);
  return [`${path}: ${issue.message}${found === undefined ? '' : ` (found ${show(found)})`}`];
}

/** Somebody who writes a password where the name of its variable belongs must not read it in a log. */
const MAY_BE_SECRET = /pass|secret|token|credential|key|basic|^env$/i;

/** Structure only for objects: an object may hold a secret. */
function show(value: unknown): string {
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (value !== null && typeof value === 'object')
    return `an object with ${Object.keys(value).join(', ') || 'no keys'}`;
  return JSON.stringify(value);
}

function valueAt(options: unknown, path: readonly PropertyKey[]): unknown {
  let value: unknown = options;
  for (const key of path) {
    if (value === null || typeof value !== 'object') return undefined;
    value = (value as Record<PropertyKey, unknown>)[key];
  }
  return value;
}

/** The keys that the schema knows at a path, as far as it is made of plain objects, records and arrays. */
function keysAt(schema: z.ZodType, path: readonly PropertyKey[]): string[] {
  let at: unknown = unwrap(schema);
  for (const key of path) {
    if (at instanceof z.ZodObject) at = unwrap(at.shape[String(key)]);
    else if (at instanceof z.ZodRecord) at = unwrap(at.valueType);
    else if (at instanceof z.ZodArray) at = unwrap(at.element);
    else return [];
  }
  return at instanceof z.ZodObject ? Object.keys(at.shape) : [];
}

function unwrap(schema: unknown): unknown {
  let at = schema;
  for (;;) {
    if (at instanceof z.ZodOptional || at instanceof z.ZodNullable || at instanceof z.ZodDefault) at = at.unwrap();
    else if (at instanceof z.ZodPrefault) at = at.unwrap();
    else if (at instanceof z.ZodPipe) at = at.in;
    else return at;
  }
}
