import type { Clock } from '../../openstack/clock.ts';
import type { Lease, LeaseTrouble } from './lease.ts';

/** What happens to the lease on one control plane, for the log and for counting. */
export type LeaseEvent =
  | { readonly type: 'taken'; readonly epoch: number }
  /** Another's had run out; writing begins only after `waitMs`. */
  | { readonly type: 'taken_over'; readonly epoch: number; readonly waitMs: number }
  | { readonly type: 'refused'; readonly message: string; readonly remedy: string }
  | { readonly type: 'renewed' }
  | { readonly type: 'renewal_failed'; readonly error: unknown }
  | { readonly type: 'lost'; readonly message: string }
  | { readonly type: 'released' }
  | { readonly type: 'release_failed'; readonly error: unknown };

export interface KeeperSetup {
  readonly controlPlane: string;
  readonly lease: Lease;
  readonly clock: Clock;
  /** Milliseconds from any fixed instant, which nobody sets. */
  readonly monotonic: () => number;
  /** In [0, 1). */
  readonly random: () => number;
  readonly leaseMs: number;
  readonly onEvent: (event: LeaseEvent) => void;
}

const SHORTEST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 10_000;
/**
 * Who has lost a lease leaves it alone for so long: what was under way then meets a closed fence and comes to its end, and
 * does not go on by the lease that is had next.
 */
const AFTERMATH_MS = 60_000;
/** A process that ends waits so long for a lease to be given back. */
const FAREWELL_MS = 2_000;

/** As long as somebody wants the lease on one control plane, has it or tries to get it, and renews it. */
export class Keeper {
  readonly #setup: KeeperSetup;
  #wanted = 0;
  #running: Promise<void> | null = null;
  #closed = false;
  #wakeUp: (() => void) | null = null;
  /** Somebody has woken the loop while it was not asleep. */
  #woken = false;
  /** Outcomes of the loop so far: whoever waits for one compares. */
  #rounds = 0;
  #trouble: LeaseTrouble | null = null;
  readonly #waiters = new Set<() => void>();
  /** When it was lost, until it is tried for again. */
  #lostAt: number | null = null;
  /** It is being given back. */
  #ending = false;

  constructor(setup: KeeperSetup) {
    this.#setup = setup;
  }

