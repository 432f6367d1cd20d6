import { type CommandRequest, runCommand } from './commands.ts';
import { Faults } from './faults.ts';
import { fleetOf, type HadoopFleet } from './fleet.ts';
import { Hdfs } from './hdfs.ts';
import {
  DEFAULT_TIMINGS,
  type Fault,
  type HadoopConfig,
  type Harm,
  type Machine,
  SERVICES,
  type ServiceId,
} from './model.ts';
import { answerNameNode } from './nameNode.ts';
import { answerResourceManager, type HttpAnswer, json } from './resourceManager.ts';
import { Services } from './services.ts';
import { Yarn } from './yarn.ts';

export interface HadoopRequest {
  /** Which port was asked: a service, or the emulator's own door for its admin commands. */
  readonly to: ServiceId | 'admin';
  readonly method: string;
  /** Path with query. */
  readonly url: string;
  readonly body?: string;
}

/** An answer, or none: the connection is refused, or left open for ever. */
export type HadoopAnswer = HttpAnswer | { readonly silent: 'refuse' | 'hang' };

export interface Hadoop {
  handle(request: HadoopRequest): HadoopAnswer;
  /**
   * The machine of a host is up or down, and where. Coming back with another `instance` (or, when none is named, with
   * another address) means that it was installed anew and its disks are empty. Unknown hosts are ignored: not every
   * instance is a Hadoop node. Told the same twice, nothing happens.
   */
  setMachine(host: string, up: boolean, address?: string | null, instance?: string | null): void;
  /** Switches a fault on; the result switches it off. */
  fault(fault: Fault): () => void;
  faults(): readonly Fault[];
  clearFaults(): void;
  /** What went wrong so far, oldest first. A good move leaves it empty. */
  harm(): readonly Harm[];
  fleet(): HadoopFleet;
  /** Requests so far by service, the admin commands under `admin`. */
  requests(): Readonly<Record<string, number>>;
  /** Where each service listens, for redirects. */
  setUrl(service: ServiceId, url: string): void;
  close(): void;
}

/**
 * A Hadoop cluster in one object: two ResourceManagers, two NameNodes, and NodeManager and DataNode on each worker.
 * Pure: no sockets, no files, no clock of its own.
 */
export function createHadoop(config: HadoopConfig): Hadoop {
  const { clock } = config;
  const timings = { ...DEFAULT_TIMINGS, ...config.timings };
  const faults = new Faults();
  const harms: Harm[] = [];
  const harm = (entry: Harm) => void harms.push(entry);
  const machines = new Map<string, Machine>();
  for (const node of config.nodes) {
    const up = node.up ?? true;
    machines.set(node.host, {
      host: node.host,
      role: node.role,
      address: node.address,
      instance: null,
      up,
      daemons: up,
      nodeManager: up,
      stoppedAt: Number.NEGATIVE_INFINITY,
      wiped: false,
    });
  }
  const workers = config.nodes.filter((node) => node.role === 'worker');
  const replication = config.replication ?? Math.max(1, Math.min(3, workers.length - 2));
  const shared = { clock, timings, machines, faults, harm };
  const hdfs = new Hdfs(shared, replication, config.blocksPerWorker ?? 30);
  const yarn = new Yarn({
    ...shared,
    containersPerWorker: config.containersPerWorker ?? 4,
    supervised: config.supervised ?? true,
  });
  const services = new Services(
    { ...shared, onFailover: (pair) => pair === 'rm' && yarn.failedOver() },
    placement(config),
  );
  for (const machine of machines.values()) if (machine.daemons && machine.role === 'worker') join(machine);

  const urls = new Map<ServiceId, string>();
  const counts: Record<string, number> = {};
  const pending = new Map<string, () => void>();
  let lastTick = clock.now();
  let cancelTick = clock.after(timings.tickMs, tick);

  function tick(): void {
    const now = clock.now();
    yarn.tick();
    hdfs.tick(now - lastTick);
    lastTick = now;
    cancelTick = clock.after(timings.tickMs, tick);
  }

  function join(machine: Machine): void {
    if (faults.neverRegisters(machine.host)) return;
    hdfs.register(machine);
    yarn.register(machine);
  }

  function start(machine: Machine): void {
    machine.up = true;
    pending.set(
      machine.host,
      clock.after(timings.registerMs, () => {
        pending.delete(machine.host);
        machine.daemons = true;
        machine.nodeManager = true;
        if (machine.role === 'worker') join(machine);
        services.started(machine.host);
      }),
    );
  }

  function stop(machine: Machine): void {
    pending.get(machine.host)?.();
    pending.delete(machine.host);
    machine.up = false;
    if (!machine.daemons) return;
    yarn.beforeStop(machine);
    hdfs.beforeStop(machine);
    machine.daemons = false;
    machine.nodeManager = false;
    machine.stoppedAt = clock.now();
    services.stopped(machine.host);
  }

  function admin(request: HadoopRequest): HadoopAnswer {
    if (request.method !== 'POST' || request.url !== '/command') return json({ error: 'POST /command' }, 404);
    return json(
      runCommand({ yarn, hdfs, services, faults, machines }, JSON.parse(request.body ?? '') as CommandRequest),
    );
  }

  return {
    handle(request) {
      counts[request.to] = (counts[request.to] ?? 0) + 1;
      if (request.to === 'admin') return admin(request);
      const silence = faults.silence(request.to);
      if (silence) return { silent: silence };
      if (services.get(request.to).state === 'down') return { silent: 'refuse' };
      const url = new URL(request.url, 'http://localhost');
      if (request.to === 'rm1' || request.to === 'rm2') {
        const means = { clock, yarn, services, faults, machines, urlOf: (id: ServiceId) => urls.get(id) ?? '' };
        return answerResourceManager(means, request.to, url.pathname);
      }
      return answerNameNode({ clock, hdfs, services, faults }, request.to, url.pathname, url.searchParams);
    },
    setMachine(host, up, address, instance) {
      const machine = machines.get(host);
      if (!machine) return;
      const moved = typeof address === 'string' && address !== machine.address;
      const reinstalled =
        typeof instance === 'string' && machine.instance !== null ? instance !== machine.instance : up && moved;
      if (machine.up && (!up || moved || reinstalled)) stop(machine);
      if (typeof address === 'string') machine.address = address;
      if (typeof instance === 'string') machine.instance = instance;
      if (reinstalled) machine.wiped = true;
      if (up && !machine.up) start(machine);
    },
    fault: (fault) => faults.add(fault),
    faults: () => faults.list(),
    clearFaults: () => faults.clear(),
    harm: () => [...harms],
    fleet: () => fleetOf({ clock, machines, yarn, hdfs, services, faults }),
    requests: () => ({ ...counts }),
    setUrl: (service, url) => void urls.set(service, url),
    close() {
      cancelTick();
      for (const cancel of pending.values()) cancel();
      pending.clear();
    },
  };
}

function placement(config: HadoopConfig): Record<ServiceId, string | null> {
  const masters = config.nodes.filter((node) => node.role === 'master').map((node) => node.host);
  const [first, second] = [masters[0] ?? null, masters[1] ?? null];
  const placed: Record<ServiceId, string | null> = { rm1: first, nn1: first, rm2: second, nn2: second };
  for (const id of SERVICES) {
    const host = config.services?.[id];
    if (host !== undefined) placed[id] = host;
  }
  return placed;
}
