/** The search for failing schedules in a child process: its outcomes. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { searchSchedules } from '../support/mutants/mutant-runner.ts'
import { stopAll, temporaryFolder } from '../support/programs/processes.ts'

afterAll(stopAll)

/** Long enough for the start of a process on a busy machine. */
const STALL_TIMEOUT_MS = 6_000

/** Runs a search whose program is this text. */
function search(program: string, stallTimeoutMs = 60_000) {
  const code = temporaryFolder()
  const folder = join(code, 'test/support/mutants')
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(code, 'package.json'), '{"type":"commonjs"}')
  writeFileSync(join(folder, 'search-schedules.js'), program)
  return searchSchedules({ code, first: 5, step: 2, count: 10, stallTimeoutMs })
}

test('a search that plays all its schedules passes', async () => {
  expect(await search('process.send({ played: 10 }, () => process.disconnect())')).toEqual({
    outcome: 'passed',
    played: 10,
  })
})

test('a search that finds a failing schedule returns it', async () => {
  const found = { played: 3, seed: 9, problem: 'a message is lost' }
  const result = await search(`process.send(${JSON.stringify(found)}, () => process.exit(0))`)
  expect(result).toEqual({ outcome: 'violated', ...found })
})

test('a search without progress is killed and counts as hung', async () => {
  const result = await search('process.send({ played: 3 }, () => { for (;;); })', STALL_TIMEOUT_MS)
  expect(result).toMatchObject({
    outcome: 'hung',
    played: 3,
    seed: 11,
    problem: expect.stringContaining('no progress'),
  })
})

test('progress restarts the stall timeout', async () => {
  // Twice the timeout in all, a twentieth of it between two reports.
  const program = `
    let played = 0
    setInterval(() => process.send({ played: ++played }, () => played === 40 && process.exit(0)), ${STALL_TIMEOUT_MS / 20})`
  const result = await search(program, STALL_TIMEOUT_MS)
  expect(result).toEqual({ outcome: 'passed', played: 40 })
})

test('a search that ends before its last schedule does not pass', async () => {
  const result = await search('process.send({ played: 9 }, () => process.disconnect())')
  expect(result).toMatchObject({ outcome: 'crashed', played: 9 })
})

test('a search that throws counts as crashed, with its last output as the problem', async () => {
  const result = await search('throw new Error("out of luck")')
  expect(result).toMatchObject({ outcome: 'crashed', played: 0, problem: expect.stringContaining('out of luck') })
})
