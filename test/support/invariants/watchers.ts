import type { Invariant } from './invariant.ts';

type Hook = Exclude<keyof Invariant, 'name'>;
type Told<H extends Hook> = Parameters<NonNullable<Invariant[H]>>;

/** Tells each watcher of what it listens to, in their order: most listen to little of what happens all the time. */
export class Watchers {
  readonly all: readonly Invariant[];
  readonly #listening = new Map<Hook, readonly Invariant[]>();

  constructor(all: readonly Invariant[]) {
    this.all = all;
  }

  tell<H extends Hook>(hook: H, ...told: Told<H>): void {
    let listening = this.#listening.get(hook);
    if (listening === undefined) {
      listening = this.all.filter((one) => one[hook] !== undefined);
      this.#listening.set(hook, listening);
    }
    for (const one of listening) (one[hook] as (...told: Told<H>) => void)(...told);
  }
}
