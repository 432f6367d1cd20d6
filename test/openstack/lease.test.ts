import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Lease } from '../../src/deployments/leases/lease.ts';
import { LEASE_KEY, leasesAmong, leaseUuid } from '../../src/deployments/leases/record.ts';
import { systemClock } from '../../src/openstack/clock.ts';
import { loadClouds } from '../../src/openstack/clouds.ts';
import { createControlPlane } from '../../src/openstack/control-plane.ts';
import type { Ironic } from '../../src/openstack/ironic/requests.ts';
import type { Chassis } from '../../src/openstack/ironic/schema.ts';
import { stateDirectory } from './real.ts';

/** Long enough for the real services to answer within it, short enough to be waited out. */
const LEASE_MS = 6_000;
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

type ChassisCalls = Pick<Ironic, 'listChassis' | 'createChassis' | 'patchChassis' | 'deleteChassis'>;

/**
 * The same calls on chassis of other uuids and with another key, so that an Ephyra that is at work on these control planes
 * is not disturbed, and does not disturb.
 */
function apart(ironic: Ironic): ChassisCalls {
  const KEY = 'ephyra_lease_of_a_test';
  const there = (uuid: string) => `${(Number.parseInt(uuid[0] ?? '0', 16) ^ 8).toString(16)}${uuid.slice(1)}`;
  const ours = new Set(Array.from({ length: 20 }, (_, index) => there(leaseUuid(index + 1))));
  const renamed = (extra: Readonly<Record<string, unknown>> | null | undefined, from: string, to: string) =>
    extra?.[from] === undefined ? {} : { [to]: extra[from] };
  const here = (chassis: Chassis): Chassis => ({
    ...chassis,
    uuid: there(chassis.uuid),
    extra: renamed(chassis.extra, KEY, LEASE_KEY),
  });
  return {
    listChassis: async (o) => (await ironic.listChassis(o)).filter(({ uuid }) => ours.has(uuid)).map(here),
    createChassis: async (body, o) => {
      const extra = renamed(body.extra, LEASE_KEY, KEY);
      return here(await ironic.createChassis({ ...body, uuid: there(body.uuid), extra }, o));
    },
    patchChassis: async (uuid, ops, o) => {
      const moved = ops.map((op) => ({ ...op, path: op.path.replace(`/${LEASE_KEY}/`, `/${KEY}/`) }));
      return here(await ironic.patchChassis(there(uuid), moved, o));
    },
    deleteChassis: (uuid, o) => ironic.deleteChassis(there(uuid), o),
  };
}

