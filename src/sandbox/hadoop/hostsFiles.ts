import type { WantedAdmin } from './hdfs.ts';

/** The hosts files as the daemons read them: the content, and the name because YARN goes by its extension. */
export interface HostsFile {
  readonly name: string;
  readonly content: string;
}

/** Hosts of a file with one or more names a line and `#` comments. */
export function readPlain(content: string): Set<string> {
  const hosts = new Set<string>();
  for (const line of content.split('\n')) {
    for (const word of line.split(/[ \t\r\f]+/)) {
      if (word.startsWith('#')) break;
      if (word !== '') hosts.add(word);
    }
  }
  return hosts;
}

/** Hosts of YARN's exclude file, XML or plain, with a time-out where given. */
export function readExcludes(file: HostsFile | undefined): Map<string, { timeoutSec: number | null }> {
  const hosts = new Map<string, { timeoutSec: number | null }>();
  if (!file) return hosts;
  if (!file.name.toLowerCase().endsWith('.xml')) {
    for (const host of readPlain(file.content)) hosts.set(host, { timeoutSec: null });
    return hosts;
  }
  const xml = file.content.replaceAll(/<!--[\s\S]*?-->/g, '');
  if (!/<hosts>[\s\S]*<\/hosts>|<hosts\s*\/>/.test(xml)) throw new Error(`${file.name}: no <hosts> element`);
  for (const match of xml.matchAll(/<host>([\s\S]*?)<\/host>/g)) {
    const body = match[1] ?? '';
    const names = /<name>([\s\S]*?)<\/name>/.exec(body)?.[1] ?? '';
    const timeout = /<timeout>\s*(-?\d+)\s*<\/timeout>/.exec(body)?.[1];
    for (const name of names.split(',')) {
      if (name.trim() !== '') hosts.set(name.trim(), { timeoutSec: timeout === undefined ? null : Number(timeout) });
    }
  }
  return hosts;
}

interface CombinedEntry {
  readonly hostName: string;
  readonly adminState?: string;
  readonly maintenanceExpireTimeInMS?: number;
}

const KNOWN_KEYS = ['hostName', 'port', 'upgradeDomain', 'adminState', 'maintenanceExpireTimeInMS'];

/**
 * The combined hosts file (`CombinedHostFileManager`). A file with at least one entry in service is also the list of
 * those who may join. Throws on what the real reader refuses, unknown properties among it.
 */
export function readCombined(content: string): {
  wanted(names: readonly string[]): WantedAdmin;
  allowed(names: readonly string[]): boolean;
} {
  const parsed: unknown = content.trim() === '' ? [] : JSON.parse(content);
  if (!Array.isArray(parsed)) throw new Error('dfs.hosts: not a JSON array');
  const entries = parsed as CombinedEntry[];
  for (const entry of entries) {
    if (typeof entry.hostName !== 'string') throw new Error('dfs.hosts: an entry without hostName');
    const unknown = Object.keys(entry).find((key) => !KNOWN_KEYS.includes(key));
    if (unknown !== undefined) throw new Error(`dfs.hosts: unrecognized field "${unknown}"`);
  }
  const normal = (entry: CombinedEntry) => (entry.adminState ?? 'NORMAL') === 'NORMAL';
  const restricts = entries.some(normal);
  const of = (names: readonly string[]) => entries.filter((entry) => names.includes(entry.hostName));
  return {
    wanted(names) {
      for (const entry of of(names)) {
        if (entry.adminState === 'IN_MAINTENANCE') {
          return { state: 'maintenance', until: entry.maintenanceExpireTimeInMS ?? Number.POSITIVE_INFINITY };
        }
        if (entry.adminState === 'DECOMMISSIONED') return { state: 'decommissioned', until: 0 };
      }
      return { state: 'normal', until: 0 };
    },
    allowed: (names) => !restricts || of(names).length > 0,
  };
}
