import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { clip, code, plain, safe } from '../../../src/slack/escape.ts';
import { NASTY, smuggled } from './support/blockRules.ts';

const text = fc.oneof(fc.string({ unit: 'binary', maxLength: 400 }), fc.constantFrom(...NASTY), fc.string());

function decoded(escaped: string): string {
  return escaped.replace(/&lt;/g, '<').replace(/&gt;/g, '>').replace(/&amp;/g, '&');
}

describe('outside text in mrkdwn', () => {
  it('is never markup, whatever it holds', () => {
    fc.assert(
      fc.property(text, (outside) => {
        const shown = safe(outside);
        expect(smuggled(shown)).toEqual([]);
        expect(shown).not.toMatch(/[`*~<>\n\r]/);
        expect(shown).not.toMatch(/\p{Cs}/u);
      }),
    );
  });

  it('cannot end our own formatting around it', () => {
    fc.assert(
      fc.property(text, (outside) => {
        expect(code(outside).replaceAll('`', '').length).toBe(Math.max(0, code(outside).length - 2));
        expect(`*${safe(outside)}*`.match(/\*/g)).toHaveLength(2);
        expect(`_${safe(outside)}_`).not.toMatch(/(?<![A-Za-z0-9_])_.*[^A-Za-z0-9]_.*_$/);
      }),
    );
  });

  it('is cut by what people see, never inside an entity', () => {
    fc.assert(
      fc.property(text, fc.integer({ min: 1, max: 60 }), (outside, max) => {
        // The invisible joiner in `@channel` is ours, nobody sees it.
        const seen = decoded(safe(outside, max)).replaceAll('\u2060', '');
        expect([...seen].length).toBeLessThanOrEqual(max);
      }),
    );
    expect(safe('<<<<', 3)).toBe('&lt;&lt;…');
  });

  it('keeps ordinary names as they are, so that they can be copied', () => {
    for (const name of ['worker-01', 'node_01_a', '10.0.0.1', 'fd00::1', 'Grüße', 'd-20261122-1']) {
      expect(safe(name)).toBe(name);
    }
  });

  it('shows what it was told, with look-alikes where Slack would format', () => {
    expect(safe('<!channel>')).toBe('&lt;!channel&gt;');
    expect(safe('a `b` *c*')).toBe("a 'b' ∗c∗");
    expect(safe('one\n two')).toBe('one two');
  });
});

describe('plain text', () => {
  it('stays within its length on one line', () => {
    fc.assert(
      fc.property(text, (outside) => {
        expect([...plain(outside, 20)].length).toBeLessThanOrEqual(20);
        expect(plain(outside)).not.toMatch(/[\n\r\u202E]/);
      }),
    );
    expect(clip('abcdef', 3)).toBe('ab…');
  });
});
