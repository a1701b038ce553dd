import type { ScheduleResult } from './schedule.ts'

/** The one command that plays a seed again. */
function replayCommand(seed: number): string {
  return `SEED=${seed} npx vitest run --config .config/vitest.config.ts test/simulation/schedules.test.ts`
}

/** A table of what happened: time in seconds, who, what. */
export function formatTranscript({ seed, lines, problems }: ScheduleResult): string {
  const width = Math.max(8, ...lines.map(({ who }) => who.length))
  return [
    `Schedule ${seed}`,
    '',
    `${'seconds'.padStart(9)}  ${'who'.padEnd(width)}  what`,
    ...lines.map(({ at, who, what }) => `${(at / 1000).toFixed(3).padStart(9)}  ${who.padEnd(width)}  ${what}`),
    '',
    ...(problems.length === 0 ? ['All is as it must be.'] : problems.map(problem => `PROBLEM: ${problem}`)),
    '',
    `Play it again: ${replayCommand(seed)}`,
  ].join('\n')
}
