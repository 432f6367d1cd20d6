import { expect } from 'vitest';
import type { Case } from './suite.ts';

interface Images {
  readonly images: readonly { readonly id: string; readonly name: string; readonly status: string }[];
}

export function glanceCases(): readonly Case[] {
  return [
    {
      id: 'glance.images.by-name',
      call: 'glance GET /v2/images?name= -> 200',
      says: 'an image is found by its exact name and is active',
      run: async ({ backend, cloud }) => {
        const { image } = backend.contents;
        const answer = await cloud.glance<Images>(`/images?limit=1000&name=${image}`);
        expect(answer.status).toBe(200);
        expect(answer.body.images).toEqual([expect.objectContaining({ name: image, status: 'active' })]);
        const [found] = answer.body.images;
        expect((await cloud.glance(`/images/${found?.id}`)).body).toMatchObject({ id: found?.id, name: image });
      },
    },
    {
      id: 'glance.images.unknown-name',
      call: 'glance GET /v2/images?name= -> 200',
      says: 'an unknown name, and a part of a known one, give an empty list',
      run: async ({ backend, cloud }) => {
        for (const name of ['no-such-image', backend.contents.image.slice(0, -1)]) {
          const answer = await cloud.glance<Images>(`/images?name=${name}`);
          expect(answer.status).toBe(200);
          expect(answer.body.images).toEqual([]);
        }
      },
    },
    {
      id: 'glance.image.unknown',
      call: 'glance GET /v2/images/{image} -> 404',
      says: 'an unknown id is not found',
      run: async ({ cloud }) => {
        expect((await cloud.glance('/images/00000000-0000-4000-8000-000000000000')).status).toBe(404);
      },
    },
  ];
}
