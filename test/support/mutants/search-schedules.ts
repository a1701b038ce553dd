/** A program of its own: plays the schedules `first`, `first + step`, … and stops at the first that fails. */
import { setPriority } from 'node:os'
import { runSchedule } from '../simulation/schedule.ts'
import { formatTranscript } from '../simulation/transcript.ts'

/** What it tells the program that started it. */
export type SearchResult = { played: number } | { played: number; seed: number; problem: string; transcript: string }

const [first = 1, step = 1, count = 1] = process.argv.slice(2).map(Number)
// The tests of real programs need the machine more.
setPriority(10)
let reportedAt = 0
for (let played = 0; played < count; played++) {
  const { seed, problems } = runSchedule(first + played * step)
  const [problem] = problems
  if (problem !== undefined) {
    await report({ played: played + 1, seed, problem, transcript: formatTranscript(runSchedule(seed, true)) })
    process.exit(0)
  }
  if (Date.now() - reportedAt < 1_000) continue
  reportedAt = Date.now()
  await report({ played: played + 1 })
}
await report({ played: count })
process.disconnect()

function report(found: SearchResult): Promise<void> {
  return new Promise(resolve => process.send?.(found, () => resolve()))
}
