import type { Health, Membership, NodeUuid, RoleName } from './domain.ts';

/**
 * The application plugin: the workload's side of a move. All verbs are idempotent (asked again, they look first and
 * answer at once when done), obey the abort signal, and may be called again after a crash in the middle of one.
 *
 * Errors: throw `Failure` (machines/errors.ts) to say what happens next; anything else thrown counts as "retry".
 */
export interface ApplicationPlugin {
  readonly name: string;

  /**
   * Takes the node out of service gracefully (cordon, drain, leave) and resolves once it is out: stopping the machine
   * now harms nobody. Rejects when that cannot be reached; never resolves on a doubt.
   */
  removeNode(node: ApplicationNode, context: PluginContext): Promise<void>;

  /** Brings the node (perhaps with another address) into service; resolves once the application has accepted it. */
  addNode(node: ApplicationNode, context: PluginContext): Promise<void>;

  /** Looks, changes nothing. Resolves with `unknown` rather than guess; rejects only on misuse. */
  verifyNode(node: ApplicationNode, context: PluginContext): Promise<NodeHealth>;

  /** Looks at the application as a whole, changes nothing. Resolves with `unknown` rather than guess. */
  verifyApplication(context: PluginContext): Promise<ApplicationHealth>;

  /** Releases what the plugin holds (connections, timers). Called once, at shutdown. */
  close?(): Promise<void>;
}

export interface ApplicationNode {
  readonly uuid: NodeUuid;
  readonly name: string;
  readonly role: RoleName;
  /** Name of the instance on the node (often the host name), before and after the move. Null when there is none. */
  readonly instanceName: string | null;
  /** IP addresses of the instance in the control plane that it leaves. Empty when not known. */
  readonly addressesBefore: readonly string[];
  /** IP addresses of the instance where it now runs. Empty before it has booted. */
  readonly addressesAfter: readonly string[];
}

export interface PluginContext {
  /** Aborts the waiting, not the effect: the next look decides. */
  readonly signal: AbortSignal;
  /** After this an answer is no use: milliseconds by `PluginSetup.elapsed`. */
  readonly deadline: number;
  /** Tells people what is being waited for: one short sentence, e.g. "12 of 40 blocks left to replicate". */
  readonly progress: (message: string) => void;
}

export interface NodeHealth {
  readonly health: Health;
  /** Whether the application counts the node as a member in service. `out` must be positive knowledge. */
  readonly membership: Membership;
  /** Why not healthy; empty when healthy. Short sentences. */
  readonly reasons: readonly string[];
}

export interface ApplicationHealth {
  readonly health: Health;
  readonly reasons: readonly string[];
  /**
   * Names (instance name, node name or address) of the members that are out of service for any reason, ours or not.
   * Undefined when the application cannot tell: then Ephyra counts every node that it took out itself until `verifyNode` says
   * that it is `in` and `healthy`, and does not know of anybody else.
   */
  readonly unavailable?: readonly string[];
  /** Members in service by role, as far as the application knows roles: used for "roles whole at the end". */
  readonly membersInService?: number;
}

/** What the configuration hands to a plugin's factory: its own section, already an object, and injected means. */
export interface PluginSetup {
  readonly options: unknown;
  /** Milliseconds now, by a clock that nobody sets back: to tell by how old something is. It may go forward by hours at once. */
  readonly now: () => number;
  /**
   * Milliseconds from any fixed instant by a counter that nobody sets, and by which `context.deadline` is: to tell by how long
   * one has waited.
   */
  readonly elapsed: () => number;
  /** Milliseconds since 1970 by the clock of the machine: for what others are to read. */
  readonly date: () => number;
  /** Resolves after ms, rejects with the signal's reason when aborted. */
  readonly sleep: (ms: number, signal?: AbortSignal) => Promise<void>;
  readonly log: (fields: Record<string, unknown>, message: string) => void;
}

/** Default export (or `createPlugin`) of a plugin package. Throws `PluginOptionsError`-like `Error` naming the option on bad options. */
export type PluginFactory = (setup: PluginSetup) => ApplicationPlugin | Promise<ApplicationPlugin>;
