import { ROLES, type Role, traitOf } from './catalogue.ts';
import type { Context } from './context.ts';
import { newNode } from './ironic/nodes-write.ts';
import { newPortgroup } from './ironic/portgroups.ts';
import { newPort } from './ironic/ports.ts';
import { connectNetworks } from './nova/compute.ts';
import { providerOf, report } from './nova/resource-tracker.ts';
import type { InstanceRecord } from './records.ts';

export interface SeedNode {
  /** Counts from 1: `node-01`, uuid `b0000000-0000-4000-8000-000000000001`, BMC password `bmc-secret-01`. */
  readonly number: number;
  readonly role: Role;
  /** Where it stands; null: its definition does not tell. Default: two in a rack, `r1` to begin with. */
  readonly rack?: string | null;
  /** Two ports, and a portgroup `bond-01` of the two. Default: one port. */
  readonly bonded?: boolean;
  /** In a chassis of its own, with a RAID that it is to have. Default: neither. */
  readonly housed?: boolean;
}

export interface Seed {
  readonly nodes: readonly SeedNode[];
  /** With an ACTIVE instance on each; otherwise they are `available` and free. */
  readonly booted: boolean;
}

/** `count` nodes, of which the first `masters` are masters. */
export function seedNodes(count: number, masters = 1): SeedNode[] {
  return Array.from({ length: count }, (_unused, at) => ({
    number: at + 1,
    role: at < masters ? ('hadoop-master' as const) : ('hadoop-worker' as const),
  }));
}

export function seedUuid(number: number): string {
  return `b0000000-0000-4000-8000-${String(number).padStart(12, '0')}`;
}

/** Fills a control plane with nodes as if they had been enrolled and booted long ago; no time passes. */
export function seed({ nodes, booted }: Seed, context: Context): void {
  for (const { number, role, rack = `r${Math.ceil(number / 2)}`, bonded = false, housed = false } of nodes) {
    const uuid = enrol({ number, role, rack, bonded, housed }, context);
    if (booted) boot(uuid, role, context);
  }
  context.compute.pass();
}

const RAID = { logical_disks: [{ size_gb: 'MAX', raid_level: '1', is_root_volume: true }] };

function enrol({ number, role, rack, bonded, housed }: Required<SeedNode>, context: Context): string {
  const { world, clock } = context;
  const now = clock.now();
  const uuid = seedUuid(number);
  const label = String(number).padStart(2, '0');
  const { resourceClass, cpus, ram, disk } = ROLES[role];
  const owner = [...context.identity.projects.values()].find(({ name }) => name !== 'service')?.id ?? null;
  const chassis = housed ? context.ids() : null;
  if (chassis !== null) {
    const description = `enclosure ${label}`;
    world.put('chassis', chassis, { uuid: chassis, description, extra: {}, created_at: now, updated_at: null });
  }
  const body = {
    uuid,
    name: `node-${label}`,
    driver: 'fake-hardware',
    driver_info: {
      ipmi_address: `10.9.${Math.floor(number / 256)}.${number % 256}`,
      ipmi_username: 'bmc-admin',
      ipmi_password: `bmc-secret-${label}`,
      deploy_kernel: 'file:///deploy/kernel',
      deploy_ramdisk: 'file:///deploy/ramdisk',
    },
    properties: {
      cpus,
      memory_mb: ram,
      local_gb: disk,
      cpu_arch: 'x86_64',
      capabilities: 'boot_mode:uefi,boot_option:local',
    },
    resource_class: resourceClass,
    extra: rack === null ? { role } : { role, rack },
    description: `sandbox node ${number}`,
    owner,
    ...(chassis === null ? {} : { chassis_uuid: chassis }),
  };
  const node = newNode(body, now, world.nextSerial());
  const traits = [traitOf(role), ...(rack === null ? [] : [`CUSTOM_RACK_${rack.toUpperCase()}`])];
  world.put('nodes', uuid, {
    ...node,
    traits,
    ...(housed ? { target_raid_config: RAID } : {}),
    provision_state: 'available',
    power_state: 'power off',
    provision_updated_at: now,
  });
  const group = bonded ? context.ids() : null;
  if (group !== null) {
    const bond = { node_uuid: uuid, name: `bond-${label}`, mode: '802.3ad', properties: { miimon: '100' } };
    world.put('portgroups', group, newPortgroup(bond, group, now));
  }
  const hex = (value: number) => value.toString(16).padStart(2, '0');
  for (const index of bonded ? [0, 1] : [0]) {
    const port = {
      address: `52:54:00:${hex(Math.floor(number / 256))}:${hex(number % 256)}:${hex(index)}`,
      node_uuid: uuid,
      portgroup_uuid: group,
      physical_network: 'physnet1',
      pxe_enabled: index === 0,
      local_link_connection: {
        switch_id: '00:11:22:33:44:55',
        port_id: `Eth${index + 1}/${number}`,
        switch_info: `leaf-${index + 1}`,
      },
    };
    const portUuid = context.ids();
    world.put('ports', portUuid, newPort(port, portUuid, now));
  }
  const created = world.tables.nodes.get(uuid);
  if (created !== undefined) report(providerOf(created, world.tables.providers.get(uuid), now), context);
  return uuid;
}

/** So long what is there from the beginning has been running. */
const DAY_MS = 24 * 3_600_000;

function boot(uuid: string, role: Role, context: Context): void {
  const { world, clock, identity } = context;
  const { flavors, images, networks } = world.catalogue;
  const now = clock.now();
  const booted = now - DAY_MS;
  const flavor = [...flavors.values()].find(({ name }) => name === `bm.${role}`);
  const image = [...images.values()][0];
  const node = world.tables.nodes.get(uuid);
  const user = identity.users[0];
  const project = user === undefined ? undefined : identity.projects.get(user.projects[0] ?? '');
  if (
    flavor === undefined ||
    image === undefined ||
    node === undefined ||
    user === undefined ||
    project === undefined
  ) {
    throw new Error(
      `${context.name}: nothing can be booted on ${uuid}: a flavor bm.${role}, an image and a user with a project are needed`,
    );
  }
  const instance: InstanceRecord = {
    id: context.ids(),
    name: `${role}-${node.name ?? uuid}`,
    projectId: project.id,
    userId: identity.userId(user),
    imageId: image.id,
    flavor,
    networkIds: [...networks.keys()].slice(0, 1),
    keyName: 'ops',
    metadata: { role, node: uuid },
    userData: null,
    configDrive: false,
    description: null,
    tags: [],
    status: 'ACTIVE',
    vmState: 'active',
    taskState: null,
    powerState: 1,
    node: uuid,
    pinned: uuid,
    fault: null,
    number: world.nextSerial(),
    createdAt: booted,
    updatedAt: booted,
    launchedAt: booted,
    terminatedAt: null,
    addresses: {},
    actions: [{ action: 'create', request_id: `req-${context.ids()}`, start_time: booted, updated_at: booted }],
    purged: false,
  };
  const addresses = connectNetworks(context, instance, node);
  if (addresses === null)
    throw new Error(
      `${context.name}: no address is left in the tenant network for ${instance.name}; make addressBlock larger`,
    );
  world.put('instances', instance.id, { ...instance, addresses });
  const instance_info = { image_source: image.id, display_name: instance.name, nova_host_id: context.compute.host };
  world.change('nodes', uuid, {
    provision_state: 'active',
    power_state: 'power on',
    instance_uuid: instance.id,
    instance_info,
    updated_at: now,
  });
  world.change('providers', uuid, { consumer: instance.id });
}
