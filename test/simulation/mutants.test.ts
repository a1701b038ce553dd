/** The simulation is worth what it catches: every fault put into the core on purpose must fail some schedule. */
import { afterAll, expect, test } from 'vitest'
import { hunt, workshop } from '../support/mutants/mutant-runner.ts'
import { MUTANTS } from '../support/mutants/mutants.ts'

/** Schedules that a mutant may survive at most, and how long they may take, ms. */
const { BOUND = '6000' } = process.env
const PATIENCE_MS = 60_000
const HUNTERS = 2

test(`the simulation catches all ${MUTANTS.length} faults`, { timeout: 0 }, async () => {
  const bench = workshop(MUTANTS)
  afterAll(bench.clear)
  const waiting = [...MUTANTS]
  const caught: string[] = []
  const missed: string[] = []
  const hunter = async () => {
    for (let mutant = waiting.shift(); mutant !== undefined; mutant = waiting.shift()) {
      const { name } = mutant
      const began = Date.now()
      const code = bench.variant(name)
      const find = await hunt({ code, first: 1, step: 1, count: Number(BOUND), patience: PATIENCE_MS })
      if ('seed' in find)
        caught.push(`${String(find.played).padStart(6)}  ${Date.now() - began}  ${name}: ${find.problem}`)
      else missed.push(`${name} survived ${find.played} schedules`)
    }
  }
  await Promise.all(Array.from({ length: HUNTERS }, hunter))
  console.log([' after  schedules, caught', ...caught].join('\n'))
  expect(missed).toEqual([])
})
