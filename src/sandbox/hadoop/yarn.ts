import type { Faults } from './faults.ts';
import type { Clock, HadoopTimings, Harm, Machine, YarnState } from './model.ts';

/** A NodeManager as the ResourceManager knows it. */
export interface NodeManager {
  readonly host: string;
  state: YarnState;
  containers: number;
  registeredAt: number;
  /** When the present ResourceManager heard of it: a new one knows nobody until they report. */
  knownFrom: number;
  /** While DECOMMISSIONING: when the next container ends, and when the rest are killed (Infinity: never). */
  nextEnd: number;
  killAt: number;
  timeoutSec: number;
}

export interface YarnMeans {
  readonly clock: Clock;
  readonly timings: HadoopTimings;
  readonly machines: ReadonlyMap<string, Machine>;
  readonly faults: Faults;
  readonly harm: (harm: Harm) => void;
  readonly containersPerWorker: number;
  readonly supervised: boolean;
}

/** How a refresh treats excluded nodes: at once, or waiting for containers up to a time (negative: for ever). */
export type RefreshMode = { readonly graceful: false } | { readonly graceful: true; readonly timeoutSec: number };

/** YARN: NodeManagers and their states. Knows nothing of which ResourceManager answers. */
export class Yarn {
  readonly nodeManagers = new Map<string, NodeManager>();
  readonly #means: YarnMeans;
  /** Excluded hosts, with a time-out of their own where the file gives one. */
  #excluded: (host: string, address: string) => { readonly timeoutSec: number | null } | undefined = () => undefined;
  #included: (host: string, address: string) => boolean = () => true;

  constructor(means: YarnMeans) {
    this.#means = means;
  }

  excluded(host: string): boolean {
    const address = this.#means.machines.get(host)?.address ?? '';
    return this.#excluded(host, address) !== undefined || !this.#included(host, address);
  }

  /** The NodeManager of a machine asks to join; an excluded one is told to shut down. */
  register(machine: Machine): void {
    if (!machine.nodeManager || this.excluded(machine.host)) return;
    const known = this.nodeManagers.get(machine.host);
    const { clock, containersPerWorker } = this.#means;
    this.nodeManagers.set(machine.host, {
      host: machine.host,
      state: 'RUNNING',
      containers: known?.state === 'RUNNING' ? known.containers : containersPerWorker,
      registeredAt: clock.now(),
      knownFrom: clock.now(),
      nextEnd: 0,
      killAt: Number.POSITIVE_INFINITY,
      timeoutSec: -1,
    });
  }

  /** `yarn rmadmin -refreshNodes`: the hosts files were read again. */
  refresh(
    mode: RefreshMode,
    excluded: (host: string, address: string) => { readonly timeoutSec: number | null } | undefined,
    included: (host: string, address: string) => boolean,
  ): void {
    this.#excluded = excluded;
    this.#included = included;
    for (const node of this.nodeManagers.values()) {
      const active = node.state === 'RUNNING' || node.state === 'UNHEALTHY' || node.state === 'DECOMMISSIONING';
      if (!active) continue;
      if (!this.excluded(node.host)) {
        if (node.state === 'DECOMMISSIONING') node.state = 'RUNNING';
      } else if (!mode.graceful) this.#force(node);
      else {
        const address = this.#means.machines.get(node.host)?.address ?? '';
        this.#drain(node, excluded(node.host, address)?.timeoutSec ?? mode.timeoutSec);
      }
    }
  }

