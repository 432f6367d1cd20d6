import { Failure, type FailureData, type Next, type Reason } from '../../machines/errors.ts';

export const SERVICES = ['keystone', 'ironic', 'nova', 'placement', 'neutron', 'glance'] as const;
export type ServiceName = (typeof SERVICES)[number];

/**
 * What went wrong, as one closed list. `locked` is the conductor's lock on a node (409); `busy` is a rate limit (429);
 * `no_endpoint` means that the catalog does not offer the service where we look; `malformed` is an answer that is not
 * what the API promises.
 */
export type OpenStackErrorKind =
  | 'unreachable'
  | 'timeout'
  | 'auth'
  | 'no_endpoint'
  | 'not_found'
  | 'conflict'
  | 'locked'
  | 'forbidden'
  | 'quota'
  | 'bad_request'
  | 'too_old'
  | 'busy'
  | 'server_error'
  | 'malformed';

/**
 * Finer than the kind, where the services say it only in prose: a 409 or 400 of Ironic and Nova has many causes with
 * one status. Read from the message here, once, so that nobody else has to.
 */
export type OpenStackErrorDetail =
  | 'duplicate'
  | 'has_instance'
  | 'in_transition'
  | 'patch_refused'
  | 'no_conductor'
  | 'wrong_state'
  | 'host_unknown'
  | 'marker_unknown'
  | null;

export interface OpenStackErrorData {
  readonly controlPlane: string;
  readonly service: ServiceName;
  readonly method: string;
  /** Without query and without user info. */
  readonly url: string;
  /** Status codes that the call would have taken for success. */
  readonly expected: readonly number[];
  /** Null: there was no answer. */
  readonly status: number | null;
  readonly kind: OpenStackErrorKind;
  readonly detail?: OpenStackErrorDetail;
  /** What the service said, unwrapped; or what happened on the way. No secret in it. */
  readonly message: string;
  readonly requestId?: string | null;
  /** What a person can do, where that is known. */
  readonly remedy?: string;
  /** The service asked to be left alone for so long, in milliseconds. */
  readonly retryAfterMs?: number;
  /** A write that may have taken effect although it failed (lost answer, 5xx): look before doing it again. */
  readonly maybeDone?: boolean;
}

/** The one error of the OpenStack clients: everything about the call that failed, except secrets. */
export class OpenStackError extends Error {
  override readonly name = 'OpenStackError';
  readonly controlPlane: string;
  readonly service: ServiceName;
  readonly method: string;
  readonly url: string;
  readonly expected: readonly number[];
  readonly status: number | null;
  readonly kind: OpenStackErrorKind;
  readonly detail: OpenStackErrorDetail;
  /** The service's own words, without the sentence around them that `message` has. */
  readonly said: string;
  readonly requestId: string | null;
  readonly remedy: string | null;
  readonly retryAfterMs: number | null;
  readonly maybeDone: boolean;

  constructor(data: OpenStackErrorData, options?: { cause?: unknown }) {
    super(describe(data), options);
    this.controlPlane = data.controlPlane;
    this.service = data.service;
    this.method = data.method;
    this.url = data.url;
    this.expected = data.expected;
    this.status = data.status;
    this.kind = data.kind;
    this.detail = data.detail ?? null;
    this.said = data.message;
    this.requestId = data.requestId ?? null;
    this.remedy = data.remedy ?? null;
    this.retryAfterMs = data.retryAfterMs ?? null;
    this.maybeDone = data.maybeDone ?? false;
  }
}

function describe(data: OpenStackErrorData): string {
  const got = data.status === null ? '' : ` answered ${data.status}`;
  const id = data.requestId ? ` (${data.requestId})` : '';
  const said = data.message.trim() === '' ? 'no explanation' : data.message.trim();
  return `${data.service} of ${data.controlPlane}: ${data.method} ${data.url}${got}: ${said}${id}`;
}

/** Thrown when the caller's signal ends a call. Named as the platform names it. */
export class AbortError extends Error {
  override readonly name = 'AbortError';

  constructor(cause?: unknown) {
    super('The call was cancelled.', cause === undefined ? undefined : { cause });
  }
}

/** From status and words to a kind. Success codes and redirects that a call did not expect count as `malformed`. */
export function classify(
  service: ServiceName,
  status: number,
  message: string,
): { kind: OpenStackErrorKind; detail: OpenStackErrorDetail } {
  const as = (kind: OpenStackErrorKind, detail: OpenStackErrorDetail = null) => ({ kind, detail });
  if (status === 401) return as('auth');
  // Neutron and old Nova report a used-up quota as 409 and 413, Nova and Ironic otherwise as 403.
  if ([403, 409, 413].includes(status) && /quota/i.test(message)) return as('quota');
  if (status === 403) return as('forbidden');
  if (status === 404 || status === 410) return as('not_found');
  if (status === 406) return as('too_old');
  if (status === 409) return conflict(message);
  if (status === 429) return as('busy');
  if (status >= 500) return as('server_error');
  if (status >= 400) return as('bad_request', badRequestDetail(service, message));
  return as('malformed');
}

