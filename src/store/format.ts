import { storeStateSchema } from './state.ts';
import type { StoreState } from './types.ts';

/** The format that is written. */
export const FORMAT = 4;

/** What a file holds beside the state: how often the store has been written, which tells an older copy from a newer one. */
export interface StoreFile {
  readonly state: StoreState;
  readonly writes: number;
  /** Why it is known to be an older copy, of which people have not been asked yet; else null. */
  readonly behind: string | null;
  /** The format that it was found in. */
  readonly format: number;
}

export type Reading =
  | { readonly ok: true; readonly file: StoreFile }
  | { readonly ok: false; readonly code: 'corrupt' | 'newer'; readonly problem: string; readonly cause?: unknown };

type Json = Record<string, unknown>;

/** From each older format to the next one. A step never invents what people have wanted. */
const MIGRATIONS: Readonly<Record<number, (content: Json) => Json>> = {
  // Format 1 did not count its writes.
  1: (content) => ({ ...content, format: 2, writes: 0 }),
  // Format 2 did not know failure domains: those of its nodes are not known.
  2: (content) => ({ ...content, format: 3, deployments: each(content['deployments'], withoutDomains) }),
  // Format 3 did not keep what ran on its nodes when they were planned.
  3: (content) => ({ ...content, format: 4, deployments: each(content['deployments'], withoutInstances) }),
};

/** Reads what is in a file, bringing older formats up to date; nothing is guessed about what it cannot make sense of. */
export function readStoreFile(bytes: Buffer): Reading {
  let content: unknown;
  try {
    content = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    const problem = bytes.length === 0 ? 'the file is empty.' : `the file is not JSON (${why}).`;
    return { ok: false, code: 'corrupt', problem, cause };
  }
  const found = isObject(content) ? content['format'] : undefined;
  const format = typeof found === 'number' && Number.isInteger(found) ? found : 0;
  if (format > FORMAT) {
    return {
      ok: false,
      code: 'newer',
      problem: `the file has format ${format}, this Ephyra knows formats 1 to ${FORMAT}.`,
    };
  }
  let current: Json = isObject(content) ? content : {};
  for (let step = format; step < FORMAT; step += 1) {
    const migrate = MIGRATIONS[step];
    if (migrate === undefined) break;
    current = migrate(current);
  }
  const { writes, behind = null, ...state } = current;
  const parsed = storeStateSchema.safeParse(state);
  if (!parsed.success || !isCount(writes) || !isReason(behind)) {
    const issues = (parsed.error?.issues ?? [])
      .slice(0, 3)
      .map((issue) => `${issue.path.join('.') || 'the whole'}: ${issue.message}`);
    if (!isCount(writes)) issues.push(`writes: ${JSON.stringify(writes) ?? 'missing'} is no count`);
    if (!isReason(behind)) issues.push(`behind: ${JSON.stringify(behind)} is no text`);
    return {
      ok: false,
      code: 'corrupt',
      problem: `the content is not a store (${issues.join('; ')}).`,
      cause: parsed.error,
    };
  }
  return { ok: true, file: { state: parsed.data as StoreState, writes, behind, format } };
}

/** The text of a file. */
export function storeFileText(state: StoreState, writes: number, behind: string | null): string {
  const { format, ...rest } = state;
  return `${JSON.stringify({ format, writes, ...(behind === null ? {} : { behind }), ...rest }, null, 1)}\n`;
}

const withoutDomains = (deployment: Json): Json => ({
  ...deployment,
  options: isObject(deployment['options']) ? { ...deployment['options'], failureDomain: null } : deployment['options'],
  nodes: each(deployment['nodes'], (node) => ({ ...node, failureDomain: null })),
});

const withoutInstances = (deployment: Json): Json => ({
  ...deployment,
  nodes: each(deployment['nodes'], (node) => ({ ...node, instanceId: null })),
});

/** What is not as it should be stays so, for the schema to complain about. */
const each = (list: unknown, change: (entry: Json) => Json): unknown =>
  Array.isArray(list) ? list.map((entry) => (isObject(entry) ? change(entry) : entry)) : list;

const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const isReason = (value: unknown): value is string | null => value === null || typeof value === 'string';

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;
