import { emptyState, isEnded } from '../../../src/store/state.ts';
import type { DeepReadonly, StoreState } from '../../../src/store/types.ts';
import { UnavailabilityCeiling } from '../invariants/ceiling.ts';
import { SameNodes } from '../invariants/continuity.ts';
import { OneDeployment, OneWriter } from '../invariants/exclusive.ts';
import { ForeignUntouched } from '../invariants/foreign.ts';
import { allInvariants } from '../invariants/index.ts';
import type { Invariant, Watched } from '../invariants/invariant.ts';
import { RolesWhole } from '../invariants/roles.ts';
import type { InstallationOptions } from './installation.ts';
import { Installation } from './installation.ts';
import type { WorldOptions } from './world.ts';
import { World } from './world.ts';

/** Several Ephyras that do not know of each other, on the same clouds. */
export interface Twins {
  readonly world: World;
  readonly ephyras: readonly Installation[];
}

/** Those that judge by what is on disk: each Ephyra is judged by its own. */
const BY_DISK = [ForeignUntouched, SameNodes, OneDeployment, RolesWhole] as const;

/**
 * A world in which Ephyra was installed several times by mistake, each on a host and with a store of its own. None of them
 * runs yet. All invariants are watched over, and that never two of them write to one control plane.
 *
 * @param hosts what is particular to each of them; default: two
 */
export function twins(
  options: WorldOptions = {},
  hosts: readonly (Partial<InstallationOptions> & { readonly host: string })[] = [
    { host: 'host-a' },
    { host: 'host-b' },
  ],
): Twins {
  const ephyras: Installation[] = [];
  const judges: Invariant[] = [];
  const ownerOf = (process: number) => ephyras.findIndex(({ processes }) => processes.includes(process));
  const judge = new Proxy({} as Invariant, {
    get: (_, what: keyof Invariant) =>
      what === 'name'
        ? 'each by its own disk'
        : (...told: { process?: number }[]) => {
            for (const [index, one] of judges.entries()) {
              const process = told[0]?.process;
              if (process !== undefined && ownerOf(process) !== Math.floor(index / BY_DISK.length)) continue;
              // What a disk holds, its own judge is told by the disk; for marks in the clouds there is one for all.
              if (what === 'stored' || (what === 'changed' && one instanceof OneDeployment)) continue;
              (one[what] as ((...args: unknown[]) => void) | undefined)?.call(one, ...told);
            }
          },
  });
  const world: World = new World({
    ...options,
    invariants: [
      ...allInvariants.map((create) => (world: World) => {
        const one = create(world);
        const otherwise = [UnavailabilityCeiling, ...BY_DISK].some((kind) => one instanceof kind);
        return otherwise ? { name: one.name } : one;
      }),
      () =>
        new UnavailabilityCeiling(
          seenBy(
            () => world,
            () => atWork(ephyras),
          ),
        ),
      (world) => new OneWriter(world, (process) => String(ownerOf(process))),
      () => judge,
      () =>
        marksOnly(
          new OneDeployment(
            seenBy(
              () => world,
              () => atWork(ephyras),
              () => allDisks(ephyras),
            ),
          ),
        ),
    ],
  });
  for (const host of hosts) {
    const index = ephyras.length;
    const own = () => judges.slice(index * BY_DISK.length, (index + 1) * BY_DISK.length);
    const ephyra: Installation = new Installation(world, {
      ...host,
      stoppable: true,
      stored: (state) => {
        listen(ephyra, state, world.time.now());
        for (const one of own()) one.stored?.(state);
        host.stored?.(state);
      },
    });
    ephyras.push(ephyra);
    judges.push(
      ...BY_DISK.map(
        (kind) =>
          new kind(
            seenBy(
              () => world,
              () => ephyra,
            ),
          ),
      ),
    );
  }
  return { world, ephyras };
}

/** A deployment that one of them has found by its marks may have ended there, and go on where it began. */
const marksOnly = (one: OneDeployment): Invariant => ({ name: one.name, changed: (event) => one.changed(event) });

/** What is on the disks of all of them: first what has not ended on one of them, whatever another says. */
function allDisks(ephyras: readonly Installation[]): DeepReadonly<StoreState> {
  const deployments = ephyras.flatMap(({ disk }) => disk.deployments);
  return {
    ...emptyState(),
    deployments: [...deployments.filter((one) => !isEnded(one)), ...deployments.filter(isEnded)],
  };
}

/** By Ephyra and node: where its disk has it, and since when. */
const SAID = new WeakMap<Installation, Map<string, { readonly place: string; readonly at: number }>>();

function listen(ephyra: Installation, { deployments }: DeepReadonly<StoreState>, now: number): void {
  const said = SAID.get(ephyra) ?? new Map();
  SAID.set(ephyra, said);
  for (const { uuid, place } of deployments.flatMap(({ results }) => results)) {
    if (said.get(uuid)?.place !== place) said.set(uuid, { place, at: now });
  }
}

/** The one that has a deployment which has not ended; else the first. */
const atWork = (ephyras: readonly Installation[]): Installation | undefined =>
  ephyras.find(({ record }) => record !== undefined && !isEnded(record)) ?? ephyras[0];

/** The world with the disk of one of its Ephyras. */
function seenBy(
  world: () => World,
  ephyra: () => Installation | undefined,
  disk = (): DeepReadonly<StoreState> => ephyra()?.disk ?? emptyState(),
): Watched {
  return {
    get planes() {
      return world().planes;
    },
    get mirrors() {
      return world().mirrors;
    },
    get blamed() {
      return world().blamed;
    },
    get roles() {
      return world().roles;
    },
    get racks() {
      return world().racks;
    },
    get application() {
      return world().application;
    },
    get time() {
      return world().time;
    },
    get options() {
      return world().options;
    },
    mirror: (name) => world().mirror(name),
    plane: (name) => world().plane(name),
    violate: (name, what) => world().violate(name, `${ephyra()?.host ?? 'nobody'}: ${what}`),
    get disk() {
      return disk();
    },
    get record() {
      return ephyra()?.record;
    },
    isOthers: (uuid) => {
      const own = ephyra();
      const last = world().writes.findLast(({ node }) => node === uuid);
      if (own === undefined || last === undefined || own.processes.includes(last.process)) return false;
      return last.sentAt > (SAID.get(own)?.get(uuid)?.at ?? Number.NEGATIVE_INFINITY);
    },
  };
}
