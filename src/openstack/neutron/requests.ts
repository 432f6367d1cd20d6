import type { z } from 'zod';
import { listAll } from '../paging.ts';
import type { CallOptions, Query, ServiceClient } from '../service.ts';
import {
  type IpAvailability,
  ipAvailabilitySchema,
  type Network,
  type NetworkPort,
  networkPortSchema,
  networkSchema,
} from './schema.ts';

/** Networking API v2.0. */
export interface Neutron {
  /** `name` is matched exactly; names need not be unique. */
  listNetworks(o?: CallOptions & { name?: string }): Promise<Network[]>;
  /** Of all networks, or of one. For admins only. */
  ipAvailability(networkId?: string, o?: CallOptions): Promise<IpAvailability[]>;
  /** The ports of an instance: `deviceId` is its id. */
  listPorts(o: CallOptions & { deviceId: string }): Promise<NetworkPort[]>;
}

export function createNeutron(client: ServiceClient): Neutron {
  // No limit is asked for: Neutron has none by itself, and where an admin has set one, it answers with links.
  const list = <S extends z.ZodType>(
    key: string,
    item: S,
    id: (it: z.output<S>) => string,
    route: string,
    query: Query,
    o?: CallOptions,
  ) =>
    listAll(
      client,
      { key, item, style: 'links', id },
      { method: 'GET', route, query, expect: [200], signal: o?.signal },
    );

  return {
    listNetworks: (o) => list('networks', networkSchema, (it) => it.id, '/networks', { name: o?.name }, o),
    ipAvailability: (networkId, o) =>
      list(
        'network_ip_availabilities',
        ipAvailabilitySchema,
        (it) => it.network_id,
        '/network-ip-availabilities',
        { network_id: networkId },
        o,
      ),
    listPorts: (o) => list('ports', networkPortSchema, (it) => it.id, '/ports', { device_id: o.deviceId }, o),
  };
}
