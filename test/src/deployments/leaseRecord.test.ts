import { describe, expect, it } from 'vitest';
import {
  chassisOf,
  type LeaseRecord,
  leasesAmong,
  leaseUuid,
  recordOf,
} from '../../../src/deployments/leases/record.ts';

const RECORD: LeaseRecord = {
  v: 1,
  epoch: 3,
  owner: 'a1b2c3',
  host: 'ops-1',
  nonce: 'd4e5f6',
  heartbeat: 7,
  leaseMs: 300_000,
  since: Date.UTC(2026, 10, 22),
};

describe('a lease as a chassis', () => {
  it('has a uuid that follows from its epoch, and never changes', () => {
    expect(leaseUuid(1)).toBe('1b726a3d-66b4-58bf-a442-0a5f0c87dd17');
    const many = Array.from({ length: 500 }, (_, index) => leaseUuid(index + 1));
    expect(new Set(many).size).toBe(500);
    for (const uuid of many)
      expect(uuid).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  });

  it('is read as it was written', () => {
    const { uuid, extra } = chassisOf(RECORD);
    expect(uuid).toBe(leaseUuid(3));
    expect(recordOf({ uuid, extra })).toEqual(RECORD);
  });

  it('tells people what it is in no more than Ironic takes', () => {
    const { description } = chassisOf({ ...RECORD, host: 'h'.repeat(300) });
    expect(description).toMatch(/^Lease of the Ephyra on hhh.*gone for good\.$/);
    expect(description?.length).toBeLessThanOrEqual(255);
  });

  it.each<[string, unknown]>([
    ['of a newer version', { ...RECORD, v: 2 }],
    ['of another epoch than its uuid', { ...RECORD, epoch: 4 }],
    ['without a nonce', { ...RECORD, nonce: '' }],
    ['whose length is no number', { ...RECORD, leaseMs: '5m' }],
    ['whose length is nothing', { ...RECORD, leaseMs: 0 }],
    ['that is no map', 'mine'],
    ['that is null', null],
  ])('%s cannot be read, and is one all the same', (_, value) => {
    expect(recordOf({ uuid: leaseUuid(3), extra: { ephyra_lease: value } })).toBeNull();
    const all = [{ uuid: leaseUuid(3), extra: { ephyra_lease: value } }];
    expect(leasesAmong(all)).toEqual([{ uuid: leaseUuid(3), record: null }]);
  });

  it('is looked for where one would be, even when what is there does not say so', () => {
    const lease = { uuid: leaseUuid(3), extra: { ephyra_lease: RECORD } };
    const other = { uuid: 'c0000000-0000-4000-8000-000000000001', extra: { rack: 'r1' } };
    expect(leasesAmong([other])).toEqual([]);
    expect(leasesAmong([other, lease])).toEqual([{ uuid: leaseUuid(3), record: RECORD }]);
    expect(leasesAmong([{ uuid: leaseUuid(1), extra: {} }])).toEqual([{ uuid: leaseUuid(1), record: null }]);
    expect(leasesAmong([lease, { uuid: leaseUuid(4) }])).toContainEqual({ uuid: leaseUuid(4), record: null });
  });
});
