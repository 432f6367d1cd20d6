import { beforeEach, describe, expect, it } from 'vitest';
import { Keeper } from '../../../src/deployments/leases/keeper.ts';
import { Lease, type LeaseSetup } from '../../../src/deployments/leases/lease.ts';
import { chassisOf, type LeaseRecord, leaseUuid } from '../../../src/deployments/leases/record.ts';
import { systemClock } from '../../../src/openstack/clock.ts';
import { OpenStackError } from '../../../src/openstack/errors.ts';
import type { Chassis } from '../../../src/openstack/ironic/schema.ts';

const LEASE_MS = 60_000;

/** The chassis of one Ironic in memory, with something that happens right after a call. */
class Cloud {
  readonly chassis = new Map<string, Chassis>();
  readonly calls: string[] = [];
  after: (call: string) => Promise<void> = async () => undefined;

  readonly ironic: LeaseSetup['ironic'] = {
    listChassis: async () => {
      const all = structuredClone([...this.chassis.values()]);
      await this.#done('list');
      return all;
    },
    createChassis: async (body) => {
      if (this.chassis.has(body.uuid)) throw refusal(409, 'conflict', 'duplicate');
      const made: Chassis = { uuid: body.uuid, extra: structuredClone(body.extra) };
      this.chassis.set(body.uuid, made);
      await this.#done(`create ${this.#epoch(body.uuid)}`);
      return made;
    },
    patchChassis: async (uuid, ops) => {
      const found = this.chassis.get(uuid);
      if (found === undefined) throw refusal(404, 'not_found', null);
      const record = { ...(found.extra?.['ephyra_lease'] as Record<string, unknown>) };
      for (const op of ops) if ('value' in op) record[op.path.split('/').at(-1) ?? ''] = op.value;
      const changed = { uuid, extra: { ephyra_lease: record } };
      this.chassis.set(uuid, changed);
      await this.#done(`renew ${this.#epoch(uuid)}`);
      return changed;
    },
    deleteChassis: async (uuid, o) => {
      const shut = o?.fence?.() ?? null;
      if (shut !== null) throw shut;
      const there = this.chassis.delete(uuid);
      await this.#done(`delete ${this.#epoch(uuid)}`);
      return there ? 'deleted' : 'absent';
    },
  };

  put(record: Partial<LeaseRecord>): void {
    const { uuid, extra } = chassisOf({
      v: 1,
      epoch: 1,
      owner: 'other',
      host: 'host-x',
      nonce: 'nonce-x',
      heartbeat: 0,
      leaseMs: LEASE_MS,
      since: 0,
      ...record,
    });
    this.chassis.set(uuid, { uuid, extra });
  }

  get epochs(): number[] {
    return [...this.chassis.keys()].map((uuid) => this.#epoch(uuid)).sort();
  }

  #epoch(uuid: string): number {
    return [1, 2, 3, 4, 5, 6].find((epoch) => leaseUuid(epoch) === uuid) ?? 0;
  }

  async #done(call: string): Promise<void> {
    this.calls.push(call);
    await this.after(call);
  }
}

function refusal(status: number, kind: OpenStackError['kind'], detail: OpenStackError['detail']): OpenStackError {
  const where = { controlPlane: 'cp1', service: 'ironic', method: 'POST', url: 'http://ironic/v1/chassis' } as const;
  return new OpenStackError({ ...where, expected: [201], status, kind, detail, message: 'refused' });
}

function noAnswer(): OpenStackError {
  const where = { controlPlane: 'cp1', service: 'ironic', method: 'DELETE', url: 'http://ironic/v1/chassis' } as const;
  const data = { ...where, expected: [204], status: null, kind: 'unreachable', message: 'lost' } as const;
  return new OpenStackError({ ...data, maybeDone: true });
}

