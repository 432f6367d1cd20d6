import { closest, distance } from 'fastest-levenshtein';
import { z } from 'zod';
import { type Problem, printable } from './problems.ts';
import { fileSchema, type OwnWords } from './schema.ts';
import { formatPath, type Path, type Source, valueAt } from './source.ts';

/** Gathers problems with their value and line; every check of the configuration reports to one of these. */
export class Findings {
  readonly #source: Source;
  readonly #problems: Problem[] = [];
  readonly #warnings: Problem[] = [];

  constructor(source: Source) {
    this.#source = source;
    this.#problems.push(...source.problems);
  }

  problem(path: Path, problem: string, remedy: string): void {
    this.#problems.push(this.#at(path, problem, remedy));
  }

  warning(path: Path, problem: string, remedy: string): void {
    this.#warnings.push(this.#at(path, problem, remedy));
  }

  /** In the order of the file; one for each pair of place and problem. */
  problems(): readonly Problem[] {
    return inOrder(this.#problems);
  }

  warnings(): readonly Problem[] {
    return inOrder(this.#warnings);
  }

  #at(path: Path, problem: string, remedy: string): Problem {
    const found = valueAt(this.#source.content, path);
    return {
      path: formatPath(path),
      value: mayBeSecret(path, found) ? '[secret]' : printable(found),
      problem,
      remedy,
      line: this.#source.line(path),
    };
  }
}

function inOrder(problems: readonly Problem[]): readonly Problem[] {
  const seen = new Set<string>();
  return problems
    .filter((entry) => {
      const key = `${entry.line} ${entry.path} ${entry.problem}`;
      if (seen.has(key)) return false;
      seen.add(key);
      return true;
    })
    .sort((a, b) => (a.line ?? 0) - (b.line ?? 0));
}

const SECRET_KEY = /token|passw|passphrase|pwd|credential|signingSecret|secret$/i;
const SLACK_TOKEN = /^(xox|xapp-)/;

/** A secret that has slipped into the file is not repeated: under such a key, in a plugin's options, or by its looks. */
function mayBeSecret(path: Path, found: unknown): boolean {
  if (found === undefined || found === null || typeof found === 'object') return false;
  if (path[0] === 'application' && path[1] === 'options') return true;
  if (typeof found === 'string' && SLACK_TOKEN.test(found)) return true;
  return path.some((part) => typeof part === 'string' && SECRET_KEY.test(part));
}

/** Adds what zod found, each in words that name the remedy. */
export function addSchemaIssues(findings: Findings, issues: readonly z.core.$ZodIssue[], content: unknown): void {
  for (const issue of issues) {
    const path = issue.path.map((part) => (typeof part === 'symbol' ? String(part) : part));
    if (issue.code === 'unrecognized_keys') {
      for (const key of issue.keys) addUnknownKey(findings, [...path, key]);
    } else if (issue.code === 'invalid_key') {
      addSchemaIssues(
        findings,
        issue.issues.map((inner) => ({ ...inner, path: issue.path })),
        content,
      );
    } else {
      const words = wordsFor(issue, valueAt(content, path), descriptionAt(path));
      findings.problem(path, words.problem, words.remedy);
    }
  }
}

function addUnknownKey(findings: Findings, path: Path): void {
  const key = String(path.at(-1));
  const known = knownKeysAt(path.slice(0, -1));
  const elsewhere = homesOf(key);
  findings.problem(path, 'unknown key', nearestRemedy(key, known, elsewhere));
}

function nearestRemedy(key: string, known: readonly string[], elsewhere: readonly string[]): string {
  const near = nearest(key, known);
  if (near !== null) return `Did you mean "${near}"?`;
  if (elsewhere.length > 0) return `It belongs to ${elsewhere.join(' or ')}: check the indentation.`;
  if (known.length === 0) return 'Remove it.';
  return `The nearest known key is "${closest(key, [...known])}"; known here are: ${known.join(', ')}.`;
}

/** The candidate that a slip of the finger could have turned into `word`, or null. */
export function nearest(word: string, candidates: readonly string[]): string | null {
  const simple = (text: string) => text.toLowerCase().replace(/[-_ ]/g, '');
  let best: string | null = null;
  let least = Number.POSITIVE_INFINITY;
  for (const candidate of candidates) {
    const apart = distance(simple(word), simple(candidate));
    if (apart < least) {
      best = candidate;
      least = apart;
    }
  }
  return least <= Math.max(1, Math.floor(word.length / 3)) ? best : null;
}

function wordsFor(issue: z.core.$ZodIssue, found: unknown, description: string | undefined): OwnWords {
  const remedy = description === undefined ? 'Remove it, or see ephyra.example.yml.' : `Write ${description}.`;
  if (found === undefined && issue.code !== 'custom') return { problem: 'is missing', remedy };
  switch (issue.code) {
    case 'custom': {
      const own = issue.params as Partial<OwnWords> | undefined;
      if (found === undefined) return { problem: 'is missing', remedy };
      return { problem: own?.problem ?? issue.message, remedy: own?.remedy ?? remedy };
    }
    case 'invalid_type':
      return { problem: `must be ${KINDS[issue.expected] ?? issue.expected}, is ${kindOf(found)}`, remedy };
    case 'invalid_value': {
      const near = typeof found === 'string' ? nearest(found, issue.values.map(String)) : null;
      return {
        problem: `must be one of ${issue.values.join(', ')}`,
        remedy: near === null ? remedy : `Did you mean "${near}"?`,
      };
    }
    case 'too_small':
      if (issue.origin === 'string' || issue.origin === 'array') return { problem: 'is empty', remedy };
      return { problem: `must be at least ${issue.minimum}`, remedy };
    case 'too_big':
      if (issue.origin === 'string') return { problem: `has more than ${issue.maximum} characters`, remedy };
      return { problem: `must be at most ${issue.maximum}`, remedy };
    default:
      return { problem: 'is not valid', remedy };
  }
}

const KINDS: Readonly<Record<string, string>> = {
  string: 'a text',
  int: 'a whole number',
  number: 'a number',
  boolean: 'true or false',
  array: 'a list',
  object: 'a section with keys',
  record: 'a section with keys',
};

function kindOf(value: unknown): string {
  if (value === null) return 'empty';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'a section with keys';
  if (typeof value === 'string') return 'a text';
  return typeof value === 'boolean' ? 'true or false' : 'a number';
}

/** The schema with its optional, nullable and default wrappers taken off. */
function unwrapped(schema: z.core.$ZodType): z.core.$ZodType {
  let inner = schema;
  while (
    inner instanceof z.ZodOptional ||
    inner instanceof z.ZodNullable ||
    inner instanceof z.ZodDefault ||
    inner instanceof z.ZodPrefault
  ) {
    inner = inner.unwrap();
  }
  return inner;
}

function schemaAt(path: Path): z.core.$ZodType | null {
  let schema: z.core.$ZodType = fileSchema;
  for (const part of path) {
    const inner = unwrapped(schema);
    if (inner instanceof z.ZodObject) {
      const next = inner.shape[part];
      if (next === undefined) return null;
      schema = next;
    } else if (inner instanceof z.ZodRecord) {
      schema = inner.valueType;
    } else if (inner instanceof z.ZodArray) {
      schema = inner.element;
    } else {
      return null;
    }
  }
  return schema;
}

function knownKeysAt(path: Path): readonly string[] {
  const schema = schemaAt(path);
  const inner = schema === null ? null : unwrapped(schema);
  return inner instanceof z.ZodObject ? Object.keys(inner.shape) : [];
}

function descriptionAt(path: Path): string | undefined {
  const schema = schemaAt(path);
  if (schema === null) return undefined;
  for (const candidate of [schema, unwrapped(schema)]) {
    const description = z.globalRegistry.get(candidate)?.description;
    if (description !== undefined) return description;
  }
  return undefined;
}

/** The sections in which a key is known, for keys that slipped out of theirs. */
function homesOf(key: string, schema: z.core.$ZodType = fileSchema, path: Path = []): readonly string[] {
  const inner = unwrapped(schema);
  if (inner instanceof z.ZodRecord) return homesOf(key, inner.valueType, [...path, 'NAME']);
  if (!(inner instanceof z.ZodObject)) return [];
  const below = Object.entries(inner.shape).flatMap(([name, next]) => homesOf(key, next, [...path, name]));
  return Object.hasOwn(inner.shape, key) ? [path.length === 0 ? 'the top level' : formatPath(path), ...below] : below;
}
