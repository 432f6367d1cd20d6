/** Work that can be ended from outside: it is told by a signal, and whoever waits for it is let go in the same instant. */
export interface Ending {
  /** For the work. */
  readonly signal: AbortSignal;
  /** Never resolves; rejects with the reason when the work is ended. To be raced against it: it may not heed its signal. */
  readonly over: Promise<never>;
  readonly end: (reason: unknown) => void;
}

export function ending(): Ending {
  const controller = new AbortController();
  const { signal } = controller;
  let reject: (reason: unknown) => void = () => undefined;
  const over = new Promise<never>((_, rejected) => {
    reject = rejected;
  });
  // Nobody need be waiting any more.
  over.catch(() => undefined);
  return {
    signal,
    over,
    end(reason) {
      controller.abort(reason);
      reject(signal.reason);
    },
  };
}
