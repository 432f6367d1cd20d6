import type { Locator } from 'playwright-core';
import { expect } from 'vitest';

/** The text of an element as a person reads it: what is hidden is not in it. */
// biome-ignore lint/performance/useDomNodeTextContent: what is rendered is the point
export const read = (element: Locator): Promise<string> => element.innerText();

/** Looks again and again until it is as expected or the patience is over. Milliseconds. */
export const eventually = <T>(look: () => Promise<T>, timeout = 20_000) =>
  expect.poll(look, { timeout, interval: 100 });

/** The same for the text of an element. */
export const eventuallyReads = (element: Locator, timeout?: number) => eventually(() => read(element), timeout);
