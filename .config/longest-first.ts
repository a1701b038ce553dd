import { BaseSequencer, type TestSpecification } from 'vitest/node'

/** Files that take minutes: started last, they would run alone at the end. */
const LONGEST = /\/test\/simulation\/(schedules|mutants)\.test\.ts$/

/** Many processes at once: not next to the first files, which are large, too. */
const HEAVIEST = /\/test\/programs\/mesh\/process-faults\.test\.ts$/

/** Starts the longest test files first. */
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
