import { StoreError } from '../store/errors.ts';
import type { Answer, DeployRequest, PlanProblem, Refusal, RefusalCode } from './types.ts';

export const granted = <T>(value: T): Answer<T> => ({ ok: true, value });

/** An answer that fits every question. */
export type RefusedAnswer = Extract<Answer<never>, { ok: false }>;

/** A refusal as an answer: what is wrong, and what to do next. */
export function refused(
  code: RefusalCode,
  message: string,
  remedy: string,
  problems: readonly PlanProblem[] = [],
): RefusedAnswer {
  return { ok: false, refusal: { code, message, remedy, problems } };
}

/** Thrown inside a store update to leave it untouched; turned into an answer outside. */
export class Refused extends Error {
  override readonly name = 'Refused';
  readonly refusal: Refusal;
  constructor(code: RefusalCode, message: string, remedy: string) {
    super(message);
    this.refusal = { code, message, remedy, problems: [] };
  }
}

/** What a check that throws {@link Refused} has against it; null: nothing. */
export function refusalOf(check: () => void): RefusedAnswer | null {
  try {
    check();
    return null;
  } catch (error) {
    if (error instanceof Refused) return { ok: false, refusal: error.refusal };
    throw error;
  }
}

/**
 * Runs a store update whose check and claim are one: a {@link Refused} thrown inside becomes the answer. So does a disk that
 * does not take it: what is not recorded is not begun.
 */
export async function claimed<T>(update: Promise<T>): Promise<Answer<T>> {
  try {
    return granted(await update);
  } catch (error) {
    if (error instanceof Refused) return { ok: false, refusal: error.refusal };
    if (error instanceof StoreError && error.code === 'unwritable') {
      const message = 'It cannot be recorded, so nothing was done: the store does not take it.';
      return refused('not_recorded', message, error.remedy);
    }
    throw error;
  }
}

export function planFailed({ source, target }: DeployRequest, problems: readonly PlanProblem[]): RefusedAnswer {
  const count = problems.length === 1 ? 'One thing stands' : `${problems.length} things stand`;
  return refused(
    'plan_failed',
    `${count} in the way of ${source}→${target}; nothing was changed.`,
    'Mend what is listed, then deploy again.',
    problems,
  );
}
