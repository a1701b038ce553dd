import type { ReadonlyModel } from '../readonly-model.ts'
import { detailLines } from './detail-lines.ts'
import { helpLines, type OverlayLine } from './help-lines.ts'

/** The content of the open overlay. */
export function overlayLines(model: ReadonlyModel): OverlayLine[] {
  return model.overlay === 'details' ? detailLines(model) : helpLines(model)
}
