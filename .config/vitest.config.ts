import { defineConfig } from 'vitest/config'
import { LongestFirst } from './longest-first.ts'

const root = new URL('..', import.meta.url).pathname
const timeouts = { testTimeout: 60_000, hookTimeout: 60_000 }
/** These wait for real processes, each time for up to a minute: see `DEADLINE_MS` of the tests. */
const programTimeouts = { testTimeout: 240_000, hookTimeout: 240_000, expect: { poll: { timeout: 60_000 } } }
/** Unit tests that replace a module, which must not be loaded before. */
const WITH_MOCKS = ['test/unit/cli/keys/key-files.test.ts', 'test/unit/cli/history/equal-hashes.test.ts']

export default defineConfig({
  test: {
    // The suites start real servers and terminals, and wait for them: three files at a time keep two cores busy.
    maxWorkers: 3,
    sequence: { sequencer: LongestFirst },
    projects: [
      {
        test: {
          name: 'unit',
          root,
          include: ['test/unit/**/*.test.{ts,tsx}'],
          exclude: WITH_MOCKS,
          // Loading the modules again for each file takes longer than the tests.
          isolate: false,
          setupFiles: ['test/support/restored-globals.ts'],
          ...timeouts,
        },
      },
      {
        test: { name: 'simulation', root, include: ['test/simulation/**/*.test.ts'], ...timeouts },
      },
      {
        test: {
          name: 'programs',
          root,
          include: ['test/{attacks,contract,programs}/**/*.test.{ts,tsx}', ...WITH_MOCKS],
          ...programTimeouts,
        },
      },
    ],
  },
})
