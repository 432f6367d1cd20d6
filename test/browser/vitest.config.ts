import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/browser/*.test.ts'],
    // Each file has a sandbox and a browser of its own, and each of these wants a core.
    fileParallelism: false,
    testTimeout: 180_000,
    hookTimeout: 60_000,
    // A step of the story that failed makes those after it meaningless.
    bail: 1,
  },
});
