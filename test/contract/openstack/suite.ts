import { afterAll, beforeAll, describe, test } from 'vitest';
import type { Backend } from './backend.ts';
import { clientCases, clientInUseCases } from './clients.ts';
import { discoveryCases } from './discovery.ts';
import { glanceCases } from './glance.ts';
import { ironicCreateCases } from './ironic-create.ts';
import { ironicListCases } from './ironic-list.ts';
import { ironicNodeCases } from './ironic-node.ts';
import { ironicSecretCases } from './ironic-secrets.ts';
import { keystoneCases } from './keystone.ts';
import { neutronCases } from './neutron.ts';
import { novaBootCases } from './nova-boot.ts';
import { novaDeleteCases } from './nova-delete.ts';
import { placementCases } from './placement.ts';
import { World } from './world.ts';

/** One statement about a call that Ephyra makes, or about a refusal that it counts on. */
export interface Case {
  /** Never changes: reports of two backends are joined by it. */
  readonly id: string;
  /** Service, method, path and what is answered. */
  readonly call: string;
  readonly says: string;
  run(world: World): Promise<void>;
}

declare module 'vitest' {
  interface TaskMeta {
    contract?: { readonly backend: Backend['name']; readonly id: string; readonly call: string; readonly says: string };
  }
}

// In this order: what prepares slowly (nodes becoming schedulable) ripens while the cases before it run.
const GROUPS: readonly (readonly [string, () => readonly Case[]])[] = [
  ['discovery', discoveryCases],
  ['keystone', keystoneCases],
  ['glance', glanceCases],
  ['neutron', neutronCases],
  ['ironic lists', ironicListCases],
  ['ironic create', ironicCreateCases],
  ['ironic node', ironicNodeCases],
  ['ironic secrets', ironicSecretCases],
  ['placement', placementCases],
  ['clients', clientCases],
  ['nova boot', novaBootCases],
  ['clients in use', clientInUseCases],
  ['nova delete', novaDeleteCases],
];

/** Registers every case with vitest against one backend, which `open` starts before the first and closes after the last. */
export function contract(name: Backend['name'], open: () => Promise<Backend>): void {
  describe(`OpenStack contract, ${name}`, () => {
    let world: World;
    beforeAll(async () => {
      world = await World.open(await open());
    }, 180_000);
    afterAll(async () => {
      await world?.close();
    }, 180_000);

    for (const [group, cases] of GROUPS) {
      describe(group, () => {
        for (const { id, call, says, run } of cases()) {
          test(`${id}: ${says}`, { timeout: 120_000 }, async ({ task }) => {
            task.meta.contract = { backend: name, id, call, says };
            await run(world);
          });
        }
      });
    }
  });
}
