import type { ControlPlaneName, DeploymentId, NodeUuid } from '../../machines/domain.ts';
import type { FailureData } from '../../machines/errors.ts';
import type { Actor, DeploymentState, NodePlace, PlannedNode, PlanView, Thread } from '../deployments/types.ts';

/** All that Ephyra keeps on disk. Where the nodes are is not in it: that is read from the clouds. */
export interface StoreState {
  format: 4;
  /** The last epoch that was given to a deployment; the next one gets one more. */
  epoch: number;
  /** Tells this installation of Ephyra from others; given when it is first needed, absent until then. */
  installation?: string;
  locks: StoredLock[];
  /** In the order in which they were recorded. Of the ended ones only the newest are kept. */
  deployments: StoredDeployment[];
}

/** So many ended deployments are kept. */
export const HISTORY_LIMIT = 50;
/**
 * And no more than have so many nodes together: every update writes the whole file, and 50 ended deployments of 300 nodes
 * would make that 60 ms instead of 10.
 */
export const HISTORY_NODES = 3_000;

/** Who wants what, who allowed it, how it stands. Times are milliseconds since the epoch. */
export interface StoredDeployment {
  id: DeploymentId;
  /** Fences markers: a node with a newer epoch is not ours any more. */
  epoch: number;
  source: ControlPlaneName;
  target: ControlPlaneName;
  requestedBy: Actor;
  requestedAt: number;
  options: StoredOptions;
  /** The plan: in the order in which they move. */
  nodes: PlannedNode[];
  excluded: PlanView['excluded'][number][];
  digest: string;
  approval: { by: Actor; at: number } | null;
  /** Null when no approval is needed. */
  approvalExpiresAt: number | null;
  /** What people want of it now: the state follows. */
  intent: 'forward' | 'stop' | 'abort';
  /** Who set the intent; null for the intent it was born with, or when Ephyra itself decided. */
  intentBy: Actor | null;
  state: DeploymentState;
  startedAt: number | null;
  endedAt: number | null;
  endedBy: Actor | null;
  note: string | null;
  thread: Thread | null;
  /** Of the requests that led to it: the same key asked again means this deployment. */
  idempotencyKeys: string[];
  /** One entry for each node that has been started. */
  results: StoredResult[];
}

/** The options that the request set, resolved against the configuration of that moment. */
export interface StoredOptions {
  maxUnavailable: number;
  /** The entry of a node's `extra` by which the plan told failure domains; null when it knew of none. */
  failureDomain: string | null;
  /** Names or uuids that the request was limited to; null = all. */
  nodes: string[] | null;
}

export interface StoredResult {
  uuid: NodeUuid;
  place: NodePlace;
  failure: FailureData | null;
  startedAt: number | null;
  endedAt: number | null;
  /** How often the node was tried, from 1. */
  attempts: number;
}

export interface StoredLock {
  id: string;
  scope: ControlPlaneName | 'all';
  owner: Actor;
  reason: string;
  since: number;
  /** Null: until unlocked. */
  expiresAt: number | null;
}

export type DeepReadonly<T> = T extends (infer Item)[]
  ? readonly DeepReadonly<Item>[]
  : T extends object
    ? { readonly [Key in keyof T]: DeepReadonly<T[Key]> }
    : T;

export interface Store {
  /** What is on disk, frozen to the bottom. Cheap: no copy is made. */
  read(): DeepReadonly<StoreState>;
  /**
   * Hands out a draft of the state, and once `change` has returned makes it durable, then visible to `read`. Updates run
   * one after the other, so a check and the claim that follows from it belong into one call. `change` is synchronous; when
   * it throws, nothing is written and the promise rejects with what it threw. When the disk refuses, the promise rejects
   * with a {@link StoreError} and `read` still gives the old state.
   */
  update<T>(change: (draft: StoreState) => T): Promise<T>;
  /**
   * Why what was found at the opening is known to be an older copy; null when nothing says so. It stays so over restarts, until
   * {@link caughtUp} and an update.
   */
  readonly behind: string | null;
  /** People have been asked about all that an older copy cannot know: from now on it counts as the store. */
  caughtUp(): void;
  /** Null while this process holds the file, else why not. For health checks. */
  problem(): string | null;
  /** Waits for running updates, then lets go of the file. Updates after that are refused. */
  close(): Promise<void>;
}
