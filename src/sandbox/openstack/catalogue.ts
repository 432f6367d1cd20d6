import { COMPUTE_TRAITS } from './nova/resource-tracker.ts';
import type { FlavorRecord } from './records.ts';
import type { ControlPlaneOptions } from './types.ts';
import type { Catalogue } from './world.ts';

export const ROLES = {
  'hadoop-master': { resourceClass: 'bm-master', cpus: 16, ram: 65_536, disk: 500 },
  'hadoop-worker': { resourceClass: 'bm-worker', cpus: 32, ram: 131_072, disk: 4000 },
} as const;
export type Role = keyof typeof ROLES;

/** `hadoop-worker` as a trait: `CUSTOM_HADOOP_WORKER`. */
export function traitOf(word: string): string {
  return `CUSTOM_${word.toUpperCase().replaceAll('-', '_')}`;
}

/** Two flavors, an image, a network and a key pair: what an operator makes before the first node. */
export function createCatalogue(options: ControlPlaneOptions): Catalogue {
  const { ids, clock } = options;
  const createdAt = clock.now();
  const flavors = Object.entries(ROLES).map(([role, { resourceClass, cpus, ram, disk }]): FlavorRecord => {
    const resources = {
      [`resources:${traitOf(resourceClass)}`]: '1',
      'resources:DISK_GB': '0',
      'resources:MEMORY_MB': '0',
      'resources:VCPU': '0',
    };
    return {
      id: ids(),
      name: `bm.${role}`,
      vcpus: cpus,
      ram,
      disk,
      extraSpecs: { ...resources, [`trait:${traitOf(role)}`]: 'required' },
    };
  });
  const image = { id: ids(), name: 'hadoop-image', createdAt };
  const block = options.addressBlock ?? `10.${/\d+$/.exec(options.name)?.[0] ?? '1'}`;
  const start = block.split('.').reduce((sum, part) => sum * 256 + Number(part), 0) * 65_536;
  const network = {
    id: ids(),
    name: 'tenant-net',
    subnetId: ids(),
    subnetName: 'tenant-subnet',
    cidr: `${block}.0.0/22`,
    gateway: `${block}.0.1`,
    first: start + 10,
    last: start + 3 * 256 + 250,
    createdAt,
  };
  const publicKey = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIE9WWVVZVVlVWVlVWVlVWVlVWVlVWVlVWVlVWVlVWVlV ops';
  const keypair = { name: 'ops', publicKey, fingerprint: 'd0:75:91:42:95:0b:20:11:8b:97:20:60:ee:0f:ed:bc', createdAt };
  return {
    flavors: new Map(flavors.map((flavor) => [flavor.id, flavor])),
    images: new Map([[image.id, image]]),
    networks: new Map([[network.id, network]]),
    keypairs: new Map([[keypair.name, keypair]]),
    resourceClasses: new Set(['VCPU', 'MEMORY_MB', 'DISK_GB']),
    traits: new Set(COMPUTE_TRAITS),
    nextAddress: new Map(),
  };
}
