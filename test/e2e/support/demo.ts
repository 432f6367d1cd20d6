import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const DEMO = fileURLToPath(new URL('../../../dist/src/sandbox/demo.js', import.meta.url));
const PATIENCE_MS = 40_000;

export interface Demo {
  /** Of the page. */
  readonly url: string;
  /** Of Ephyra's metrics. */
  readonly metrics: string;
  /** Of the process with the emulators; Ephyra is its child. */
  readonly pid: number;
  stop(): Promise<void>;
}

/** What `npm run demo` starts once everything is built, on a free port. Rejects with what it printed when it ends early. */
export async function startDemo(args: readonly string[] = []): Promise<Demo> {
  const child = spawn(process.execPath, [DEMO, '--port', '0', ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  let printed = '';
  const address = (label: string): string | undefined => new RegExp(`${label}\\s+(http://\\S+)`).exec(printed)?.[1];
  await new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => {
      child.kill('SIGKILL');
      reject(new Error(`The demo did not come up in ${PATIENCE_MS / 1000} s:\n${printed}`));
    }, PATIENCE_MS);
    const read = (chunk: string) => {
      printed += chunk;
      if (!printed.includes('Ctrl-C ends it')) return;
      clearTimeout(timer);
      resolve();
    };
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', read);
    child.once('exit', (code, signal) => {
      clearTimeout(timer);
      reject(new Error(`The demo ended (${signal ?? code}):\n${printed}`));
    });
  });
  const [url, metrics] = [address('Open'), address('Metrics')];
  if (url === undefined || metrics === undefined || child.pid === undefined) {
    child.kill('SIGKILL');
    throw new Error(`The demo printed no addresses:\n${printed}`);
  }
  return { url, metrics, pid: child.pid, stop: () => end(child) };
}

/** As Ctrl-C does it; hard when that takes too long. */
async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  child.kill('SIGTERM');
  const hard = setTimeout(() => child.kill('SIGKILL'), 10_000);
  await ended;
  clearTimeout(hard);
}
