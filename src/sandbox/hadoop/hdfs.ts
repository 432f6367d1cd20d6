import { Blocks } from './blocks.ts';
import type { Faults } from './faults.ts';
import { ADMIN_STATES, type AdminState, type Clock, type HadoopTimings, type Harm, type Machine } from './model.ts';

/** A DataNode as the NameNodes know it. */
export interface DataNode {
  readonly host: string;
  /** Where it last registered from. */
  address: string;
  admin: AdminState;
  /** Epoch ms; Infinity without an end. Only with maintenance. */
  maintenanceUntil: number;
  leavingSince: number;
}

/** What a reinstalled machine was under another address: dead, and listed until the NameNodes are restarted. */
export interface Ghost {
  readonly host: string;
  readonly address: string;
  admin: AdminState;
  readonly since: number;
}

/** What the hosts files want of a host. */
export interface WantedAdmin {
  readonly state: 'normal' | 'decommissioned' | 'maintenance';
  readonly until: number;
}

export interface HdfsMeans {
  readonly clock: Clock;
  readonly timings: HadoopTimings;
  readonly machines: ReadonlyMap<string, Machine>;
  readonly faults: Faults;
  readonly harm: (harm: Harm) => void;
}

/** HDFS: blocks, DataNodes and their admin states. Knows nothing of which NameNode answers. */
export class Hdfs {
  readonly blocks: Blocks;
  readonly dataNodes = new Map<string, DataNode>();
  /** By address. */
  readonly ghosts = new Map<string, Ghost>();
  readonly #means: HdfsMeans;
  #wanted: (host: string, address: string) => WantedAdmin = () => ({ state: 'normal', until: 0 });
  #allowed: (host: string, address: string) => boolean = () => true;
  #copyBudget = 0;
  readonly #lost = new Set<number>();

  constructor(means: HdfsMeans, replication: number, perWorker: number) {
    this.#means = means;
    const workers = [...means.machines.values()].filter((m) => m.role === 'worker');
    this.blocks = new Blocks(
      workers.map((m) => m.host),
      replication,
      perWorker,
    );
  }

  /** The DataNode of a machine makes itself known, perhaps from another address and with empty disks. */
  register(machine: Machine): void {
    if (!this.#allowed(machine.host, machine.address)) return;
    const known = this.dataNodes.get(machine.host);
    if (machine.wiped) {
      this.blocks.wipe(machine.host);
      machine.wiped = false;
      // With its disks a DataNode loses its identity: the NameNode takes it for a new one, unless the address is the same.
      if (known && known.address !== machine.address) {
        const { host, address, admin } = known;
        this.ghosts.set(address, { host, address, admin, since: machine.stoppedAt });
      }
    }
    this.ghosts.delete(machine.address);
    if (known) known.address = machine.address;
    else {
      this.dataNodes.set(machine.host, {
        host: machine.host,
        address: machine.address,
        admin: ADMIN_STATES.inService,
        maintenanceUntil: 0,
        leavingSince: 0,
      });
    }
    this.#apply(machine.host);
  }

  /** `hdfs dfsadmin -refreshNodes`: the hosts files were read again. */
  refresh(
    wanted: (host: string, address: string) => WantedAdmin,
    allowed: (host: string, address: string) => boolean,
  ): void {
    this.#wanted = wanted;
    this.#allowed = allowed;
    for (const host of this.dataNodes.keys()) this.#apply(host);
    for (const ghost of this.ghosts.values()) {
      // Names in hosts files are looked up in DNS, which knows the present address.
      const { state } = wanted(ghost.address, ghost.address);
      ghost.admin = state === 'decommissioned' ? ADMIN_STATES.decommissioned : ADMIN_STATES.inService;
    }
  }

  #apply(host: string): void {
    const node = this.dataNodes.get(host);
    if (!node) return;
    const now = this.#means.clock.now();
    const wanted = this.#wanted(host, node.address);
    const leaving = node.admin !== ADMIN_STATES.inService;
    if (wanted.state === 'maintenance' && wanted.until > now) {
      node.maintenanceUntil = wanted.until;
      if (node.admin === ADMIN_STATES.inMaintenance || node.admin === ADMIN_STATES.enteringMaintenance) return;
      node.admin = this.alive(host) ? ADMIN_STATES.enteringMaintenance : ADMIN_STATES.inMaintenance;
      node.leavingSince = now;
    } else if (wanted.state === 'decommissioned') {
      if (node.admin === ADMIN_STATES.decommissioned || node.admin === ADMIN_STATES.decommissioning) return;
      // The real NameNode, too, calls a dead node decommissioned at once: there is nothing left to read from it.
      node.admin = this.alive(host) ? ADMIN_STATES.decommissioning : ADMIN_STATES.decommissioned;
      node.leavingSince = now;
    } else if (leaving) {
      node.admin = ADMIN_STATES.inService;
    }
  }

