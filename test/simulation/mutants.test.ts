/** The simulation is worth what it catches: every fault put into the core on purpose must fail some schedule. */
import { afterAll, expect, test } from 'vitest'
import { buildVariants, searchSchedules } from '../support/mutants/mutant-runner.ts'
import { MUTANTS } from '../support/mutants/mutants.ts'

/** Schedules that a mutant may survive at most, and how long they may take, ms. */
const { BOUND = '6000' } = process.env
const SEARCH_TIMEOUT_MS = 60_000
const SEARCH_PROCESSES = 2

test(`the simulation catches all ${MUTANTS.length} faults`, { timeout: 0 }, async () => {
  const build = buildVariants(MUTANTS)
  afterAll(build.remove)
  const waiting = [...MUTANTS]
  const caught: string[] = []
  const missed: string[] = []
  const worker = async () => {
    for (let mutant = waiting.shift(); mutant !== undefined; mutant = waiting.shift()) {
      const { name } = mutant
      const began = Date.now()
      const code = build.codeFolder(name)
      const result = await searchSchedules({
        code,
        first: 1,
        step: 1,
        count: Number(BOUND),
        timeoutMs: SEARCH_TIMEOUT_MS,
      })
      if ('seed' in result)
        caught.push(`${String(result.played).padStart(6)}  ${Date.now() - began}  ${name}: ${result.problem}`)
      else missed.push(`${name} survived ${result.played} schedules`)
    }
  }
  await Promise.all(Array.from({ length: SEARCH_PROCESSES }, worker))
  console.log([' after  schedules, caught', ...caught].join('\n'))
  expect(missed).toEqual([])
})
