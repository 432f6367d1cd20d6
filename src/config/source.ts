import { isAlias, isMap, isScalar, isSeq, LineCounter, type Node, parseAllDocuments } from 'yaml';
import type { Problem } from './problems.ts';

export type Path = readonly (string | number)[];

/** A YAML file, read: its plain content, and where in the file each part of it stands. */
export interface Source {
  /** Plain data; null for an empty file. */
  readonly content: unknown;
  /** Line of the key (or the list item) at the path, else of the nearest part above that exists; from 1. */
  line(path: Path): number | null;
  /** What YAML itself has to complain about. With `fatal` the content is not to be trusted. */
  readonly problems: readonly Problem[];
  readonly fatal: boolean;
}

/** Anchors that refer to anchors can make a small file huge. */
const ALIASES = 100;

/** Reads YAML 1.2; never throws on bad text. */
export function parseSource(text: string): Source {
  const lines = new LineCounter();
  const documents = parseAllDocuments(text, { lineCounter: lines, prettyErrors: false, merge: true });
  const document = 'empty' in documents ? undefined : documents[0];
  if (document === undefined) return { content: null, line: () => null, problems: [], fatal: false };

  const lineAt = (offset: number | undefined): number | null =>
    offset === undefined ? null : Math.max(1, lines.linePos(offset).line);
  const problems: Problem[] = document.errors.map((error) => ({
    path: '',
    value: undefined,
    problem:
      error.code === 'DUPLICATE_KEY' ? 'the same key is there twice' : `not valid YAML: ${firstLine(error.message)}`,
    remedy: error.code === 'DUPLICATE_KEY' ? 'Keep one of the two.' : remedyFor(error.code),
    line: lineAt(error.pos[0]),
  }));
  if (documents.length > 1) {
    problems.push({
      path: '',
      value: undefined,
      problem: 'there is more than one YAML document',
      remedy: 'Remove the line "---" and what follows, or join the two.',
      line: lineAt(documents[1]?.range[0]),
    });
  }
  let fatal = document.errors.some((error) => error.code !== 'DUPLICATE_KEY');
  let content: unknown = null;
  try {
    content = fatal ? null : document.toJS({ maxAliasCount: ALIASES });
  } catch (thrown) {
    fatal = true;
    problems.push({
      path: '',
      value: undefined,
      problem: `not usable YAML: ${firstLine(thrown instanceof Error ? thrown.message : String(thrown))}`,
      remedy: 'Check the anchors (&) and aliases (*).',
      line: null,
    });
  }

  const line = (path: Path): number | null => {
    let node: Node | null | undefined = document.contents;
    let offset: number | undefined = node?.range?.[0];
    for (const part of path) {
      if (isAlias(node)) node = node.resolve(document);
      if (isMap(node)) {
        const pair = node.items.find((item) => isScalar(item.key) && String(item.key.value) === String(part));
        if (pair === undefined || !isScalar(pair.key)) break;
        offset = pair.key.range?.[0] ?? offset;
        node = pair.value as Node | null;
      } else if (isSeq(node)) {
        node = node.items[Number(part)] as Node | undefined;
        if (node === undefined) break;
        offset = node.range?.[0] ?? offset;
      } else {
        break;
      }
    }
    return lineAt(offset);
  };
  return { content, line, problems, fatal };
}

function firstLine(text: string): string {
  return text.split('\n', 1)[0] ?? text;
}

function remedyFor(code: string): string {
  switch (code) {
    case 'TAB_AS_INDENT':
      return 'Indent with blanks, not with tabs.';
    case 'BAD_INDENT':
    case 'MULTILINE_IMPLICIT_KEY':
      return 'Indent this line like its neighbours, and close every bracket and quote before it.';
    case 'MISSING_CHAR':
    case 'BAD_DQ_ESCAPE':
      return 'Close the quotes and brackets; a text with special characters goes into single quotes.';
    default:
      return 'Mend the line; every entry is "key: value", indented with blanks.';
  }
}

/** The part of plain data at the path; undefined when there is none. Own keys only. */
export function valueAt(content: unknown, path: Path): unknown {
  let value = content;
  for (const part of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, part)) return undefined;
    value = (value as Record<string | number, unknown>)[part];
  }
  return value;
}

/** `roles.hadoop-worker.boot.default.networks[0]` */
export function formatPath(path: Path): string {
  return path.reduce<string>((text, part) => {
    if (typeof part === 'number') return `${text}[${part}]`;
    return text === '' ? part : `${text}.${part}`;
  }, '');
}
