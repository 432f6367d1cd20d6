import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: { include: ['test/browser/picture.ts'], testTimeout: 120_000, hookTimeout: 60_000 },
});
