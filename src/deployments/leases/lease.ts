import { Failure } from '../../../machines/errors.ts';
import type { Clock } from '../../openstack/clock.ts';
import { OpenStackError } from '../../openstack/errors.ts';
import type { Ironic } from '../../openstack/ironic/requests.ts';
import type { LeaseRecord, LeaseSighting } from './record.ts';
import { chassisOf, highestEpoch, LEASE_KEY, leasesAmong, leaseUuid, recordOf } from './record.ts';

export interface LeaseSetup {
  readonly controlPlane: string;
  readonly ironic: Pick<Ironic, 'listChassis' | 'createChassis' | 'patchChassis' | 'deleteChassis'>;
  readonly clock: Pick<Clock, 'now'>;
  /** Milliseconds from any fixed instant, never set by anybody. */
  readonly monotonic: () => number;
  readonly leaseMs: number;
  readonly host: string;
  /** Unique to this process. */
  readonly nonce: string;
  /** The installation that this process belongs to. Rejects when that cannot be told now. */
  readonly owner: () => Promise<string>;
}

/** Why a lease was not had. */
export interface LeaseTrouble {
  /** `held`: somebody else has it; `unreadable`: what is there cannot be understood; `unsure`: the cloud does not say. */
  readonly kind: 'held' | 'unreadable' | 'unsure';
  /** One sentence without its full stop, e.g. for a node that waits. */
  readonly message: string;
  readonly remedy: string;
}

/** A point in time by both clocks. */
interface Moment {
  readonly wall: number;
  readonly steady: number;
}

interface Held {
  readonly record: LeaseRecord;
  /** When the last request that proves it was sent. */
  readonly proven: Moment;
  /** By the steady clock: not before may anything be written. */
  readonly writableFrom: number;
  /** What was taken over is read back once that time has come. */
  readonly confirmed: boolean;
}

/** `created` is false when there is one already, and when nobody has said. */
interface Posted {
  readonly record: LeaseRecord;
  readonly created: boolean;
  readonly sent: Moment;
}

/** The last part of a lease is not used: clocks differ in pace, and what is sent needs time to arrive. */
const USABLE = 0.9;
/** Clocks are corrected by less than that all the time, milliseconds. */
const JITTER_MS = 1_000;
/** So often in one round a lease that turned out to be free is tried for. */
const TRIES = 4;

/**
 * The right of one process to write to one control plane, held in the control plane itself. See
 * docs/decisions/2026-11-22-a-lease-on-both-control-planes.md for why this excludes others.
 *
 * Calls must come one after the other.
 */
export class Lease {
  readonly #setup: LeaseSetup;
  #held: Held | null = null;
  /** By uuid: which sign of life of somebody else's lease was seen, and since when, by the steady clock, it is the last. */
  readonly #signs = new Map<string, { readonly epoch: number; readonly sign: string; readonly since: number }>();
  /** Epochs whose deletion was sent and not answered: it may still come and hit whatever has that epoch then. */
  readonly #doomed = new Set<number>();
  /** Records of this installation that are of no use any more. */
  #leftovers: number[] = [];
  #contended = false;
  #rivals = 0;
  /** Sent last. It goes on over leases given back: one that is had again with the same number would look like silence. */
  #heartbeat = 0;
  /** By the steady clock: not before may anything be written, by whichever lease. */
  #notBefore = Number.NEGATIVE_INFINITY;
  /** So many milliseconds are to be waited once a lease is had: whom it was taken from may write for that long. */
  #owedMs = 0;

  constructor(setup: LeaseSetup) {
    this.#setup = setup;
  }

  get held(): LeaseRecord | null {
    return this.#held?.record ?? null;
  }

  /**
   * How often another Ephyra was noticed to be alive here, or may have been: it has given a sign of life or its lease back, or
   * ours was lost. What was left by one that is dead does not count.
   */
  get rivals(): number {
    return this.#rivals;
  }

  /** Milliseconds for which it is certain that nobody else writes; 0 and less: nothing may be written. */
  remainingMs(): number {
    const held = this.#held;
    if (held === null || !held.confirmed || this.writableInMs() > 0) return 0;
    return held.record.leaseMs * USABLE - this.#age(held.proven);
  }

