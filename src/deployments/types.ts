import type { ControlPlaneName, DeploymentId, FailureDomain, NodeUuid, RoleName, Step } from '../../machines/domain.ts';
import type { FailureData } from '../../machines/errors.ts';

/**
 * The one door: what Slack, API, CLI and webhook may ask for, and what they get back. Faces parse input into these
 * calls and present the answers; they hold no rules of their own and never import each other.
 */
export interface Deployments {
  /** Runs every preflight, writes nothing, starts nothing. */
  plan(request: DeployRequest): Promise<Answer<PlanView>>;
  /** Plans and records a deployment; it waits for approval unless the configuration needs none. */
  deploy(request: DeployRequest): Promise<Answer<DeploymentView>>;
  /** Approves the plan with this digest. The digest may be left out: then the current plan is meant. */
  approve(request: ApprovalRequest): Promise<Answer<DeploymentView>>;
  /** Finishes or rolls back the nodes in flight, starts no more. */
  stop(request: DecisionRequest): Promise<Answer<DeploymentView>>;
  /** Stops, then takes every node that this deployment moved back to the source, newest first. */
  abort(request: ShownRequest): Promise<Answer<DeploymentView>>;
  /** The current deployments and the history, newest first. */
  list(): DeploymentView[];
  /** One deployment; without an id the current one, else the newest. Undefined when there is none. */
  get(id?: DeploymentId): DeploymentView | undefined;
  lock(request: LockRequest): Promise<Answer<LockView>>;
  unlock(request: UnlockRequest): Promise<Answer<LockView>>;
  locks(): LockView[];
  /** Names of the configured control planes, in order. */
  controlPlanes(): ControlPlaneName[];
  /** Called after every change worth showing, synchronously; listeners must not throw and must not block. */
  onChange(listener: (change: Change) => void): () => void;
  /** Remembers where a face shows a deployment (e.g. Slack channel and ts), so that it is found again after a restart. */
  rememberThread(id: DeploymentId, thread: Thread): Promise<void>;
}

/** Who asks. `id` is stable (Slack user id, token name); `display` is for people, already escaped by nobody. */
export interface Actor {
  readonly via: 'slack' | 'api' | 'cli' | 'webhook' | 'system';
  readonly id: string;
  readonly display: string;
}

export interface DeployRequest {
  readonly source: ControlPlaneName;
  readonly target: ControlPlaneName;
  readonly by: Actor;
  /** Overrides of the configuration for this deployment; left out = as configured. */
  readonly options?: { readonly maxUnavailable?: number; readonly nodes?: readonly string[] };
  /** The same key asked again gives the same deployment: retried deliveries act once. */
  readonly idempotencyKey?: string;
}

export interface DecisionRequest {
  readonly by: Actor;
  /** Left out: the current deployment. */
  readonly id?: DeploymentId;
}

export interface LockRequest {
  readonly by: Actor;
  /** A control plane, or `all`. */
  readonly scope: ControlPlaneName | 'all';
  readonly reason: string;
  /** Milliseconds; undefined = until unlocked. */
  readonly forMs?: number;
}

/** Approving and aborting mean one thing for what waits, another for what was found, runs or has ended. */
export interface ShownRequest extends DecisionRequest {
  /** The state that whoever decides was shown: refused when it means something else by now. Left out: as it is. */
  readonly shown?: DeploymentState;
}

export interface ApprovalRequest extends ShownRequest {
  readonly digest?: string;
}

export interface UnlockRequest {
  readonly by: Actor;
  readonly scope: ControlPlaneName | 'all';
  /** Needed to take away a lock that someone else holds. */
  readonly steal?: boolean;
}

/** Every answer is one of two: what was asked for, or a refusal that says what to do. Refusals are not exceptions. */
export type Answer<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly refusal: Refusal };

export const REFUSALS = [
  'unknown_control_plane',
  'same_control_plane',
  'locked',
  'already_locked',
  'not_locked',
  'lock_held_by_other',
  'busy',
  'held_elsewhere',
  'lease_unsure',
  'no_deployment',
  'wrong_state',
  'self_approval',
  'digest_changed',
  'approval_expired',
  'over_budget',
  'plan_failed',
  'bad_option',
  'shutting_down',
  'not_recorded',
] as const;
export type RefusalCode = (typeof REFUSALS)[number];

export interface Refusal {
  readonly code: RefusalCode;
  /** What is wrong, naming field and value. One sentence; plain text. */
  readonly message: string;
  /** What to do next. */
  readonly remedy: string;
  /** With `plan_failed`: every finding. With others: empty. */
  readonly problems: readonly PlanProblem[];
}

export interface PlanProblem {
  /** e.g. `cp2.flavor`, `cp1.secrets`, `nodes`. */
  readonly field: string;
  readonly message: string;
  readonly remedy: string;
}

export interface PlanView {
  readonly source: ControlPlaneName;
  readonly target: ControlPlaneName;
  /** In the order in which they will move. */
  readonly nodes: readonly PlannedNode[];
  readonly excluded: readonly { readonly uuid: NodeUuid; readonly name: string; readonly reason: string }[];
  readonly digest: string;
  readonly maxUnavailable: number;
}

