/**
 * What people or bad luck did to a node. `machine`: it stops. `member`: the application is told by somebody else. `lie`: it tells
 * what is not so. `mark`: it bears another mark, or none. `late`: a request that nobody knows of any more has arrived. `other`: it
 * may keep Ephyra from going on, and takes nothing away.
 */
export type Deed = 'machine' | 'member' | 'lie' | 'mark' | 'late' | 'other';

interface Done {
  readonly deed: Deed;
  readonly from: number;
  readonly until: number;
}

/** Who is to blame for what becomes of a node, when it is not Ephyra alone. */
export class Blame {
  readonly #now: () => number;
  readonly #done = new Map<string, Done[]>();

  constructor(now: () => number) {
    this.#now = now;
  }

  /** It is done now, and lasts for so long. */
  add(uuid: string, deed: Deed, forMs = 0): void {
    const from = this.#now();
    const all = this.#done.get(uuid) ?? [];
    all.push({ deed, from, until: from + forMs });
    this.#done.set(uuid, all);
  }

  /** Whether one of these was done to it between the two instants, ends included. */
  has(
    uuid: string,
    deeds: readonly Deed[],
    since = Number.NEGATIVE_INFINITY,
    before = Number.POSITIVE_INFINITY,
  ): boolean {
    const all = this.#done.get(uuid) ?? [];
    return all.some(({ deed, from, until }) => deeds.includes(deed) && until >= since && from <= before);
  }
}
