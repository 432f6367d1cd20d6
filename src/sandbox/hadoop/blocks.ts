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
      // The emptiest first; among equals a mix that is always the same, so that a node's blocks are on many others.
      const order = [...hosts].map((host, index) => ({
        host,
        key: this.heldBy(host).size * 0x1_0000_0000 + mix(block * hosts.length + index),
      }));
      order.sort((a, b) => a.key - b.key);
      for (const { host } of order.slice(0, replication)) this.add(block, host);
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

/** A number below 2^32 that looks random and depends on the input alone. */
function mix(input: number): number {
  let x = (input + 0x9e3779b9) >>> 0;
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b) >>> 0;
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35) >>> 0;
  return (x ^ (x >>> 16)) >>> 0;
}
