import type { ControlPlaneName, RoleName, Step } from '../../machines/domain.ts';
import type { Problem } from './problems.ts';
import type { Secret } from './secrets.ts';

/**
 * The configuration as the program sees it: every default applied, every duration in milliseconds, every path
 * absolute (relative ones are taken from the directory of the configuration file), frozen to the bottom.
 */
export interface Config {
  /** Absolute path of the file it was read from. */
  readonly path: string;
  /** In the order of the file; at least two. */
  readonly controlPlanes: readonly ControlPlaneConfig[];
  /** In the order in which they are moved; at least one. */
  readonly roles: readonly RoleConfig[];
  readonly application: ApplicationConfig;
  readonly deployment: DeploymentConfig;
  /** Null: no Slack, the process only serves health and metrics. */
  readonly slack: SlackConfig | null;
  /** Absolute path of the JSON store. */
  readonly store: string;
  readonly http: HttpConfig;
  readonly log: LogConfig;
  /** What is allowed but should be looked at, e.g. a secrets file that everybody may read. */
  readonly warnings: readonly Problem[];
}

export interface ControlPlaneConfig {
  readonly name: ControlPlaneName;
  /** Entry in clouds.yaml. */
  readonly cloud: string;
  /** Where BMC secrets come from: `api` (Ironic shows them to us) or `file`. */
  readonly bmcSecrets: 'api' | 'file';
  /** Absolute path, with `file`; else null. */
  readonly secretsFile: string | null;
}

export interface RoleConfig {
  readonly name: RoleName;
  readonly match: RoleMatch;
  /** Null: only the deployment's own limit holds. */
  readonly maxUnavailable: number | null;
  /** What to boot on each control plane: one entry for every configured control plane. */
  readonly boot: Readonly<Record<ControlPlaneName, BootSpec>>;
}

/** All criteria that are given must hold; at least one is given. */
export interface RoleMatch {
  /** Entries that the node's `extra` must have. */
  readonly extra: Readonly<Record<string, string | number | boolean>>;
  /** Entries that the metadata of the instance on the node must have. */
  readonly instanceMetadata: Readonly<Record<string, string>>;
  /** Pattern of the node's name: `*` stands for anything, `?` for one character. */
  readonly name: string | null;
  /** Name of the flavor of the instance on the node. */
  readonly flavor: string | null;
  readonly resourceClass: string | null;
}

export interface BootSpec {
  /** Flavor name or id. */
  readonly flavor: string;
  /** Image name or id. */
  readonly image: string;
  /** Network names or ids, one port each; at least one. */
  readonly networks: readonly string[];
  readonly keyPair: string | null;
  readonly configDrive: boolean;
  readonly userData: UserData | null;
  readonly metadata: Readonly<Record<string, string>>;
}

/** User data often carries credentials: the content is a secret. */
export interface UserData {
  /** Absolute path of the file. */
  readonly path: string;
  /** The content in base64, as Nova takes it. */
  readonly base64: Secret;
}

export interface ApplicationConfig {
  /** `hadoop`, `exec`, `none`, the name of an npm package, or an absolute path. */
  readonly plugin: string;
  /** Handed to the plugin, which checks them itself. */
  readonly options: Readonly<Record<string, unknown>>;
}

export interface DeploymentConfig {
  readonly maxUnavailable: number;
  readonly failureDomain: FailureDomainConfig;
  readonly canary: number;
  readonly soakMs: number;
  readonly failureBudget: number;
  readonly nodeAttempts: number;
  readonly approval: { readonly required: boolean; readonly allowSelf: boolean; readonly expiresMs: number };
  readonly pollMs: number;
  readonly verify: { readonly checks: number; readonly intervalMs: number };
  readonly retries: { readonly attempts: number; readonly backoffMs: number; readonly maxBackoffMs: number };
  /** How long the lease on a control plane lasts without a renewal, in milliseconds. */
  readonly leaseMs: number;
  /** What the place where this Ephyra runs is called in its leases; null: the host name. */
  readonly instance: string | null;
  /** Per step, in milliseconds. */
  readonly deadlinesMs: Readonly<Record<Step, number>>;
}

/** Machines that may fail together, such as those of a rack. */
export interface FailureDomainConfig {
  /** The entry of a node's `extra` that tells its failure domain. */
  readonly extra: string;
  /** Null: only the limits of the deployment and of the role hold. */
  readonly maxUnavailable: number | null;
}

export interface SlackConfig {
  readonly mode: 'socket' | 'http';
  /** Channel id. */
  readonly channel: string;
  readonly botToken: Secret;
  /** Present with mode `socket`. */
  readonly appToken: Secret | null;
  /** Present with mode `http`. */
  readonly signingSecret: Secret | null;
  /** Port that Slack's requests come to, with mode `http`. */
  readonly port: number;
  readonly operators: PeopleConfig;
  readonly approvers: PeopleConfig;
  /** Ends with a slash. */
  readonly apiUrl: string;
}

/** Slack user ids and user group ids. */
export interface PeopleConfig {
  readonly users: readonly string[];
  readonly groups: readonly string[];
}

export interface HttpConfig {
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
}

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export interface LogConfig {
  readonly level: LogLevel;
}
