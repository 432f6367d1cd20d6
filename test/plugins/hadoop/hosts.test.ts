import { describe, expect, test } from 'vitest';
import { editCombined, type WantedState } from '../../../plugins/hadoop/hosts/combined.ts';
import { editPlain, hostsInPlain } from '../../../plugins/hadoop/hosts/plain.ts';
import { editXml, hostsInXml } from '../../../plugins/hadoop/hosts/xml.ts';

describe('a plain hosts file', () => {
  const theirs = '# rack 7 is broken\nworker-7\t# since Monday\r\n\nworker-8 worker-9\n';

  test('gets our host on a line of its own, and nothing else changes', () => {
    expect(editPlain(theirs, { add: ['worker-1'], remove: [] })).toBe(`${theirs}worker-1\n`);
  });

  test('is the same byte for byte after our host has come and gone', () => {
    const added = editPlain(theirs, { add: ['worker-1'], remove: [] });
    expect(editPlain(added, { add: [], remove: ['worker-1'] })).toBe(theirs);
  });

  test('is unchanged when the host is already there, in whatever case', () => {
    expect(editPlain(theirs, { add: ['WORKER-8'], remove: [] })).toBe(theirs);
  });

  test('loses one of two names on a line, and keeps the comment beside another', () => {
    expect(editPlain(theirs, { add: [], remove: ['worker-8', 'worker-7'] })).toBe(
      '# rack 7 is broken\n# since Monday\n\nworker-9\n',
    );
  });

  test('does not take a host in a comment for an entry', () => {
    expect(hostsInPlain('# worker-1\nworker-2 # worker-3\n')).toEqual(['worker-2']);
    expect(editPlain('# worker-1\n', { add: ['worker-1'], remove: [] })).toBe('# worker-1\nworker-1\n');
  });

  test('gets a line break before our host when its last line has none', () => {
    expect(editPlain('worker-9', { add: ['worker-1'], remove: [] })).toBe('worker-9\nworker-1\n');
    expect(editPlain('', { add: ['worker-1'], remove: [] })).toBe('worker-1\n');
  });

  test('keeps worker-10 when worker-1 goes', () => {
    expect(editPlain('worker-10\nworker-1\n', { add: [], remove: ['worker-1'] })).toBe('worker-10\n');
  });
});

describe('an XML exclude file', () => {
  const theirs = `<?xml version="1.0"?>
<hosts>
  <!-- <host><name>worker-1</name></host> -->
  <host><name>worker-7</name><timeout>123</timeout></host>
  <host><name>worker-8, worker-9</name></host>
</hosts>
`;

  test('gets our host with its time-out, and is as before when it has gone', () => {
    const added = editXml(theirs, { add: ['worker-1'], remove: [], timeoutSec: 600 });
    expect(added).toBe(
      theirs.replace('</hosts>', '  <host><name>worker-1</name><timeout>600</timeout></host>\n</hosts>'),
    );
    expect(hostsInXml(added)).toEqual(['worker-7', 'worker-8', 'worker-9', 'worker-1']);
    expect(editXml(added, { add: [], remove: ['worker-1'], timeoutSec: 600 })).toBe(theirs);
  });

  test('loses one name of a list, and the whole element with its last name', () => {
    expect(hostsInXml(editXml(theirs, { add: [], remove: ['worker-8'], timeoutSec: null }))).toEqual([
      'worker-7',
      'worker-9',
    ]);
    const left = editXml(theirs, { add: [], remove: ['worker-7', 'worker-8', 'worker-9'], timeoutSec: null });
    expect(left).not.toContain('<host><name>worker-7');
    expect(left).toContain('<!-- <host><name>worker-1</name></host> -->');
  });

  test('is made from nothing', () => {
    expect(editXml('', { add: ['worker-1'], remove: [], timeoutSec: -1 })).toBe(
      '<?xml version="1.0"?>\n<hosts>\n  <host><name>worker-1</name><timeout>-1</timeout></host>\n</hosts>\n',
    );
    expect(editXml('<hosts/>', { add: ['a'], remove: [], timeoutSec: null })).toContain('<host><name>a</name></host>');
    expect(editXml('', { add: [], remove: ['worker-1'], timeoutSec: null })).toBe('');
  });

  test('is refused when it is not one', () => {
    expect(() => editXml('worker-7\n', { add: ['worker-1'], remove: [], timeoutSec: null })).toThrow(/no <hosts>/);
    expect(() => editXml('<hosts><host>worker-7</host></hosts>', { add: ['a'], remove: [], timeoutSec: null })).toThrow(
      /no <name>/,
    );
  });
});

