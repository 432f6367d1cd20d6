import type { HdfsView } from './nameNode.ts';
import type { YarnView } from './resourceManager.ts';

/** Everything that Hadoop said at one time. A part is null when no endpoint of it is configured. */
export interface Snapshot {
  /** When the questions were sent, epoch ms: the answers are at least as young. */
  readonly at: number;
  readonly yarn: YarnView | null;
  readonly hdfs: HdfsView | null;
}

/**
 * One reading for all who ask: shared while it is younger than `cacheMs`, and never two at a time. With `notBefore`
 * (epoch ms) only a reading whose questions were sent at or after that time will do: it is what makes "read back after
 * the refresh" true.
 */
export function snapshots(
  read: () => Promise<Omit<Snapshot, 'at'>>,
  now: () => number,
  cacheMs: number,
): (notBefore?: number) => Promise<Snapshot> {
  let last: Snapshot | undefined;
  let reading: { at: number; result: Promise<Snapshot> } | undefined;

  function start(): Promise<Snapshot> {
    const at = now();
    const result = read()
      .then((answer) => {
        last = { at, ...answer };
        return last;
      })
      .finally(() => {
        reading = undefined;
      });
    reading = { at, result };
    return result;
  }

  return async (notBefore = Number.NEGATIVE_INFINITY) => {
    for (;;) {
      if (last && last.at >= notBefore && now() - last.at < cacheMs) return last;
      if (!reading) return start();
      if (reading.at >= notBefore) return reading.result;
      await reading.result.catch(() => {});
    }
  };
}
