import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { parse } from 'yaml';
import { isRecord } from './messages.ts';

/** What reading the configuration of clouds needs of its surroundings. */
export interface CloudsDeps {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  readonly home: string;
  /** The file's text; throws with a `code` (ENOENT, EACCES ...) as node:fs does. */
  readonly readFile: (path: string) => string;
}

/** The process's own surroundings. */
export function processCloudsDeps(): CloudsDeps {
  return { env: process.env, cwd: process.cwd(), home: homedir(), readFile: (path) => readFileSync(path, 'utf8') };
}

/** One thing that is wrong with clouds.yaml, secure.yaml or the environment. Never holds a secret. */
export interface CloudProblem {
  /** Path of the file; `environment` for OS_ variables. */
  readonly file: string;
  /** Name of the cloud, empty when the file as a whole is meant. */
  readonly cloud: string;
  /** e.g. `auth.password`; empty when the cloud as a whole is meant. */
  readonly field: string;
  readonly problem: string;
  readonly remedy: string;
}

/** The clouds cannot be used as configured; the message lists every problem with its remedy. */
export class CloudsError extends Error {
  override readonly name = 'CloudsError';
  readonly problems: readonly CloudProblem[];

  constructor(problems: readonly CloudProblem[]) {
    super(problems.map(describeProblem).join('\n'));
    this.problems = problems;
  }
}

function describeProblem({ file, cloud, field, problem, remedy }: CloudProblem): string {
  const where = [file, cloud === '' ? null : `cloud ${cloud}`, field === '' ? null : field].filter((it) => it !== null);
  return `${where.join(', ')}: ${problem}. ${remedy}`;
}

export type Raw = Record<string, unknown>;

/** A file that was found and read. */
export interface FoundFile {
  readonly path: string;
  readonly content: Raw;
}

/** The files that openstacksdk would read, and what was tried on the way to them. */
export interface CloudFiles {
  readonly clouds: FoundFile | null;
  readonly secure: FoundFile | null;
  readonly vendors: FoundFile | null;
  /** Directories that were searched. */
  readonly searched: readonly string[];
  /** Files that exist but may not be read, passed over as openstacksdk does. */
  readonly unreadable: readonly string[];
}

const SUFFIXES = ['.yaml', '.yml', '.json'];

/**
 * Finds clouds.yaml, secure.yaml and clouds-public.yaml: the file that OS_CLIENT_CONFIG_FILE (OS_CLIENT_SECURE_FILE)
 * names, else the first in the current directory, $XDG_CONFIG_HOME/openstack, ~/.config/openstack,
 * $XDG_CONFIG_DIRS/openstack, /etc/openstack.
 *
 * Stricter than openstacksdk in two points, because a program that moves machines must not go on with another file than
 * the one that was meant: a file named by a variable must exist, and a file with broken YAML is an error.
 * @throws CloudsError
 */
export function findCloudFiles(deps: CloudsDeps): CloudFiles {
  const { env, cwd, home } = deps;
  const site = (env['XDG_CONFIG_DIRS'] || '/etc/xdg').split(':')[0] ?? '/etc/xdg';
  const searched = [
    ...new Set([
      cwd,
      join(env['XDG_CONFIG_HOME'] || join(home, '.config'), 'openstack'),
      join(home, '.config', 'openstack'),
      join(site, 'openstack'),
      '/etc/openstack',
    ]),
  ];
  const unreadable: string[] = [];
  const first = (name: string, variable?: string): FoundFile | null => {
    const named = variable === undefined ? undefined : env[variable];
    if (variable !== undefined && named) return readNamed(deps, named, variable);
    for (const directory of searched) {
      for (const suffix of SUFFIXES) {
        const path = join(directory, `${name}${suffix}`);
        const content = readIfThere(deps, path, unreadable);
        if (content !== null) return { path, content };
      }
    }
    return null;
  };
  return {
    clouds: first('clouds', 'OS_CLIENT_CONFIG_FILE'),
    secure: first('secure', 'OS_CLIENT_SECURE_FILE'),
    vendors: first('clouds-public'),
    searched,
    unreadable,
  };
}

