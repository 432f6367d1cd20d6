import type { Course } from '../../machines/migration/items.ts';
import type { ApplicationPlugin, NodeHealth } from '../../machines/plugin.ts';
import type { SteadyClock } from '../openstack/clock.ts';
import { applicationNode, markerOf } from './application.ts';
import type { Leaver } from './away.ts';
import { withPatience } from './patience.ts';
import type { Survey } from './survey.ts';

export interface ServingDeps {
  readonly plugin: Pick<ApplicationPlugin, 'verifyNode'>;
  readonly survey: Pick<Survey, 'read'>;
  readonly clock: SteadyClock;
  readonly course: Pick<Course, 'source' | 'target'>;
  /** Milliseconds that the lists may be old which tell the names and addresses of a node. */
  readonly listsMs: number;
  /** Milliseconds that one question to the application may take. */
  readonly patienceMs: number;
}

/** In service, and not about to leave: a member that drains is in, and not healthy. */
export const isServing = ({ health, membership }: Pick<NodeHealth, 'health' | 'membership'>): boolean =>
  membership === 'in' && health === 'healthy';

/** Asks the application whether a node at rest is in service: null when it says so, else why that is not known. */
export async function whyNotServing(node: Leaver, deps: ServingDeps, signal: AbortSignal): Promise<string | null> {
  const { source, target } = deps.course;
  const notBefore = deps.clock.now() - deps.listsMs;
  const look = async (at: string) => {
    const [nodes, instances] = await Promise.all([
      deps.survey.read({ of: 'nodes', at }, 0, notBefore),
      deps.survey.read({ of: 'instances', at }, 0, notBefore),
    ]);
    if (!nodes.answer.ok) throw new Error(nodes.answer.why);
    if (!instances.answer.ok) throw new Error(instances.answer.why);
    const facts = nodes.answer.value.get(node.uuid) ?? null;
    return { facts, instances: instances.answer.value.on(node.uuid, facts?.instanceUuid ?? null) };
  };
  try {
    const [home, away] = await Promise.all([look(source), look(target)]);
    const runsHome = home.instances.some(({ status }) => status === 'ACTIVE');
    const [from, to] = runsHome ? [away, home] : [home, away];
    const known = applicationNode(node, from.instances, to.instances, markerOf(to.facts, from.facts));
    const answer = await withPatience(
      deps.clock,
      deps.patienceMs,
      (context) => deps.plugin.verifyNode(known, context),
      signal,
    );
    if (isServing(answer)) return null;
    return answer.reasons.join('; ') || `its health is ${answer.health}, its membership ${answer.membership}`;
  } catch (error) {
    signal.throwIfAborted();
    return error instanceof Error ? error.message : String(error);
  }
}