export interface PlannedNode {
  readonly uuid: NodeUuid;
  readonly name: string;
  readonly role: RoleName;
  /** What its machine shares with others that may fail with it, such as a rack; null when its definition tells nothing. */
  readonly failureDomain: FailureDomain | null;
  /** What ran on it in the source when it was planned, and may be ended; null when that was not written down. */
  readonly instanceId: string | null;
}

/** DESIGN section 6. */
export const DEPLOYMENT_STATES = [
  'awaiting_approval',
  // Its nodes bear marks, and the store knows nothing of it or something else: a person decides how it goes on.
  'found',
  'canary',
  'soaking',
  'rolling',
  'stopping',
  'rolling_back',
  'completed',
  'stopped',
  'rolled_back',
  'stuck',
  'expired',
] as const;
export type DeploymentState = (typeof DEPLOYMENT_STATES)[number];
export const FINAL_STATES: readonly DeploymentState[] = ['completed', 'stopped', 'rolled_back', 'stuck', 'expired'];

export interface DeploymentView {
  readonly id: DeploymentId;
  readonly source: ControlPlaneName;
  readonly target: ControlPlaneName;
  readonly state: DeploymentState;
  readonly requestedBy: Actor;
  readonly requestedAt: number;
  readonly digest: string;
  readonly maxUnavailable: number;
  readonly approval: { readonly by: Actor; readonly at: number } | null;
  readonly approvalExpiresAt: number | null;
  readonly startedAt: number | null;
  readonly endedAt: number | null;
  readonly endedBy: Actor | null;
  /** Why it stands where it stands, when there is something to say (a closed gate, a failure past the budget ...). */
  readonly note: string | null;
  readonly nodes: readonly NodeView[];
  readonly excluded: PlanView['excluded'];
  /** Milliseconds until done, guessed from the nodes already moved; null when there is nothing to guess from. */
  readonly etaMs: number | null;
  readonly thread: Thread | null;
}

export type NodePlace = 'waiting' | 'moving' | 'moved' | 'going_back' | 'back' | 'stuck';

export interface NodeView extends Omit<PlannedNode, 'failureDomain' | 'instanceId'> {
  readonly place: NodePlace;
  /** The step under way, or the one it stopped at. */
  readonly step: Step | null;
  /** Try number of the step, from 1. */
  readonly attempt: number;
  /** What is awaited now, since when (ms epoch); null when nothing is. */
  readonly waiting: { readonly reason: string; readonly since: number } | null;
  readonly startedAt: number | null;
  readonly endedAt: number | null;
  /** The failure that sent it back or made it stuck. */
  readonly failure: FailureData | null;
  readonly addresses: readonly string[];
}

/** Where a face shows a deployment. Opaque to everyone else. */
export interface Thread {
  readonly face: 'slack';
  readonly channel: string;
  readonly ts: string;
}

export interface LockView {
  readonly id: string;
  readonly scope: ControlPlaneName | 'all';
  readonly owner: Actor;
  readonly reason: string;
  readonly since: number;
  readonly expiresAt: number | null;
}

/** What happened, for whoever shows or counts it. `deployment` carries the whole state after the change. */
export type Change =
  | {
      readonly kind: 'deployment';
      readonly at: number;
      readonly deployment: DeploymentView;
      readonly event: DeploymentEvent;
    }
  | {
      readonly kind: 'lock';
      readonly at: number;
      readonly lock: LockView;
      readonly event: 'locked' | 'unlocked' | 'expired';
      readonly by: Actor;
    }
  /** Something that belongs to no deployment and that a person should know. Plain text. */
  | { readonly kind: 'notice'; readonly at: number; readonly message: string; readonly remedy: string };

export type DeploymentEvent =
  | { readonly type: 'requested' }
  | { readonly type: 'approved'; readonly by: Actor }
  | { readonly type: 'expired' }
  | { readonly type: 'state'; readonly from: DeploymentState; readonly to: DeploymentState }
  /** `lost lease`: as after a start it looks anew where the nodes are. */
  | { readonly type: 'resumed'; readonly after: 'start' | 'lost lease' }
  | { readonly type: 'found' }
  | { readonly type: 'stop_requested'; readonly by: Actor }
  | { readonly type: 'abort_requested'; readonly by: Actor | null }
  | { readonly type: 'gate'; readonly open: boolean; readonly reason: string }
  | { readonly type: 'node_started'; readonly uuid: NodeUuid; readonly direction: 'forward' | 'back' }
  | { readonly type: 'step_started'; readonly uuid: NodeUuid; readonly step: Step; readonly attempt: number }
  | { readonly type: 'step_done'; readonly uuid: NodeUuid; readonly step: Step; readonly durationMs: number }
  | {
      readonly type: 'step_failed';
      readonly uuid: NodeUuid;
      readonly step: Step;
      readonly failure: FailureData;
      readonly willRetry: boolean;
    }
  | { readonly type: 'waiting'; readonly uuid: NodeUuid; readonly reason: string }
  | { readonly type: 'node_turned'; readonly uuid: NodeUuid; readonly failure: FailureData | null }
  | { readonly type: 'node_settled'; readonly uuid: NodeUuid; readonly place: NodePlace; readonly durationMs: number };
