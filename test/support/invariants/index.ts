import { UnavailabilityCeiling } from './ceiling.ts';
import { SameNodes } from './continuity.ts';
import { DefinitionsPresent } from './definitions.ts';
import { NoRepeatedDestruction } from './destruction.ts';
import { Evidence } from './evidence.ts';
import { OneDeployment } from './exclusive.ts';
import { ForeignUntouched } from './foreign.ts';
import { NoHarm } from './harm.ts';
import type { Invariant, Watched } from './invariant.ts';
import { OnePowerManager } from './power.ts';
import { RolesWhole } from './roles.ts';
import { NoSecrets } from './secrets.ts';

/**
 * The invariants of DESIGN section 5, all but the tenth: that Slack has no influence shows only when two worlds are
 * compared, see `withoutSlack` in `test/simulation/run.ts`.
 */
export const allInvariants: readonly ((world: Watched) => Invariant)[] = [
  (world) => new DefinitionsPresent(world),
  (world) => new OnePowerManager(world),
  (world) => new Evidence(world),
  (world) => new NoHarm(world),
  (world) => new UnavailabilityCeiling(world),
  (world) => new ForeignUntouched(world),
  (world) => new RolesWhole(world),
  (world) => new NoRepeatedDestruction(world),
  (world) => new SameNodes(world),
  (world) => new OneDeployment(world),
  (world) => new NoSecrets(world),
];
