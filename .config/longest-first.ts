import { BaseSequencer, type TestSpecification } from 'vitest/node'

/** Files that run for minutes, and how many of the others start before them: started last, they would run alone at the end. */
const LONG_FILES = [
  { file: /\/test\/simulation\/schedules\.test\.ts$/, before: 0 },
  { file: /\/test\/simulation\/mutants\.test\.ts$/, before: 0.25 },
  // Many processes at once: not next to those above.
  { file: /\/test\/programs\/mesh\/process-faults\.test\.ts$/, before: 0.5 },
]

/** Starts the long test files before the end. */
export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files)
    const longFileOf = ({ moduleId }: TestSpecification) => LONG_FILES.find(({ file }) => file.test(moduleId))
    const others = sorted.filter(file => longFileOf(file) === undefined)
    const placed = sorted.map(file => {
      const long = longFileOf(file)
      return { file, place: long === undefined ? others.indexOf(file) : long.before * others.length - 0.5 }
    })
    return placed.sort((one, other) => one.place - other.place).map(({ file }) => file)
  }
}