function readNamed(deps: CloudsDeps, path: string, variable: string): FoundFile {
  try {
    return { path, content: parseFile(path, deps.readFile(path)) };
  } catch (thrown) {
    if (thrown instanceof CloudsError) throw thrown;
    throw fileProblem(
      path,
      `${variable} names this file, and it cannot be read (${codeOf(thrown)})`,
      `Mend or unset ${variable}.`,
    );
  }
}

function readIfThere(deps: CloudsDeps, path: string, unreadable: string[]): Raw | null {
  let text: string;
  try {
    text = deps.readFile(path);
  } catch (thrown) {
    const code = codeOf(thrown);
    if (code !== 'ENOENT' && code !== 'ENOTDIR') unreadable.push(`${path} (${code})`);
    return null;
  }
  return parseFile(path, text);
}

function parseFile(path: string, text: string): Raw {
  let content: unknown;
  try {
    // Everything as text: a password of digits keeps its zeros, and PyYAML's own ideas (no is false) are applied where a
    // field is read. Merge keys, because people share anchors between clouds.
    content = path.endsWith('.json')
      ? JSON.parse(text)
      : parse(text, { schema: 'failsafe', merge: true, prettyErrors: false });
  } catch (thrown) {
    // The parser's own message may quote the line, and the line may be a password.
    const at = positionOf(thrown, text);
    throw fileProblem(
      path,
      `not valid ${path.endsWith('.json') ? 'JSON' : 'YAML'}${at}`,
      'Mend the syntax of the file.',
    );
  }
  if (!isRecord(content))
    throw fileProblem(path, 'empty or not a mapping', "It needs a mapping with the key 'clouds'.");
  return content;
}

function positionOf(thrown: unknown, text: string): string {
  const pos = isRecord(thrown) && Array.isArray(thrown['pos']) ? thrown['pos'][0] : undefined;
  return typeof pos === 'number' ? ` near line ${text.slice(0, pos).split('\n').length}` : '';
}

function fileProblem(file: string, problem: string, remedy: string): CloudsError {
  return new CloudsError([{ file, cloud: '', field: '', problem, remedy }]);
}

export function codeOf(thrown: unknown): string {
  return typeof thrown === 'object' && thrown !== null && 'code' in thrown ? String(thrown.code) : 'unknown error';
}

/** Later wins, nested mappings are merged: how secure.yaml is laid over clouds.yaml. */
export function mergeDeep(below: Raw, above: Raw): Raw {
  const merged: Raw = { ...below };
  for (const [key, value] of Object.entries(above)) {
    const under = merged[key];
    merged[key] = isRecord(value) && isRecord(under) ? mergeDeep(under, value) : value;
  }
  return merged;
}

/** Keys with `-` count as the same with `_`, at every depth. */
export function normalizeKeys(raw: Raw): Raw {
  return Object.fromEntries(
    Object.entries(raw).map(([key, value]) => [
      key.replaceAll('-', '_'),
      isRecord(value) ? normalizeKeys(value) : value,
    ]),
  );
}

/** Variables that choose a cloud or a file, and do not make one. */
const SELECTORS = new Set([
  'OS_CLOUD',
  'OS_REGION_NAME',
  'OS_CLIENT_CONFIG_FILE',
  'OS_CLIENT_SECURE_FILE',
  'OS_CLOUD_NAME',
]);

/** The cloud that OS_ variables describe; null when there are none beyond selectors. It is never mixed into another. */
export function environmentCloud(env: CloudsDeps['env']): Raw | null {
  const entries = Object.entries(env).filter(
    ([key, value]) => key.startsWith('OS_') && !/^OS_(TEST|STD|LOG)/.test(key) && value !== undefined,
  );
  if (!entries.some(([key]) => !SELECTORS.has(key))) return null;
  return Object.fromEntries(entries.map(([key, value]) => [key.slice('OS_'.length).toLowerCase(), value]));
}
