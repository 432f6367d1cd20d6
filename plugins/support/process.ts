import { spawn } from 'node:child_process';

/** What a command did. `code` is null when a signal ended it. */
export interface CommandResult {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
  /** It ran longer than allowed and was killed, with everything that it had started. */
  readonly timedOut: boolean;
  /** It could not be started at all, e.g. `spawn yarn ENOENT`. */
  readonly notStarted: string | null;
}

export interface CommandOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** Written to stdin, which is then closed. */
  readonly input?: string | Buffer;
  readonly timeoutMs: number;
  /** Ends the command and its children when it fires. */
  readonly signal?: AbortSignal;
  /** Bytes kept of each of stdout (its end) and stderr (its end). Default 256 KiB. */
  readonly keepBytes?: number;
  /** From SIGTERM until SIGKILL. Default 2000 ms. */
  readonly killAfterMs?: number;
  /** Called with each complete line of stdout as it comes. */
  readonly onLine?: (line: string) => void;
}

const KEEP_BYTES = 256 * 1024;
const KILL_AFTER_MS = 2_000;
/** Beyond this a timer of Node fires at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/**
 * Runs a program with an argument vector: no shell, so nothing in an argument is interpreted. Resolves in every case;
 * the result tells what happened. The program leads its own process group, and the whole group is ended on time-out
 * or abort (SIGTERM, then SIGKILL), so that no grandchild goes on alone.
 */
export function runCommand(argv: readonly string[], options: CommandOptions): Promise<CommandResult> {
  const [program, ...args] = argv;
  if (program === undefined) throw new Error('A command needs at least the program to run.');
  return new Promise((resolve) => {
    const child = spawn(program, args, {
      detached: true,
      shell: false,
      stdio: ['pipe', 'pipe', 'pipe'],
      ...(options.env ? { env: { ...options.env } } : {}),
      ...(options.cwd ? { cwd: options.cwd } : {}),
    });
    const keep = options.keepBytes ?? KEEP_BYTES;
    const stdout = tail(keep);
    const stderr = tail(keep);
    const lines = options.onLine ? splitter(options.onLine, keep) : undefined;
    let timedOut = false;
    let notStarted: string | null = null;
    let killTimer: NodeJS.Timeout | undefined;

    const endGroup = () => {
      killGroup(child.pid, 'SIGTERM');
      killTimer ??= setTimeout(() => killGroup(child.pid, 'SIGKILL'), options.killAfterMs ?? KILL_AFTER_MS);
    };
    const timer = setTimeout(
      () => {
        timedOut = true;
        endGroup();
      },
      Math.min(options.timeoutMs, LONGEST_TIMER_MS),
    );
    const onAbort = () => endGroup();
    options.signal?.addEventListener('abort', onAbort, { once: true });
    if (options.signal?.aborted) endGroup();

    let settled = false;
    const settle = (code: number | null, signal: NodeJS.Signals | null) => {
      if (settled) return;
      settled = true;
      clearTimeout(timer);
      clearTimeout(killTimer);
      options.signal?.removeEventListener('abort', onAbort);
      // The leader may be gone while a child of it lives on and would keep working unseen.
      if (timedOut || options.signal?.aborted) killGroup(child.pid, 'SIGKILL');
      child.stdout.destroy();
      child.stderr.destroy();
      resolve({ code, signal, stdout: stdout.text(), stderr: stderr.text(), timedOut, notStarted });
    };
    child.on('error', (error) => {
      notStarted = error.message;
      if (child.pid === undefined) settle(null, null);
    });
    child.stdout.on('data', (chunk: Buffer) => {
      stdout.add(chunk);
      lines?.(chunk);
    });
    child.stderr.on('data', (chunk: Buffer) => stderr.add(chunk));
    // 'close' waits for the pipes, which a surviving grandchild can hold open: after 'exit' they get a moment to drain.
    child.on('close', settle);
    child.on('exit', (code, signal) => {
      setTimeout(() => settle(code, signal), timedOut || options.signal?.aborted ? 0 : 500).unref();
    });
    // A program that does not read its input closes the pipe: that is its own affair.
    child.stdin.on('error', () => {});
    child.stdin.end(options.input ?? '');
  });
}

function killGroup(pid: number | undefined, signal: NodeJS.Signals): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, signal);
  } catch {
    // Already gone.
  }
}

/** Keeps the last `keep` bytes: what a program says last is what explains its end. */
function tail(keep: number): { add(chunk: Buffer): void; text(): string } {
  let chunks: Buffer[] = [];
  let size = 0;
  return {
    add(chunk) {
      chunks.push(chunk);
      size += chunk.length;
      if (size > keep * 2) {
        const joined = Buffer.concat(chunks).subarray(-keep);
        chunks = [Buffer.from(joined)];
        size = joined.length;
      }
    },
    text: () => Buffer.concat(chunks).subarray(-keep).toString('utf8'),
  };
}

function splitter(onLine: (line: string) => void, keep: number): (chunk: Buffer) => void {
  let rest = '';
  return (chunk) => {
    const parts = (rest + chunk.toString('utf8')).split('\n');
    rest = (parts.pop() ?? '').slice(-keep);
    for (const part of parts) if (part.trim() !== '') onLine(part.trim());
  };
}

/** The last line that is not empty, cut to a length fit for a message. */
export function lastLine(text: string, max = 300): string {
  const line = text
    .split('\n')
    .map((l) => l.trim())
    .filter((l) => l !== '')
    .at(-1);
  return (line ?? '').slice(0, max);
}
