import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { formatDuration, parseDuration } from '../../../src/config/index.ts';

describe('durations', () => {
  test.each([
    ['250ms', 250],
    ['30s', 30_000],
    ['5m', 300_000],
    ['4h', 14_400_000],
    ['1d', 86_400_000],
    ['1h30m', 5_400_000],
    ['0s', 0],
  ])('%s is %i milliseconds', (text, ms) => {
    expect(parseDuration(text)).toEqual({ ms });
  });

  test('a plain number is refused with what it may have meant', () => {
    expect(parseDuration(300_000)).toEqual({
      problem: 'is a number without a unit',
      remedy: 'Write the unit: "5m" if milliseconds were meant, "300000s" if seconds were.',
    });
    expect(parseDuration('30')).toMatchObject({ remedy: expect.stringContaining('"30s"') });
  });

  test.each([
    ['5 min', '5m'],
    ['30 seconds', '30s'],
    ['2H', '2h'],
    ['1 day', '1d'],
    ['10 millis', '10ms'],
  ])('%s is answered with %s', (text, meant) => {
    expect(parseDuration(text)).toMatchObject({ remedy: expect.stringContaining(`Write "${meant}"`) });
  });

  test.each([['-5s'], ['1.5h'], ['soon'], [''], ['5w'], [null], [true], [['5s']], [Number.NaN], [-3]])(
    '%j is refused',
    (value) => {
      expect(parseDuration(value)).toHaveProperty('problem');
    },
  );

  test('none is longer than a timer can wait', () => {
    expect(parseDuration('24d')).toEqual({ ms: 24 * 86_400_000 });
    expect(parseDuration('25d')).toHaveProperty('problem', 'is longer than 24 days');
  });

  test('what is written is read back the same', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 24 * 86_400_000 }), (ms) => {
        expect(parseDuration(formatDuration(ms))).toEqual({ ms });
      }),
    );
  });
});
