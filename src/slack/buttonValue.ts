import { z } from 'zod';
import { DEPLOYMENT_STATES, type DeploymentView } from '../deployments/types.ts';

/** The decisions that a card offers. */
export const BUTTON_NAMES = ['approve', 'stop', 'abort'] as const;
export type ButtonName = (typeof BUTTON_NAMES)[number];

/**
 * A button decides about the plan that its card shows, and about no other: hence the digest. What it does depends on the
 * state: a dialog that was opened before the approval must not abort what runs. Earlier versions did not write the state.
 */
const schema = z.object({
  deployment: z.string().min(1),
  digest: z.string(),
  state: z.enum(DEPLOYMENT_STATES).optional(),
});
export type ButtonValue = z.infer<typeof schema>;

export function buttonValue({ id, digest, state }: Pick<DeploymentView, 'id' | 'digest' | 'state'>): string {
  return JSON.stringify({ deployment: id, digest, state } satisfies ButtonValue);
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
