import { BaseSequencer, type TestSpecification } from 'vitest/node'

/** The file that takes longest: started last, it would run alone at the end. */
const LONGEST = /\/test\/simulation\/schedules\.test\.ts$/

/** Many processes at once: not next to that one. */
const HEAVIEST = /\/test\/programs\/mesh\/process-faults\.test\.ts$/

/** Starts the longest test file first. */
export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files)
    const isLong = ({ moduleId }: TestSpecification) => LONGEST.test(moduleId)
    const isHeavy = ({ moduleId }: TestSpecification) => HEAVIEST.test(moduleId)
    const others = sorted.filter(file => !isLong(file) && !isHeavy(file))
    const middle = others.length >> 1
    return [...sorted.filter(isLong), ...others.slice(0, middle), ...sorted.filter(isHeavy), ...others.slice(middle)]
  }
}
