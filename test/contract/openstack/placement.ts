import { expect } from 'vitest';
import type { Case } from './suite.ts';
import { LOCKED, nodeUuid, ORPHANED, ok, POWERLESS, PROTECTED, STOPPED, type World } from './world.ts';

interface Providers {
  readonly resource_providers: readonly { readonly uuid: string; readonly name: string; readonly generation: number }[];
}

interface Inventories {
  readonly inventories: Record<string, { readonly total: number; readonly reserved: number }>;
}

export function customClass(resourceClass: string): string {
  return `CUSTOM_${resourceClass.toUpperCase().replaceAll('-', '_')}`;
}

/** The inventory of a lab node; undefined while Placement does not know it. */
export async function inventory(world: World, lab: number) {
  const answer = await world.cloud.placement<Inventories>(`/resource_providers/${nodeUuid(lab)}/inventories`);
  if (answer.status === 404) return undefined;
  return ok(answer, 200).body.inventories[customClass(world.backend.contents.worker.resourceClass)];
}

export async function usage(world: World, lab: number): Promise<number | undefined> {
  const path = `/resource_providers/${nodeUuid(lab)}/usages`;
  const { body } = ok(await world.cloud.placement<{ usages: Record<string, number> }>(path), 200);
  return body.usages[customClass(world.backend.contents.worker.resourceClass)];
}

/** Which lab nodes the scheduler could give to an instance of the worker flavor, by the one bulk call. */
export async function schedulable(world: World, more = ''): Promise<readonly number[]> {
  const resources = `${customClass(world.backend.contents.worker.resourceClass)}:1`;
  const path = `/resource_providers?resources=${resources}${more}`;
  const { body } = ok(await world.cloud.placement<Providers>(path), 200);
  const uuids = body.resource_providers.map(({ uuid }) => uuid);
  return [STOPPED, ORPHANED, PROTECTED, LOCKED, POWERLESS].filter((lab) => uuids.includes(nodeUuid(lab)));
}

/** Providers of nodes that nothing runs on yet; those of nodes in use are among the Nova cases. */
export function placementCases(): readonly Case[] {
  const ready = [STOPPED, ORPHANED, PROTECTED, LOCKED];
  return [
    {
      id: 'placement.schedulable.free',
      call: 'placement GET /resource_providers?resources={class}:1 -> 200',
      says: 'nodes that are available and powered come to be listed as having room',
      run: async (world) => {
        await world.until('every available node to be schedulable', async () => {
          const answer = await world.cloud.placement(
            `/resource_providers?resources=${customClass(world.backend.contents.worker.resourceClass)}:1`,
          );
          // Until Nova's first look the class itself is unknown.
          if (answer.status === 400) return false;
          const found = await schedulable(world);
          return ready.every((lab) => found.includes(lab));
        });
        expect(await inventory(world, STOPPED)).toMatchObject({ total: 1, reserved: 0 });
        expect(await usage(world, STOPPED)).toBe(0);
      },
    },
    {
      id: 'placement.schedulable.reserved',
      call: 'placement GET /resource_providers?resources={class}:1 -> 200',
      says: 'a node whose power state is unknown stays reserved, though available, and is not listed',
      run: async (world) => {
        expect((await world.node(POWERLESS)).provision_state).toBe('available');
        expect((await world.node(POWERLESS)).power_state).toBeNull();
        expect(await inventory(world, POWERLESS)).toMatchObject({ total: 1, reserved: 1 });
        expect(await schedulable(world)).toEqual(ready);
      },
    },
    {
      id: 'placement.schedulable.trait',
      call: 'placement GET /resource_providers?resources={class}:1&required={trait} -> 200',
      says: 'the same list can be narrowed to nodes that have a trait',
      run: async (world) => {
        const { worker } = world.backend.contents;
        expect(await schedulable(world, `&required=${worker.trait}`)).toEqual(ready);
        expect(await schedulable(world, '&required=HW_CPU_X86_VMX')).toEqual([]);
        expect(await schedulable(world, `&required=${worker.trait},HW_CPU_X86_VMX`)).toEqual([]);
        expect(await schedulable(world, `&required=!${worker.trait}`)).toEqual([]);
      },
    },
    {
      id: 'placement.schedulable.unknown-class',
      call: 'placement GET /resource_providers?resources= -> 400',
      says: 'a resource class that no node here ever had is a bad request, not an empty list',
      run: async ({ cloud }) => {
        const answer = await cloud.placement<{ errors: { detail: string }[] }>(
          '/resource_providers?resources=CUSTOM_NO_SUCH_CLASS:1',
        );
        expect(answer.status).toBe(400);
        expect(answer.body.errors[0]?.detail).toContain('No such resource class CUSTOM_NO_SUCH_CLASS');
      },
    },
    {
      id: 'placement.schedulable.unknown-trait',
      call: 'placement GET /resource_providers?required= -> 400',
      says: 'a trait that no node here ever had is a bad request, not an empty list',
      run: async ({ backend, cloud }) => {
        const answer = await cloud.placement<{ errors: { detail: string }[] }>(
          `/resource_providers?resources=${customClass(backend.contents.worker.resourceClass)}:1&required=CUSTOM_NO_SUCH`,
        );
        expect(answer.status).toBe(400);
        expect(answer.body.errors[0]?.detail).toContain('No such trait(s): CUSTOM_NO_SUCH');
      },
    },
    {
      id: 'placement.providers',
      call: 'placement GET /resource_providers -> 200',
      says: 'every node that Nova has seen is a provider named by its uuid, schedulable or not',
      run: async ({ cloud }) => {
        const answer = await cloud.placement<Providers>('/resource_providers');
        expect(answer.status).toBe(200);
        for (const lab of [STOPPED, POWERLESS]) {
          expect(answer.body.resource_providers).toContainEqual(
            expect.objectContaining({ uuid: nodeUuid(lab), name: nodeUuid(lab), generation: expect.any(Number) }),
          );
        }
      },
    },
    {
      id: 'placement.traits',
      call: 'placement GET /resource_providers/{provider}/traits -> 200',
      says: "a provider has its node's traits",
      run: async ({ backend, cloud }) => {
        const answer = await cloud.placement<{ traits: string[] }>(`/resource_providers/${nodeUuid(STOPPED)}/traits`);
        expect(answer.status).toBe(200);
        expect(answer.body.traits).toContain(backend.contents.worker.trait);
      },
    },
    {
      id: 'placement.provider.unknown',
      call: 'placement GET /resource_providers/{provider} -> 404',
      says: 'an unknown provider is not found, nor are its inventories',
      run: async ({ cloud }) => {
        const path = '/resource_providers/00000000-0000-4000-8000-000000000000';
        for (const more of ['', '/inventories', '/usages']) {
          const answer = await cloud.placement<{ errors: { status: number }[] }>(path + more);
          expect(answer.status).toBe(404);
          expect(answer.body.errors[0]?.status).toBe(404);
        }
      },
    },
    {
      id: 'placement.allocations.unknown',
      call: 'placement GET /allocations/{server} -> 200',
      says: 'a server that holds nothing has no allocations, rather than not being found',
      run: async ({ cloud }) => {
        const answer = await cloud.placement('/allocations/00000000-0000-4000-8000-000000000000');
        expect(answer.status).toBe(200);
        expect(answer.body).toMatchObject({ allocations: {} });
      },
    },
  ];
}
