import type { Change } from '../../../src/deployments/types.ts';
import type { ChangeEvent } from '../../../src/sandbox/openstack/types.ts';
import type { DeepReadonly, StoreState } from '../../../src/store/types.ts';
import type { Application, MemberChange, MembershipAnswer } from '../world/application.ts';
import type { Call } from '../world/calls.ts';
import type { World } from '../world/world.ts';

/** What a watcher may look at: the simulated world, or the sandbox with a real process in front of it. */
export type Watched = Pick<
  World,
  'planes' | 'mirrors' | 'mirror' | 'plane' | 'blamed' | 'roles' | 'racks' | 'disk' | 'record' | 'violate'
> & {
  readonly application: Pick<Application, 'get' | 'members'>;
  readonly time: Pick<World['time'], 'now'>;
  readonly options: Pick<World['options'], 'roleMax' | 'deployment' | 'seed' | 'namesNobody'>;
  /** Of several Ephyras: whether another than the one that is watched was the last to write to a node. */
  readonly isOthers?: (uuid: string) => boolean;
};

/**
 * One invariant of DESIGN section 5 as a watcher of the emulated world. It is told of everything the moment it happens,
 * and calls `world.violate` with its name when what it guards is broken.
 */
export interface Invariant {
  readonly name: string;
  /** A single change of state of a control plane; the mirrors show the state after it. */
  changed?(event: ChangeEvent): void;
  /** A request leaves Ephyra. */
  sent?(call: Call): void;
  /** A request has reached its service, which has not looked at it. */
  arrived?(call: Call): void;
  /** The service has decided (`call.status`). */
  served?(call: Call): void;
  /** The answer has reached Ephyra. `body` is the JSON value. */
  delivered?(call: Call, body: unknown): void;
  /** Ephyra has learned that there will be no answer. */
  failed?(call: Call): void;
  /** The application has told Ephyra about a node. */
  answered?(answer: MembershipAnswer): void;
  member?(change: MemberChange): void;
  /** The disk holds something new. */
  stored?(state: DeepReadonly<StoreState>): void;
  /** Ephyra has told its faces something. */
  told?(change: Change): void;
  /** Ephyra has written something. */
  output?(where: 'log' | 'metrics' | 'answer' | 'slack', text: string): void;
}

/** A broken invariant: which, what was seen, and what had happened before. */
export class Violation extends Error {
  override readonly name = 'Violation';
  readonly invariant: string;
  readonly what: string;

  constructor(invariant: string, what: string, story: string) {
    super(`${invariant}: ${what}\n${story}`);
    this.invariant = invariant;
    this.what = what;
  }
}
