import { listAll } from '../paging.ts';
import type { CallOptions, ServiceClient } from '../service.ts';
import { type Image, imageSchema } from './schema.ts';

/** Image API v2. */
export interface Glance {
  /** `name` is matched exactly; names need not be unique. */
  listImages(o?: CallOptions & { name?: string }): Promise<Image[]>;
}

export function createGlance(client: ServiceClient): Glance {
  return {
    listImages: (o) =>
      listAll(
        client,
        { key: 'images', item: imageSchema, style: 'next', id: (it) => it.id },
        {
          method: 'GET',
          route: '/images',
          query: { limit: client.pageSize, name: o?.name },
          expect: [200],
          signal: o?.signal,
        },
      ),
  };
}
