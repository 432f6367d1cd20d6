import type { Refusal } from '../deployments/types.ts';
import { lines, message } from './blocks.ts';
import { code, safe } from './escape.ts';
import type { SlackMessage } from './types.ts';
import { count } from './words.ts';

/** A refusal of the deployments, for the person who asked: what is wrong, then what to do. */
export function refusalMessage(refusal: Refusal): SlackMessage {
  const problems = refusal.problems.map(
    (problem) => `• ${code(problem.field, 80)}: ${safe(problem.message, 300)}\n      → ${safe(problem.remedy, 300)}`,
  );
  const shown = lines(
    problems,
    2800,
    (left) => `… and ${count(left, 'more problem')}. The log of Ephyra has them all.`,
  );
  return message(`🚫 *${safe(refusal.message, 500)}*`, safe(refusal.remedy, 500), shown);
}
