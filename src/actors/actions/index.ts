import type { Action } from '../../../machines/decide/decision.ts';
import type { ControlPlaneName, InstanceFacts, Move, NodeFacts, Seen } from '../../../machines/domain.ts';
import { toFailure } from '../../openstack/errors.ts';
import { isInService } from '../application.ts';
import type { NodeSession, Shown } from '../session.ts';
import { addMember, pluginFailure, removeMember, settle } from './application.ts';
import { copyDefinition } from './copy.ts';
import type { ActionDeps, Doing, Performers } from './deps.ts';
import { bootInstance, deleteInstance, startInstance, stopInstance } from './instance.ts';
import { confirm, letGo, stamp } from './marker.ts';
import { manage, powerOn, provide, undeploy, unenroll } from './node.ts';

/** Every action that `decide` can ask for, and who does it. */
const PERFORMERS: Performers = {
  stamp,
  removeMember,
  stopInstance,
  deleteInstance,
  undeploy,
  copyDefinition,
  unenroll,
  manage,
  powerOn,
  provide,
  bootInstance,
  startInstance,
  addMember,
  settle,
  letGo,
  confirm,
};

const BY_PLUGIN: ReadonlySet<Action['name']> = new Set(['removeMember', 'addMember']);

/** What is shown of a node where it is copied to: it is in `enroll`. */
const OF_A_COPY: ReadonlySet<Shown> = new Set(['perhaps', 'there', 'marked']);

/** Does an action on what was just seen. Rejects with a `Failure` only. */
export function createPerform(deps: ActionDeps) {
  return async (
    action: Action,
    move: Move,
    session: NodeSession,
    signal: AbortSignal,
    due: () => boolean,
    refused: (words: string) => void,
  ): Promise<NodeFacts | null | undefined> => {
    const seen = session.observe(move);
    const side = (at: ControlPlaneName): Doing['from'] => ({
      node: presentOr<NodeFacts | null>(seen.sides[at]?.node, null),
      instances: presentOr<readonly InstanceFacts[]>(seen.sides[at]?.instances, []),
    });
    const doing: Doing = {
      action,
      move,
      signal,
      due,
      tookAway: session.tookAway(move.from),
      inService: isInService(seen),
      from: side(move.from),
      to: side(move.to),
      shows: (as, at = action.at) => session.shows(at, as, at === action.at && OF_A_COPY.has(as)),
      foundGone: (asked) => session.foundGone(move.from, asked),
      completed: () => session.completed(action.at),
      tells: (what) => session.tells(what, action),
      starts: () => session.starts(action),
      refused,
    };
    try {
      return await PERFORMERS[action.name](doing, deps);
    } catch (error) {
      throw BY_PLUGIN.has(action.name) ? pluginFailure(error) : toFailure(error);
    }
  };
}

function presentOr<T>(fact: Seen<T> | undefined, otherwise: T): T {
  return fact?.is === 'present' ? fact.value : otherwise;
}
