import { z } from 'zod';
import { isRecord } from '../messages.ts';

/** What the bulk list asks for and keeps: enough to decide, little enough for thousands of nodes. */
export const NODE_SUMMARY_FIELDS = [
  'uuid',
  'name',
  'provision_state',
  'target_provision_state',
  'power_state',
  'instance_uuid',
  'maintenance',
  'maintenance_reason',
  'protected',
  'retired',
  'reservation',
  'last_error',
  'resource_class',
  'extra',
  'driver',
  'owner',
  'conductor_group',
] as const;

const text = z.string().nullable();
/** Whatever the service keeps there; nothing of it is looked at, so nothing is copied. */
const anyObject = z.custom<Record<string, unknown>>(isRecord, 'Invalid input: expected object');

const summaryShape = {
  uuid: z.string(),
  name: text,
  provision_state: z.string(),
  target_provision_state: text,
  power_state: text,
  instance_uuid: text,
  maintenance: z.boolean(),
  maintenance_reason: text,
  protected: z.boolean(),
  retired: z.boolean(),
  reservation: text,
  last_error: text,
  resource_class: text,
  extra: anyObject,
  driver: z.string(),
  owner: text,
  conductor_group: z.string(),
};

/** A node in the bulk list. Other fields are dropped. */
export const nodeSummarySchema = z.object(summaryShape);
export type NodeSummary = z.infer<typeof nodeSummarySchema>;

/** A whole node under the API's own names. Fields that we do not know are kept. */
export const nodeDetailSchema = z.looseObject({
  ...summaryShape,
  driver_info: anyObject,
  properties: anyObject,
  instance_info: anyObject.nullish(),
  driver_internal_info: anyObject.nullish(),
  description: text.optional(),
  chassis_uuid: text.optional(),
  lessee: text.optional(),
  network_data: anyObject.nullish(),
  automated_clean: z.boolean().nullish(),
  retired_reason: text.optional(),
  protected_reason: text.optional(),
  shard: text.optional(),
  traits: z.array(z.string()).optional(),
  target_raid_config: anyObject.nullish(),
});
export type NodeDetail = z.infer<typeof nodeDetailSchema>;

/** What the machine boots from next, as far as its BMC tells. */
export const bootDeviceSchema = z.object({ boot_device: text, persistent: z.boolean().nullable() });
export type BootDevice = z.infer<typeof bootDeviceSchema>;

export const portDetailSchema = z.looseObject({
  uuid: z.string(),
  address: z.string(),
  node_uuid: z.string(),
  portgroup_uuid: text.optional(),
  physical_network: text.optional(),
  local_link_connection: anyObject.nullish(),
  pxe_enabled: z.boolean().nullish(),
  is_smartnic: z.boolean().nullish(),
  extra: anyObject.nullish(),
});
export type PortDetail = z.infer<typeof portDetailSchema>;

export const portgroupDetailSchema = z.looseObject({
  uuid: z.string(),
  node_uuid: z.string(),
  address: text.optional(),
  name: text.optional(),
  mode: text.optional(),
  properties: anyObject.nullish(),
  standalone_ports_supported: z.boolean().nullish(),
  extra: anyObject.nullish(),
});
export type PortgroupDetail = z.infer<typeof portgroupDetailSchema>;

/** A driver with the interfaces that are enabled: `enabled_<kind>_interfaces` and `default_<kind>_interface`. */
export const driverSchema = z.looseObject({
  name: z.string(),
  hosts: z.array(z.string()),
  type: z.string().nullish(),
});
export type Driver = z.infer<typeof driverSchema>;

export const chassisSchema = z.looseObject({
  uuid: z.string(),
  description: text.optional(),
  extra: anyObject.nullish(),
  created_at: text.optional(),
  updated_at: text.optional(),
});
export type Chassis = z.infer<typeof chassisSchema>;

/** Ironic's PATCH knows these three. `test` is refused: there is no compare-and-set. */
export type PatchOp =
  | { readonly op: 'add' | 'replace'; readonly path: string; readonly value: unknown }
  | { readonly op: 'remove'; readonly path: string };
