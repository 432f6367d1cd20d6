/** What has happened, newest last. Lines are put together only when somebody reads them. */
export class Trace {
  readonly #entries: { at: number; line: () => string }[] = [];
  readonly #keep: number;
  readonly #start: number;
  #total = 0;

  /** @param keep so many entries at least are kept; Infinity for all */
  constructor(start: number, keep: number) {
    this.#start = start;
    this.#keep = keep;
  }

  add(at: number, line: () => string): void {
    this.#total += 1;
    this.#entries.push({ at, line });
    if (this.#entries.length > 2 * this.#keep) this.#entries.splice(0, this.#keep);
  }

  get total(): number {
    return this.#total;
  }

  /** The last `count` entries, one line each, with the seconds since the start. */
  last(count: number): string[] {
    return this.#entries
      .slice(-count)
      .map(({ at, line }) => `${((at - this.#start) / 1000).toFixed(3).padStart(10)} ${line()}`);
  }
}
