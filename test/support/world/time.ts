import type { SteadyClock } from '../../../src/openstack/clock.ts';
import { sleepBy } from '../../../src/openstack/clock.ts';

/** Whose alarms none goes off once it is dead. */
interface Owner {
  alive: boolean;
}

interface Alarm {
  readonly at: number;
  /** Orders alarms of the same instant. */
  readonly tie: number;
  readonly owner: Owner;
  /** Null: called off. */
  fn: (() => void) | null;
}

/**
 * Why {@link VirtualTime.run} came back: what was waited for is there, nothing is left to happen, it is too late, or
 * there is no end to what happens in one and the same instant.
 */
export type Ending = 'done' | 'idle' | 'late' | 'stands still';

/**
 * Time that passes only when nothing is left to do now. Alarms go off one by one in order of their time, and all promises
 * that one of them settles are followed to their end before the next.
 */
export class VirtualTime {
  #now: number;
  #made = 0;
  #asides = 0;
  #heap: Alarm[] = [];
  /** So many of the heap were called off. */
  #dead = 0;
  readonly #tie: (() => number) | null;

  /** @param tie orders alarms of the same instant; default: first made, first served */
  constructor(start: number, tie: (() => number) | null = null) {
    this.#now = start;
    this.#tie = tie;
  }

  readonly now = (): number => this.#now;

  /** As {@link after}, for what must not be noticed: it comes last at its instant, and draws no lot for the order of others. */
  readonly aside = (ms: number, fn: () => void): (() => void) => {
    this.#asides += 1;
    return this.#push(ms, ASIDE + this.#asides, fn, EVERYBODY);
  };

  /** Runs `fn` once, `ms` from now, never before this call has returned; the result calls it off. */
  readonly after = (ms: number, fn: () => void, owner = EVERYBODY): (() => void) => {
    this.#made += 1;
    return this.#push(ms, this.#tie === null ? this.#made : this.#tie(), fn, owner);
  };

  #push(ms: number, tie: number, fn: () => void, owner: Owner): () => void {
    // Whole milliseconds, as a computer's clock has them.
    const at = this.#now + Math.max(0, Math.round(ms));
    const alarm: Alarm = { at, tie, owner, fn };
    push(this.#heap, alarm);
    return () => {
      if (alarm.fn === null) return;
      alarm.fn = null;
      this.#dead += 1;
      if (this.#dead > MOST_DEAD && this.#dead > this.#heap.length / 2) this.#clean();
    };
  }

  /** Lets time pass until `until` holds, but not beyond `limitMs` from now. */
  async run(until: () => boolean, limitMs: number): Promise<Ending> {
    const end = this.#now + limitMs;
    let since = 0;
    for (let turn = 1; ; turn += 1) {
      await settled(turn % BREATH === 0);
      if (until()) return 'done';
      if (turn - since > MOST_AT_ONCE) return 'stands still';
      const next = this.#next();
      if (next === undefined) return 'idle';
      if (next.at > end) {
        this.#now = end;
        return 'late';
      }
      pop(this.#heap);
      if (next.at > this.#now) since = turn;
      this.#now = next.at;
      const { fn } = next;
      next.fn = null;
      fn?.();
    }
  }

  /** Nearly every request calls off the end of its patience, a minute away: most of the heap would be such. */
  #clean(): void {
    const alive = this.#heap.filter(isSet);
    this.#heap = [];
    for (const alarm of alive) push(this.#heap, alarm);
    this.#dead = 0;
  }

  #next(): Alarm | undefined {
    for (;;) {
      const first = this.#heap[0];
      if (first === undefined || isSet(first)) return first;
      pop(this.#heap);
      if (first.fn === null) this.#dead -= 1;
    }
  }
}

const EVERYBODY: Owner = { alive: true };

const isSet = ({ fn, owner }: Alarm): boolean => fn !== null && owner.alive;

/** Greater than the tie of any alarm that is not aside. */
const ASIDE = 2 ** 50;

/** Fewer are not worth the work of taking them out. */
const MOST_DEAD = 32;

/** Nobody has so much to do at once. */
const MOST_AT_ONCE = 20_000;

/** After so many alarms the event loop gets its turn, so that the process can be talked to. */
const BREATH = 256;

/** Resolves when no promise is left to be followed: Node takes what is put off for the next tick after all of them. */
const settled = (breathe: boolean): Promise<void> => new Promise(breathe ? atNextTurn : atNextTick);
const atNextTurn = (resolve: () => void) => void setImmediate(resolve);
const atNextTick = (resolve: () => void) => process.nextTick(resolve);

const before = (a: Alarm, b: Alarm): boolean => a.at < b.at || (a.at === b.at && a.tie < b.tie);

function push(heap: Alarm[], alarm: Alarm): void {
  let at = heap.length;
  heap.push(alarm);
  while (at > 0) {
    const parent = (at - 1) >> 1;
    const above = heap[parent];
    if (above === undefined || !before(alarm, above)) break;
    heap[at] = above;
    at = parent;
  }
  heap[at] = alarm;
}

function pop(heap: Alarm[]): void {
  const last = heap.pop();
  if (last === undefined || heap.length === 0) return;
  let at = 0;
  for (;;) {
    let child = 2 * at + 1;
    const left = heap[child];
    if (left === undefined) break;
    const right = heap[child + 1];
    let least = left;
    if (right !== undefined && before(right, left)) {
      child += 1;
      least = right;
    }
    if (!before(least, last)) break;
    heap[at] = least;
    at = child;
  }
  heap[at] = last;
}

/** Time as one process has it: when the process is killed, nothing that it waited for ever comes. */
export interface ProcessTime extends SteadyClock {
  kill(): void;
}

/** @param skewMs how much the process's clock is ahead of the world's */
export function processTime(time: VirtualTime, skewMs = 0): ProcessTime {
  // Nobody keeps a list of what a process waits for: a set of what comes and goes all the time leads the garbage collector
  // from each of its former tables to the next, and a tenth of the time was spent on copying what was long over.
  const owner = { alive: true };
  const after = (ms: number, fn: () => void) => (owner.alive ? time.after(ms, fn, owner) : () => undefined);
  return {
    now: () => time.now() + skewMs,
    elapsed: time.now,
    after,
    sleep: sleepBy(after),
    kill() {
      owner.alive = false;
    },
  };
}
