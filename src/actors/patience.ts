import { Failure } from '../../machines/errors.ts';
import type { PluginContext } from '../../machines/plugin.ts';
import type { Clock, SteadyClock } from '../openstack/clock.ts';
import { ending } from '../openstack/ending.ts';

/** One question to the application may take so long, in milliseconds. */
export const APPLICATION_PATIENCE_MS = 30_000;
/** Whoever is told to leave off may take so long about it, in milliseconds. */
const GRACE_MS = 30_000;
/** Why a timer is called off: not an error, so that none is made for each question that is answered in time. */
const ANSWERED = Symbol('answered');

/**
 * Waits for work of the application, which is to end when its signal does. If it does not heed that, it is given up after
 * a grace: nobody may hold a node for ever. What it does after all is for the next look to see.
 */
export async function untilAbandoned<T>(clock: Clock, signal: AbortSignal, work: Promise<T>): Promise<T> {
  const ended = new AbortController();
  let onAbort: () => void = () => undefined;
  const abandoned = new Promise<never>((_, reject) => {
    onAbort = () => {
      const message = 'The application did not leave off when it was told to.';
      clock.sleep(GRACE_MS, ended.signal).then(
        () => reject(new Failure({ reason: 'cancelled', next: 'cancelled', message })),
        () => undefined,
      );
    };
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
  });
  try {
    return await Promise.race([work, abandoned]);
  } finally {
    ended.abort(ANSWERED);
    signal.removeEventListener('abort', onAbort);
  }
}

/**
 * Asks the application a question that it may take `ms` milliseconds to answer. Whoever has not answered by then, even if
 * it does not heed its signal, is given up: rejects with a `Failure`, or with the outer signal's reason when that ends it.
 */
export async function withPatience<T>(
  clock: SteadyClock,
  ms: number,
  ask: (context: PluginContext) => Promise<T>,
  outer?: AbortSignal,
): Promise<T> {
  outer?.throwIfAborted();
  const answered = new AbortController();
  const { signal, wait, end } = ending();
  const onOuter = () => end(outer?.reason);
  outer?.addEventListener('abort', onOuter, { once: true });
  clock.sleep(ms, answered.signal).then(
    () => end(tooLong(ms)),
    () => undefined,
  );
  try {
    const context = { signal, deadline: clock.elapsed() + ms, progress: () => undefined };
    return await wait(ask(context));
  } finally {
    answered.abort(ANSWERED);
    outer?.removeEventListener('abort', onOuter);
  }
}

function tooLong(ms: number): Failure {
  return new Failure({
    reason: 'application_unknown',
    next: 'retry',
    message: `The application did not answer within ${Math.round(ms / 1000)} s.`,
  });
}
