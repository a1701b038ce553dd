/** The mesh under random schedules. `SEED=n` plays one and prints it; `SCHEDULES=n` sets how many are played. */
import { afterAll, expect, test } from 'vitest'
import { hunt, workshop } from '../support/mutants/mutant-runner.ts'
import type { Found } from '../support/mutants/search-schedules.ts'
import { play } from '../support/simulation/schedule.ts'
import { transcript } from '../support/simulation/transcript.ts'

const { SEED, SCHEDULES = '10000', FIRST = '1' } = process.env
const HUNTERS = 2

test.runIf(SEED !== undefined)(`schedule ${SEED}`, { timeout: 0 }, () => {
  const outcome = play(Number(SEED), true)
  console.log(transcript(outcome))
  expect(outcome.problems).toEqual([])
})

test.runIf(SEED === undefined)(`${SCHEDULES} random schedules end in the truth`, { timeout: 0 }, async () => {
  const bench = workshop()
  afterAll(bench.clear)
  const began = Date.now()
  const total = Number(SCHEDULES)
  const played = Array.from({ length: HUNTERS }, () => 0)
  const report = setInterval(() => {
    const sum = played.reduce((sum, one) => sum + one, 0)
    const rate = Math.round((sum * 1_000) / (Date.now() - began))
    console.log(`${sum} of ${total} schedules, ${rate} a second`)
  }, 10_000)
  const finds: Found[] = await Promise.all(
    played.map((_, hunter) =>
      hunt({
        code: bench.variant(),
        first: Number(FIRST) + hunter,
        step: HUNTERS,
        count: Math.ceil(total / HUNTERS),
        progress: count => {
          played[hunter] = count
        },
      }),
    ),
  )
  clearInterval(report)
  for (const find of finds) if ('seed' in find) expect.fail(`${find.problem}\n\n${find.transcript}`)
})
