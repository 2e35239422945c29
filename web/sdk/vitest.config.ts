import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: 'test/binary.ts',
    testTimeout: 120_000, // what is waited for in vain says so before
    hookTimeout: 120_000,
    maxWorkers: 2,
  },
});
