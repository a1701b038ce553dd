import type { ScheduleResult } from './schedule.ts'

/** The command that replays a seed. */
function replayCommand(seed: number): string {
  return `SEED=${seed} npx vitest run --config .config/vitest.config.ts test/simulation/schedules.test.ts`
}

/** Formats a transcript as a table: seconds, process, event. */
export function formatTranscript({ seed, lines, problems }: ScheduleResult): string {
  const width = Math.max(8, ...lines.map(({ who }) => who.length))
  return [
    `Schedule ${seed}`,
    '',
    `${'seconds'.padStart(9)}  ${'process'.padEnd(width)}  event`,
    ...lines.map(({ at, who, what }) => `${(at / 1000).toFixed(3).padStart(9)}  ${who.padEnd(width)}  ${what}`),
    '',
    ...(problems.length === 0 ? ['All invariants hold.'] : problems.map(problem => `PROBLEM: ${problem}`)),
    '',
    `Replay: ${replayCommand(seed)}`,
  ].join('\n')
}
