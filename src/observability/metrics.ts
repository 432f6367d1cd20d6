import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

export interface MetricsSetup {
  readonly version: string;
  /** Default: a new one, so that two in one process do not meet. */
  readonly registry?: Registry;
  /** Also count CPU, memory, event loop lag and the like of this process. Default true. */
  readonly processMetrics?: boolean;
}

/** One HTTP request to an OpenStack service, as its client reports it. */
export interface OpenStackCall {
  readonly controlPlane: string;
  readonly service: string;
  readonly method: string;
  /** With ids left out; what looks like an id is replaced all the same, a label must not have endless values. */
  readonly route: string;
  readonly status: number | string;
  readonly ms: number;
}

/** One call to Slack; `outcome` is `ok`, Slack's error code or what happened on the way. */
export interface SlackCall {
  readonly method: string;
  readonly outcome: string;
  readonly ms?: number;
}

export type Metrics = ReturnType<typeof createMetrics>;

/** From a second (a read-back) to four hours (a drain, a cleaning). */
const STEP_SECONDS = [1, 2, 5, 10, 30, 60, 120, 300, 600, 1_200, 1_800, 3_600, 7_200, 14_400];
const REQUEST_SECONDS = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];
/** Slack gives up after 3 s. */
const ACK_SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 1, 2, 3];

/**
 * Everything that Ephyra measures. Units are seconds, names begin with `ephyra_`, labels have few values: never a node, a
 * deployment or a person.
 */
export function createMetrics(setup: MetricsSetup) {
  const registry = setup.registry ?? new Registry();
  const registers = [registry];
  if (setup.processMetrics !== false) collectDefaultMetrics({ register: registry });

  const deployments = new Gauge({
    name: 'ephyra_deployments',
    help: 'Deployments that are recorded, by state',
    labelNames: ['state'] as const,
    registers,
  });
  const deploymentsEnded = new Counter({
    name: 'ephyra_deployments_total',
    help: 'Deployments that have ended since the start of the process, by outcome',
    labelNames: ['outcome'] as const,
    registers,
  });
  const nodes = new Gauge({
    name: 'ephyra_nodes',
    help: 'Nodes of the running deployments (of the last one when none runs), by where they are in their move',
    labelNames: ['state'] as const,
    registers,
  });
  const nodeMigrations = new Counter({
    name: 'ephyra_node_migrations_total',
    help: 'Node migrations that have come to rest, by outcome',
    labelNames: ['outcome'] as const,
    registers,
  });
  const stepDuration = new Histogram({
    name: 'ephyra_step_duration_seconds',
    help: 'How long steps of node migrations took, successful ones',
    labelNames: ['step', 'direction'] as const,
    buckets: STEP_SECONDS,
    registers,
  });
  const stepFailures = new Counter({
    name: 'ephyra_step_failures_total',
    help: 'Steps of node migrations that failed, each try counted, by reason',
    labelNames: ['step', 'reason'] as const,
    registers,
  });
  const openstackRequests = new Counter({
    name: 'ephyra_openstack_requests_total',
    help: 'HTTP requests to OpenStack, repetitions included',
    labelNames: ['control_plane', 'service', 'method', 'route', 'status'] as const,
    registers,
  });
  const openstackDuration = new Histogram({
    name: 'ephyra_openstack_request_duration_seconds',
    help: 'How long HTTP requests to OpenStack took',
    labelNames: ['control_plane', 'service', 'method'] as const,
    buckets: REQUEST_SECONDS,
    registers,
  });
  const slackRequests = new Counter({
    name: 'ephyra_slack_requests_total',
    help: 'Calls to Slack',
    labelNames: ['method', 'status'] as const,
    registers,
  });
  const slackCommands = new Counter({
    name: 'ephyra_slack_commands_total',
    help: 'Commands and button presses that came from Slack',
    labelNames: ['command'] as const,
    registers,
  });
  const slackAck = new Histogram({
    name: 'ephyra_slack_ack_duration_seconds',
    help: 'Time until a command or button press was acknowledged; Slack gives up after 3 seconds',
    buckets: ACK_SECONDS,
    registers,
  });
  const gateOpen = new Gauge({
    name: 'ephyra_gate_open',
    help: 'Whether the gates of the running deployment let it go on (1) or hold it (0); absent when none has been looked at',
    labelNames: ['source', 'target'] as const,
    registers,
  });
  const leaseEvents = new Counter({
    name: 'ephyra_lease_events_total',
    help: 'What has happened to the leases on control planes: taken, taken_over, refused, renewed, renewal_failed, lost, released, release_failed',
    labelNames: ['control_plane', 'event'] as const,
    registers,
  });
  const leaseHeld = new Gauge({
    name: 'ephyra_lease_held',
    help: 'Whether the lease that a running deployment needs is held and may be used (1) or not (0); absent when none is needed',
    labelNames: ['control_plane'] as const,
    registers,
  });
  const locks = new Gauge({ name: 'ephyra_locks', help: 'Locks in force', registers });
  new Gauge({
    name: 'ephyra_build_info',
    help: 'Always 1; the labels say what is running',
    labelNames: ['version', 'nodejs'] as const,
    registers,
  }).set({ version: setup.version, nodejs: process.version }, 1);

  const hooks = new Set<() => void>();

  return {
    registry,
    /** Everything in Prometheus' text format, fresh. */
    async text(): Promise<string> {
      for (const hook of hooks) hook();
      return registry.metrics();
    },
    /** `hook` is called before every reading, to set what shows the present. Returns the way to stop. */
    beforeReading(hook: () => void): () => void {
      hooks.add(hook);
      return () => hooks.delete(hook);
    },

    deployments,
    deploymentsEnded,
    nodes,
    nodeMigrations,
    stepDuration,
    stepFailures,
    gateOpen,
    locks,

    /** Something has happened to the lease on a control plane. Never throws. */
    leaseEvent(controlPlane: string, event: string): void {
      leaseEvents.inc({ control_plane: controlPlane, event });
    },

    /** Which leases are wanted now, and which of them may be used. */
    leases(
      states: readonly { readonly controlPlane: string; readonly wanted: boolean; readonly open: boolean }[],
    ): void {
      for (const { controlPlane, wanted, open } of states) {
        if (wanted) leaseHeld.set({ control_plane: controlPlane }, open ? 1 : 0);
        else leaseHeld.remove({ control_plane: controlPlane });
      }
    },

    /** For the OpenStack clients' `onCall`. Never throws. */
    openstackCall(call: OpenStackCall): void {
      const { controlPlane, service, method } = call;
      openstackRequests.inc({
        control_plane: controlPlane,
        service,
        method,
        route: routeLabel(call.route),
        status: String(call.status),
      });
      openstackDuration.observe({ control_plane: controlPlane, service, method }, Math.max(0, call.ms) / 1_000);
    },

    /** For the Slack face's calls. Never throws. */
    slackCall(call: SlackCall): void {
      slackRequests.inc({ method: call.method, status: call.outcome });
    },

    /** A command or button press came; `command` is one of the known ones, anything else counts as `unknown`. */
    slackCommand(command: string, ackMs?: number): void {
      slackCommands.inc({ command: /^[a-z_]{1,24}$/.test(command) ? command : 'unknown' });
      if (ackMs !== undefined) slackAck.observe(Math.max(0, ackMs) / 1_000);
    },
  };
}

const ID = /[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}/gi;

function routeLabel(route: string): string {
  return route.replace(/[?#].*$/s, '').replace(ID, '{id}');
}
