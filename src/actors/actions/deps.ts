import type { Action, ActionName } from '../../../machines/decide/decision.ts';
import type { ControlPlaneName, InstanceFacts, Move, NodeFacts, NodeUuid, Step } from '../../../machines/domain.ts';
import { isFailure } from '../../../machines/errors.ts';
import type { ApplicationPlugin } from '../../../machines/plugin.ts';
import type { RoleConfig } from '../../config/types.ts';
import type { SteadyClock } from '../../openstack/clock.ts';
import type { ControlPlane } from '../../openstack/control-plane.ts';
import { OpenStackError } from '../../openstack/errors.ts';
import type { Catalogue } from '../catalogue.ts';
import type { Definitions } from '../definitions.ts';
import type { Shown, Told } from '../session.ts';

/** What actions are done with. Each takes what it needs. */
export interface ActionDeps {
  readonly controlPlanes: ReadonlyMap<ControlPlaneName, ControlPlane>;
  readonly roles: ReadonlyMap<string, RoleConfig>;
  readonly catalogue: Catalogue;
  readonly definitions: Definitions;
  readonly plugin: ApplicationPlugin;
  /** Nodes that an earlier run, perhaps of a process that is no more, has begun with. */
  readonly begun: ReadonlySet<NodeUuid>;
  readonly clock: SteadyClock;
  readonly verify: { readonly checks: number; readonly intervalMs: number };
  readonly deadlineMs: (step: Step) => number;
  /** Resolves once the application can spare the node. */
  readonly permit: (move: Move, signal: AbortSignal) => Promise<void>;
  /** Whether the clouds of the move may be written to by this process in this instant. */
  readonly isWritable: (move: Move) => boolean;
  readonly waiting: (uuid: NodeUuid, reason: string | null) => void;
}

/** One action about to be done, with what was seen right before. */
export interface Doing {
  readonly action: Action;
  readonly move: Move;
  readonly signal: AbortSignal;
  /**
   * Whether the action is called for by what is known in this instant: asked in the instant before its main
   * request is sent, and before each time that it is sent again. When it is not, nothing was done and no try is spent.
   */
  readonly due: () => boolean;
  /** The node is gone in `from`: the answer to our last write there has said so. */
  readonly tookAway: boolean;
  /** The application counts on the node, or does not say that it does not. */
  readonly inService: boolean;
  readonly from: { readonly node: NodeFacts | null; readonly instances: readonly InstanceFacts[] };
  readonly to: { readonly node: NodeFacts | null; readonly instances: readonly InstanceFacts[] };
  /** Tells at once what an answer has shown of the node, where the action is done or elsewhere: what comes after it may fail. */
  readonly shows: (as: Shown, at?: ControlPlaneName) => () => void;
  /** Tells that a write to `from`, asked at this time (ms), was answered with its being gone there. */
  readonly foundGone: (asked: number) => void;
  /** Tells that writes have created all parts of the copy, or met them. */
  readonly completed: () => void;
  /** Tells that Nova is told to stop or delete the action's instance, or to boot one. The result takes it back. */
  readonly tells: (what: Told) => () => void;
  /** Tells that Nova has accepted to start the action's instance. */
  readonly starts: () => void;
  /** Keeps what the cloud said to a verb that it would not have: that is told if the next look finds nothing changed. */
  readonly refused: (words: string) => void;
}

/**
 * Does one action and resolves once it was accepted, with what the answer says of the node where there is such an answer
 * (null: it is gone); otherwise the loop looks for the effect.
 */
export type Perform = (doing: Doing, deps: ActionDeps) => Promise<NodeFacts | null | undefined>;
export type Performers = Readonly<Record<ActionName, Perform>>;

export function cloudAt(deps: Pick<ActionDeps, 'controlPlanes'>, at: ControlPlaneName): ControlPlane {
  const cloud = deps.controlPlanes.get(at);
  if (cloud === undefined) throw new Error(`${at} is not a configured control plane`);
  return cloud;
}

export function instanceOf({ name, instanceId }: Pick<Action, 'name' | 'instanceId'>): string {
  if (instanceId === undefined) throw new Error(`${name} needs an instance`);
  return instanceId;
}

/**
 * Makes a call that is told of before it is sent and once more when it is over, since it may arrive in between. It is taken back
 * when it is certain that nothing has come of it: `call` rejects as refused, or as not sent (a `Failure` of ours).
 */
export async function telling<T>(tell: () => () => void, call: () => Promise<T>): Promise<T> {
  const takeBack = tell();
  try {
    const answer = await call();
    tell();
    return answer;
  } catch (error) {
    if (isFailure(error) || (error instanceof OpenStackError && !error.maybeDone)) takeBack();
    else tell();
    throw error;
  }
}
