import type { Row } from '../../chat/views/row.ts'
import type { ReadonlyTopModel } from '../model.ts'
import { BARS, formatRate, sparklineMax } from './format.ts'

/** Height of the bars, rows: fewer show the same as a sparkline, more add no detail. */
const MIN_ROWS = 3
const MAX_ROWS = 10

/** A bar chart of messages per second in the whole mesh; no rows if it does not fit. */
export function graphRows(model: ReadonlyTopModel, columns: number, availableRows: number): Row[] {
  // Leave room for a blank row and for the title with the scale.
  const rows = Math.min(MAX_ROWS, availableRows - 2)
  const values = model.mesh.accepted.tail(columns)
  if (rows < MIN_ROWS || values.length === 0) return []
  const max = sparklineMax([values])
  const bars = Array.from({ length: rows }, (_, row): Row => {
    const below = (rows - 1 - row) * BARS.length
    const text = values.map(value => bar(value, (rows * BARS.length) / max, below)).join('')
    return [{ text: text.padStart(columns), tone: 'accent' }]
  })
  const scale = `  max ${formatRate(max)}, last ${values.length} s`
  return [
    [],
    [
      { text: 'messages/s', bold: true },
      { text: scale, dim: true },
    ],
    ...bars,
  ]
}

/**
 * The part of a value's bar that one row shows.
 * @param scale eighths of a row per unit of the value
 * @param below eighths of a row below this row
 */
function bar(value: number | undefined, scale: number, below: number): string {
  if (value === undefined) return ' '
  const eighths = value <= 0 ? 0 : Math.max(1, Math.round(value * scale))
  return BARS[Math.min(BARS.length, eighths - below) - 1] ?? ' '
}