  /** Registered, and its heartbeats are not overdue. */
  alive(host: string): boolean {
    if (!this.dataNodes.has(host)) return false;
    return this.lastContactMs(host) < this.#means.timings.dataNodeExpiryMs;
  }

  /** Milliseconds since the last heartbeat. */
  lastContactMs(host: string): number {
    const { clock, timings, machines, faults } = this.#means;
    const machine = machines.get(host);
    const now = clock.now();
    if (machine?.daemons && !faults.neverRegisters(host)) return now % timings.heartbeatMs;
    return now - (machine?.stoppedAt ?? 0);
  }

  allowed(host: string, address: string): boolean {
    return this.#allowed(host, address);
  }

  inService(host: string): boolean {
    return this.alive(host) && this.dataNodes.get(host)?.admin === ADMIN_STATES.inService;
  }

  /** Blocks with too few replicas, and those with none that can be read. */
  shortages(): { low: number[]; missing: number[] } {
    const low: number[] = [];
    const missing: number[] = [];
    for (let block = 0; block < this.blocks.total; block += 1) {
      const counts = this.#count(block);
      if (counts.readable === 0 && counts.maintenance === 0) missing.push(block);
      else if (counts.serving < counts.expected) low.push(block);
    }
    return { low, missing };
  }

  /** Blocks of a leaving node that still have too few replicas elsewhere. */
  blocksLeft(host: string): number {
    const admin = this.dataNodes.get(host)?.admin;
    if (admin !== ADMIN_STATES.decommissioning && admin !== ADMIN_STATES.enteringMaintenance) return 0;
    let left = 0;
    for (const block of this.blocks.heldBy(host)) if (!this.#sufficient(block, admin)) left += 1;
    return left;
  }

  #sufficient(block: number, admin: AdminState): boolean {
    const { serving } = this.#count(block);
    return serving >= (admin === ADMIN_STATES.enteringMaintenance ? 1 : this.blocks.replication);
  }

