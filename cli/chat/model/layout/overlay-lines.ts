import type { ReadonlyModel } from '../readonly-model.ts'
import { detailLines } from './detail-lines.ts'
import { helpLines, type OverlayLine } from './help-lines.ts'
import { settingLines } from './setting-lines.ts'

/** The content of the open overlay. */
export function overlayLines(model: ReadonlyModel): OverlayLine[] {
  if (model.overlay === 'settings') return settingLines(model)
  return model.overlay === 'details' ? detailLines(model) : helpLines(model)
}
