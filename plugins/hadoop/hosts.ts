import type { ApplicationNode } from '../../machines/plugin.ts';
import type { HadoopOptions } from './schema.ts';

/** The names under which Hadoop may know a machine. */
export interface HadoopHosts {
  /** Lower case. Where it was before the move. */
  readonly before: readonly string[];
  /** Where it is after it; the same as before when machines keep their names. Empty when not known yet. */
  readonly after: readonly string[];
  /** Both, each once. Empty when nothing is known. */
  readonly all: readonly string[];
}

/**
 * What may be written into a hosts file. Names of instances are chosen by whoever boots them: one with a line break in
 * it would take another node out.
 */
const HOST = /^[a-z0-9](?:[a-z0-9._:-]*[a-z0-9])?$/;

/** How Hadoop calls the machine of a node, by the option `host`. */
export function hadoopHosts(options: Pick<HadoopOptions, 'host'>, node: ApplicationNode): HadoopHosts {
  const { from, suffix } = options.host;
  const full = (name: string) => `${name}${suffix}`.toLowerCase();
  const usable = (names: readonly string[]) => names.map(full).filter((host) => HOST.test(host));
  if (from === 'address') {
    const before = usable(node.addressesBefore);
    const after = usable(node.addressesAfter);
    return { before, after, all: [...new Set([...before, ...after])] };
  }
  const name = from === 'instanceName' ? node.instanceName : node.name;
  const hosts = name === null || name === '' ? [] : usable([name]);
  return { before: hosts, after: hosts, all: hosts };
}

/** The name that Ephyra knows a Hadoop host by: without the suffix. */
export function withoutSuffix(options: Pick<HadoopOptions, 'host'>, host: string): string {
  const suffix = options.host.suffix.toLowerCase();
  return suffix !== '' && host.endsWith(suffix) ? host.slice(0, -suffix.length) : host;
}
