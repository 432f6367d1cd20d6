/** An emulator of one OpenStack control plane: the calls that Ephyra uses, as real services were seen to answer them. */
export { ROLES, type Role } from './catalogue.ts';
export { ADMIN, type ControlPlane, createControlPlane } from './controlplane.ts';
export type { ActiveFault, Effect, FaultRule, Faults, RequestEffect, WorldEffect } from './faults.ts';
export { type Listening, type ListenOptions, listen, randomIds, systemClock } from './listen.ts';
export type { Fleet, FleetNode, Snapshot } from './readout.ts';
export { type Seed, type SeedNode, seedNodes, seedUuid } from './seed.ts';
export * from './types.ts';
