/** The mesh under random schedules. `SEED=n` plays one and prints it; `SCHEDULES=n` sets how many are played. */
import { afterAll, expect, test } from 'vitest'
import { buildVariants, searchSchedules } from '../support/mutants/mutant-runner.ts'
import type { SearchResult } from '../support/mutants/search-schedules.ts'
import { runSchedule } from '../support/simulation/schedule.ts'
import { formatTranscript } from '../support/simulation/transcript.ts'

const { SEED, SCHEDULES = '10000', FIRST = '1' } = process.env
const SEARCH_PROCESSES = 2

test.runIf(SEED !== undefined)(`schedule ${SEED}`, { timeout: 0 }, () => {
  const outcome = runSchedule(Number(SEED), true)
  console.log(formatTranscript(outcome))
  expect(outcome.problems).toEqual([])
})

test.runIf(SEED === undefined)(`${SCHEDULES} random schedules end in the truth`, { timeout: 0 }, async () => {
  const build = buildVariants()
  afterAll(build.remove)
  const began = Date.now()
  const total = Number(SCHEDULES)
  const played = Array.from({ length: SEARCH_PROCESSES }, () => 0)
  const report = setInterval(() => {
    const sum = played.reduce((sum, one) => sum + one, 0)
    const rate = Math.round((sum * 1_000) / (Date.now() - began))
    console.log(`${sum} of ${total} schedules, ${rate} a second`)
  }, 10_000)
  const results: SearchResult[] = await Promise.all(
    played.map((_, index) =>
      searchSchedules({
        code: build.codeFolder(),
        first: Number(FIRST) + index,
        step: SEARCH_PROCESSES,
        count: Math.ceil(total / SEARCH_PROCESSES),
        onProgress: count => {
          played[index] = count
        },
      }),
    ),
  )
  clearInterval(report)
  for (const result of results) if ('seed' in result) expect.fail(`${result.problem}\n\n${result.transcript}`)
})
