import { Failure } from '../../machines/errors.ts';
import type { PluginContext } from '../../machines/plugin.ts';
import type { Clock } from '../openstack/http.ts';

/**
 * Asks the application a question that it may take `ms` milliseconds to answer. Whoever has not answered by then, even if
 * it does not heed its signal, is given up: rejects with a `Failure`, or with the outer signal's reason when that ends it.
 */
export async function withPatience<T>(
  clock: Clock,
  ms: number,
  ask: (context: PluginContext) => Promise<T>,
  outer?: AbortSignal,
): Promise<T> {
  outer?.throwIfAborted();
  const patience = new AbortController();
  const answered = new AbortController();
  const onOuter = () => patience.abort(outer?.reason);
  outer?.addEventListener('abort', onOuter, { once: true });
  const over = new Promise<never>((_, reject) => {
    patience.signal.addEventListener('abort', () => reject(patience.signal.reason), { once: true });
  });
  over.catch(() => undefined);
  clock.sleep(ms, answered.signal).then(
    () => patience.abort(tooLong(ms)),
    () => undefined,
  );
  try {
    const context = { signal: patience.signal, deadline: clock.now() + ms, progress: () => undefined };
    return await Promise.race([ask(context), over]);
  } finally {
    answered.abort();
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
