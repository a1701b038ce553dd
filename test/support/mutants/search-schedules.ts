/** A program of its own: plays the schedules `first`, `first + step`, … and stops at the first that fails. */
import { setPriority } from 'node:os'
import { play } from '../simulation/schedule.ts'
import { transcript } from '../simulation/transcript.ts'

/** What it tells the program that started it. */
export type Found = { played: number } | { played: number; seed: number; problem: string; transcript: string }

const [first = 1, step = 1, count = 1] = process.argv.slice(2).map(Number)
// The tests of real programs need the machine more.
setPriority(10)
let told = 0
for (let played = 0; played < count; played++) {
  const { seed, problems } = play(first + played * step)
  const [problem] = problems
  if (problem !== undefined) {
    await say({ played: played + 1, seed, problem, transcript: transcript(play(seed, true)) })
    process.exit(0)
  }
  if (Date.now() - told < 1_000) continue
  told = Date.now()
  await say({ played: played + 1 })
}
await say({ played: count })
process.disconnect()

function say(found: Found): Promise<void> {
  return new Promise(resolve => process.send?.(found, () => resolve()))
}
