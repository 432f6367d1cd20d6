import { z } from 'zod';

/** Of a node the resource provider's uuid and name are both the node's uuid. */
export const providerSchema = z.object({ uuid: z.string(), name: z.string() });
export type Provider = z.infer<typeof providerSchema>;

export const inventorySchema = z.looseObject({ total: z.number(), reserved: z.number() });
/** By resource class, e.g. `CUSTOM_BM_WORKER`. */
export type Inventories = Record<string, z.infer<typeof inventorySchema>>;
