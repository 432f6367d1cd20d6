import { createHash } from 'node:crypto';
import type { ChassisBody } from '../../openstack/ironic/requests.ts';
import type { Chassis } from '../../openstack/ironic/schema.ts';

/**
 * What a lease says of itself, in `extra.ephyra_lease` of a chassis: Ironic's create of a given uuid is the one
 * compare-and-set of the clouds, and nothing else uses chassis that no node names.
 */
export interface LeaseRecord {
  readonly v: 1;
  /** From 1. Whoever takes a lease over makes the next one. */
  readonly epoch: number;
  /** The installation: kept in its store, so the same after a restart. */
  readonly owner: string;
  readonly host: string;
  /** New for each process. */
  readonly nonce: string;
  /** Counts the renewals: as long as it moves, the holder lives. No clock has to agree with another for that. */
  readonly heartbeat: number;
  /** Milliseconds after its last renewal for which the holder may write. */
  readonly leaseMs: number;
  /**
   * As long as that is not 0: milliseconds for which the installation must not write, since the one whom it was taken over from
   * may still do so; it cannot be known how many of them are over. Not there in a lease of an older version.
   */
  readonly waitMs?: number;
  /** When it was taken by the holder's clock, milliseconds since the epoch; for people only. */
  readonly since: number;
}

export const LEASE_KEY = 'ephyra_lease';

/** One lease as a list shows it; `record` is null when it cannot be read. */
export interface LeaseSighting {
  readonly uuid: string;
  readonly record: LeaseRecord | null;
}

const NAMESPACE = Buffer.from('5d1c3a52c1a84d6f9f0a7d0f5e8b6a21', 'hex');

/** The uuid of the lease with this epoch, the same for every Ephyra: a name-based one (version 5). */
export function leaseUuid(epoch: number): string {
  const hash = createHash('sha1').update(NAMESPACE).update(`ephyra lease ${epoch}`).digest().subarray(0, 16);
  hash[6] = ((hash[6] ?? 0) & 0x0f) | 0x50;
  hash[8] = ((hash[8] ?? 0) & 0x3f) | 0x80;
  const hex = hash.toString('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}

/** The chassis that stands for a lease. */
export function chassisOf(record: LeaseRecord): ChassisBody {
  return {
    uuid: leaseUuid(record.epoch),
    // 255 characters at most.
    description:
      `Lease of the Ephyra on ${record.host.slice(0, 60)}: it moves nodes of this control plane. Removed when it ends; ` +
      'delete it only when that Ephyra is gone for good.',
    extra: { [LEASE_KEY]: record },
  };
}

/** The leases among all chassis of a control plane. What looks like one and cannot be read is one that cannot be read. */
export function leasesAmong(all: readonly Chassis[]): LeaseSighting[] {
  const sightings = all.flatMap((chassis): LeaseSighting[] => {
    const record = recordOf(chassis);
    return record === undefined ? [] : [{ uuid: chassis.uuid, record }];
  });
  // Places where a lease is or would be next, and what is there does not say so.
  const places = new Set([1, 1 + highestEpoch(sightings)].map(leaseUuid));
  for (const { uuid } of all) {
    if (places.has(uuid) && !sightings.some((one) => one.uuid === uuid)) sightings.push({ uuid, record: null });
  }
  return sightings;
}

/** Undefined: the chassis is no lease. Null: it is one that cannot be read. */
export function recordOf({ uuid, extra }: Chassis): LeaseRecord | null | undefined {
  const value = extra?.[LEASE_KEY];
  if (value === undefined) return undefined;
  return isRecord(value) && leaseUuid(value.epoch) === uuid ? value : null;
}

export const highestEpoch = (sightings: readonly LeaseSighting[]): number =>
  Math.max(0, ...sightings.map(({ record }) => record?.epoch ?? 0));

function isRecord(value: unknown): value is LeaseRecord {
  if (typeof value !== 'object' || value === null) return false;
  const { v, epoch, owner, host, nonce, heartbeat, leaseMs, waitMs = 0, since } = value as Record<string, unknown>;
  const texts = [owner, host, nonce].every((one) => typeof one === 'string' && one !== '');
  const counts = [epoch, heartbeat, leaseMs, waitMs, since].every(
    (one) => Number.isSafeInteger(one) && Number(one) >= 0,
  );
  return v === 1 && texts && counts && Number(epoch) >= 1 && Number(leaseMs) >= 1;
}
