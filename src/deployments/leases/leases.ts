import type { ControlPlaneName, Move } from '../../../machines/domain.ts';
import { Failure } from '../../../machines/errors.ts';
import type { ControlPlane } from '../../openstack/control-plane.ts';
import type { Clock } from '../../openstack/http.ts';
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

  constructor(setup: LeasesSetup) {
    this.#owner = setup.owner;
    const { controlPlanes, clock, monotonic, random, leaseMs, host, nonce, owner } = setup;
    this.#keepers = new Map(
      [...controlPlanes].map(([controlPlane, { ironic }]) => {
        const lease = new Lease({ controlPlane, ironic, clock, monotonic, leaseMs, host, nonce, owner });
        const onEvent = (event: LeaseEvent) => setup.onEvent(controlPlane, event);
        return [controlPlane, new Keeper({ controlPlane, lease, clock, random, leaseMs, onEvent })];
      }),
    );
  }

  /** Wants all of them from now on, whether they are to be had now or not. */
  hold(controlPlanes: readonly ControlPlaneName[]): Grip {
    const releases = controlPlanes.map((at) => this.#keeper(at).want());
    return {
      controlPlanes,
      release: async () => {
        await Promise.all(releases.map((release) => release()));
      },
    };
  }

  /** All of them, or none: then why, and what was had already is given back. Rejects when the owner cannot be told. */
  async take(
    controlPlanes: readonly ControlPlaneName[],
  ): Promise<{ ok: true; grip: Grip } | { ok: false; trouble: LeaseTrouble }> {
    // A store that cannot be written is no trouble of the clouds: the caller says so.
    await this.#owner();
    const grip = this.hold(controlPlanes);
    const outcomes = await Promise.all(controlPlanes.map((at) => this.#keeper(at).attempt()));
    const trouble = outcomes.find((outcome) => outcome !== null) ?? null;
    if (trouble === null) return { ok: true, grip };
    await grip.release();
    return { ok: false, trouble };
  }

  /** Resolves when both sides of the move may be written to; tells why it waits. Rejects with the signal. */
  async mayWrite(
    { source, target }: Pick<Move, 'source' | 'target'>,
    signal: AbortSignal,
    say: (trouble: LeaseTrouble) => void,
  ): Promise<void> {
    for (;;) {
      for (const at of [source, target]) await this.#keeper(at).ready(signal, say);
      if (this.open(source) && this.open(target)) return;
    }
  }

  /** Whether writes to it may be sent in this instant. */
  open(at: ControlPlaneName): boolean {
    return this.#keepers.get(at)?.open === true;
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
