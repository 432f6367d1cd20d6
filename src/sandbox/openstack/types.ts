/** The services of one control plane, each on an address of its own. */
export const SERVICES = ['keystone', 'ironic', 'nova', 'placement', 'neutron', 'glance'] as const;
export type Service = (typeof SERVICES)[number];

/** Time as the emulator sees it; the only source of it. */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
  /** Runs `fn` once after `ms` milliseconds (never before this call has returned); the result cancels it. */
  after(ms: number, fn: () => void): () => void;
}

/** One call to one service. `body` is the raw text, or the already parsed JSON value; it is never kept by reference. */
export interface ServiceRequest {
  readonly service: Service;
  readonly method: string;
  /** Path with query, relative to the root of the service, e.g. `/v1/nodes?limit=3`. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly body?: unknown;
  /** The value of `body`, from a caller that has read it already and leaves it to the service. */
  readonly json?: unknown;
}

/**
 * What the caller gets. `body` is a JSON value (share it, do not write to it), a string for HTML, or undefined for
 * none. With `dropped` there is no answer at all: the connection was reset after it was accepted, or refused.
 */
export interface Reply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: unknown;
  readonly dropped?: 'reset' | 'refused';
}

export type JsonObject = Readonly<Record<string, unknown>>;

/** Milliseconds that the operations of the clouds take. */
export interface Delays {
  /** A change of power. */
  power: number;
  /** `manage`: the BMC is looked at. */
  verify: number;
  /** Cleaning, automated or asked for. */
  clean: number;
  /** Writing the image to the node. */
  deploy: number;
  /** Undeploying, before cleaning begins. */
  teardown: number;
  /** `adopt` and `inspect`. */
  adopt: number;
  /** From the acceptance of a server to the choice of its node. */
  schedule: number;
  /** Ports made and attached. */
  network: number;
  /** How long a deleted server still answers with status DELETED. */
  purge: number;
  /** Pause between the three tries that Ironic makes for the lock of a node. */
  lockRetry: number;
  /** Between two looks of nova-compute at Ironic. 0: right after each change. */
  resourceInterval: number;
}

export const SANDBOX_DELAYS: Delays = {
  power: 300,
  verify: 200,
  clean: 800,
  deploy: 1200,
  teardown: 400,
  adopt: 100,
  schedule: 150,
  network: 150,
  purge: 50,
  lockRetry: 1000,
  resourceInterval: 1500,
};

/** Nothing takes time; every step still happens in its own turn of the clock. */
export const NO_DELAYS: Delays = {
  power: 0,
  verify: 0,
  clean: 0,
  deploy: 0,
  teardown: 0,
  adopt: 0,
  schedule: 0,
  network: 0,
  purge: 0,
  lockRetry: 0,
  resourceInterval: 0,
};

export interface ApplicationCredential {
  readonly id: string;
  readonly name: string;
  readonly secret: string;
  readonly project: string;
}

export interface User {
  readonly name: string;
  readonly password: string;
  /** Names of the projects in which the user has `roles`. */
  readonly projects: readonly string[];
  readonly roles: readonly string[];
  /** May ask for a system-scoped token. */
  readonly system?: boolean;
  readonly applicationCredentials?: readonly ApplicationCredential[];
}

export interface Quotas {
  instances: number;
  cores: number;
  ram: number;
}

export interface ControlPlaneOptions {
  /** `cp1`, `cp2`: names the conductor and the compute host, too. */
  readonly name: string;
  readonly clock: Clock;
  /** A new UUID at each call. */
  readonly ids: () => string;
  readonly delays?: Partial<Delays>;
  /** Ironic's policy `show_password`: an admin reads the secrets of `driver_info`. Default false, as in stock Ironic. */
  readonly showPassword?: boolean;
  /** A real BMC tells its power state at `manage`; fake-hardware never does. Default true. */
  readonly bmcReportsPower?: boolean;
  /** Whether the BMC of a node takes what its `driver_info` says. Default: always, as fake-hardware does. */
  readonly bmcAccepts?: (uuid: string, driverInfo: JsonObject) => boolean;
  /** Ironic's `automated_clean`. Default true. */
  readonly automatedClean?: boolean;
  /** Milliseconds that a token lives. Default one hour. */
  readonly tokenLifetime?: number;
  readonly users?: readonly User[];
  readonly region?: string;
  /** First two numbers of the tenant network, a /22: `10.1` is 10.1.0.0/22. Default `10.` and the number in the name. */
  readonly addressBlock?: string;
  /** -1 is no limit, the default. */
  readonly quotas?: Partial<Quotas>;
  /** Addresses for catalog and links, without a trailing slash. Default `http://<service>.<name>.test`. */
  readonly endpoints?: Partial<Record<Service, string>>;
  /** Highest microversions, to play an older release. Default ironic 1.82, nova 2.93, placement 1.39. */
  readonly maxVersions?: Partial<Record<'ironic' | 'nova' | 'placement', string>>;
}

/** A state of the world changed. `before` and `after` are whole records, secrets unmasked: never log them. */
export interface ChangeEvent {
  /** Milliseconds, by the clock of the control plane. */
  readonly at: number;
  readonly controlPlane: string;
  readonly kind: ChangeKind;
  /** Of the node, instance, provider (= node), port, port group or chassis. */
  readonly uuid: string;
  readonly before?: JsonObject;
  readonly after?: JsonObject;
}

export type ChangeKind =
  | `node.${'created' | 'deleted' | 'provision_state' | 'power_state' | 'maintenance' | 'marker' | 'reservation' | 'instance' | 'updated'}`
  | `instance.${'created' | 'deleted' | 'status' | 'task_state' | 'metadata' | 'updated'}`
  | `provider.${'created' | 'deleted' | 'reserved' | 'usage' | 'updated'}`
  | `${'port' | 'portgroup' | 'chassis' | 'neutron_port'}.${'created' | 'deleted' | 'updated'}`;

/** A request came to its end. `status` is what the service decided, even when the answer was dropped. */
export interface RequestEvent {
  readonly at: number;
  readonly controlPlane: string;
  readonly service: Service;
  readonly method: string;
  readonly path: string;
  readonly status: number;
  readonly dropped?: 'reset' | 'refused';
}
