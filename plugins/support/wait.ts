import { Failure } from '../../machines/errors.ts';

/** The failure that stands for "we were told to stop waiting". */
export function cancelled(signal: AbortSignal): Failure {
  return new Failure(
    { reason: 'cancelled', next: 'cancelled', message: 'The wait was cancelled.' },
    { cause: signal.reason },
  );
}

/** Throws {@link cancelled} when the signal has fired. */
export function throwIfAborted(signal: AbortSignal): void {
  if (signal.aborted) throw cancelled(signal);
}

/**
 * Waits for `work`, but no longer than until the signal fires. The work itself goes on: it may be shared with others,
 * and an abort ends the waiting, not the effect.
 */
export function untilAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  if (signal.aborted) {
    work.catch(() => {});
    return Promise.reject(cancelled(signal));
  }
  return new Promise<T>((resolve, reject) => {
    const stop = () => reject(cancelled(signal));
    signal.addEventListener('abort', stop, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', stop));
  });
}

/**
 * Waits for a change to its end even when the signal fires meanwhile, and only then says that we were told to stop: a
 * change that is left to itself lands later, perhaps after the change that was meant to undo it.
 */
export async function toItsEnd<T>(change: Promise<T>, signal: AbortSignal): Promise<T> {
  const result = await change;
  throwIfAborted(signal);
  return result;
}

/**
 * Turns many requests for the same work into few runs: a request made while a run is under way is served by the next
 * run, which starts after the request was made, never by one that may have started too early to see its reason.
 */
export function coalesce<T>(run: () => Promise<T>): () => Promise<T> {
  let running: Promise<unknown> | undefined;
  let next: Promise<T> | undefined;
  const start = (): Promise<T> => {
    const work = run();
    const done = work
      .catch(() => {})
      .then(() => {
        if (running === done) running = undefined;
      });
    running = done;
    return work;
  };
  return () => {
    if (next) return next;
    if (!running) return start();
    next = running.then(() => {
      next = undefined;
      return start();
    });
    return next;
  };
}

/** Lets one piece of work at a time through, in the order of asking. */
export function oneAtATime(): <T>(work: () => Promise<T>) => Promise<T> {
  let last: Promise<unknown> = Promise.resolve();
  return (work) => {
    const mine = last.then(work, work);
    last = mine.catch(() => {});
    return mine;
  };
}
