import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const PROGRAM = fileURLToPath(new URL('../../../dist/src/main.js', import.meta.url));
const PATIENCE_MS = 20_000;

export interface Ended {
  /** Null when it had to be killed because it did not end. */
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/**
 * Runs the built program until it ends by itself. Its environment is `env` and what Node needs, nothing of ours.
 *
 * @param cwd where it looks for ephyra.yml and clouds.yaml; also its HOME
 */
export function runEphyra(
  args: readonly string[],
  cwd: string,
  env: Readonly<Record<string, string>> = {},
): Promise<Ended> {
  const child = spawn(process.execPath, [PROGRAM, ...args], {
    cwd,
    env: { PATH: process.env['PATH'], HOME: cwd, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let [out, err] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    out += chunk;
  });
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    err += chunk;
  });
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => child.kill('SIGKILL'), PATIENCE_MS);
    child.once('error', reject);
    child.once('close', (code) => {
      clearTimeout(timer);
      resolve({ code, out, err });
    });
  });
}
