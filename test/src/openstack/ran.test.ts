import { describe, expect, it } from 'vitest';
import { recipeOf } from '../../../src/actors/actions/marker.ts';
import { keepRan, ranBefore, withoutOwn } from '../../../src/openstack/nova/ran.ts';
import { BOOTED, FORWARD, instance } from '../../machines/observations.ts';

const RAN = recipeOf(
  instance({ metadata: { owner: 'team-a', tier: 'one' }, networks: ['tenant-net', 'storage-net'], configDrive: true }),
  FORWARD,
);

/** What is booted in its place, with what the role puts over its metadata. */
const successor = (ran = RAN, over: Record<string, string> = {}) =>
  instance({ id: 'i-2', metadata: { ...ran.metadata, ...over, ...keepRan(ran, over), ...BOOTED.metadata } });

describe('what ran in the source', () => {
  it('is told by the metadata of what runs in its place', () => {
    const { id: _, ...ran } = RAN;
    expect(ranBefore(successor())).toEqual({ ...ran, addresses: [] });
    expect(withoutOwn(successor().metadata)).toEqual(RAN.metadata);
  });

  it('has the metadata that it had, whatever the role has put over it', () => {
    expect(ranBefore(successor(RAN, { tier: 'two', plane: 'cp2' }))?.metadata).toEqual(RAN.metadata);
  });

  it('is kept in values that Nova takes, none of which ends within a character', () => {
    const networks = Array.from({ length: 12 }, (_, index) => `network-${index}-😀-with-a-long-name`);
    const there = successor({ ...RAN, networks });
    const values = Object.values(keepRan({ ...RAN, networks }, {}));
    expect(values.length).toBeGreaterThan(1);
    for (const value of values) expect(value).toMatch(/^[ -~]{1,255}$/);
    expect(ranBefore(there)?.networks).toEqual(networks);
  });

  it('is not kept when it is too long, and not told by what cannot be read', () => {
    expect(keepRan({ ...RAN, networks: ['n'.repeat(3_000)] }, {})).toEqual({});
    for (const value of ['', 'hands off', '{"at":"cp1"}', '{"at":"cp1","flavor":7']) {
      expect(ranBefore(instance({ metadata: { ephyra_ran_1: value } }))).toBeNull();
    }
    expect(ranBefore(instance())).toBeNull();
  });
});