  /** Milliseconds until the one whom it was taken over from is sure to write no more. */
  writableInMs(): number {
    return this.#held === null ? 0 : this.#held.writableFrom - this.#setup.monotonic();
  }

  /** Milliseconds until it should be renewed. */
  renewInMs(): number {
    return this.#held === null ? 0 : this.#held.record.leaseMs / 3 - this.#age(this.#held.proven);
  }

  /** Two thirds have gone by: a write that follows should be preceded by a renewal. */
  get aging(): boolean {
    return this.#held !== null && this.#age(this.#held.proven) > (this.#held.record.leaseMs * 2) / 3;
  }

  get confirmed(): boolean {
    return this.#held?.confirmed === true;
  }

  /**
   * Tries once. Null: it is held, perhaps to be used only after {@link writableInMs}. Rejects when the cloud does not
   * answer or refuses; what was created until then is removed if it can be.
   */
  async acquire(): Promise<LeaseTrouble | null> {
    const owner = await this.#setup.owner();
    this.#held = null;
    this.#leftovers = [];
    let posted = this.#contended ? null : await this.#post(owner, 1);
    for (let tries = 0; tries < TRIES; tries++) {
      const all = await this.#list(posted);
      const mine = all.find(({ record }) => isSame(record, posted?.record));
      // A list from before the create, or somebody has removed it: either way it says nothing about others.
      if (mine === undefined && posted?.created === true) {
        return this.#unsure('does not show what was just created there');
      }
      const others = all.filter((one) => one !== mine);
      const unreadable = others.find(({ record }) => record === null);
      const foreign = others.filter(({ record }) => record !== null && !this.#isOurs(record, owner));
      this.#watch(foreign);
      if (unreadable !== undefined || foreign.length > 0) {
        this.#contended = true;
        if (posted !== null && mine !== undefined) await this.#remove(posted.record.epoch, posted.sent);
        if (unreadable !== undefined) return this.#unreadable(unreadable);
        return this.#isSilent(foreign) ? this.#takeOver(owner, all) : this.#heldBy(foreign);
      }
      this.#contended = false;
      const own = others.flatMap(({ record }) => (record === null ? [] : [record.epoch]));
      // Who ended while it waited has left it to us to wait, and to say so to whoever comes after us.
      this.#owedMs = Math.max(this.#owedMs, ...others.map(({ record }) => record?.waitMs ?? 0));
      const says = this.#owedMs <= (posted?.record.waitMs ?? 0);
      if (posted !== null && mine !== undefined && says && !this.#doomed.has(posted.record.epoch)) {
        this.#leftovers = own;
        return await this.#hold(posted, mine);
      }
      // Left behind by an earlier process of this installation, which is dead: its store is ours. Or free by now.
      posted = await this.#post(owner, all.length === 0 ? 1 : highestEpoch(all) + 1);
    }
    return this.#unsure('changes hands while we look');
  }

  /**
   * What was created just now, and is in a list that can only be newer, is ours. What was there already may be ours in a list
   * that is behind, and removed since, or another one's: only the cloud's answer to a write tells.
   */
  async #hold({ record, created, sent }: Posted, { record: seen }: LeaseSighting): Promise<LeaseTrouble | null> {
    const there = created || seen === null ? record : seen;
    const writableFrom = this.#waited();
    const isWaitedOut = writableFrom <= this.#setup.monotonic();
    this.#held = { record: there, proven: sent, writableFrom, confirmed: created && isWaitedOut };
    if (created) return null;
    try {
      if ((await this.renew()) === 'lost') return this.#unsure('changes hands while we look');
    } catch (error) {
      this.#held = null;
      throw error;
    }
    this.#held = { ...this.#held, confirmed: isWaitedOut };
    return null;
  }

