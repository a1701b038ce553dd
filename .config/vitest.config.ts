import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    root: new URL('..', import.meta.url).pathname,
    include: ['test/**/*.test.{ts,tsx}'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // The suites start real servers and terminals, and wait for them: three files at a time keep two cores busy.
    maxWorkers: 3,
  },
})
