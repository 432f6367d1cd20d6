import type { ControlPlaneName, Move } from '../../../machines/domain.ts';
import { Failure } from '../../../machines/errors.ts';
import type { Clock } from '../../openstack/clock.ts';
import type { ControlPlane } from '../../openstack/control-plane.ts';
import type { LeaseEvent } from './keeper.ts';
import { Keeper } from './keeper.ts';
import type { LeaseTrouble } from './lease.ts';
import { Lease } from './lease.ts';

export interface LeasesSetup {
  readonly controlPlanes: ReadonlyMap<ControlPlaneName, Pick<ControlPlane, 'ironic'>>;
  readonly clock: Clock;
  /** Milliseconds from any fixed instant, never set by anybody. */
  readonly monotonic: () => number;
  readonly random: () => number;
  /** How long a lease lasts without a renewal. */
  readonly leaseMs: number;
  /** Where this process runs: with the installation's id it tells a restart from another Ephyra. */
  readonly host: string;
  /** Unique to this process. */
  readonly nonce: string;
  /** The id of the installation. Rejects when the store cannot be read or written. */
  readonly owner: () => Promise<string>;
  readonly onEvent: (at: ControlPlaneName, event: LeaseEvent) => void;
}

/** A deployment's hold on its control planes: as long as it is not released, the leases are kept or tried for. */
export interface Grip {
  readonly controlPlanes: readonly ControlPlaneName[];
  /** Gives the leases back, unless somebody else in this process has a grip on them, too. */
  release(): Promise<void>;
}

/** The leases of one process. Those of a control plane that several want are shared. */
export class Leases {
  readonly #keepers: ReadonlyMap<ControlPlaneName, Keeper>;

  readonly #owner: LeasesSetup['owner'];
  readonly #listeners = new Set<(at: ControlPlaneName) => void>();

  constructor(setup: LeasesSetup) {
    this.#owner = setup.owner;
    const { controlPlanes, clock, monotonic, random, leaseMs, host, nonce, owner } = setup;
    this.#keepers = new Map(
      [...controlPlanes].map(([controlPlane, { ironic }]) => {
        const lease = new Lease({ controlPlane, ironic, clock, monotonic, leaseMs, host, nonce, owner });
        const onEvent = (event: LeaseEvent) => {
          setup.onEvent(controlPlane, event);
          if (event.type === 'lost') for (const listener of this.#listeners) listener(controlPlane);
        };
        return [controlPlane, new Keeper({ controlPlane, lease, clock, monotonic, random, leaseMs, onEvent })];
      }),
    );
  }

  /** Told when a lease was lost to another Ephyra, or removed by somebody. Returns the way to stop. */
  onLost(listener: (at: ControlPlaneName) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * Wants all of them from now on, whether they are to be had now or not: one after the other in an order that is the same
   * for every Ephyra, so that no two of them hold what the other one waits for.
   */
  hold(controlPlanes: readonly ControlPlaneName[]): Grip {
    const over = new AbortController();
    const releases: (() => Promise<void>)[] = [];
    const grip: Grip = {
      controlPlanes,
      release: async () => {
        over.abort();
        await Promise.all(releases.map((release) => release()));
      },
    };
    const all = (async () => {
      for (const at of inOrder(controlPlanes)) {
        over.signal.throwIfAborted();
        releases.push(this.#keeper(at).want());
        await this.#keeper(at).ready(over.signal, () => undefined);
      }
    })();
    // Ends when they are all held, or the grip is let go of.
    all.catch(() => undefined);
    return grip;
  }

  /**
   * All of them, or none: then why, and what was had already is given back. Rejects when the owner cannot be told. What is
   * taken over may have to be waited out before it is of use.
   */
  async take(
    controlPlanes: readonly ControlPlaneName[],
  ): Promise<{ ok: true; grip: Grip } | { ok: false; trouble: LeaseTrouble }> {
    // A store that cannot be written is no trouble of the clouds: the caller says so.
    await this.#owner();
    const releases: (() => Promise<void>)[] = [];
    const release = async () => {
      await Promise.all(releases.map((one) => one()));
    };
    for (const at of inOrder(controlPlanes)) {
      releases.push(this.#keeper(at).want());
      const trouble = await this.#keeper(at).attempt();
      if (trouble === null) continue;
      await release();
      // Whoever asks again later should not begin to wait for the next one only then.
      const others = controlPlanes.filter((other) => other !== at);
      await Promise.all(
        others.map((other) =>
          this.#keeper(other)
            .watch()
            .catch(() => undefined),
        ),
      );
      return { ok: false, trouble };
    }
    return { ok: true, grip: { controlPlanes, release } };
  }

  /** Resolves when both sides of the move may be written to; tells why it waits. Rejects with the signal. */
  async mayWrite(
    { source, target }: Pick<Move, 'source' | 'target'>,
    signal: AbortSignal,
    say: (trouble: LeaseTrouble) => void,
  ): Promise<void> {
    const both = inOrder([source, target]);
    for (;;) {
      for (const at of both) await this.#keeper(at).ready(signal, say);
      if (this.open(source) && this.open(target)) return;
    }
  }

  /** Whether writes to it may be sent in this instant. */
  open(at: ControlPlaneName): boolean {
    return this.#keepers.get(at)?.open === true;
  }

  /** How often another Ephyra was noticed to be, or may have been, at work there; see {@link Lease.rivals}. */
  rivals(controlPlanes: readonly ControlPlaneName[]): number {
    return controlPlanes.reduce((sum, at) => sum + this.#keeper(at).rivals, 0);
  }

  /** By control plane: whether it is wanted, and may be written to. */
  states(): { readonly controlPlane: ControlPlaneName; readonly wanted: boolean; readonly open: boolean }[] {
    return [...this.#keepers].map(([controlPlane, { wanted, open }]) => ({ controlPlane, wanted, open }));
  }

  /** The last line of defence, asked in the instant before any write is sent. */
  fence(at: ControlPlaneName): Failure | null {
    const keeper = this.#keepers.get(at);
    if (keeper === undefined || keeper.open) return null;
    const trouble = keeper.trouble;
    return new Failure({
      reason: 'lease_lost',
      next: 'retry',
      message: `Nothing is written to ${at} now: ${trouble?.message ?? 'its lease has run out'}.`,
      ...(trouble?.remedy ? { remedy: trouble.remedy } : {}),
    });
  }

  async close(): Promise<void> {
    await Promise.all([...this.#keepers.values()].map((keeper) => keeper.close()));
  }

  #keeper(at: ControlPlaneName): Keeper {
    const keeper = this.#keepers.get(at);
    if (keeper === undefined) throw new Error(`${at} is not a configured control plane`);
    return keeper;
  }
}

const inOrder = (controlPlanes: readonly ControlPlaneName[]): ControlPlaneName[] => [...controlPlanes].sort();