  /** What is owed is waited from now on; the time from which something may be written. */
  #waited(): number {
    const now = this.#setup.monotonic();
    if (this.#owedMs > 0) this.#notBefore = Math.max(this.#notBefore, now + this.#owedMs);
    this.#owedMs = 0;
    return Math.max(now, this.#notBefore);
  }

  /** Looks who has it without trying for it, so that the time in which a holder is silent begins to count. */
  async watch(): Promise<void> {
    const owner = await this.#setup.owner();
    const all = await this.#list();
    this.#watch(all.filter(({ record }) => record !== null && !this.#isOurs(record, owner)));
  }

  /**
   * Proves that it is still ours. `lost`: it is not, another one has it or somebody has removed it. Rejects when the cloud
   * does not say; it may be asked again then.
   *
   * @param waited whoever comes next has nothing to wait for any more
   */
  async renew(waited = false): Promise<'renewed' | 'lost'> {
    const held = this.#held;
    if (held === null) return 'lost';
    const proven = this.#moment();
    const heartbeat = ++this.#heartbeat;
    // Counted even if no answer comes: what was sent twice with the same number would look like silence.
    this.#held = { ...held, record: { ...held.record, heartbeat } };
    let there: LeaseRecord | null | undefined;
    try {
      const { epoch } = held.record;
      const set = (field: keyof LeaseRecord, value: number) =>
        ({ op: 'replace', path: `/extra/${LEASE_KEY}/${field}`, value }) as const;
      const ops = [set('heartbeat', heartbeat), ...(waited ? [set('waitMs', 0)] : [])];
      there = recordOf(await this.#setup.ironic.patchChassis(leaseUuid(epoch), ops, UNFENCED));
    } catch (error) {
      // Not there, or without a heartbeat that could be replaced: somebody has changed it by hand.
      const gone = error instanceof OpenStackError && (error.kind === 'not_found' || error.kind === 'bad_request');
      if (!gone) throw error;
      there = null;
    }
    if (there?.nonce !== held.record.nonce) {
      this.#held = null;
      this.#contended = true;
      this.#rivals += 1;
      return 'lost';
    }
    this.#held = { ...held, record: { ...held.record, heartbeat, ...(waited ? { waitMs: 0 } : {}) }, proven };
    return 'renewed';
  }

  /**
   * Reads back what was taken over, once its waiting time is over. Null: it is ours to use. Trouble: it is lost. Rejects
   * when the cloud does not say.
   */
  async confirm(): Promise<LeaseTrouble | null> {
    const held = this.#held;
    if (held === null) return this.#unsure('is not held');
    const all = await this.#list();
    const higher = all.filter(({ record }) => record === null || record.epoch > held.record.epoch);
    const mine = all.some(({ record }) => isSame(record, held.record));
    if (mine && higher.length === 0) {
      if (held.record.waitMs && (await this.renew(true)) === 'lost') return this.#unsure('was removed by somebody');
      if (this.#held !== null) this.#held = { ...this.#held, confirmed: true };
      return null;
    }
    this.#held = null;
    this.#contended = true;
    this.#rivals += 1;
    if (mine) await this.#remove(held.record.epoch, held.proven);
    const unreadable = higher.find(({ record }) => record === null);
    if (unreadable !== undefined) return this.#unreadable(unreadable);
    return higher.length > 0 ? this.#heldBy(higher) : this.#unsure('was removed by somebody');
  }

  /** Gives it back. Rejects when the cloud does not say that it is gone: it runs out by itself then. */
  async release(): Promise<void> {
    // What has run out may be another one's by now.
    if (this.aging && (await this.renew()) === 'lost') return;
    await this.tidy();
    const held = this.#held;
    this.#held = null;
    if (held !== null) await this.#delete(held.record.epoch, held.proven);
  }

  /** Removes what earlier processes of this installation have left behind; what cannot be removed harms nobody. */
  async tidy(): Promise<void> {
    const leftovers = this.#leftovers;
    this.#leftovers = [];
    for (const epoch of leftovers) if (this.#held !== null) await this.#remove(epoch, this.#held.proven);
  }

  // --- taking over ------------------------------------------------------------------------------------------------------

  /**
   * Of many who find the holder silent one creates the next epoch. It looks once more whether the holder has moved, ends
   * the holder's record - a renewal that comes later finds nothing - and waits for as long as a renewal that came just
   * before would allow the holder to write.
   */
  async #takeOver(owner: string, silent: readonly LeaseSighting[]): Promise<LeaseTrouble | null> {
    const longestOf = (leases: readonly LeaseSighting[]) =>
      Math.max(0, ...leases.map(({ record }) => record?.leaseMs ?? 0));
    const posted = await this.#post(owner, highestEpoch(silent) + 1, longestOf(silent));
    const all = await this.#list(posted);
    const mine = all.find(({ record }) => isSame(record, posted.record));
    const others = all.filter((one) => one !== mine);
    const foreign = others.filter(({ record }) => record !== null && !this.#isOurs(record, owner));
    const unreadable = others.find(({ record }) => record === null);
    this.#watch(foreign);
    const overtaken = highestEpoch(others) > posted.record.epoch;
    if (mine === undefined || unreadable !== undefined || overtaken || !this.#isSilent(foreign)) {
      if (mine !== undefined) await this.#remove(posted.record.epoch, posted.sent);
      if (unreadable !== undefined) return this.#unreadable(unreadable);
      return foreign.length > 0 ? this.#heldBy(foreign) : this.#unsure('changes hands while we look');
    }
    // Also if no answer comes to a request that ends one, and it is gone at the next look.
    this.#owedMs = Math.max(this.#owedMs, longestOf(foreign));
    try {
      for (const { record, uuid } of foreign) {
        if (record === null) continue;
        await this.#delete(record.epoch, posted.sent);
        this.#signs.delete(uuid);
      }
    } catch (error) {
      await this.#remove(posted.record.epoch, posted.sent);
      throw error;
    }
    this.#held = {
      record: posted.record,
      proven: posted.sent,
      writableFrom: this.#waited(),
      confirmed: foreign.length === 0,
    };
    this.#leftovers = others.flatMap(({ record }) =>
      record !== null && this.#isOurs(record, owner) ? [record.epoch] : [],
    );
    this.#contended = false;
    return null;
  }

  /** Notes signs of life. */
  #watch(foreign: readonly LeaseSighting[]): void {
    const now = this.#setup.monotonic();
    const there = new Set(foreign.map(({ uuid }) => uuid));
    for (const [uuid, { epoch }] of this.#signs) {
      if (there.has(uuid)) continue;
      this.#signs.delete(uuid);
      // Not by a request of ours: its holder has given it back.
      if (!this.#doomed.has(epoch)) this.#rivals += 1;
    }
    for (const { uuid, record } of foreign) {
      const sign = `${record?.nonce} ${record?.heartbeat}`;
      const before = this.#signs.get(uuid);
      if (before?.sign === sign) continue;
      if (before !== undefined) this.#rivals += 1;
      this.#signs.set(uuid, { epoch: record?.epoch ?? 0, sign, since: now });
    }
  }

  /** None of them has given a sign of life for as long as it may live without one. */
  #isSilent(foreign: readonly LeaseSighting[]): boolean {
    const now = this.#setup.monotonic();
    return foreign.every(({ uuid, record }) => {
      const seen = this.#signs.get(uuid);
      return record !== null && seen !== undefined && now - seen.since >= record.leaseMs;
    });
  }

  /** Of this installation on this host, where its store lets only one process live. */
  #isOurs(record: LeaseRecord, owner: string): boolean {
    return record.owner === owner && record.host === this.#setup.host;
  }