describe('the lease of one process', () => {
  let cloud: Cloud;
  let now: number;
  let made: number;
  beforeEach(() => {
    cloud = new Cloud();
    now = 1_000_000;
    made = 0;
  });
  const lease = (host: string, changes: Partial<LeaseSetup> = {}): Lease => {
    made += 1;
    return new Lease({
      controlPlane: 'cp1',
      ironic: cloud.ironic,
      clock: { now: () => now },
      monotonic: () => now,
      leaseMs: LEASE_MS,
      host,
      nonce: `nonce-${made}`,
      owner: async () => host,
      ...changes,
    });
  };

  it('gives way to a higher epoch that it finds in the list after its own create', async () => {
    cloud.put({ epoch: 2 });
    const one = lease('host-a');
    expect(await one.acquire()).toMatchObject({ kind: 'held', message: expect.stringContaining('host-x') });
    expect(cloud.calls).toEqual(['create 1', 'list', 'list', 'delete 1']);
    expect(cloud.epochs).toEqual([2]);
  });

  it('believes no list alone that shows nobody else', async () => {
    for (const gap of ['list', 'list list'] as const) {
      cloud = new Cloud();
      cloud.put({ epoch: 2 });
      const { listChassis } = cloud.ironic;
      const mine = new Set([leaseUuid(1)]);
      const ironic = {
        ...cloud.ironic,
        listChassis: async () => {
          const before = cloud.calls.filter((call) => call === 'list').length;
          const all = await listChassis();
          return before === gap.split(' ').length - 1 ? all.filter(({ uuid }) => mine.has(uuid)) : all;
        },
      };
      const one = lease('host-a', { ironic });
      expect(await one.acquire()).toMatchObject({ kind: 'held' });
      expect(cloud.epochs).toEqual([2]);
    }
  });

  it('does not take over from a holder who moves in the last moment, and leaves its lease alone', async () => {
    cloud.put({});
    const one = lease('host-a');
    await one.acquire();
    now += LEASE_MS;
    cloud.after = async (call) => {
      if (call === 'create 2') cloud.put({ heartbeat: 1 });
    };
    expect(await one.acquire()).toMatchObject({ kind: 'held' });
    expect(one.held).toBeNull();
    expect(cloud.epochs).toEqual([1]);
  });

  it('does not take one for silent that was given back and had again meanwhile', async () => {
    const one = lease('host-a');
    const two = lease('host-b');
    expect(await one.acquire()).toBeNull();
    expect(await two.acquire()).toMatchObject({ kind: 'held' });
    await one.release();
    expect(await one.acquire()).toBeNull();
    now += LEASE_MS + 1;
    expect(await two.acquire()).toMatchObject({ kind: 'held' });
    expect(cloud.epochs).toEqual([1]);
  });

  it('does not count silence by a clock that was set ahead', async () => {
    cloud.put({});
    let wall = now;
    const one = lease('host-a', { clock: { now: () => wall } });
    await one.acquire();
    wall += 10 * LEASE_MS;
    expect(await one.acquire()).toMatchObject({ kind: 'held' });
    now += LEASE_MS;
    expect(await one.acquire()).toBeNull();
    expect(one.held?.epoch).toBe(2);
  });

  it('has nothing to use before what it took over is waited out and read back', async () => {
    cloud.put({ leaseMs: 3 * LEASE_MS });
    const one = lease('host-a');
    await one.acquire();
    now += 3 * LEASE_MS;
    expect(await one.acquire()).toBeNull();
    expect(one.writableInMs()).toBe(3 * LEASE_MS);
    for (let thirds = 0; thirds < 9; thirds++) {
      expect(one.remainingMs()).toBe(0);
      now += LEASE_MS / 3;
      expect(await one.renew()).toBe('renewed');
    }
    expect(one.writableInMs()).toBe(0);
    expect(one.remainingMs()).toBe(0);
    for (let thirds = 0; thirds < 9; thirds++) {
      now += LEASE_MS / 3;
      expect(await one.renew()).toBe('renewed');
    }
    expect(await one.confirm()).toBeNull();
    expect(one.remainingMs()).toBe(LEASE_MS * 0.9);
  });

  it('does not delete what may be another one´s by now, when it stood still in between', async () => {
    cloud.put({});
    const one = lease('host-a');
    await one.acquire();
    now += LEASE_MS;
    cloud.after = async (call) => {
      if (call !== 'list' || !cloud.epochs.includes(2)) return;
      now += 3_600_000;
    };
    await expect(one.acquire()).rejects.toMatchObject({ reason: 'lease_lost' });
    expect(cloud.calls.filter((call) => call.startsWith('delete'))).toEqual([]);
    expect(one.held).toBeNull();
  });

  it('does not give back what it no longer has', async () => {
    const one = lease('host-a');
    expect(await one.acquire()).toBeNull();
    now += 3_600_000;
    cloud.put({ nonce: 'nonce-y' });
    await one.release();
    expect(cloud.epochs).toEqual([1]);
  });

  it('believes no list that does not show what it has just created', async () => {
    const one = lease('host-a');
    cloud.after = async (call) => {
      if (call === 'create 1') cloud.chassis.clear();
    };
    expect(await one.acquire()).toMatchObject({ kind: 'unsure' });
    expect(one.held).toBeNull();
  });

  it('takes what was there already for its own only when a write has shown that it is', async () => {
    let behind: Chassis[] | null = [];
    const ironic = { ...cloud.ironic, listChassis: async () => behind ?? cloud.ironic.listChassis() };
    const one = lease('host-a', { ironic });
    expect(await one.acquire()).toMatchObject({ kind: 'unsure' });
    // The list is still behind when somebody has removed the record and another Ephyra has come: it shows ours.
    behind = structuredClone([...cloud.chassis.values()]);
    cloud.chassis.clear();
    cloud.put({ epoch: 1 });
    expect(await one.acquire()).toMatchObject({ kind: 'unsure' });
    expect([one.held, one.remainingMs()]).toEqual([null, 0]);
    expect(cloud.epochs).toEqual([1]);
    // Nobody says whether it is: then it is not.
    cloud.chassis.clear();
    for (const { uuid, extra } of behind) cloud.chassis.set(uuid, { uuid, extra });
    const again = lease('host-a', { ironic, nonce: 'nonce-1' });
    const { patchChassis } = ironic;
    ironic.patchChassis = () => Promise.reject(refusal(503, 'server_error', null));
    await expect(again.acquire()).rejects.toThrow();
    expect([again.held, again.remainingMs()]).toEqual([null, 0]);
    ironic.patchChassis = patchChassis;
    expect(await again.acquire()).toBeNull();
    expect(again.held).toMatchObject({ nonce: 'nonce-1', heartbeat: expect.any(Number) });
    expect(again.remainingMs()).toBeGreaterThan(0);
  });

  /** Of one that has run out, taken over: its holder renews right before its record is ended. */
  const slippedIn = async (ironic = cloud.ironic): Promise<{ one: Lease; two: Lease }> => {
    const [one, two] = [lease('host-a'), lease('host-b', { ironic })];
    expect(await one.acquire()).toBeNull();
    expect(await two.acquire()).toMatchObject({ kind: 'held' });
    now += LEASE_MS;
    cloud.after = async (call) => {
      const sinceCreate = cloud.calls.slice(cloud.calls.indexOf('create 2'));
      if (call !== 'list' || sinceCreate.filter((one) => one === 'list').length !== 2) return;
      cloud.after = async () => undefined;
      expect(await one.renew()).toBe('renewed');
    };
    return { one, two };
  };
  /** For as long as the former holder may write, the other one may not; then it may. */
  const waitsOut = async (one: Lease, two: Lease): Promise<void> => {
    expect(one.remainingMs()).toBeGreaterThan(0);
    expect(two.remainingMs()).toBe(0);
    while (two.writableInMs() > 0) {
      expect(two.remainingMs()).toBe(0);
      now += LEASE_MS / 4;
      expect(await two.renew()).toBe('renewed');
    }
    expect(one.remainingMs()).toBeLessThanOrEqual(0);
    if (!two.confirmed) expect(await two.confirm()).toBeNull();
    expect(two.remainingMs()).toBeGreaterThan(0);
  };

  it('waits out what it took over, also when it has given it back and takes it again', async () => {
    const { one, two } = await slippedIn();
    expect(await two.acquire()).toBeNull();
    await two.release();
    expect(await two.acquire()).toBeNull();
    await waitsOut(one, two);
  });

  it('waits out what the process before it took over, and what that one waited out it does not', async () => {
    const { one, two } = await slippedIn();
    expect(await two.acquire()).toBeNull();
    const next = lease('host-b');
    expect(await next.acquire()).toBeNull();
    await next.tidy();
    const third = lease('host-b');
    expect(await third.acquire()).toBeNull();
    await third.tidy();
    await waitsOut(one, third);
    const fourth = lease('host-b');
    expect(await fourth.acquire()).toBeNull();
    expect(fourth.remainingMs()).toBeGreaterThan(0);
  });

  it('waits it out as well when no answer came to the end of the former one', async () => {
    const unanswered = async (...[uuid, o]: Parameters<LeaseSetup['ironic']['deleteChassis']>) => {
      const answer = await cloud.ironic.deleteChassis(uuid, o);
      if (!cloud.calls.includes('renew 1')) return answer;
      ironic.deleteChassis = cloud.ironic.deleteChassis;
      throw noAnswer();
    };
    const ironic = { ...cloud.ironic, deleteChassis: unanswered };
    const { one, two } = await slippedIn(ironic);
    await expect(two.acquire()).rejects.toMatchObject({ kind: 'unreachable' });
    expect(await two.acquire()).toBeNull();
    await waitsOut(one, two);
  });

  it('keeps nobody who gives it up when another wants it meanwhile', async () => {
    const keeper = new Keeper({
      controlPlane: 'cp1',
      lease: lease('host-a'),
      clock: systemClock,
      monotonic: () => now,
      random: () => 0,
      leaseMs: LEASE_MS,
      onEvent: () => undefined,
    });
    const giveUp = keeper.want();
    expect(await keeper.attempt()).toBeNull();
    cloud.after = async (call) => {
      if (call.startsWith('delete')) keeper.want();
    };
    await giveUp();
    expect(await keeper.attempt()).toBeNull();
    expect(keeper.open).toBe(true);
    await keeper.close();
  });

  it('passes over an epoch whose deletion may still come', async () => {
    const one = lease('host-a');
    expect(await one.acquire()).toBeNull();
    const { deleteChassis } = cloud.ironic;
    const lost = lease('host-a', {
      ironic: {
        ...cloud.ironic,
        deleteChassis: async (uuid, o) => {
          await deleteChassis(uuid, o);
          throw noAnswer();
        },
      },
    });
    cloud.chassis.clear();
    expect(await lost.acquire()).toBeNull();
    await expect(lost.release()).rejects.toThrow(/lost/);
    expect(await lost.acquire()).toBeNull();
    expect(lost.held?.epoch).toBe(2);
  });
});
