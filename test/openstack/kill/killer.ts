import { writeFileSync } from 'node:fs';
import type { EphyraProcess } from '../../../src/sandbox/process.ts';
import { readJournal } from './journal.ts';

/** Where the process is killed: after these events (see `preload.mjs`) in this order, counted from the start. */
export interface KillPoint {
  readonly name: string;
  readonly steps: readonly string[];
}

/** Kills Ephyra's process at one point after the other, by itself, and starts it again each time. */
export class Killer {
  /** Names of the points at which it was killed since it was last armed, in order. */
  readonly hit: string[] = [];
  /** Milliseconds from each kill until it said that it was up again. */
  readonly upAgainMs: number[] = [];
  /** Why it ended or did not start without having been killed. */
  trouble: string | null = null;
  readonly #ephyra: EphyraProcess;
  readonly #journal: string;
  readonly #killFile: string;
  readonly #say: (line: string) => void;
  #line: KillPoint[] = [];
  #kills = 0;
  #busy: Promise<void> = Promise.resolve();

  constructor(ephyra: EphyraProcess, files: { journal: string; killFile: string }, say: (line: string) => void) {
    this.#ephyra = ephyra;
    this.#journal = files.journal;
    this.#killFile = files.killFile;
    this.#say = say;
    ephyra.onExit((code) => {
      this.#busy = this.#busy.then(() => this.#ended(code));
    });
  }

  get left(): readonly KillPoint[] {
    return this.#line;
  }

  /** From now on it is killed at these points, in this order. */
  arm(points: readonly KillPoint[]): void {
    this.#line = [...points];
    this.hit.length = 0;
    this.#load();
  }

  /** Resolves once a restart that is under way is over. */
  async settled(): Promise<void> {
    await this.#busy;
  }

  async #ended(code: number | string | null): Promise<void> {
    const kills = readJournal(this.#journal).flatMap(({ killed, at }) =>
      killed === undefined ? [] : [{ killed, at }],
    );
    const last = kills.at(-1);
    if (code !== 'SIGKILL' || last === undefined || kills.length !== this.#kills + 1) {
      this.trouble = `Ephyra ended by itself (${code}):\n${this.#ephyra.tail()}`;
      return;
    }
    this.#kills += 1;
    this.hit.push(last.killed);
    this.#line.shift();
    this.#load();
    // Killed while it starts: the exit is told of once more, and is the one that counts.
    const up = await this.#ephyra.start(60_000).then(
      () => true,
      () => false,
    );
    if (up) this.upAgainMs.push(Date.now() - last.at);
    this.#say(`killed: ${last.killed}${up ? `; up again after ${((Date.now() - last.at) / 1000).toFixed(1)} s` : ''}`);
  }

  #load(): void {
    const [next] = this.#line;
    writeFileSync(this.#killFile, next === undefined ? '' : JSON.stringify(next));
  }
}
