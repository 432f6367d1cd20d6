import type { JsonObject } from './types.ts';

/**
 * The records of the world. They are never written to: a change is a new record in the place of the old one, so a
 * list answered, an event kept and a snapshot of yesterday all stay what they were.
 */

/** A node, with Ironic's own names; times are milliseconds. */
export interface NodeRecord {
  readonly uuid: string;
  readonly name: string | null;
  readonly driver: string;
  readonly driver_info: JsonObject;
  readonly driver_internal_info: JsonObject;
  readonly properties: JsonObject;
  readonly extra: JsonObject;
  readonly instance_info: JsonObject;
  readonly network_data: JsonObject;
  readonly resource_class: string | null;
  readonly description: string | null;
  readonly automated_clean: boolean | null;
  readonly chassis_uuid: string | null;
  readonly conductor_group: string;
  readonly owner: string | null;
  readonly lessee: string | null;
  readonly retired: boolean;
  readonly retired_reason: string | null;
  readonly protected: boolean;
  readonly protected_reason: string | null;
  readonly maintenance: boolean;
  readonly maintenance_reason: string | null;
  readonly instance_uuid: string | null;
  readonly console_enabled: boolean;
  readonly boot_mode: string | null;
  readonly secure_boot: boolean | null;
  readonly shard: string | null;
  readonly interfaces: Readonly<Record<string, string>>;
  readonly traits: readonly string[];
  readonly provision_state: string;
  readonly target_provision_state: string | null;
  readonly power_state: string | null;
  readonly target_power_state: string | null;
  readonly reservation: string | null;
  readonly last_error: string | null;
  readonly target_raid_config: JsonObject;
  readonly clean_step: JsonObject;
  readonly deploy_step: JsonObject;
  readonly created_at: number;
  readonly updated_at: number | null;
  readonly provision_updated_at: number | null;
  /** Tells a node from another of the same uuid that was deleted before: what Placement may still hold. */
  readonly serial: number;
}

export interface PortRecord {
  readonly uuid: string;
  readonly address: string;
  readonly node_uuid: string;
  readonly portgroup_uuid: string | null;
  readonly extra: JsonObject;
  readonly internal_info: JsonObject;
  readonly is_smartnic: boolean;
  readonly local_link_connection: JsonObject;
  readonly physical_network: string | null;
  readonly pxe_enabled: boolean;
  readonly created_at: number;
  readonly updated_at: number | null;
}

export interface PortgroupRecord {
  readonly uuid: string;
  readonly address: string | null;
  readonly name: string | null;
  readonly node_uuid: string;
  readonly mode: string;
  readonly properties: JsonObject;
  readonly extra: JsonObject;
  readonly standalone_ports_supported: boolean;
  readonly created_at: number;
  readonly updated_at: number | null;
}

export interface ChassisRecord {
  readonly uuid: string;
  readonly description: string | null;
  readonly extra: JsonObject;
  readonly created_at: number;
  readonly updated_at: number | null;
}

export interface Fault {
  readonly code: number;
  readonly created: number;
  readonly message: string;
}

export interface InstanceAction {
  readonly action: string;
  readonly request_id: string;
  readonly start_time: number;
  readonly updated_at: number;
}

/** What Nova calls a server. */
export interface InstanceRecord {
  readonly id: string;
  readonly name: string;
  readonly projectId: string;
  readonly userId: string;
  readonly imageId: string;
  readonly flavor: FlavorRecord;
  readonly networkIds: readonly string[];
  readonly keyName: string | null;
  readonly metadata: Readonly<Record<string, string>>;
  readonly userData: string | null;
  readonly configDrive: boolean;
  readonly description: string | null;
  readonly tags: readonly string[];
  readonly status: 'BUILD' | 'ACTIVE' | 'SHUTOFF' | 'ERROR' | 'DELETED';
  readonly vmState: 'building' | 'active' | 'stopped' | 'error' | 'deleted';
  readonly taskState: string | null;
  /** Its delete came too early, waits for the end of the boot, and is seen nowhere meanwhile. */
  readonly doomed?: true;
  readonly powerState: number;
  /** Ironic node on which it is or is being built. */
  readonly node: string | null;
  /** Node that the request asked for. */
  readonly pinned: string | null;
  readonly fault: Fault | null;
  readonly number: number;
  readonly createdAt: number;
  readonly updatedAt: number;
  readonly launchedAt: number | null;
  readonly terminatedAt: number | null;
  readonly addresses: Readonly<Record<string, readonly JsonObject[]>>;
  readonly actions: readonly InstanceAction[];
  /** 404 to everybody, seen only in lists of deleted servers. */
  readonly purged: boolean;
}

/** A node as Placement and Nova know it: resource provider and hypervisor. */
export interface ProviderRecord {
  readonly uuid: string;
  readonly serial: number;
  readonly generation: number;
  readonly resourceClass: string | null;
  readonly reserved: number;
  readonly traits: readonly string[];
  /** Server that has the allocation. */
  readonly consumer: string | null;
  readonly updatedAt: number;
}

export interface NeutronPortRecord {
  readonly id: string;
  readonly networkId: string;
  readonly subnetId: string;
  readonly macAddress: string;
  readonly ipAddress: string;
  readonly deviceId: string;
  readonly projectId: string;
  readonly createdAt: number;
  readonly updatedAt: number;
}

export interface FlavorRecord {
  readonly id: string;
  readonly name: string;
  readonly vcpus: number;
  readonly ram: number;
  readonly disk: number;
  readonly extraSpecs: Readonly<Record<string, string>>;
}

export interface ImageRecord {
  readonly id: string;
  readonly name: string;
  readonly createdAt: number;
}

export interface NetworkRecord {
  readonly id: string;
  readonly name: string;
  readonly subnetId: string;
  readonly subnetName: string;
  readonly cidr: string;
  readonly gateway: string;
  /** First and last address handed out, as numbers. */
  readonly first: number;
  readonly last: number;
  readonly createdAt: number;
}

export interface KeypairRecord {
  readonly name: string;
  readonly publicKey: string;
  readonly fingerprint: string;
  readonly createdAt: number;
}
