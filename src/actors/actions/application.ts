import type { Step } from '../../../machines/domain.ts';
import { Failure, isFailure, toFailureData } from '../../../machines/errors.ts';
import type { ApplicationNode, PluginContext } from '../../../machines/plugin.ts';
import { applicationNode, markerOf } from '../application.ts';
import { APPLICATION_PATIENCE_MS, untilAbandoned, withPatience } from '../patience.ts';
import type { ActionDeps, Doing, Perform } from './deps.ts';

export const removeMember: Perform = async (doing, deps) => {
  if (doing.inService) await deps.permit(doing.move, doing.signal);
  // The plugin does not ask. Long waits for the permission come before the evidence; should this one have been long as well,
  // that is too old now.
  if (!doing.due()) throw outdated(doing);
  const work = deps.plugin.removeNode(nodeOf(doing), contextOf(doing, deps, 'remove'));
  await untilAbandoned(deps.clock, doing.signal, work);
};

export const addMember: Perform = async (doing, deps) => {
  const work = deps.plugin.addNode(nodeOf(doing), contextOf(doing, deps, 'add'));
  await untilAbandoned(deps.clock, doing.signal, work);
};

function outdated({ move }: Doing): Failure {
  const message = `${move.name} was not taken out of service: what that rests on has changed meanwhile, or become too old.`;
  return new Failure({ reason: 'evidence_stale', next: 'retry', message });
}

/** The node has to look healthy, and the application with it, so many times in a row. */
export const settle: Perform = async (doing, deps) => {
  const { move, signal } = doing;
  const { checks, intervalMs } = deps.verify;
  const context = contextOf(doing, deps, 'verify');
  const ask = <T>(question: (context: PluginContext) => Promise<T>) =>
    withPatience(deps.clock, APPLICATION_PATIENCE_MS, question, signal).catch((error: unknown) => {
      signal.throwIfAborted();
      return { health: 'unknown' as const, membership: 'unknown' as const, reasons: [toFailureData(error).message] };
    });
  for (let passed = 0; passed < checks; ) {
    signal.throwIfAborted();
    const node = await ask((patience) => deps.plugin.verifyNode(nodeOf(doing), patience));
    const application =
      node.health === 'healthy' ? await ask((patience) => deps.plugin.verifyApplication(patience)) : null;
    const complaint = complaintOf(node) ?? (application === null ? null : complaintOf(application));
    passed = complaint === null ? passed + 1 : 0;
    deps.waiting(move.uuid, complaint ?? `healthy ${passed} of ${checks} times in a row`);
    // Accepted, and out all the same: something took it out again. Adding is idempotent, so it is asked once more; unless
    // this took so long that another Ephyra may want the node out by now.
    if (node.health === 'unhealthy' && node.membership === 'out' && deps.isWritable(move)) {
      const work = deps.plugin.addNode(nodeOf(doing), context);
      await untilAbandoned(deps.clock, signal, work).catch((error: unknown) => {
        throw pluginFailure(error);
      });
    }
    if (passed < checks) await deps.clock.sleep(intervalMs, signal);
  }
};

function complaintOf(answer: { health: string; reasons: readonly string[] }): string | null {
  if (answer.health === 'healthy') return null;
  return `${answer.health}: ${answer.reasons.join('; ') || 'no reason given'}`;
}

function nodeOf({ move, from, to }: Doing): ApplicationNode {
  return applicationNode(move, from.instances, to.instances, markerOf(from.node, to.node));
}

function contextOf({ move, signal }: Doing, deps: ActionDeps, step: Step): PluginContext {
  return {
    signal,
    deadline: deps.clock.elapsed() + deps.deadlineMs(step),
    progress: (message) => deps.waiting(move.uuid, message),
  };
}

/** A plugin may throw anything; what is not a Failure is worth another try. */
export function pluginFailure(error: unknown): Failure {
  if (isFailure(error)) return error instanceof Failure ? error : new Failure(toFailureData(error), { cause: error });
  if (error instanceof Error && error.name === 'AbortError') {
    return new Failure({ reason: 'cancelled', next: 'cancelled', message: 'The wait was cancelled.' });
  }
  return new Failure(
    {
      reason: 'application_refused',
      next: 'retry',
      message: error instanceof Error ? error.message : String(error),
    },
    { cause: error },
  );
}
