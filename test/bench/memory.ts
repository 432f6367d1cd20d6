import { readdirSync, readFileSync } from 'node:fs';

/** Value of a sample without labels in Prometheus' text format; NaN when it is not there. */
export function sample(text: string, name: string): number {
  const found = new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1];
  return found === undefined ? Number.NaN : Number(found);
}

/** Most bytes that the child of `parent` ever had resident, as the kernel counted; null where there is no /proc. */
export function peakOfChild(parent: number): number | null {
  try {
    for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
      const status = statusOf(pid);
      if (Number(/^PPid:\s+(\d+)/m.exec(status)?.[1]) !== parent) continue;
      const kib = /^VmHWM:\s+(\d+) kB/m.exec(status)?.[1];
      if (kib !== undefined) return Number(kib) * 1_024;
    }
  } catch {
    // Not Linux: the samples have to do.
  }
  return null;
}

function statusOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/status`, 'utf8');
  } catch {
    // It ended while we were looking.
    return '';
  }
}
