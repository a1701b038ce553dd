/** What covers the messages: the help, and the lists of the finder. */
import { sanitizeLine } from '../../../src/protocol/text.ts'
import { fitToColumns, width } from '../../terminal/width.ts'
import { finderMatches } from '../model/finder.ts'
import { helpLines } from '../model/layout/help-lines.ts'
import type { ReadonlyFinder, ReadonlyModel } from '../model/readonly-model.ts'
import { type Row, truncateRow } from './row.ts'

const HELP_LABEL_COLUMNS = 28

export function helpRows(model: ReadonlyModel, columns: number, height: number): Row[] {
  const lines = helpLines(model)
  // The screen may have grown since the user scrolled.
  const top = Math.max(0, Math.min(model.overlayTop, lines.length - height))
  const rows = lines.slice(top, top + height).map((line): Row => {
    if (line.type === 'title') return [{ text: line.text, bold: true }]
    if (line.type === 'text') return [{ text: fitToColumns(line.text, columns), dim: true }]
    const label = fitToColumns(`  ${line.label}`, Math.min(HELP_LABEL_COLUMNS, columns))
    return truncateRow([{ text: label, tone: 'accent' }, { text: ` ${line.text}` }], columns)
  })
  while (rows.length < height) rows.push([])
  return rows
}

export function finderRows(model: ReadonlyModel, finder: ReadonlyFinder, columns: number, height: number): Row[] {
  const matches = finderMatches(model, finder)
  const top = Math.max(0, Math.min(finder.selectedIndex - (height >> 1), matches.length - height))
  const rows = matches.slice(top, top + height).map((match, at): Row => {
    const connections = finder.kind === 'users' ? model.connectionCounts.get(match) : undefined
    const isLookAlike = finder.kind === 'users' && model.confusables.find(match) !== undefined
    const suffix = `${isLookAlike ? ' ≈' : ''}${connections === undefined ? '' : ` ×${connections}`}`
    const text = `${sanitizeLine(match.replaceAll('\n', ' ⏎ ').replaceAll('\t', ' '))}${suffix}`
    const line = width(text) > columns ? fitToColumns(text, columns) : text
    return [top + at === finder.selectedIndex ? { text: line, inverse: true } : { text: line }]
  })
  if (matches.length === 0 && height > 0) rows.push([{ text: 'no matches', dim: true }])
  while (rows.length < height) rows.push([])
  return rows
}
