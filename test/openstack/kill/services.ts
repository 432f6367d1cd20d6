import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const stack = fileURLToPath(new URL('../stack/', import.meta.url));
/** Bringing one service up again takes 10 s on an idle machine; the machine need not be idle. */
const PATIENCE_MS = 300_000;

export type Knobs = Readonly<Record<`REALSTACK_${string}`, string>>;

async function script(name: 'up' | 'down', args: readonly string[], knobs: Knobs = {}): Promise<void> {
  try {
    await promisify(execFile)(`${stack}${name}`, args, { env: { ...process.env, ...knobs }, timeout: PATIENCE_MS });
  } catch (error) {
    const { stdout = '', stderr = '' } = error as { stdout?: string; stderr?: string };
    throw new Error(`stack/${name} ${args.join(' ')} failed:\n${stdout}${stderr}`, { cause: error });
  }
}

/** Ends services of the real control planes in an orderly way, e.g. `cp2-nova-api`. */
export const stopServices = (...names: string[]): Promise<void> => script('down', names);

/** SIGKILL: whatever the service was at stays as it is. */
export const killService = (name: string): Promise<void> => script('down', ['--kill', name]);

/** Starts every service that does not run, with these knobs; resolves when all of them answer. */
export const startServices = (knobs: Knobs = {}): Promise<void> => script('up', [], knobs);

/** The same service with other knobs. */
export async function restartServices(names: readonly string[], knobs: Knobs = {}): Promise<void> {
  await stopServices(...names);
  await startServices(knobs);
}