function conflict(message: string): { kind: OpenStackErrorKind; detail: OpenStackErrorDetail } {
  if (/is locked by host/.test(message)) return { kind: 'locked', detail: null };
  const detail: OpenStackErrorDetail = /already exists/.test(message)
    ? 'duplicate'
    : /associated with instance/.test(message)
      ? 'has_instance'
      : /state transition is in progress|in task_state/.test(message)
        ? 'in_transition'
        : /provision state|in vm_state|power state/.test(message)
          ? 'wrong_state'
          : null;
  return { kind: 'conflict', detail };
}

function badRequestDetail(service: ServiceName, message: string): OpenStackErrorDetail {
  if (service === 'nova' && /Compute host .* could not be found/.test(message)) return 'host_unknown';
  // The second: of a node that is retired, or in maintenance where Ironic is configured to mind that.
  if (service === 'ironic' && /can(?: not|'t) be performed on node/.test(message)) return 'wrong_state';
  if (service === 'ironic' && /^Couldn't apply patch/.test(message)) return 'patch_refused';
  if (service === 'ironic' && /No conductor service registered/.test(message)) return 'no_conductor';
  if (/\bmarker\b/i.test(message)) return 'marker_unknown';
  return null;
}

/**
 * What happens next after a call that failed. An {@link OpenStackError} is mapped by its kind; a {@link Failure} stays
 * what it is; cancellation becomes `cancelled`; anything else is a bug.
 */
export function toFailure(thrown: unknown): Failure {
  if (thrown instanceof Failure) return thrown;
  if (thrown instanceof OpenStackError) return new Failure(mapError(thrown), { cause: thrown });
  if (thrown instanceof Error && thrown.name === 'AbortError') {
    return new Failure(
      { reason: 'cancelled', next: 'cancelled', message: 'The wait was cancelled.' },
      { cause: thrown },
    );
  }
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return new Failure({ reason: 'bug', next: 'retry', message: `Unexpected: ${message}` }, { cause: thrown });
}

/**
 * `stop` where the same request will be refused again; `ask` where not even going back can work without a person
 * (credentials, catalog, versions); `retry` for all that the next look may show in another light.
 */
const OUTCOMES: Readonly<Record<OpenStackErrorKind, { reason: Reason; next: Next }>> = {
  unreachable: { reason: 'cloud_unreachable', next: 'retry' },
  timeout: { reason: 'cloud_unreachable', next: 'retry' },
  server_error: { reason: 'cloud_unreachable', next: 'retry' },
  busy: { reason: 'cloud_unreachable', next: 'retry' },
  malformed: { reason: 'cloud_unreachable', next: 'retry' },
  locked: { reason: 'node_locked', next: 'retry' },
  conflict: { reason: 'cloud_refused', next: 'retry' },
  not_found: { reason: 'cloud_refused', next: 'retry' },
  forbidden: { reason: 'cloud_refused', next: 'stop' },
  quota: { reason: 'cloud_refused', next: 'stop' },
  bad_request: { reason: 'cloud_refused', next: 'stop' },
  auth: { reason: 'cloud_auth', next: 'ask' },
  no_endpoint: { reason: 'cloud_refused', next: 'ask' },
  too_old: { reason: 'cloud_too_old', next: 'ask' },
};

function mapError(error: OpenStackError): FailureData {
  const { reason, next } = outcomeOf(error);
  const remedy = error.remedy ?? REMEDIES[error.kind];
  return {
    reason,
    next,
    message: error.message,
    ...(remedy === undefined ? {} : { remedy }),
    ...(next === 'retry' && error.retryAfterMs !== null ? { afterMs: error.retryAfterMs } : {}),
  };
}

function outcomeOf(error: OpenStackError): { reason: Reason; next: Next } {
  // Nova has not yet seen the node at its periodic look: the request is right, only early.
  if (error.detail === 'host_unknown') return { reason: 'not_schedulable', next: 'retry' };
  // A verb that does not fit the state, mostly because it is already fulfilled: the next look decides.
  if (error.detail === 'wrong_state') return { reason: 'cloud_refused', next: 'retry' };
  // 400 as well: the conductors of the node are down, or start again.
  if (error.detail === 'no_conductor') return { reason: 'cloud_unreachable', next: 'retry' };
  if (error.kind === 'not_found' && /\/v1\/nodes\/[^/]+/.test(error.url)) {
    return { reason: 'node_missing', next: 'retry' };
  }
  // Keystone has just given the token: a service that does not know it yet lags behind (keys that are being rotated).
  if (error.kind === 'auth' && error.service !== 'keystone') return { reason: 'cloud_auth', next: 'retry' };
  return OUTCOMES[error.kind];
}

const REMEDIES: Readonly<Partial<Record<OpenStackErrorKind, string>>> = {
  unreachable: 'Check that the address is right and that the service is up and reachable from here.',
  timeout: 'Check the load of the service; raise api_timeout in clouds.yaml if it is just slow.',
  auth: 'Check the credentials of this cloud in clouds.yaml or secure.yaml.',
  forbidden: 'Give the user the role that the policy of this service asks for (usually admin).',
  quota: 'Raise the quota of the project.',
};
