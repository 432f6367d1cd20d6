import { createHash } from 'node:crypto';
import type { PlanView } from './types.ts';

/** What an approval is for: which nodes, in which roles, failure domains and order, with the instance that is ended on each, from where to where, how many at once. */
export function digestOf(plan: Pick<PlanView, 'source' | 'target' | 'nodes' | 'maxUnavailable'>): string {
  const { source, target, maxUnavailable } = plan;
  const nodes = plan.nodes.map(({ uuid, role, failureDomain, instanceId }) => [uuid, role, failureDomain, instanceId]);
  return createHash('sha256')
    .update(JSON.stringify([source, target, maxUnavailable, nodes]))
    .digest('hex')
    .slice(0, 12);
}
