import { z } from 'zod';
import type { CatalogService } from './catalog.ts';

export interface Microversion {
  readonly major: number;
  readonly minor: number;
}

interface Pin {
  /** Name of the request header. */
  readonly header: string;
  /** What is put before the number in the header. */
  readonly prefix: string;
  readonly wanted: string;
  readonly needed: string;
  /** Why not less, for the person whose cloud is too old. */
  readonly because: string;
}

/**
 * What we speak. Each request says `wanted`, which is right for every cloud of the last years and costs no call to find
 * out; only a 406 makes us read the version document and settle on what both sides know.
 *
 * - Ironic 1.82 is the first to show `shard`: at 1.81 the field would be lost in a move without a word. Needed is 1.61:
 *   before it `retired` cannot be seen, and an unseen field must not be taken for false.
 * - Nova 2.74 is the first that boots on a named node (`hypervisor_hostname`).
 * - Placement 1.18 is the first that takes `required` traits in the list of providers.
 */
export const PINS: Readonly<Partial<Record<CatalogService, Pin>>> = {
  ironic: {
    header: 'x-openstack-ironic-api-version',
    prefix: '',
    wanted: '1.82',
    needed: '1.61',
    because: 'to see whether a node is retired',
  },
  nova: {
    header: 'openstack-api-version',
    prefix: 'compute ',
    wanted: '2.90',
    needed: '2.74',
    because: 'to boot an instance on a given node',
  },
  placement: {
    header: 'openstack-api-version',
    prefix: 'placement ',
    wanted: '1.38',
    needed: '1.18',
    because: 'to find free nodes by trait',
  },
};

export function parseVersion(text: string): Microversion | null {
  const found = /^(\d+)\.(\d+)$/.exec(text.trim());
  return found ? { major: Number(found[1]), minor: Number(found[2]) } : null;
}

function compare(a: Microversion, b: Microversion): number {
  return a.major - b.major || a.minor - b.minor;
}

export interface Range {
  readonly min: string;
  readonly max: string;
}

const versionDocument = z.object({
  versions: z
    .array(
      z.object({
        status: z.string().nullish(),
        version: z.string().nullish(),
        max_version: z.string().nullish(),
        min_version: z.string().nullish(),
      }),
    )
    .min(1),
});

/** The microversions that a service's root document offers: the highest range in it. Null when it cannot be read. */
export function offeredRange(document: unknown): Range | null {
  const parsed = versionDocument.safeParse(document);
  if (!parsed.success) return null;
  const ranges = parsed.data.versions.flatMap((entry) => {
    const min = entry.min_version ?? '';
    const max = entry.max_version || entry.version || '';
    const top = parseVersion(max);
    return top && parseVersion(min) ? [{ min, max, top }] : [];
  });
  const best = ranges.sort((a, b) => compare(b.top, a.top))[0];
  return best ? { min: best.min, max: best.max } : null;
}

/** The highest version that both know, or null when that is less than we need (or the service has outgrown us). */
export function settle(pin: Pick<Pin, 'wanted' | 'needed'>, offered: Range): string | null {
  const [wanted, needed, min, max] = [pin.wanted, pin.needed, offered.min, offered.max].map(parseVersion);
  if (!wanted || !needed || !min || !max) return null;
  const best = compare(wanted, max) <= 0 ? pin.wanted : offered.max;
  const version = compare(wanted, max) <= 0 ? wanted : max;
  return compare(version, needed) >= 0 && compare(version, min) >= 0 ? best : null;
}
