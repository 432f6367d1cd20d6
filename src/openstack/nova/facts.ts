import type { InstanceFacts } from '../../../machines/domain.ts';
import type { Server } from './schema.ts';

/** A server as the machines see it. Floating addresses are left out: they belong to the cloud, not to the node. */
export function toInstanceFacts(server: Server): InstanceFacts {
  return {
    id: server.id,
    name: server.name,
    status: server.status,
    taskState: server['OS-EXT-STS:task_state'] ?? null,
    nodeUuid: server['OS-EXT-SRV-ATTR:hypervisor_hostname'] ?? null,
    addresses: Object.values(server.addresses).flatMap((ports) =>
      ports.filter((port) => (port['OS-EXT-IPS:type'] ?? 'fixed') === 'fixed').map((port) => port.addr),
    ),
    networks: Object.keys(server.addresses),
    metadata: server.metadata,
    flavorName: server.flavor.original_name ?? null,
    imageId: server.image ? server.image.id : null,
    keyName: server.key_name ?? null,
    // Nova answers "True" or an empty string.
    configDrive: server.config_drive === true || server.config_drive === 'True',
    createdAt: server.created,
    fault: server.fault?.message.trim() ?? null,
  };
}