/** Ephyra's lease on the real Ironic: what the simulation takes for granted, the real service must do. */
describe.each(['cp1', 'cp2'])('the lease on the real Ironic of %s', (name) => {
  let ironic: ChassisCalls;
  let made = 0;
  const clear = async () => {
    for (const { uuid } of leasesAmong(await ironic.listChassis())) await ironic.deleteChassis(uuid);
  };
  /** An Ephyra of its own on a host of its own. */
  const lease = (host: string, owner = host): Lease => {
    made += 1;
    return new Lease({
      controlPlane: name,
      ironic,
      clock: systemClock,
      monotonic: () => performance.now(),
      leaseMs: LEASE_MS,
      host,
      nonce: `real-${made}`,
      owner: async () => owner,
    });
  };

  beforeAll(() => {
    const clouds = loadClouds({
      env: { OS_CLIENT_CONFIG_FILE: join(stateDirectory, 'clouds.yaml') },
      cwd: stateDirectory,
      home: stateDirectory,
      readFile: (path) => readFileSync(path, 'utf8'),
    });
    const deps = { clock: systemClock, random: Math.random };
    ironic = apart(createControlPlane(name, clouds.resolveCloud(name), deps).ironic);
  });
  beforeEach(clear);
  afterAll(clear);

  it('is had by one of eight who ask at once', async () => {
    const all = Array.from({ length: 8 }, (_, index) => lease(`host-${index}`));
    const troubles = await Promise.all(all.map((one) => one.acquire()));
    const won = all.filter(({ held }) => held !== null);
    expect(won).toHaveLength(1);
    expect(troubles.filter((trouble) => trouble === null)).toHaveLength(1);
    for (const trouble of troubles) if (trouble !== null) expect(trouble).toMatchObject({ kind: 'held' });
    expect(leasesAmong(await ironic.listChassis())).toHaveLength(1);
    await won[0]?.release();
    expect(leasesAmong(await ironic.listChassis())).toEqual([]);
  });

  it('is renewed as long as it is held, and not to be had by another', async () => {
    const [one, two] = [lease('host-a'), lease('host-b')];
    expect(await one.acquire()).toBeNull();
    const end = Date.now() + 2 * LEASE_MS;
    while (Date.now() < end) {
      expect(await one.renew()).toBe('renewed');
      expect(one.remainingMs()).toBeGreaterThan(LEASE_MS / 2);
      expect(await two.acquire()).toMatchObject({ kind: 'held', message: expect.stringContaining('host-a') });
      await sleep(LEASE_MS / 4);
    }
    const [seen] = leasesAmong(await ironic.listChassis());
    expect(seen?.record).toEqual(one.held);
    await one.release();
    expect(await two.acquire()).toBeNull();
    expect(two.remainingMs()).toBeGreaterThan(0);
  });

  it('is taken over from a holder that is silent, after its lease and not before; and that one finds it lost', async () => {
    const [one, two, three] = [lease('host-a'), lease('host-b'), lease('host-c')];
    expect(await one.acquire()).toBeNull();
    expect(await two.acquire()).toMatchObject({ kind: 'held' });
    expect(await three.acquire()).toMatchObject({ kind: 'held' });
    const silentSince = performance.now();
    const rivals = async () => Promise.all([two.acquire(), three.acquire()]);
    while (two.held === null && three.held === null) {
      await sleep(500);
      await rivals();
    }
    expect(performance.now() - silentSince).toBeGreaterThan(LEASE_MS - 1_000);
    const winners = [two, three].filter(({ held }) => held !== null);
    expect(winners).toHaveLength(1);
    const [winner] = winners as [Lease];
    expect(winner.held?.epoch).toBe(2);
    // A renewal that slipped in would still count: nothing is written before it has run out.
    expect(winner.remainingMs()).toBe(0);
    expect(winner.writableInMs()).toBeGreaterThan(LEASE_MS - 2_000);
    expect(one.remainingMs()).toBeLessThanOrEqual(0);
    expect(await one.renew()).toBe('lost');
    while (winner.writableInMs() > 0) {
      await sleep(LEASE_MS / 4);
      expect(await winner.renew()).toBe('renewed');
    }
    expect(await winner.confirm()).toBeNull();
    expect(winner.remainingMs()).toBeGreaterThan(0);
    await winner.release();
  });

  it('of the same installation on the same host is had at once by its next process', async () => {
    const [before, after] = [lease('host-a'), lease('host-a')];
    expect(await before.acquire()).toBeNull();
    expect(await after.acquire()).toBeNull();
    expect(after.held?.epoch).toBe(2);
    expect(after.remainingMs()).toBeGreaterThan(0);
    await after.tidy();
    expect(await before.renew()).toBe('lost');
    expect((await ironic.listChassis()).map(({ uuid }) => uuid)).toContain(leaseUuid(2));
    expect((await ironic.listChassis()).map(({ uuid }) => uuid)).not.toContain(leaseUuid(1));
    await after.release();
  });

  it('that cannot be read is somebody´s, and its remedy works', async () => {
    await ironic.createChassis({ uuid: leaseUuid(1), extra: { ephyra_lease: { v: 2 } } });
    const one = lease('host-a');
    expect(await one.acquire()).toMatchObject({
      kind: 'unreadable',
      remedy: expect.stringContaining(`openstack baremetal chassis delete ${leaseUuid(1)}`),
    });
    await ironic.deleteChassis(leaseUuid(1));
    expect(await one.acquire()).toBeNull();
    await one.release();
  });
});
