/** One piece of work that can be ended: it is told by a signal, and whoever waits for it is let go in the same instant. */
export interface Ending {
  /** For the work. */
  readonly signal: AbortSignal;
  /** What becomes of the work; rejects with the reason when it is ended before that: it may not heed its signal. */
  readonly wait: <T>(work: Promise<T>) => Promise<T>;
  readonly end: (reason: unknown) => void;
}

export function ending(): Ending {
  const controller = new AbortController();
  const { signal } = controller;
  let letGo: (reason: unknown) => void = () => undefined;
  return {
    signal,
    wait: (work) =>
      new Promise((resolve, reject) => {
        letGo = reject;
        if (signal.aborted) reject(signal.reason);
        // What plugins give need not be a promise after all.
        Promise.resolve(work).then(resolve, reject);
      }),
    end(reason) {
      controller.abort(reason);
      letGo(signal.reason);
    },
  };
}
