import { isEnded } from '../../../src/store/state.ts';
import type { DeepReadonly, StoreState } from '../../../src/store/types.ts';
import type { Call } from '../world/calls.ts';
import { describe, isWrite } from '../world/calls.ts';
import type { World } from '../world/world.ts';
import type { Invariant, Watched } from './invariant.ts';
import { markerIn } from './knowledge.ts';

/**
 * Invariant 8: one deployment at a time for each control plane, and none starts while a lock covers it - on disk, where
 * check and claim are one; and in the clouds, where no two deployments have marked nodes at the same time.
 */
export class OneDeployment implements Invariant {
  readonly name = 'one deployment per pair';
  readonly #world: Watched;
  readonly #started = new Set<string>();

  constructor(world: Watched) {
    this.#world = world;
  }

  stored({ deployments, locks }: DeepReadonly<StoreState>): void {
    const complain = (why: string) => this.#world.violate(this.name, why);
    // What was found by its marks stands still until a person has decided.
    const running = deployments.filter((record) => !isEnded(record) && record.state !== 'found');
    for (const [index, one] of running.entries()) {
      for (const other of running.slice(index + 1)) {
        const shared = [one.source, one.target].some((name) => name === other.source || name === other.target);
        if (shared) complain(`${one.id} is ${one.state} and ${other.id} is ${other.state}`);
      }
    }
    for (const record of running) {
      const { startedAt } = record;
      if (startedAt === null || this.#started.has(record.id)) continue;
      this.#started.add(record.id);
      // By Ephyra's own clock, which may be a wrong one; and by ours, since what goes on after its end was started long ago.
      const startsAt = Math.max(startedAt, this.#world.time.now());
      const lock = locks.find(
        ({ scope, expiresAt }) =>
          (expiresAt === null || expiresAt > startsAt) &&
          (scope === 'all' || scope === record.source || scope === record.target),
      );
      if (lock !== undefined) complain(`${record.id} has started under the lock on ${lock.scope}: ${lock.reason}`);
    }
    for (const record of deployments) if (isEnded(record)) this.#started.delete(record.id);
  }

  changed({ kind, uuid, after, controlPlane }: Parameters<NonNullable<Invariant['changed']>>[0]): void {
    if (kind !== 'node.marker' && kind !== 'node.created') return;
    const mine = markerIn((after?.['extra'] as Record<string, unknown> | undefined)?.['ephyra']);
    if (mine === null || mine === 'invalid' || !this.#isOurs(mine.deployment)) return;
    const owner = this.#world.disk.deployments.find(({ id }) => id === mine.deployment);
    if (owner !== undefined && isEnded(owner) && !this.#world.blamed.has(uuid, ['mark', 'late'])) {
      this.#world.violate(this.name, `a node of ${controlPlane} is marked for ${owner.id}, which is ${owner.state}`);
    }
  }

  /** Marks that people make up belong to no deployment that we know. */
  #isOurs(deployment: string): boolean {
    return this.#world.disk.deployments.some(({ id }) => id === deployment);
  }
}

const FIRST_PAGE = /^\/v1\/chassis\/detail\?(?!.*\bmarker=)/;

/** A record in the cloud: who has created it, and when the last request for it was sent, and taken. */
interface Lease {
  readonly holder: number;
  readonly provenAt: number;
  readonly takenAt: number;
}

interface Tenure {
  /** The lease that it created last and has not given back. */
  own: string | null;
  /** When the last request that the cloud took for its lease was sent. */
  provenAt: number;
  /** When the cloud made the last list of leases for it that was not from the past. */
  lookedAt: number;
  /** It has written to nodes since it last created a lease. */
  wrote: boolean;
}

/**
 * Invariant 8 over several Ephyras: whoever writes to a control plane holds its lease, no other has written there within a
 * lease that has not run out, and nobody's lease is ended by another while it can be seen that it has not. Seen from the
 * wire: what the cloud has taken, and when it was sent.
 */
export class OneWriter implements Invariant {
  readonly name = 'one writer per control plane';
  readonly #world: World;
  readonly #ownerOf: (process: number) => string;
  /** By control plane and process. */
  readonly #tenures = new Map<string, Tenure & { readonly process: number; readonly at: string }>();
  /** By control plane and uuid. */
  readonly #leases = new Map<string, Lease>();

  /** @param ownerOf the installation of a process: of one and the same the later process follows a dead one */
  constructor(world: World, ownerOf: (process: number) => string) {
    this.#world = world;
    this.#ownerOf = ownerOf;
  }

  served(call: Call): void {
    const { write, status, process, at, method, path, body, sentAt, stale } = call;
    // What was refused, or never reached (status 0), has changed nothing.
    if (status === null || status < 200 || status >= 300) return;
    const tenure = this.#tenure(process, at);
    // Of several pages the first one counts.
    if (method === 'GET' && FIRST_PAGE.test(path) && !stale) tenure.lookedAt = this.#world.time.now();
    if (write !== 'lease') return;
    const uuid = method === 'POST' ? String((body as { uuid?: unknown }).uuid) : (path.split('/')[3] ?? '');
    if (method === 'DELETE') {
      this.#ended(call, `${at} ${uuid}`, tenure.lookedAt);
      if (tenure.own !== uuid) return;
      tenure.own = null;
      tenure.wrote = false;
      return;
    }
    const key = `${at} ${uuid}`;
    if (method === 'POST') {
      // Whoever tries for it has none any more, and what it did with the one before is past.
      tenure.wrote = false;
      tenure.own = uuid;
    }
    // Renewing what has become another's proves nothing: the answer says whose it is.
    if (method !== 'POST' && this.#leases.get(key)?.holder !== process) return;
    tenure.provenAt = Math.max(tenure.provenAt, sentAt);
    this.#leases.set(key, { holder: process, provenAt: sentAt, takenAt: this.#world.time.now() });
  }

  /** A renewal that comes after the last look at the leases cannot be seen; the contender waits for its sake. */
  #ended(call: Call, key: string, lookedAt: number): void {
    const lease = this.#leases.get(key);
    this.#leases.delete(key);
    if (lease === undefined || this.#ownerOf(lease.holder) === this.#ownerOf(call.process)) return;
    const { holder, provenAt, takenAt } = lease;
    const age = call.sentAt - provenAt;
    if (takenAt > lookedAt || age >= this.#world.config.deployment.leaseMs) return;
    this.#world.violate(this.name, `${describe(call)}: it is process ${holder}'s, renewed ${age} ms ago`);
  }

  sent(call: Call): void {
    if (!isWrite(call)) return;
    const { leaseMs } = this.#world.config.deployment;
    const now = this.#world.time.now();
    const mine = this.#tenure(call.process, call.at);
    if (mine.own === null) this.#world.violate(this.name, `${describe(call)}: it holds no lease there`);
    const age = now - mine.provenAt;
    if (age > leaseMs) this.#world.violate(this.name, `${describe(call)}: its lease was renewed ${age} ms ago`);
    for (const other of this.#tenures.values()) {
      const stranger = other.at === call.at && this.#ownerOf(other.process) !== this.#ownerOf(call.process);
      if (!stranger || !other.wrote || now - other.provenAt >= leaseMs) continue;
      this.#world.violate(this.name, `${describe(call)}: process ${other.process} may write there as well`);
    }
    mine.wrote = true;
  }

  #tenure(process: number, at: string) {
    const key = `${at} ${process}`;
    const known = this.#tenures.get(key) ?? {
      process,
      at,
      own: null,
      provenAt: Number.NEGATIVE_INFINITY,
      lookedAt: Number.NEGATIVE_INFINITY,
      wrote: false,
    };
    this.#tenures.set(key, known);
    return known;
  }
}