  // --- requests -----------------------------------------------------------------------------------------------------------

  /** Creates the record of an epoch. */
  async #post(owner: string, epoch: number, longestMs = 0): Promise<Posted> {
    const { host, nonce, leaseMs, ironic } = this.#setup;
    const sent = this.#moment();
    const waitMs = Math.max(longestMs, this.#owedMs, Math.ceil(this.#notBefore - sent.steady));
    const since = Math.max(0, Math.floor(sent.wall));
    const heartbeat = ++this.#heartbeat;
    const record: LeaseRecord = { v: 1, epoch, owner, host, nonce, heartbeat, leaseMs, waitMs, since };
    try {
      await ironic.createChassis(chassisOf(record), UNFENCED);
      return { record, created: true, sent };
    } catch (error) {
      if (!(error instanceof OpenStackError && (error.detail === 'duplicate' || error.maybeDone))) throw error;
      // Without an answer it may be there all the same: the list that follows shows it.
      return { record, created: false, sent };
    }
  }

  /**
   * Rejects when it does not come; then what was posted before is removed. Asked for twice, since a list with a gap looks like
   * any other, and what it lacks would be another one's lease.
   */
  async #list(posted: Posted | null = null): Promise<LeaseSighting[]> {
    const { ironic } = this.#setup;
    try {
      const all = new Map((await ironic.listChassis()).map((chassis) => [chassis.uuid, chassis]));
      for (const chassis of await ironic.listChassis()) all.set(chassis.uuid, chassis);
      return leasesAmong([...all.values()]);
    } catch (error) {
      if (posted?.created === true) await this.#remove(posted.record.epoch, posted.sent);
      throw error;
    }
  }

  /**
   * @param known when it was known that a lease of ours was there: as long as that has not run out, nobody else can have
   * come to hold the epoch that is deleted. A process that was stopped for an hour in between must not send it.
   */
  async #delete(epoch: number, known: Moment): Promise<void> {
    const fence = () => (this.#age(known) < this.#setup.leaseMs * USABLE ? null : this.#tooLate());
    try {
      await this.#setup.ironic.deleteChassis(leaseUuid(epoch), { fence });
    } catch (error) {
      if (!(error instanceof OpenStackError) || error.maybeDone) this.#doomed.add(epoch);
      throw error;
    }
  }

  /** What cannot be removed now is a leftover: it runs out, and this installation passes over it. */
  async #remove(epoch: number, known: Moment): Promise<void> {
    await this.#delete(epoch, known).catch(() => undefined);
  }

  #tooLate(): Failure {
    return new Failure({
      reason: 'lease_lost',
      next: 'retry',
      message: `The lease on ${this.#setup.controlPlane} has run out before it could be given back.`,
    });
  }

  // --- time ---------------------------------------------------------------------------------------------------------------

  #moment(): Moment {
    return { wall: this.#setup.clock.now(), steady: this.#setup.monotonic() };
  }

  /**
   * By the clock that says that more time has passed: the steady one stands still while a machine sleeps, the other one is
   * set. One that was set back tells nothing at all.
   */
  #age({ wall, steady }: Moment): number {
    const passed = this.#setup.clock.now() - wall;
    return passed < -JITTER_MS ? Number.POSITIVE_INFINITY : Math.max(passed, this.#setup.monotonic() - steady);
  }

  // --- words --------------------------------------------------------------------------------------------------------------

  #heldBy(foreign: readonly LeaseSighting[]): LeaseTrouble {
    const { controlPlane } = this.#setup;
    const [one] = [...foreign].sort((a, b) => (b.record?.epoch ?? 0) - (a.record?.epoch ?? 0));
    const record = one?.record;
    const since = new Date(record?.since ?? 0).toISOString().slice(0, 16).replace('T', ' ');
    return {
      kind: 'held',
      message: `Ephyra on ${record?.host} holds ${controlPlane} since ${since} UTC`,
      remedy:
        `End its deployment there, or that Ephyra: it is taken over once it has been silent for ` +
        `${Math.ceil((record?.leaseMs ?? 0) / 1_000)} s. When it is gone for good, it can be removed at once: ` +
        `openstack baremetal chassis delete ${one?.uuid}`,
    };
  }

  #unreadable({ uuid }: LeaseSighting): LeaseTrouble {
    return {
      kind: 'unreadable',
      message: `${this.#setup.controlPlane} has a lease of Ephyra that cannot be read (chassis ${uuid})`,
      remedy: `It may be a newer version's. When no Ephyra is at work there, remove it: openstack baremetal chassis delete ${uuid}`,
    };
  }

  #unsure(what: string): LeaseTrouble {
    const { controlPlane } = this.#setup;
    return {
      kind: 'unsure',
      message: `the lease on ${controlPlane} ${what}`,
      remedy: 'It is tried again; if that lasts, look at: openstack baremetal chassis list --long',
    };
  }
}

/** The calls with which a lease is had are the only writes that need none. */
const UNFENCED = { fence: () => null } as const;

const isSame = (record: LeaseRecord | null, mine: LeaseRecord | undefined): boolean =>
  record !== null && mine !== undefined && record.epoch === mine.epoch && record.nonce === mine.nonce;
