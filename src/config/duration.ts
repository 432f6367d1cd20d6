const UNIT_MS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
type Unit = keyof typeof UNIT_MS;

/** Timers hold 2^31 - 1 ms (24.8 days) and fire at once beyond; no duration may be longer. */
export const LONGEST_MS = 24 * UNIT_MS.d;

export type DurationResult = { readonly ms: number } | { readonly problem: string; readonly remedy: string };

/** Reads `30s`, `5m`, `4h`, `1d`, `250ms` or several after one another (`1h30m`) into milliseconds. */
export function parseDuration(value: unknown): DurationResult {
  if (typeof value === 'number') {
    const guess = Number.isFinite(value) && value >= 0 ? formatDuration(Math.round(value)) : '30s';
    return {
      problem: 'is a number without a unit',
      remedy: `Write the unit: "${guess}" if milliseconds were meant, "${Math.round(value)}s" if seconds were.`,
    };
  }
  if (typeof value !== 'string') return { problem: 'must be a duration', remedy: EXAMPLES };
  if (!/^(\d+(ms|s|m|h|d))+$/.test(value)) {
    if (/^\d+$/.test(value)) {
      return { problem: 'is a number without a unit', remedy: `Write "${value}s" if seconds were meant. ${EXAMPLES}` };
    }
    const guess = guessDuration(value);
    return {
      problem: 'is not a duration',
      remedy: guess === null ? EXAMPLES : `Write "${guess}". ${EXAMPLES}`,
    };
  }
  let ms = 0;
  for (const [, amount, unit] of value.matchAll(/(\d+)(ms|s|m|h|d)/g)) ms += Number(amount) * UNIT_MS[unit as Unit];
  if (ms > LONGEST_MS) return { problem: 'is longer than 24 days', remedy: 'Write 24d or less.' };
  return { ms };
}

const EXAMPLES = 'Durations look like 30s, 5m, 4h, 1d or 1h30m.';

/** `5 min` and `30 seconds` are understood well enough to be answered with what they should have been. */
function guessDuration(value: string): string | null {
  const match = /^\s*(\d+)\s*([a-z]+)\s*$/i.exec(value);
  const [, amount, word] = match ?? [];
  if (amount === undefined || word === undefined) return null;
  const lower = word.toLowerCase();
  if (/^(ms|msecs?|millis(econds?)?|milliseconds?)$/.test(lower)) return `${amount}ms`;
  const unit = (['s', 'm', 'h', 'd'] as const).find((candidate) => WORDS[candidate].test(lower));
  return unit === undefined ? null : `${amount}${unit}`;
}

const WORDS = {
  s: /^(s|secs?|seconds?)$/,
  m: /^(m|mins?|minutes?)$/,
  h: /^(h|hrs?|hours?)$/,
  d: /^(d|days?)$/,
} as const;

/** The shortest way to write a duration, e.g. `1h30m`; parsing it gives the same milliseconds. */
export function formatDuration(ms: number): string {
  let rest = ms;
  let text = '';
  for (const unit of ['d', 'h', 'm', 's', 'ms'] as const) {
    const amount = Math.floor(rest / UNIT_MS[unit]);
    if (amount > 0) text += `${amount}${unit}`;
    rest -= amount * UNIT_MS[unit];
  }
  return text === '' ? '0s' : text;
}
