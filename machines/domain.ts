/**
 * The words of Ephyra (DESIGN section 2) as types. No behaviour beyond tiny constructors; no I/O.
 */

/** The name that the configuration gives to one OpenStack installation, e.g. `cp1`. */
export type ControlPlaneName = string;
/** Ironic node uuid. The same in both control planes: it is kept when a node moves. */
export type NodeUuid = string;
/** Name of a role in the configuration, e.g. `hadoop-worker`. */
export type RoleName = string;
/** What machines share that may fail with it, as their definitions tell it, e.g. the rack `r7`. */
export type FailureDomain = string;
/** e.g. `d-20261122-1`: unique for ever, readable aloud. */
export type DeploymentId = string;

/** The steps of a node migration, in order. */
export const STEPS = [
  'claim',
  'remove',
  'stop',
  'release',
  'copy',
  'unenroll',
  'enroll',
  'boot',
  'add',
  'verify',
] as const;
export type Step = (typeof STEPS)[number];

/**
 * One fact about the world. `unlooked`: nobody has asked yet; `unknown`: asked, and no trustworthy answer.
 * Neither is ever taken for `absent`. `at` is when the question was sent (ms), so age is never underestimated.
 */
export type Seen<T> =
  | { readonly is: 'present'; readonly value: T; readonly at: number }
  | { readonly is: 'absent'; readonly at: number }
  | { readonly is: 'unknown'; readonly why: string; readonly at: number }
  | { readonly is: 'unlooked' };

export const UNLOOKED: { readonly is: 'unlooked' } = { is: 'unlooked' };

/** Ironic provision states that Ephyra meets, verbatim; any other string is treated as transitional. */
export type ProvisionState = string;

/** What the bulk node list says of one node in one control plane. */
export interface NodeFacts {
  readonly uuid: NodeUuid;
  readonly name: string | null;
  readonly provisionState: ProvisionState;
  readonly targetProvisionState: string | null;
  readonly powerState: string | null;
  readonly instanceUuid: string | null;
  readonly maintenance: boolean;
  readonly maintenanceReason: string | null;
  readonly protected: boolean;
  readonly retired: boolean;
  /** The conductor that holds the node's lock, or null. */
  readonly reservation: string | null;
  readonly lastError: string | null;
  readonly resourceClass: string | null;
  readonly extra: Readonly<Record<string, unknown>>;
  /** Parsed from `extra.ephyra`; `invalid` when something is there that we cannot read: then it is not ours. */
  readonly marker: Marker | 'invalid' | null;
}

/** What the bulk instance list says of one Nova server. */
export interface InstanceFacts {
  readonly id: string;
  readonly name: string;
  /** Nova status verbatim: ACTIVE, SHUTOFF, BUILD, ERROR, DELETED ... */
  readonly status: string;
  readonly taskState: string | null;
  /** The Ironic node it runs on, once claimed. */
  readonly nodeUuid: NodeUuid | null;
  readonly addresses: readonly string[];
  /** Names of the networks that it has addresses in. */
  readonly networks: readonly string[];
  readonly metadata: Readonly<Record<string, string>>;
  readonly flavorName: string | null;
  readonly imageId: string | null;
  readonly keyName: string | null;
  readonly configDrive: boolean;
  readonly createdAt: string;
  /** The fault's message without its traceback; null when there is none. */
  readonly fault: string | null;
}

/** What is needed to boot the instance of a node again, kept in the marker because the instance dies with the move. */
export interface InstanceRecipe {
  /** Where it ran: ids and names of flavor, image and networks mean something only there. */
  readonly at: ControlPlaneName;
  /** Of the very instance that the node was claimed with; marks of before 2026-11-29 do not have it. */
  readonly id?: string | undefined;
  readonly name: string;
  readonly flavor: string | null;
  readonly image: string | null;
  readonly networks: readonly string[];
  readonly keyName: string | null;
  readonly configDrive: boolean;
  readonly metadata: Readonly<Record<string, string>>;
  readonly addresses: readonly string[];
}

