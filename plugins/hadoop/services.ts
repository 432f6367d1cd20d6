import type { Endpoint } from './schema.ts';

/** One ResourceManager or NameNode of a pair, as it answered. */
export interface ServiceView {
  readonly endpoint: Endpoint;
  /** `other`: it answered, and is neither (starting, stopping, observer); `silent`: no trustworthy answer. */
  readonly state: 'active' | 'standby' | 'other' | 'silent';
  /** The state verbatim, or why there was no answer. */
  readonly why: string;
  /** NameNodes: in safe mode, so not ready to take over. Unknown counts as not ready. */
  readonly safeMode?: boolean;
  /** ResourceManagers: when the process started, by its own clock. */
  readonly startedOn?: number;
}

/** The one that is active, or why that is not known. Two that both say so are as bad as none. */
export function theActive(
  kind: 'ResourceManager' | 'NameNode',
  services: readonly ServiceView[],
): { endpoint: Endpoint } | { problem: string } {
  const active = services.filter((service) => service.state === 'active');
  const [first] = active;
  if (active.length === 1 && first) return { endpoint: first.endpoint };
  const ids = (list: readonly ServiceView[]) => list.map((service) => service.endpoint.id).join(' and ');
  if (active.length > 1) return { problem: `${ids(active)} both say that they are the active ${kind}` };
  const told = services.map(
    (service) => `${service.endpoint.id} ${service.state === 'silent' ? 'does not answer' : 'is'} (${service.why})`,
  );
  return { problem: `no active ${kind}: ${told.join(', ')}` };
}

/** All answered, and none of them is active: that is known to be bad, not merely unknown. */
export function knownLeaderless(services: readonly ServiceView[]): boolean {
  return services.every((service) => service.state === 'standby' || service.state === 'other');
}
