/** Random schedules of faults. `SEED=n` replays one and prints its transcript; `SCHEDULES=n` plays that many. */
import { afterAll, expect, test } from 'vitest'
import { buildVariants, searchSchedules } from '../support/mutants/mutant-runner.ts'
import { runSchedule } from '../support/simulation/schedule.ts'
import { formatTranscript } from '../support/simulation/transcript.ts'

const { SEED, SCHEDULES, FIRST = '1' } = process.env
const total = Number(SCHEDULES ?? 10_000)
const SEARCH_PROCESSES = 2
const REPORT_INTERVAL_MS = 10_000
/** A search without progress for this long hangs, ms. One schedule takes milliseconds. */
const STALL_TIMEOUT_MS = 120_000

test.runIf(SEED !== undefined)(`schedule ${SEED}`, { timeout: 0 }, () => {
  const result = runSchedule(Number(SEED), true)
  console.log(formatTranscript(result))
  expect(result.problems).toEqual([])
})

test.runIf(SEED === undefined)(`the invariants hold after ${total} random schedules`, { timeout: 0 }, async () => {
  const build = buildVariants()
  afterAll(build.remove)
  const began = Date.now()
  const played = Array.from({ length: SEARCH_PROCESSES }, () => 0)
  const printProgress = () => {
    const sum = played.reduce((sum, one) => sum + one, 0)
    const rate = Math.round((sum * 1_000) / (Date.now() - began))
    console.log(`${sum} of ${total} schedules, ${rate} per second`)
  }
  // Only a long run, asked for with SCHEDULES, prints its progress.
  const timer = SCHEDULES === undefined ? undefined : setInterval(printProgress, REPORT_INTERVAL_MS)
  const results = await Promise.all(
    played.map((_, index) =>
      searchSchedules({
        code: build.codeFolder(),
        first: Number(FIRST) + index,
        step: SEARCH_PROCESSES,
        count: Math.ceil(total / SEARCH_PROCESSES),
        stallTimeoutMs: STALL_TIMEOUT_MS,
        onProgress: count => {
          played[index] = count
        },
      }),
    ),
  )
  clearInterval(timer)
  for (const result of results) {
    if (result.outcome === 'violated')
      expect.fail(`${result.problem}\n\n${formatTranscript(runSchedule(result.seed, true))}`)
    if (result.outcome !== 'passed') expect.fail(result.problem)
  }
})