  #count(block: number): { serving: number; readable: number; maintenance: number; expected: number } {
    let serving = 0;
    let readable = 0;
    let maintenance = 0;
    for (const host of this.blocks.holders(block)) {
      const admin = this.dataNodes.get(host)?.admin;
      if (admin === undefined) continue;
      const alive = this.alive(host);
      if (alive) readable += 1;
      if (admin === ADMIN_STATES.inService) serving += alive ? 1 : 0;
      else if (admin === ADMIN_STATES.inMaintenance || admin === ADMIN_STATES.enteringMaintenance) maintenance += 1;
    }
    const expected = maintenance === 0 ? this.blocks.replication : Math.max(1, this.blocks.replication - maintenance);
    return { serving, readable, maintenance, expected };
  }

  /** One look of the monitors: copy, finish what is finished, end what has expired. */
  tick(elapsedMs: number): void {
    const { clock, timings, faults } = this.#means;
    // A quiet cluster saves nothing up: disks and wires have a speed, not a balance.
    const share = (timings.copiesPerSecond * elapsedMs) / 1000;
    this.#copyBudget = Math.min(this.#copyBudget, 1) + share;
    const { low, missing } = this.shortages();
    for (const block of missing) this.#noteLost(block);
    this.#copy(low);
    this.#trim();
    this.#balance();
    for (const node of this.dataNodes.values()) {
      const now = clock.now();
      const maintenance = node.admin === ADMIN_STATES.inMaintenance || node.admin === ADMIN_STATES.enteringMaintenance;
      if (maintenance && node.maintenanceUntil <= now) node.admin = ADMIN_STATES.inService;
      if (!this.#leaving(node) || faults.hangs(node.host) || !this.alive(node.host)) continue;
      if (this.blocksLeft(node.host) > 0) continue;
      node.admin =
        node.admin === ADMIN_STATES.decommissioning ? ADMIN_STATES.decommissioned : ADMIN_STATES.inMaintenance;
    }
  }

  #leaving(node: DataNode): boolean {
    return node.admin === ADMIN_STATES.decommissioning || node.admin === ADMIN_STATES.enteringMaintenance;
  }

  #noteLost(block: number): void {
    if (this.#lost.has(block)) return;
    this.#lost.add(block);
    const at = this.#means.clock.now();
    this.#means.harm({ at, host: '', what: 'block lost', detail: `no replica of block ${block} can be read` });
  }

  /** In-service hosts, emptiest first. */
  #targets(): string[] {
    return [...this.dataNodes.keys()]
      .filter((host) => this.inService(host))
      .sort((a, b) => this.blocks.heldBy(a).size - this.blocks.heldBy(b).size || a.localeCompare(b));
  }

  #copy(low: readonly number[]): void {
    if (low.length === 0) return;
    let targets = this.#targets();
    for (const block of low) {
      if (this.#copyBudget < 1) return;
      const holders = this.blocks.holders(block);
      const leaving = [...holders].filter((host) => {
        const node = this.dataNodes.get(host);
        return node !== undefined && this.#leaving(node);
      });
      const stuck = leaving.length > 0 && leaving.every((host) => this.#means.faults.hangs(host));
      const target = stuck ? undefined : targets.find((host) => !holders.has(host));
      if (target === undefined) continue;
      this.blocks.add(block, target);
      this.#copyBudget -= 1;
      targets = [...targets.filter((host) => host !== target), target];
    }
  }

  /** Replicas beyond the wanted number go: from a holder that has not been heard from for long, else from the fullest. */
  #trim(): void {
    for (let block = 0; block < this.blocks.total; block += 1) {
      const holders = this.blocks.holders(block);
      if (holders.size <= this.blocks.replication) continue;
      const serving = [...holders].filter((host) => this.inService(host));
      if (serving.length <= this.blocks.replication) continue;
      const late = (host: string) => Number(this.lastContactMs(host) > 4 * this.#means.timings.heartbeatMs);
      serving.sort((a, b) => late(b) - late(a) || this.blocks.heldBy(b).size - this.blocks.heldBy(a).size);
      const fullest = serving[0];
      if (fullest !== undefined) this.blocks.drop(block, fullest);
    }
  }

  /** The balancer: fills nodes that came back empty, with what is left of the copies. */
  #balance(): void {
    const targets = this.#targets();
    while (this.#copyBudget >= 1 && targets.length > 1) {
      targets.sort((a, b) => this.blocks.heldBy(a).size - this.blocks.heldBy(b).size);
      const empty = targets[0];
      const full = targets.at(-1);
      if (empty === undefined || full === undefined) return;
      const [from, to] = [this.blocks.heldBy(full), this.blocks.heldBy(empty)];
      if (from.size - to.size <= 2) return;
      const block = [...from].find((candidate) => !to.has(candidate));
      if (block === undefined) return;
      this.blocks.drop(block, full);
      this.blocks.add(block, empty);
      this.#copyBudget -= 1;
    }
  }

  /** The machine is about to stop: what would an operator say? */
  beforeStop(machine: Machine): void {
    const node = this.dataNodes.get(machine.host);
    if (!node || !this.alive(machine.host)) return;
    if (node.admin === ADMIN_STATES.decommissioned || node.admin === ADMIN_STATES.inMaintenance) return;
    this.#means.harm({
      at: this.#means.clock.now(),
      host: machine.host,
      what: 'stopped while in service',
      detail: `DataNode was "${node.admin}" and held ${this.blocks.heldBy(machine.host).size} blocks`,
    });
  }
}
