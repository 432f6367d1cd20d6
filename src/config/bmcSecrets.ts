import { type ConfigFiles, nodeConfigFiles, whyUnreadable, worldReadable } from './files.ts';
import { ConfigError, type Problem } from './problems.ts';
import { Secret } from './secrets.ts';
import { formatPath, type Path, parseSource } from './source.ts';

/** BMC secrets from a file, for control planes whose Ironic masks them. */
export interface BmcSecrets {
  /**
   * Entries of `driver_info` for a node, e.g. `{ ipmi_password }`: by its uuid, else by its name. Undefined when the file
   * has none for it.
   */
  of(node: { readonly uuid: string; readonly name: string | null }): Readonly<Record<string, Secret>> | undefined;
  /** All of them, for the log to hide. */
  readonly all: readonly Secret[];
  /** e.g. that everybody may read the file. */
  readonly warnings: readonly Problem[];
}

/**
 * The secrets file as it is whenever it is asked for: passwords are replaced while Ephyra runs. What is new in it is told
 * to `learned` before anybody uses it. The result throws as {@link loadBmcSecrets} does.
 */
export function followBmcSecrets(
  path: string,
  learned: (secrets: readonly Secret[]) => void,
  files: ConfigFiles = nodeConfigFiles,
): () => BmcSecrets {
  let last: { readonly text: string; readonly secrets: BmcSecrets } | null = null;
  return () => {
    const text = read(path, files);
    if (last?.text !== text) {
      const secrets = parse(path, text, files);
      learned(secrets.all);
      last = { text, secrets };
    }
    return last.secrets;
  };
}

/**
 * Reads a secrets file: YAML, node uuid or name to a section of `driver_info` keys with their secret values.
 *
 * @throws ConfigError with every problem, never with a value.
 */
export function loadBmcSecrets(path: string, files: ConfigFiles = nodeConfigFiles): BmcSecrets {
  return parse(path, read(path, files), files);
}

function read(path: string, files: ConfigFiles): string {
  try {
    return files.readFile(path).toString();
  } catch (thrown) {
    throw new ConfigError(path, [
      {
        path: '',
        value: undefined,
        problem: `the BMC secrets file cannot be read: ${whyUnreadable(thrown)}`,
        remedy: 'Set "secretsFile" to a file that the account Ephyra runs as may read.',
        line: null,
      },
    ]);
  }
}

function parse(path: string, text: string, files: ConfigFiles): BmcSecrets {
  const source = parseSource(text);
  const problems: Problem[] = [...source.problems];
  const add = (at: Path, problem: string, remedy: string): void => {
    problems.push({ path: formatPath(at), value: undefined, problem, remedy, line: source.line(at) });
  };

  const byNode = new Map<string, Readonly<Record<string, Secret>>>();
  if (!source.fatal && !isSection(source.content)) {
    add([], 'must be a section: node uuid or name, and below it the secrets', EXAMPLE);
  } else if (!source.fatal) {
    for (const [node, entries] of Object.entries(source.content as Record<string, unknown>)) {
      if (!isSection(entries) || Object.keys(entries).length === 0) {
        add([node], 'must be a section with at least one secret', EXAMPLE);
        continue;
      }
      const key = node.toLowerCase();
      if (byNode.has(key)) add([node], 'this node is there twice', 'Keep one of the two.');
      const secrets: Record<string, Secret> = {};
      for (const [name, value] of Object.entries(entries)) {
        const wrong = whatIsWrong(value);
        if (wrong === null) secrets[name] = new Secret(value as string);
        else add([node, name], wrong.problem, wrong.remedy);
      }
      byNode.set(key, Object.freeze(secrets));
    }
  }
  if (problems.length > 0) throw new ConfigError(path, problems);

  const open = worldReadable(path, files);
  return {
    of: (node) =>
      byNode.get(node.uuid.toLowerCase()) ?? (node.name === null ? undefined : byNode.get(node.name.toLowerCase())),
    all: [...byNode.values()].flatMap((secrets) => Object.values(secrets)),
    warnings: open
      ? [
          {
            path: '',
            value: undefined,
            problem: `every account on this machine may read ${path}`,
            remedy: `Run: chmod o= ${path}`,
            line: null,
          },
        ]
      : [],
  };
}

const EXAMPLE = 'Write e.g. node-1: { ipmi_password: "..." }.';

function whatIsWrong(value: unknown): { problem: string; remedy: string } | null {
  if (typeof value === 'number' || typeof value === 'boolean') {
    return {
      problem: 'is not a text: YAML reads it as a number or truth value and may change it',
      remedy: 'Put it in quotes.',
    };
  }
  if (typeof value !== 'string' || value === '') return { problem: 'must be a text', remedy: EXAMPLE };
  if (/^\*+$/.test(value)) {
    return {
      problem: 'is the mask that Ironic shows instead of the secret',
      remedy: 'Write the secret itself; written to a node, the mask would destroy it.',
    };
  }
  return null;
}

function isSection(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
