import { HostsFileError } from './error.ts';

/** One entry of the combined hosts file, with whatever else it says. */
export interface CombinedEntry {
  readonly hostName: string;
  readonly adminState?: string;
  readonly maintenanceExpireTimeInMS?: number;
  readonly [key: string]: unknown;
}

export type WantedState =
  | { readonly state: 'NORMAL' }
  | { readonly state: 'DECOMMISSIONED' }
  /** `until`: epoch ms; null without an end. `keepAfter`: an end already written that is later than this is kept. */
  | { readonly state: 'IN_MAINTENANCE'; readonly until: number | null; readonly keepAfter: number };

/**
 * `dfs.hosts` in the JSON format of CombinedHostFileManager. Only the entries of `hosts` change.
 *
 * A file with at least one entry in service is at the same time the list of all who may join; one without lets
 * everybody join. So a host that goes back into service keeps its entry when others are in service, and loses it when
 * none is: an entry left behind would shut out all the rest.
 *
 * Throws {@link HostsFileError} when the file is not of that form, the older one without brackets among it.
 */
export function editCombined(content: string, hosts: readonly string[], wanted: WantedState): string {
  const entries = readCombined(content);
  const ours = new Set(hosts.map((host) => host.toLowerCase()));
  const isOurs = (entry: CombinedEntry) => ours.has(entry.hostName.toLowerCase());
  const restricts = entries.some((entry) => !isOurs(entry) && isNormal(entry));

  let next: CombinedEntry[];
  if (wanted.state === 'NORMAL') {
    next = entries.flatMap((entry) => {
      if (!isOurs(entry) || isNormal(entry)) return [entry];
      // What else is said of the host (port, upgrade domain) was somebody's intent.
      return restricts || Object.keys(withState(entry, wanted)).length > 1 ? [withState(entry, wanted)] : [];
    });
    if (restricts) {
      const known = new Set(next.map((entry) => entry.hostName.toLowerCase()));
      for (const host of hosts) if (!known.has(host.toLowerCase())) next.push({ hostName: host });
    }
  } else {
    const known = new Set(entries.map((entry) => entry.hostName.toLowerCase()));
    next = entries.map((entry) => (isOurs(entry) ? withState(entry, wanted) : entry));
    for (const host of hosts) {
      if (!known.has(host.toLowerCase())) next.push(withState({ hostName: host }, wanted));
    }
  }
  const same = next.length === entries.length && next.every((entry, index) => entry === entries[index]);
  return same ? content : `[\n${next.map((entry) => `  ${JSON.stringify(entry)}`).join(',\n')}\n]\n`;
}

export function readCombined(content: string): CombinedEntry[] {
  if (content.trim() === '') return [];
  let parsed: unknown;
  try {
    parsed = JSON.parse(content);
  } catch {
    throw new HostsFileError('it is not JSON (a list of entries in square brackets)');
  }
  if (!Array.isArray(parsed)) throw new HostsFileError('it is not a JSON list of entries in square brackets');
  return parsed.map((entry: unknown, index) => {
    const name = (entry as { hostName?: unknown } | null)?.hostName;
    if (typeof name !== 'string') throw new HostsFileError(`entry ${index + 1} of it has no hostName`);
    return entry as CombinedEntry;
  });
}

export function isNormal(entry: CombinedEntry): boolean {
  return entry.adminState === undefined || entry.adminState === 'NORMAL';
}

/** The entry with another state; the very same object when nothing changes. */
function withState(entry: CombinedEntry, wanted: WantedState): CombinedEntry {
  const { adminState, maintenanceExpireTimeInMS, ...rest } = entry;
  const kept = rest as { hostName: string };
  if (wanted.state === 'NORMAL') return isNormal(entry) ? entry : kept;
  if (wanted.state === 'DECOMMISSIONED') {
    return adminState === wanted.state ? entry : { ...kept, adminState: wanted.state };
  }
  const end = maintenanceExpireTimeInMS;
  const longEnough = wanted.until === null ? end === undefined : end === undefined || end > wanted.keepAfter;
  if (adminState === wanted.state && longEnough) return entry;
  return {
    ...kept,
    adminState: wanted.state,
    ...(wanted.until === null ? {} : { maintenanceExpireTimeInMS: wanted.until }),
  };
}