describe('the combined hosts file', () => {
  const decommissioned: WantedState = { state: 'DECOMMISSIONED' };
  const normal: WantedState = { state: 'NORMAL' };
  const parse = (text: string) => JSON.parse(text) as unknown;

  test('gets an entry for a host that has none, and loses it again', () => {
    const added = editCombined('[]\n', ['worker-1'], decommissioned);
    expect(parse(added)).toEqual([{ hostName: 'worker-1', adminState: 'DECOMMISSIONED' }]);
    expect(parse(editCombined(added, ['worker-1'], normal))).toEqual([]);
  });

  test('keeps all entries of others as they are, in their order, with properties that nobody knows', () => {
    const others = [
      { hostName: 'worker-7', adminState: 'IN_MAINTENANCE', maintenanceExpireTimeInMS: 1_900_000_000_000 },
      { hostName: 'worker-8', upgradeDomain: 'ud1', port: 9866, future: { x: 1 } },
    ];
    const added = editCombined(JSON.stringify(others), ['worker-1'], decommissioned);
    expect(parse(added)).toEqual([...others, { hostName: 'worker-1', adminState: 'DECOMMISSIONED' }]);
  });

  test('keeps the entry of a returning host when it is also the list of who may join', () => {
    const list = JSON.stringify([{ hostName: 'worker-1', upgradeDomain: 'ud1' }, { hostName: 'worker-2' }]);
    const out = editCombined(list, ['worker-1'], decommissioned);
    expect(parse(out)).toEqual([
      { hostName: 'worker-1', upgradeDomain: 'ud1', adminState: 'DECOMMISSIONED' },
      { hostName: 'worker-2' },
    ]);
    expect(parse(editCombined(out, ['worker-1'], normal))).toEqual(parse(list));
  });

  test('lets a host in that the list of who may join does not know', () => {
    const list = JSON.stringify([{ hostName: 'worker-2' }]);
    expect(parse(editCombined(list, ['worker-1'], normal))).toEqual([
      { hostName: 'worker-2' },
      { hostName: 'worker-1' },
    ]);
  });

  test('is left without an entry in service when it had none: one alone would shut out all the others', () => {
    const others = JSON.stringify([
      { hostName: 'worker-7', adminState: 'DECOMMISSIONED' },
      { hostName: 'worker-1', adminState: 'DECOMMISSIONED' },
    ]);
    expect(parse(editCombined(others, ['worker-1'], normal))).toEqual([
      { hostName: 'worker-7', adminState: 'DECOMMISSIONED' },
    ]);
  });

  test('is the very same text when nothing is to be changed', () => {
    const text = '[ {"hostName":"worker-1","adminState":"DECOMMISSIONED"} ]';
    expect(editCombined(text, ['worker-1'], decommissioned)).toBe(text);
    expect(editCombined(text, ['worker-2'], normal)).toBe(text);
  });

  test('puts off the end of a maintenance only when it has come near', () => {
    const wanted: WantedState = { state: 'IN_MAINTENANCE', until: 2_000, keepAfter: 1_500 };
    const entry = (until: number) =>
      JSON.stringify([{ hostName: 'worker-1', adminState: 'IN_MAINTENANCE', maintenanceExpireTimeInMS: until }]);
    expect(editCombined(entry(1_900), ['worker-1'], wanted)).toBe(entry(1_900));
    expect(parse(editCombined(entry(1_200), ['worker-1'], wanted))).toEqual(parse(entry(2_000)));
  });

  test('is refused when it is not one, the old form without brackets among it', () => {
    expect(() => editCombined('{"hostName":"a"}\n{"hostName":"b"}', ['c'], decommissioned)).toThrow(/not JSON/);
    expect(() => editCombined('{"hostName":"a"}', ['c'], decommissioned)).toThrow(/not a JSON list/);
    expect(() => editCombined('[{"host":"a"}]', ['c'], decommissioned)).toThrow(/entry 1 of it has no hostName/);
  });
});
