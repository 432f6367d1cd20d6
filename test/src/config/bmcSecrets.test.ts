import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { afterAll, describe, expect, test } from 'vitest';
import { ConfigError, followBmcSecrets, loadBmcSecrets } from '../../../src/config/index.ts';

const UUID = '9f1c2d3e-0000-4000-8000-0123456789ab';

const folder = mkdtempSync(join(tmpdir(), 'ephyra-bmc-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function file(text: string, mode = 0o600): string {
  const path = join(mkdtempSync(join(folder, 'one-')), 'bmc.yml');
  writeFileSync(path, text);
  chmodSync(path, mode);
  return path;
}

function problemsOf(text: string) {
  try {
    loadBmcSecrets(file(text));
  } catch (thrown) {
    if (thrown instanceof ConfigError) return thrown.problems;
    throw thrown;
  }
  throw new Error('the file was taken');
}

describe('the file with BMC secrets', () => {
  test('gives a node its secrets by uuid, else by name', () => {
    const secrets = loadBmcSecrets(
      file(`${UUID.toUpperCase()}: { ipmi_password: by-uuid }\nnode-1: { ipmi_password: by-name }\n`),
    );
    expect(secrets.of({ uuid: UUID, name: 'node-1' })?.['ipmi_password']?.reveal()).toBe('by-uuid');
    expect(secrets.of({ uuid: 'other', name: 'node-1' })?.['ipmi_password']?.reveal()).toBe('by-name');
    expect(secrets.of({ uuid: 'other', name: null })).toBeUndefined();
    expect(secrets.all.map((secret) => secret.reveal())).toEqual(['by-uuid', 'by-name']);
    expect(secrets.warnings).toEqual([]);
    expect(inspect(secrets.of({ uuid: UUID, name: null }))).not.toContain('by-uuid');
  });

  test('that everybody may read is taken with a warning', () => {
    const path = file('n: { redfish_password: abc }\n', 0o644);
    expect(loadBmcSecrets(path).warnings).toMatchObject([{ remedy: `Run: chmod o= ${path}` }]);
    expect(loadBmcSecrets(file('n: { redfish_password: abc }\n', 0o640)).warnings).toEqual([]);
  });

  test('is refused with everything that is wrong, and without a secret', () => {
    const problems = problemsOf(
      'a: { ipmi_password: 1234 }\nb: hunter2\nc: { ipmi_password: "******" }\nd: {}\ne: { x: "" }\n',
    );
    expect(problems.map((entry) => [entry.line, entry.path, entry.remedy])).toEqual([
      [1, 'a.ipmi_password', 'Put it in quotes.'],
      [2, 'b', 'Write e.g. node-1: { ipmi_password: "..." }.'],
      [3, 'c.ipmi_password', 'Write the secret itself; written to a node, the mask would destroy it.'],
      [4, 'd', 'Write e.g. node-1: { ipmi_password: "..." }.'],
      [5, 'e.x', 'Write e.g. node-1: { ipmi_password: "..." }.'],
    ]);
    expect(JSON.stringify(problems)).not.toMatch(/hunter2|1234/);
  });

  test('must be a section, and YAML', () => {
    expect(problemsOf('- a\n')).toMatchObject([
      { problem: 'must be a section: node uuid or name, and below it the secrets' },
    ]);
    expect(problemsOf('a: [\n')).toMatchObject([{ problem: expect.stringContaining('not valid YAML') }]);
    expect(() => loadBmcSecrets('/nowhere/bmc.yml')).toThrow('there is no such file');
  });

  test('is read again each time, and what is new in it is told first', () => {
    const path = file('n: { p: abcd }\n');
    const told: string[] = [];
    const now = followBmcSecrets(path, (all) => told.push(all.map((secret) => secret.reveal()).join()));
    const passwordOf = () => now().of({ uuid: UUID, name: 'n' })?.['p']?.reveal();
    expect([passwordOf(), passwordOf()]).toEqual(['abcd', 'abcd']);
    writeFileSync(path, 'n: { p: efgh }\n');
    expect([passwordOf(), passwordOf()]).toEqual(['efgh', 'efgh']);
    expect(told).toEqual(['abcd', 'efgh']);
    writeFileSync(path, 'n: { p: 1 }\n');
    expect(passwordOf).toThrow(ConfigError);
    writeFileSync(path, 'n: { p: efgh }\n');
    expect(passwordOf()).toBe('efgh');
  });
});