  #drain(node: NodeManager, timeoutSec: number): void {
    const now = this.#means.clock.now();
    if (node.state !== 'DECOMMISSIONING') {
      node.state = 'DECOMMISSIONING';
      node.nextEnd = now + this.#means.timings.containerMs;
    }
    if (node.timeoutSec !== timeoutSec || node.killAt === Number.POSITIVE_INFINITY) {
      node.killAt = timeoutSec < 0 ? Number.POSITIVE_INFINITY : now + timeoutSec * 1000;
      node.timeoutSec = timeoutSec;
    }
  }

  #force(node: NodeManager): void {
    if (node.containers > 0) {
      this.#means.harm({
        at: this.#means.clock.now(),
        host: node.host,
        what: 'containers killed by forced decommission',
        detail: `${node.containers} containers`,
      });
    }
    this.#out(node);
  }

  /** Decommissioned: the NodeManager is told to shut down. */
  #out(node: NodeManager): void {
    node.containers = 0;
    node.state = 'DECOMMISSIONED';
    const machine = this.#means.machines.get(node.host);
    if (machine && !this.#means.supervised) machine.nodeManager = false;
  }

  /** Another ResourceManager became active: it does not know of graceful decommissions under way. */
  failedOver(): void {
    const { clock, timings } = this.#means;
    let turn = 0;
    for (const node of this.nodeManagers.values()) {
      if (node.state === 'DECOMMISSIONING') this.#force(node);
      // Excluded nodes are known from the file.
      if (node.state === 'DECOMMISSIONED') continue;
      turn += 1;
      node.knownFrom = clock.now() + timings.heartbeatMs * (1 + (turn % 3));
    }
  }

  /** Those that the present ResourceManager has heard of. */
  known(): NodeManager[] {
    const now = this.#means.clock.now();
    return [...this.nodeManagers.values()].filter((node) => node.knownFrom <= now);
  }

  /** Still counted on by the ResourceManager. */
  inService(host: string): boolean {
    const state = this.nodeManagers.get(host)?.state;
    return state === 'RUNNING' || state === 'UNHEALTHY' || state === 'DECOMMISSIONING';
  }

  decommissioning(): string[] {
    return [...this.nodeManagers.values()].filter((n) => n.state === 'DECOMMISSIONING').map((n) => n.host);
  }

  tick(): void {
    const { clock, timings, machines, faults } = this.#means;
    const now = clock.now();
    for (const machine of machines.values()) {
      if (machine.role !== 'worker') continue;
      const reaches = machine.daemons && machine.nodeManager && !faults.neverRegisters(machine.host);
      const node = this.nodeManagers.get(machine.host);
      if (reaches) {
        // A supervised NodeManager that was told to shut down is started again and asks again.
        if (!node || node.state === 'DECOMMISSIONED' || node.state === 'LOST') this.register(machine);
      } else if (node && this.inService(machine.host) && now - machine.stoppedAt >= timings.nodeManagerExpiryMs) {
        node.state = 'LOST';
        node.containers = 0;
      }
      if (!node) continue;
      if (node.state === 'RUNNING' && faults.badDisks(machine.host)) node.state = 'UNHEALTHY';
      else if (node.state === 'UNHEALTHY' && !faults.badDisks(machine.host)) node.state = 'RUNNING';
      if (node.state === 'DECOMMISSIONING') this.#advance(node, now);
    }
  }

  #advance(node: NodeManager, now: number): void {
    if (!this.#means.faults.hangs(node.host)) {
      while (node.containers > 0 && node.nextEnd <= now) {
        node.containers -= 1;
        node.nextEnd += this.#means.timings.containerMs;
      }
      if (node.containers === 0) this.#out(node);
    }
    if (node.state === 'DECOMMISSIONING' && node.killAt <= now) this.#force(node);
  }

  /** The machine is about to stop: what would an operator say? */
  beforeStop(machine: Machine): void {
    const node = this.nodeManagers.get(machine.host);
    if (!node || !this.inService(machine.host)) return;
    const at = this.#means.clock.now();
    this.#means.harm({
      at,
      host: machine.host,
      what: 'stopped while in service',
      detail: `NodeManager was ${node.state}`,
    });
    if (node.containers > 0) {
      this.#means.harm({ at, host: machine.host, what: 'containers lost', detail: `${node.containers} containers` });
    }
  }
}
