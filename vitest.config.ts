import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // These need a browser or real OpenStack services and have npm scripts of their own.
    exclude: ['test/browser/**', 'test/openstack/**', 'node_modules/**', 'dist/**'],
    // Much of what is tested here waits: for processes to start, for locks to grow old. On two cores vitest would run
    // one file at a time; three halve the time.
    maxWorkers: Math.max(3, availableParallelism() - 1),
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
