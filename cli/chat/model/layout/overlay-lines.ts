import { wrap } from '../../../terminal/width.ts'
import type { ReadonlyModel } from '../readonly-model.ts'
import { detailLines } from './detail-lines.ts'
import { helpLines, type OverlayLine } from './help-lines.ts'
import { settingLines } from './setting-lines.ts'

/** Columns of the labels of an overlay. */
export const LABEL_COLUMNS = 28
/** Fewest columns of a text that is wrapped: below that it is cut. */
const MIN_TEXT_COLUMNS = 16

/** The content of the open overlay. */
export function overlayLines(model: ReadonlyModel): OverlayLine[] {
  if (model.overlay === 'details') return detailLines(model)
  const lines = model.overlay === 'settings' ? settingLines(model) : helpLines(model)
  const columns = model.columns - LABEL_COLUMNS - 1
  return columns < MIN_TEXT_COLUMNS ? lines : lines.flatMap(line => wrapItem(line, columns))
}

/** The text of an item in as many lines as it needs. */
function wrapItem(line: OverlayLine, columns: number): OverlayLine[] {
  if (line.type !== 'item') return [line]
  return wrap(line.text, columns).map(({ text }, at) => ({
    type: 'item',
    label: at === 0 ? line.label : '',
    text: text.trimEnd(),
  }))
}
