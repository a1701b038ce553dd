import type { ReadonlyModel } from '../readonly-model.ts'

/** A name, with a mark if it looks like another one. */
export function markedName(model: Pick<ReadonlyModel, 'similarName'>, name: string): string {
  return model.similarName(name) === undefined ? name : `${name} ≈`
}
