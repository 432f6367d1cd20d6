import { z } from 'zod';
import type { CallOptions, ServiceClient } from '../service.ts';
import { type Inventories, inventorySchema, type Provider, providerSchema } from './schema.ts';

/** Placement API. It has no pages. */
export interface Placement {
  /**
   * All resource providers; with `resources` (e.g. `CUSTOM_BM_WORKER:1`) only those that have so much free right now,
   * that is: not reserved and not in use. Of nodes that means schedulable. `required`: traits they must have.
   */
  listProviders(o?: CallOptions & { resources?: string; required?: readonly string[] }): Promise<Provider[]>;
  /** Null: no such provider. */
  getInventories(uuid: string, o?: CallOptions): Promise<Inventories | null>;
}

const providersPage = z.object({ resource_providers: z.array(providerSchema) });
const inventoriesPage = z.object({ inventories: z.record(z.string(), inventorySchema) });

export function createPlacement(client: ServiceClient): Placement {
  return {
    async listProviders(o) {
      const answer = await client.json(providersPage, {
        method: 'GET',
        route: '/resource_providers',
        query: { resources: o?.resources, required: o?.required?.length ? o.required : undefined },
        expect: [200],
        signal: o?.signal,
      });
      return answer.resource_providers;
    },
    async getInventories(uuid, o) {
      const answer = await client.jsonOrNull(inventoriesPage, {
        method: 'GET',
        route: '/resource_providers/{uuid}/inventories',
        params: { uuid },
        expect: [200],
        signal: o?.signal,
      });
      return answer?.inventories ?? null;
    },
  };
}

/** The resource class under which Nova reports nodes: `bm-worker` becomes `CUSTOM_BM_WORKER`. */
export function customResourceClass(resourceClass: string): string {
  return `CUSTOM_${resourceClass.toUpperCase().replace(/[^A-Z0-9]/g, '_')}`;
}
