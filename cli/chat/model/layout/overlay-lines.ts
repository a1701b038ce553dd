import { wrap } from '../../../terminal/width.ts'
import type { ReadonlyModel } from '../readonly-model.ts'
import { detailLines } from './detail-lines.ts'
import { helpLines, type OverlayLine } from './help-lines.ts'
import { settingLines } from './setting-lines.ts'

/** Columns of the labels of an overlay. */
export const LABEL_COLUMNS = 28
/** Fewest columns of a text next to its label: on narrower screens it is below. */
const MIN_TEXT_COLUMNS = 20
const BELOW_INDENT = 4

/** The content of the open overlay. */
export function overlayLines(model: ReadonlyModel): OverlayLine[] {
  const lines = contentLines(model)
  const columns = model.columns - LABEL_COLUMNS - 1
  return lines.flatMap(line => (columns < MIN_TEXT_COLUMNS ? itemBelow(line, model.columns) : wrapItem(line, columns)))
}

function contentLines(model: ReadonlyModel): OverlayLine[] {
  switch (model.overlay) {
    case 'details':
      return detailLines(model)
    case 'settings':
      return settingLines(model)
    default:
      return helpLines(model)
  }
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

/** The text of an item in the lines below its label. */
function itemBelow(line: OverlayLine, columns: number): OverlayLine[] {
  if (line.type !== 'item') return [line]
  const rows = wrap(line.text, Math.max(1, columns - BELOW_INDENT))
  const texts = rows.map(
    ({ text }): OverlayLine => ({ type: 'plain', text: ' '.repeat(BELOW_INDENT) + text.trimEnd() }),
  )
  return line.label === '' ? texts : [{ type: 'item', label: line.label, text: '' }, ...texts]
}
