/** The words of the Hadoop emulator: what it is made of and how fast it is. */

/** Time, injected. `after` runs once and returns the way to call it off. */
export interface Clock {
  /** Milliseconds. */
  now(): number;
  after(ms: number, run: () => void): () => void;
}

export type HadoopRole = 'worker' | 'master' | 'client';

export interface HadoopNodeSpec {
  /** Host name as Hadoop knows the machine. */
  readonly host: string;
  readonly address: string;
  readonly role: HadoopRole;
  /** Whether its machine runs at the start. Default true. */
  readonly up?: boolean;
}

export type ServiceId = 'rm1' | 'rm2' | 'nn1' | 'nn2';
export const SERVICES: readonly ServiceId[] = ['rm1', 'rm2', 'nn1', 'nn2'];

export interface HadoopTimings {
  /** From the machine being up until its daemons register. */
  readonly registerMs: number;
  readonly heartbeatMs: number;
  /** Without a heartbeat for so long a NodeManager is LOST. */
  readonly nodeManagerExpiryMs: number;
  /** Without a heartbeat for so long a DataNode is dead. */
  readonly dataNodeExpiryMs: number;
  /** From the loss of an active ResourceManager or NameNode until its standby takes over. */
  readonly failoverMs: number;
  /** How long one container still runs on a node that is being decommissioned, one after the other. */
  readonly containerMs: number;
  /** Block copies a second in the whole cluster. */
  readonly copiesPerSecond: number;
  /** How often the monitors of YARN and HDFS look. */
  readonly tickMs: number;
}

/** Quick enough to watch, slow enough to see. */
export const DEFAULT_TIMINGS: HadoopTimings = {
  registerMs: 600,
  heartbeatMs: 300,
  nodeManagerExpiryMs: 6_000,
  dataNodeExpiryMs: 6_000,
  failoverMs: 800,
  containerMs: 150,
  copiesPerSecond: 80,
  tickMs: 100,
};

export interface HadoopConfig {
  readonly clock: Clock;
  readonly nodes: readonly HadoopNodeSpec[];
  readonly timings?: Partial<HadoopTimings>;
  /** Replicas of each block. Default 3, less in a cluster too small to lose a node. */
  readonly replication?: number;
  /** Replicas on each worker at the start. Default 30. */
  readonly blocksPerWorker?: number;
  /** Containers on each worker. Default 4. */
  readonly containersPerWorker?: number;
  /**
   * Whether a NodeManager that YARN has shut down is started again by itself, as under systemd. Default true; else it
   * takes `yarn --daemon start nodemanager`.
   */
  readonly supervised?: boolean;
  /**
   * The machine that each service runs on; null for one outside the fleet, always up. Default: the first of each pair
   * on the first master, the second on the second master (or outside).
   */
  readonly services?: Partial<Record<ServiceId, string | null>>;
}

/** HDFS admin states as JMX spells them. */
export const ADMIN_STATES = {
  inService: 'In Service',
  decommissioning: 'Decommission In Progress',
  decommissioned: 'Decommissioned',
  enteringMaintenance: 'Entering Maintenance',
  inMaintenance: 'In Maintenance',
} as const;
export type AdminState = (typeof ADMIN_STATES)[keyof typeof ADMIN_STATES];

/** YARN node states as the REST API spells them, as far as the emulator has them. */
export type YarnState = 'RUNNING' | 'UNHEALTHY' | 'DECOMMISSIONING' | 'DECOMMISSIONED' | 'LOST';

/** A machine and what runs on it. */
export interface Machine {
  readonly host: string;
  readonly role: HadoopRole;
  address: string;
  /** Identity of what is installed: another one means empty disks. */
  instance: string | null;
  up: boolean;
  /** The daemons run: up, and booted for `registerMs`. */
  daemons: boolean;
  /** The NodeManager process runs; YARN shuts it down at the end of a decommission. */
  nodeManager: boolean;
  /** When the daemons last stopped; heartbeats end there. */
  stoppedAt: number;
  /** Disks were emptied since the DataNode last registered. */
  wiped: boolean;
}

/** Something that an operator would have been called for. */
export interface Harm {
  readonly at: number;
  readonly host: string;
  readonly what:
    | 'stopped while in service'
    | 'containers lost'
    | 'containers killed by forced decommission'
    | 'active service stopped'
    | 'block lost';
  readonly detail: string;
}

export type Fault =
  /** Blocks and containers of the node (or of every node) never leave it. */
  | { readonly kind: 'decommission-hangs'; readonly host?: string }
  /** The service does not answer: connections are refused, or accepted and never answered. */
  | { readonly kind: 'silent'; readonly service: ServiceId | 'rm' | 'nn'; readonly how?: 'refuse' | 'hang' }
  /** The daemons of the node start but never reach the masters. */
  | { readonly kind: 'never-registers'; readonly host: string }
  /** With a host: its NodeManager reports bad disks. Without: blocks are reported missing. */
  | { readonly kind: 'unhealthy'; readonly host?: string }
  | { readonly kind: 'safe-mode' }
  /** The admin commands fail. */
  | { readonly kind: 'refresh-fails' }
  /**
   * The answers are well formed and wrong. `early`: a node is called decommissioned while it is still being drained;
   * `two-actives`: both of a pair say that they are active; `short-list`: nodes are left out of the lists.
   */
  | { readonly kind: 'lying'; readonly about: 'early' | 'two-actives' | 'short-list' };
