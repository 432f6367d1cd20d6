import { Failure } from '../../machines/errors.ts';
import type { PluginContext } from '../../machines/plugin.ts';
import type { Clock, SteadyClock } from '../openstack/clock.ts';
import { ending } from '../openstack/ending.ts';

/** One question to the application may take so long, in milliseconds. */
export const APPLICATION_PATIENCE_MS = 30_000;
/** Whoever is told to leave off may take so long about it, in milliseconds. */
const GRACE_MS = 30_000;

/**
 * Waits for work of the application, which is to end when its signal does. If it does not heed that, it is given up after
 * a grace: nobody may hold a node for ever. What it does after all is for the next look to see.
 */
export async function untilAbandoned<T>(
  clock: Pick<Clock, 'after'>,
  signal: AbortSignal,
  work: Promise<T>,
): Promise<T> {
  const { wait, end } = ending();
  let callOff: () => void = () => undefined;
  const onAbort = () => {
    callOff = clock.after(GRACE_MS, () => end(abandoned()));
  };
  if (signal.aborted) onAbort();
  else signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await wait(work);
  } finally {
    callOff();
    signal.removeEventListener('abort', onAbort);
  }
}

function abandoned(): Failure {
  const message = 'The application did not leave off when it was told to.';
  return new Failure({ reason: 'cancelled', next: 'cancelled', message });
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
  const { signal, wait, end } = ending();
  const onOuter = () => end(outer?.reason);
  outer?.addEventListener('abort', onOuter, { once: true });
  const callOff = clock.after(ms, () => end(tooLong(ms)));
  try {
    const context = { signal, deadline: clock.elapsed() + ms, progress: () => undefined };
    return await wait(ask(context));
  } finally {
    callOff();
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
