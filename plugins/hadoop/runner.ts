import { mkdtemp, open, readFile, realpath, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { type CommandResult, lastLine, runCommand } from '../support/process.ts';
import type { AdminHostOptions, SshOptions } from './schema.ts';

/** A machine where Hadoop's hosts files lie and its admin commands run. */
export interface AdminHost {
  /** For messages: `local`, or user and host. */
  readonly name: string;
  run(argv: readonly string[], options: { timeoutMs: number; signal?: AbortSignal }): Promise<CommandResult>;
  /** The content of a text file; null when there is none. Throws when it cannot be told. */
  read(path: string): Promise<string | null>;
  /** Replaces a file as a whole, or not at all; mode and owner stay as they were as far as permitted. */
  write(path: string, content: string): Promise<void>;
}

export function adminHost(options: AdminHostOptions, timeoutMs: number): AdminHost {
  return options === 'local' ? localHost() : sshHost(options.ssh, timeoutMs);
}

/** The environment of the admin commands: what Hadoop's scripts need, and none of Ephyra's secrets. */
function environment(): Record<string, string> {
  const env: Record<string, string> = {};
  for (const [name, value] of Object.entries(process.env)) {
    const passed =
      /^(PATH|HOME|USER|LOGNAME|LANG|LC_ALL|TZ|TMPDIR|JAVA_HOME|SSH_AUTH_SOCK|KRB5CCNAME|KRB5_CONFIG)$/.test(name) ||
      /^(HADOOP|YARN|HDFS)_/.test(name);
    if (passed && value !== undefined) env[name] = value;
  }
  return env;
}

function localHost(): AdminHost {
  return {
    name: 'local',
    run: (argv, options) => runCommand(argv, { ...options, env: environment() }),
    async read(path) {
      try {
        return await readFile(path, 'utf8');
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
        throw error;
      }
    },
    async write(path, content) {
      // A link stays a link: what it points to is replaced.
      const target = await realpath(path).catch(() => path);
      const before = await stat(target).catch(() => null);
      const folder = await mkdtemp(join(dirname(target), `.${basename(target)}.`));
      try {
        const temporary = join(folder, 'new');
        const file = await open(temporary, 'wx', before ? before.mode & 0o7777 : 0o644);
        try {
          await file.writeFile(content);
          if (before) {
            await file.chmod(before.mode & 0o7777);
            await file.chown(before.uid, before.gid).catch(() => {});
          }
          await file.sync();
        } finally {
          await file.close();
        }
        await rename(temporary, target);
      } finally {
        await rm(folder, { recursive: true, force: true });
      }
    },
  };
}

const NO_SUCH_FILE = 44;

const READ = `if [ -e "$1" ]; then exec cat -- "$1"; else exit ${NO_SUCH_FILE}; fi`;

/**
 * Writes stdin to a file beside the target and moves it there only if all of it has come: a connection that breaks in
 * the middle looks to `cat` like the end of the input.
 */
const WRITE = `set -e
p=$1
if [ -L "$p" ]; then p=$(readlink -f -- "$p"); fi
t="$p.ephyra.$$"
trap 'rm -f -- "$t"' EXIT
if [ -e "$p" ]; then cp -p -- "$p" "$t"; else : > "$t"; chmod 644 -- "$t"; fi
cat > "$t"
n=$(wc -c < "$t")
if [ "$n" -ne "$2" ]; then echo "$n of $2 bytes came" >&2; exit 45; fi
mv -f -- "$t" "$p"`;

function sshHost(options: SshOptions, timeoutMs: number): AdminHost {
  const destination = options.user === undefined ? options.host : `${options.user}@${options.host}`;
  const prefix = [
    ...options.command,
    '-o',
    'BatchMode=yes',
    '-o',
    'ConnectTimeout=15',
    '-T',
    ...(options.port === undefined ? [] : ['-p', String(options.port)]),
    ...(options.identityFile === undefined ? [] : ['-i', options.identityFile]),
    '--',
    destination,
  ];
  // ssh hands one string to the remote login shell: every word is quoted so that it arrives as it was.
  const remote = (argv: readonly string[]) => [...prefix, argv.map(quote).join(' ')];
  const must = (result: CommandResult, what: string): CommandResult => {
    if (result.code === 0) return result;
    throw new Error(`${what} on ${destination} failed: ${explain(result)}`);
  };
  return {
    name: destination,
    run: (argv, run) => runCommand(remote(argv), { ...run, env: environment() }),
    async read(path) {
      const result = await runCommand(remote(['sh', '-c', READ, 'sh', path]), {
        env: environment(),
        timeoutMs,
        keepBytes: 16 * 1024 * 1024,
      });
      if (result.code === NO_SUCH_FILE) return null;
      return must(result, `Reading ${path}`).stdout;
    },
    async write(path, content) {
      const bytes = Buffer.from(content, 'utf8');
      const result = await runCommand(remote(['sh', '-c', WRITE, 'sh', path, String(bytes.length)]), {
        env: environment(),
        timeoutMs,
        input: bytes,
      });
      must(result, `Writing ${path}`);
    },
  };
}

/** A word that any POSIX shell takes literally. */
export function quote(word: string): string {
  return /^[A-Za-z0-9_./:=@%+,-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

/** Why a command failed, for a message. */
export function explain(result: CommandResult): string {
  if (result.notStarted !== null) return `it could not be started (${result.notStarted})`;
  if (result.timedOut) return 'it did not end in time';
  const said = lastLine(result.stderr) || lastLine(result.stdout);
  const code = result.code === null ? `signal ${result.signal}` : `exit code ${result.code}`;
  return said === '' ? code : `${code}, "${said}"`;
}