  /** Somebody wants it, until the result is called: that resolves once it is given back, or somebody wants it again. */
  want(): () => Promise<void> {
    this.#wanted += 1;
    this.#running ??= this.#run();
    if (this.#wanted === 1) this.#tell();
    let over = false;
    return async () => {
      if (over) return;
      over = true;
      this.#wanted -= 1;
      if (this.#wanted > 0 || this.#closed) return;
      this.#wake();
      // Wanted again meanwhile, it is renewed for as long as that lasts: nobody who has given it up waits for that.
      while (this.#running !== null && this.#wanted === 0) await Promise.race([this.#running, this.#changed()]);
    };
  }

  /** Whether writes may be sent now. */
  get open(): boolean {
    return this.#wanted > 0 && this.#setup.lease.remainingMs() > 0;
  }

  get wanted(): boolean {
    return this.#wanted > 0;
  }

  /** See {@link Lease.rivals}. */
  get rivals(): number {
    return this.#setup.lease.rivals;
  }

  /** Why it is not had, or not to be used yet; null when it may be used. */
  get trouble(): LeaseTrouble | null {
    const { lease, controlPlane } = this.#setup;
    if (this.open) return null;
    if (lease.held !== null && !lease.confirmed) {
      const seconds = Math.max(0, Math.ceil(lease.writableInMs() / 1_000));
      return {
        kind: 'unsure',
        message: `the lease on ${controlPlane} was taken over and is waited out: ${seconds} s more`,
        remedy: 'Nothing has to be done.',
      };
    }
    return this.#trouble ?? { kind: 'unsure', message: `the lease on ${controlPlane} is being taken`, remedy: '' };
  }

  /** The first outcome of trying that comes from now on: null, or why it is not had. Taken over and waited out counts as had. */
  async attempt(): Promise<LeaseTrouble | null> {
    if (this.#setup.lease.held !== null && !this.#ending) return null;
    const before = this.#rounds;
    this.#wake();
    while (this.#rounds === before && !this.#closed) await this.#changed();
    return this.#setup.lease.held === null ? this.trouble : null;
  }

  /** As long as nobody here wants it: notes who has it, for a later attempt. */
  async watch(): Promise<void> {
    if (this.#running === null) await this.#setup.lease.watch();
  }

  /** Resolves when it may be used, and was proven not long ago; tells why it waits. Rejects with the signal. */
  async ready(signal: AbortSignal, say: (trouble: LeaseTrouble) => void): Promise<void> {
    for (;;) {
      signal.throwIfAborted();
      if (this.open && !this.#setup.lease.aging) return;
      // What has just failed is tried again by itself, after a pause.
      if (this.#setup.lease.aging && this.#trouble === null) this.#wake();
      const trouble = this.open ? this.#trouble : this.trouble;
      if (trouble !== null) say(trouble);
      await this.#changed(signal);
    }
  }

  /** Ends trying and renewing; what is held is left to run out, for the next process to go on with. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#wakeUp?.();
    this.#tell();
    if (!this.#ending || this.#running === null) return;
    await Promise.race([this.#running, this.#setup.clock.sleep(FAREWELL_MS)]);
  }

  async #run(): Promise<void> {
    while (!this.#closed) {
      if (this.#wanted === 0) {
        this.#ending = true;
        await this.#letGo();
        this.#ending = false;
        if (this.#wanted > 0) continue;
        break;
      }
      await this.#sleep(await this.#round());
    }
    this.#running = null;
  }

  /** Does what is due; milliseconds until something is due again. */
  async #round(): Promise<number> {
    const { lease } = this.#setup;
    this.#woken = false;
    try {
      if (lease.held === null) await this.#take();
      else if (lease.renewInMs() <= 0 || lease.aging) await this.#renew();
      else if (!lease.confirmed && lease.writableInMs() <= 0) await this.#confirm();
    } catch (error) {
      this.#failed(error);
    }
    this.#rounds += 1;
    this.#tell();
    if (this.#trouble !== null) return this.#pauseMs();
    const next = Math.max(0, lease.renewInMs());
    return lease.confirmed ? next : Math.min(next, Math.max(0, lease.writableInMs()));
  }

  async #take(): Promise<void> {
    const { lease, onEvent, monotonic, controlPlane } = this.#setup;
    const since = this.#lostAt === null ? AFTERMATH_MS : monotonic() - this.#lostAt;
    if (since < AFTERMATH_MS) {
      const message = `the lease on ${controlPlane} was lost a moment ago`;
      this.#trouble ??= { kind: 'unsure', message, remedy: 'It is tried for again after a minute.' };
      return;
    }
    this.#lostAt = null;
    const before = this.#trouble;
    const trouble = await lease.acquire();
    this.#trouble = trouble;
    if (trouble !== null) {
      if (trouble.message !== before?.message) onEvent({ type: 'refused', ...trouble });
      return;
    }
    const epoch = lease.held?.epoch ?? 0;
    if (lease.confirmed) onEvent({ type: 'taken', epoch });
    else onEvent({ type: 'taken_over', epoch, waitMs: Math.max(0, lease.writableInMs()) });
    this.#tell();
    await lease.tidy();
  }

  async #renew(): Promise<void> {
    const { lease, onEvent, controlPlane, monotonic } = this.#setup;
    if ((await lease.renew()) === 'renewed') {
      this.#trouble = null;
      onEvent({ type: 'renewed' });
      return;
    }
    const message = `the lease on ${controlPlane} is lost: another Ephyra has taken it over, or somebody has removed it`;
    this.#trouble = { kind: 'unsure', message, remedy: 'It is tried for again.' };
    this.#lostAt = monotonic();
    onEvent({ type: 'lost', message });
  }

  async #confirm(): Promise<void> {
    const { lease, onEvent, monotonic } = this.#setup;
    this.#trouble = await lease.confirm();
    if (this.#trouble === null) return;
    this.#lostAt = monotonic();
    onEvent({ type: 'lost', message: this.#trouble.message });
  }

  #failed(error: unknown): void {
    const { lease, controlPlane, onEvent } = this.#setup;
    const why = error instanceof Error ? error.message : String(error);
    const what = lease.held === null ? 'could not be taken' : 'could not be renewed';
    this.#trouble = {
      kind: 'unsure',
      message: `the lease on ${controlPlane} ${what}: ${why}`,
      remedy: `Look whether Ironic of ${controlPlane} answers and lets this user create, change and delete chassis.`,
    };
    onEvent({ type: 'renewal_failed', error });
  }

  async #letGo(): Promise<void> {
    const { lease, onEvent } = this.#setup;
    this.#trouble = null;
    if (lease.held === null) return;
    try {
      await lease.release();
      onEvent({ type: 'released' });
    } catch (error) {
      onEvent({ type: 'release_failed', error });
    }
  }

  /** Not all at the same time: who try in step would go on refusing each other. */
  #pauseMs(): number {
    const pause = Math.min(LONGEST_PAUSE_MS, Math.max(SHORTEST_PAUSE_MS, this.#setup.leaseMs / 20));
    return pause * (0.5 + this.#setup.random());
  }

  async #sleep(ms: number): Promise<void> {
    if (this.#woken || this.#closed || this.#wanted === 0) return;
    await new Promise<void>((resolve) => {
      const callOff = this.#setup.clock.after(ms, resolve);
      this.#wakeUp = () => {
        callOff();
        resolve();
      };
    });
    this.#wakeUp = null;
  }

  #wake(): void {
    this.#woken = true;
    this.#wakeUp?.();
  }

  #tell(): void {
    const waiters = [...this.#waiters];
    this.#waiters.clear();
    for (const waiter of waiters) waiter();
  }

  #changed(signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const end = () => {
        this.#waiters.delete(done);
        reject(signal?.reason);
      };
      const done = () => {
        signal?.removeEventListener('abort', end);
        resolve();
      };
      this.#waiters.add(done);
      signal?.addEventListener('abort', end, { once: true });
    });
  }
}
