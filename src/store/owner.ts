import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';
import { z } from 'zod';

/** Which process holds the store: enough to tell whether it still lives, and to tell a person where it is. */
export interface Owner {
  /** New for every opening, so that a former holder notices that it is one. */
  readonly token: string;
  readonly pid: number;
  readonly host: string;
  /**
   * Kernel boot and process id namespace. Only where these are the same as ours does a pid mean the same process:
   * containers and restarted machines share host names. Null where the system does not tell.
   */
  readonly realm: string | null;
  /** When the process began, in ticks since boot: tells a process from a later one with the same pid. */
  readonly began: string | null;
  /** Milliseconds since the epoch. */
  readonly since: number;
}

export const ownerSchema = z.object({
  token: z.string(),
  pid: z.number().int().positive(),
  host: z.string(),
  realm: z.string().nullable(),
  began: z.string().nullable(),
  since: z.number(),
});

/** What can be known about processes. */
export interface Processes {
  /** Ourselves. */
  readonly self: Pick<Owner, 'pid' | 'host' | 'realm' | 'began'>;
  /** Whether a process with this pid runs here, and when it began. Zombies do not run. */
  readonly look: (pid: number) => { readonly runs: boolean; readonly began: string | null };
}

/**
 * Whether the owner lives. `unknown` when it is (or was) on another machine or in another container: only its heartbeat
 * tells then.
 */
export function judge(owner: Owner, processes: Processes): 'alive' | 'dead' | 'unknown' {
  const { self } = processes;
  if (owner.host !== self.host || owner.realm !== self.realm) return 'unknown';
  const { runs, began } = processes.look(owner.pid);
  if (!runs) return 'dead';
  if (owner.began !== null && began !== null && owner.began !== began) return 'dead';
  return 'alive';
}

/** The processes of this system; on Linux with everything that /proc adds. */
export function nodeProcesses(): Processes {
  return {
    self: { pid: process.pid, host: hostname(), realm: ownRealm(), began: lookAt(process.pid).began },
    look: lookAt,
  };
}

function lookAt(pid: number): { runs: boolean; began: string | null } {
  try {
    process.kill(pid, 0);
  } catch (thrown) {
    // EPERM: it is there, but somebody else's.
    if (!(thrown instanceof Error && 'code' in thrown && thrown.code === 'EPERM')) return { runs: false, began: null };
  }
  try {
    // The name in the second field may hold blanks and brackets: count from behind the last bracket.
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ');
    return { runs: fields[0] !== 'Z' && fields[0] !== 'X', began: fields[19] ?? null };
  } catch {
    return { runs: true, began: null };
  }
}

function ownRealm(): string | null {
  try {
    return `${readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()} ${readlinkSync('/proc/self/ns/pid')}`;
  } catch {
    return null;
  }
}
