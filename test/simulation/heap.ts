/**
 * How V8 keeps the heap of a process that plays worlds: each lives for some milliseconds, so that with room for several of
 * them hardly anything is ever moved; and one that shares its core with nobody is not helped by more threads.
 */
export const HEAP_OPTIONS = ['--min-semi-space-size=64', '--max-semi-space-size=64', '--single-threaded-gc'] as const;
