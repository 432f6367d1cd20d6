import { z } from 'zod';
import type { DeploymentView } from '../deployments/types.ts';

/** The decisions that a card offers. */
export const BUTTON_NAMES = ['approve', 'stop', 'abort'] as const;
export type ButtonName = (typeof BUTTON_NAMES)[number];

/** A button decides about the plan that its card shows, and about no other: hence the digest. */
const schema = z.object({ deployment: z.string().min(1), digest: z.string() });
export type ButtonValue = z.infer<typeof schema>;

export function buttonValue(view: Pick<DeploymentView, 'id' | 'digest'>): string {
  return JSON.stringify({ deployment: view.id, digest: view.digest } satisfies ButtonValue);
}

/** Undefined when it is nothing that we wrote. */
export function readButtonValue(text: string | undefined): ButtonValue | undefined {
  try {
    const result = schema.safeParse(JSON.parse(text ?? ''));
    return result.success ? result.data : undefined;
  } catch {
    return undefined;
  }
}
