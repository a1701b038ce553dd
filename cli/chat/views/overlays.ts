/** What covers the messages: the help, and the details of a message. */
import { fitToColumns, width } from '../../terminal/width.ts'
import type { OverlayLine } from '../model/layout/help-lines.ts'
import { LABEL_COLUMNS, overlayLines } from '../model/layout/overlay-lines.ts'
import type { ReadonlyModel } from '../model/readonly-model.ts'
import { type Row, truncateRow } from './row.ts'

export function overlayRows(model: ReadonlyModel, columns: number, height: number): Row[] {
  const lines = overlayLines(model)
  // The screen may have grown since the user scrolled.
  const top = Math.max(0, Math.min(model.overlayTop, lines.length - height))
  const rows = lines.slice(top, top + height).map(line => overlayRow(line, columns))
  while (rows.length < height) rows.push([])
  return rows
}

function overlayRow(line: OverlayLine, columns: number): Row {
  if (line.type === 'title') return [{ text: line.text, bold: true }]
  if (line.type === 'text') return [{ text: fitToColumns(line.text, columns), dim: true }]
  if (line.type === 'plain') return [{ text: fitToColumns(line.text, columns) }]
  if (line.type === 'pair') {
    const half = columns >> 1
    const left = truncateRow(overlayRow(line.left, half - 1), half - 1)
    const gap = half - left.reduce((sum, { text }) => sum + width(text), 0)
    const [first, ...rest] = overlayRow(line.right, columns - half)
    return [...left, { text: ' '.repeat(gap) }, { ...(first ?? { text: '' }), column: half }, ...rest]
  }
  const label = fitToColumns(`  ${line.label}`, Math.min(LABEL_COLUMNS, columns))
  return truncateRow([{ text: label, tone: 'accent' }, { text: ` ${line.text}` }], columns)
}
