/** Program: plays the schedules `first`, `first + step`, … and stops at the first that fails. Arguments: FIRST STEP COUNT. */
import { setPriority } from 'node:os'
import { runSchedule } from '../simulation/schedule.ts'

/** Sent to the parent process: progress, or the first schedule that failed. */
export type SearchReport = { played: number } | { played: number; seed: number; problem: string }

/** Progress is reported at most this often, ms. */
const REPORT_INTERVAL_MS = 1_000

const [first = 1, step = 1, count = 1] = process.argv.slice(2).map(Number)
// The tests of real processes have priority.
setPriority(10)
let reportedAt = 0
for (let played = 0; played < count; played++) {
  const { seed, problems } = runSchedule(first + played * step)
  const [problem] = problems
  if (problem !== undefined) {
    await send({ played: played + 1, seed, problem })
    process.exit(0)
  }
  if (Date.now() - reportedAt < REPORT_INTERVAL_MS) continue
  reportedAt = Date.now()
  await send({ played: played + 1 })
}
await send({ played: count })
process.disconnect()

function send(report: SearchReport): Promise<void> {
  return new Promise(resolve => process.send?.(report, () => resolve()))
}