/** The claim on a node: `extra.ephyra` in Ironic, copied along with the node. */
export interface Marker {
  /** Format version of the marker itself. */
  readonly v: 1;
  readonly deployment: DeploymentId;
  readonly epoch: number;
  readonly source: ControlPlaneName;
  readonly target: ControlPlaneName;
  readonly role: RoleName;
  readonly instance: InstanceRecipe | null;
  /** On a node that was claimed where it had arrived: what ran in the source. */
  readonly home?: InstanceRecipe | undefined;
  /** On a copy: of how many parts it is to consist besides the node. Whoever is shown fewer sees the past, or a gap. */
  readonly parts?: PartCounts | undefined;
}

/** Whether a node's mark is one of this deployment; of none and of one that cannot be read it is not. */
export const isMarkOf = (marker: NodeFacts['marker'], deployment: DeploymentId): marker is Marker =>
  marker !== null && marker !== 'invalid' && marker.deployment === deployment;

export interface PartCounts {
  readonly ports: number;
  readonly portgroups: number;
  readonly traits: number;
}

/** Nova metadata keys stamped on every instance that Ephyra boots. */
export const METADATA = { deployment: 'ephyra_deployment', node: 'ephyra_node', role: 'ephyra_role' } as const;

/** Everything that one side knows about a node. */
export interface SideObservation {
  readonly node: Seen<NodeFacts>;
  /**
   * All instances that are on the node or say that they are meant for it. `absent` is a positive answer: the list
   * was read in full and there is none. More than one is possible (a failed try beside a good one).
   */
  readonly instances: Seen<readonly InstanceFacts[]>;
  /** Placement: does a resource provider for the node exist, even a stale one? */
  readonly provider: Seen<true>;
  /** Placement: provider with free capacity (reserved 0, no usage). */
  readonly schedulable: Seen<true>;
}

export type Membership = 'in' | 'out' | 'unknown';

/**
 * One node, as seen from both clouds and the application. Parts nobody asked for are `unlooked`; `decide` says what it
 * needs.
 */
export interface Observation {
  readonly uuid: NodeUuid;
  readonly sides: Readonly<Record<ControlPlaneName, SideObservation>>;
  /** Is the node part of the application? Present only with a definite answer (`in` or `out`). */
  readonly membership: Seen<'in' | 'out'>;
  /** Do the definitions (fields, ports, traits, secrets) in both Ironics agree, apart from the marker? */
  readonly definitionsEqual: Seen<boolean>;
}

/** The bulk lists of a control plane. */
export type ListName = 'nodes' | 'instances' | 'providers' | 'schedulable';

/** One bulk question to one control plane (or the application), answered for all nodes at once where the API can. */
export type Want =
  | {
      readonly of: ListName;
      readonly at: ControlPlaneName;
      /** An answer to a question sent before this (ms) will not do: something else was seen later. */
      readonly since?: number;
    }
  | { readonly of: 'membership' }
  | { readonly of: 'definitions' };

/** Which node, for whom, from where to where. `from`/`to` are swapped to go back: there is one table for both. */
export interface Move {
  readonly uuid: NodeUuid;
  readonly name: string;
  readonly role: RoleName;
  readonly deployment: DeploymentId;
  readonly epoch: number;
  /** The deployment's sides: these never change. */
  readonly source: ControlPlaneName;
  readonly target: ControlPlaneName;
  /** What ran on it in the source when it was planned; null when that is not known. */
  readonly instanceId: string | null;
  /** This move's direction. */
  readonly from: ControlPlaneName;
  readonly to: ControlPlaneName;
}

/** The same node, the other way. */
export function reversed(move: Move): Move {
  return { ...move, from: move.to, to: move.from };
}

export type Health = 'healthy' | 'unhealthy' | 'unknown';
