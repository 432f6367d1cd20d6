import { z } from 'zod';

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** Milliseconds of e.g. `500ms`, `30s`, `5m`, `4h`, `2d`; a bare number is milliseconds. Undefined when it is neither. */
export function durationMs(text: string | number): number | undefined {
  if (typeof text === 'number') return Number.isFinite(text) && text >= 0 ? text : undefined;
  const match = /^(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)$/.exec(text.trim());
  const unit = match ? UNITS[match[2] ?? ''] : undefined;
  return match && unit !== undefined ? Number(match[1]) * unit : undefined;
}

const EXPECTED = 'must be a duration such as 500ms, 30s, 5m, 4h';

/** A duration in a plugin's options, as milliseconds. */
export const duration = z.union([z.string(), z.number()], { error: EXPECTED }).transform((value, context) => {
  const ms = durationMs(value);
  if (ms === undefined) {
    context.addIssue({ code: 'custom', message: EXPECTED });
    return z.NEVER;
  }
  return ms;
});
