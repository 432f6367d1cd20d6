import { setFlagsFromString } from 'node:v8';

/** Per cent of what is alive that the heap may grow by before it is collected. */
const GROWTH_PERCENT = 25;

/**
 * Has the process collect garbage before it asks for more memory. On a machine with much memory V8 lets the heap grow to
 * three times of what is alive; here that was 280 MB resident for 35 MB alive while 300 nodes were looked at every half
 * second. So it is 168 MB, for a tenth more CPU. V8 reads this flag at each collection, so it may be set while running.
 */
export function keepHeapSmall(): void {
  setFlagsFromString(`--heap-growing-percent=${GROWTH_PERCENT}`);
}
