import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { matchesPattern, type RoleSubject, roleOf } from '../../../src/config/index.ts';
import { load } from './support.ts';

const BOOT = 'boot: { default: { flavor: f, image: i, networks: [n] } }';
const roles = (entries: readonly string[]) =>
  load(
    `controlPlanes: { cp1: { cloud: a }, cp2: { cloud: b } }\nroles:\n${entries
      .map((match, index) => `  role${index}: { match: ${match}, ${BOOT} }\n`)
      .join('')}`,
  ).roles;

const NODE: RoleSubject = {
  name: 'worker-07',
  extra: { role: 'worker', rack: 7, spare: false },
  resourceClass: 'baremetal',
  instance: { metadata: { role: 'datanode' }, flavorName: 'bm.large' },
};

describe('the role of a node', () => {
  test.each([
    ['{ extra: { role: worker } }', true],
    ['{ extra: { rack: 7 } }', true],
    ['{ extra: { rack: "7" } }', false],
    ['{ extra: { spare: false } }', true],
    ['{ extra: { toString: x } }', false],
    ['{ instanceMetadata: { role: datanode } }', true],
    ['{ instanceMetadata: { role: namenode } }', false],
    ['{ name: "worker-*" }', true],
    ['{ name: "Worker-*" }', false],
    ['{ name: "*-0?" }', true],
    ['{ flavor: bm.large }', true],
    ['{ flavor: bm.small }', false],
    ['{ resourceClass: baremetal }', true],
    ['{ name: "worker-*", flavor: bm.small }', false],
    ['{ name: "worker-*", flavor: bm.large }', true],
  ])('by %s: %s', (match, fits) => {
    expect(roleOf(roles([match]), NODE) !== undefined).toBe(fits);
  });

  test('is the first that matches', () => {
    expect(roleOf(roles(['{ name: "w*" }', '{ extra: { role: worker } }']), NODE)?.name).toBe('role0');
    expect(roleOf(roles(['{ name: "m*" }', '{ extra: { role: worker } }']), NODE)?.name).toBe('role1');
  });

  test('is not guessed from what is not known', () => {
    const bare: RoleSubject = { name: null, extra: {}, resourceClass: null, instance: null };
    for (const match of ['{ name: "*" }', '{ flavor: f }', '{ resourceClass: r }', '{ instanceMetadata: { a: b } }']) {
      expect(roleOf(roles([match]), bare)).toBeUndefined();
    }
  });

  test('patterns match as the obvious, slow way does', () => {
    const text = fc.string({ unit: fc.constantFrom('a', 'b'), maxLength: 8 });
    const pattern = fc.string({ unit: fc.constantFrom('a', 'b', '*', '?'), maxLength: 6 });
    fc.assert(
      fc.property(pattern, text, (glob, name) => {
        const regexp = new RegExp(`^${glob.replaceAll('*', '.*').replaceAll('?', '.')}$`);
        expect(matchesPattern(glob, name)).toBe(regexp.test(name));
      }),
      { numRuns: 2_000 },
    );
  });

  test('a pattern of many stars takes no time', () => {
    expect(matchesPattern(`${'*a'.repeat(200)}b`, 'a'.repeat(5_000))).toBe(false);
  });
});
