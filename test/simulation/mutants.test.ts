/** The simulation catches faults: each mutant of the core must make some schedule violate an invariant. */
import { afterAll, expect, test } from 'vitest'
import { buildVariants, type Mutant, searchSchedules } from '../support/mutants/mutant-runner.ts'
import { MUTANTS } from '../support/mutants/mutants.ts'

/** `BOUND`: schedules played before a mutant counts as survived. `MUTANT_REPORT=1` prints what caught each mutant. */
const { BOUND = '6000', MUTANT_REPORT } = process.env
/** A search without progress for this long hangs, ms. One schedule takes milliseconds. */
const STALL_TIMEOUT_MS = 60_000
const SEARCH_PROCESSES = 2
/** Mutants are added, never removed; one that no longer compiles or survives gets another text. */
const MIN_MUTANTS = 91

/** The line of the report for one mutant, and whether the simulation caught it as it must. */
async function tryMutant(mutant: Mutant, code: string): Promise<{ caught: boolean; line: string }> {
  const search = (first: number, count: number) =>
    searchSchedules({ code, first, step: 1, count, stallTimeoutMs: STALL_TIMEOUT_MS })
  const shown = mutant.seed === undefined ? undefined : await search(mutant.seed, 1)
  const result = shown === undefined || shown.outcome === 'passed' ? await search(1, Number(BOUND)) : shown
  const { outcome, played } = result
  const problem = 'problem' in result ? `: ${result.problem}` : ''
  const caught = outcome === 'violated' || (outcome === 'hung' && mutant.hangs !== undefined)
  const verdict = outcome === 'passed' ? 'survived' : outcome
  return { caught, line: `${mutant.name}: ${verdict} after ${played} schedules${problem}` }
}

test(`the simulation catches all ${MUTANTS.length} mutants of the core`, { timeout: 0 }, async () => {
  const build = buildVariants(MUTANTS)
  afterAll(build.remove)
  const waiting = [...MUTANTS]
  const caught: string[] = []
  const missed: string[] = []
  const worker = async () => {
    for (let mutant = waiting.shift(); mutant !== undefined; mutant = waiting.shift()) {
      const found = await tryMutant(mutant, build.codeFolder(mutant.name))
      ;(found.caught ? caught : missed).push(found.line)
    }
  }
  await Promise.all(Array.from({ length: SEARCH_PROCESSES }, worker))
  if (MUTANT_REPORT !== undefined) console.log(caught.join('\n'))
  expect(missed).toEqual([])
  expect(MUTANTS.length).toBeGreaterThanOrEqual(MIN_MUTANTS)
})
