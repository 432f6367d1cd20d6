/** Which host holds which block. No notion of states: only where the copies are. */
export class Blocks {
  readonly replication: number;
  readonly #holders: Set<string>[] = [];
  readonly #held = new Map<string, Set<number>>();

  /** Spreads blocks over the hosts so that each holds about `perHost` of them, always in the same way. */
  constructor(hosts: readonly string[], replication: number, perHost: number) {
    this.replication = replication;
    for (const host of hosts) this.#held.set(host, new Set());
    if (hosts.length === 0) return;
    const total = Math.floor((hosts.length * perHost) / replication);
    for (let block = 0; block < total; block += 1) {
      this.#holders.push(new Set());
      // A step that changes from round to round mixes the neighbours: a node's blocks are on many others.
      const round = Math.floor(block / hosts.length);
      const stride = 1 + (round % Math.max(1, hosts.length - 1));
      let at = (block * (1 + (round % 2))) % hosts.length;
      const holders = this.holders(block);
      while (holders.size < Math.min(replication, hosts.length)) {
        const host = hosts[at % hosts.length];
        if (host !== undefined && !holders.has(host)) {
          this.add(block, host);
          at += stride;
        } else at += 1;
      }
    }
  }

  get total(): number {
    return this.#holders.length;
  }

  holders(block: number): Set<string> {
    return this.#holders[block] ?? new Set();
  }

  heldBy(host: string): Set<number> {
    let held = this.#held.get(host);
    if (!held) {
      held = new Set();
      this.#held.set(host, held);
    }
    return held;
  }

  add(block: number, host: string): void {
    this.holders(block).add(host);
    this.heldBy(host).add(block);
  }

  drop(block: number, host: string): void {
    this.holders(block).delete(host);
    this.heldBy(host).delete(block);
  }

  /** The disks of the host are empty. */
  wipe(host: string): void {
    for (const block of this.heldBy(host)) this.holders(block).delete(host);
    this.heldBy(host).clear();
  }
}
