import { Failure } from '../../machines/errors.ts';
import { HostsFileError } from './hosts/error.ts';
import type { AdminHost } from './runner.ts';

type Change = (content: string) => string;

interface Waiting {
  readonly change: Change;
  readonly done: (changed: boolean) => void;
  readonly failed: (error: unknown) => void;
}

/**
 * A hosts file on all admin hosts. Changes asked for at the same time are applied in one reading and writing, one
 * after the other, never interleaved, so no change is lost.
 */
export interface SharedHostsFile {
  readonly path: string;
  /** Applies a change everywhere and reads it back. Resolves with whether anything was different. */
  edit(change: Change): Promise<boolean>;
  /** The content on the first admin host; empty when there is no file. */
  read(): Promise<string>;
}

export function sharedHostsFile(path: string, hosts: readonly AdminHost[]): SharedHostsFile {
  let waiting: Waiting[] = [];
  let working = false;

  async function work(): Promise<void> {
    while (waiting.length > 0) {
      const batch = waiting;
      waiting = [];
      await applyAll(batch);
    }
    working = false;
  }

  async function applyAll(batch: readonly Waiting[]): Promise<void> {
    const changed = new Set<Waiting>();
    const failed = new Map<Waiting, unknown>();
    try {
      for (const host of hosts) {
        const before = (await host.read(path)) ?? '';
        let content = before;
        for (const entry of batch) {
          if (failed.has(entry)) continue;
          try {
            const next = entry.change(content);
            if (next !== content) changed.add(entry);
            content = next;
          } catch (error) {
            failed.set(entry, refusal(path, host, error));
          }
        }
        if (content === before) continue;
        await host.write(path, content);
        if ((await host.read(path)) !== content) {
          throw new Error(
            `${path} on ${host.name} reads back different from what was written: somebody else writes it`,
          );
        }
      }
    } catch (error) {
      for (const entry of batch) if (!failed.has(entry)) failed.set(entry, refusal(path, undefined, error));
    }
    for (const entry of batch) {
      if (failed.has(entry)) entry.failed(failed.get(entry));
      else entry.done(changed.has(entry));
    }
  }

  return {
    path,
    edit: (change) =>
      new Promise((done, failed) => {
        waiting.push({ change, done, failed });
        if (working) return;
        working = true;
        // A turn later, so that what is asked for together is done together.
        queueMicrotask(() => void work());
      }),
    async read() {
      const [first] = hosts;
      return (first && (await first.read(path))) ?? '';
    },
  };
}

function refusal(path: string, host: AdminHost | undefined, error: unknown): Failure {
  if (error instanceof Failure) return error;
  const at = host === undefined || host.name === 'local' ? '' : ` on ${host.name}`;
  const why = error instanceof Error ? error.message : String(error);
  if (error instanceof HostsFileError) {
    return new Failure(
      {
        reason: 'application_refused',
        next: 'stop',
        message: `The hosts file ${path}${at} cannot be understood: ${why}. It was left as it is.`,
        remedy: 'Bring it into the form that Hadoop documents, then try again.',
      },
      { cause: error },
    );
  }
  return new Failure(
    {
      reason: 'application_refused',
      next: 'retry',
      message: `The hosts file ${path}${at} could not be changed: ${why}.`,
    },
    { cause: error },
  );
}
