import type { Row } from '../../chat/views/row.ts'
import type { TopModel } from '../model.ts'
import { BARS, formatRate, sparklineMax } from './format.ts'

/** Rows of the bars: fewer tell no more than a sparkline does, more tell nothing new. */
const MIN_ROWS = 3
const MAX_ROWS = 10

/** Messages a second in the whole mesh, in bars as high as there is room; none where there is too little. */
export function graphRows(model: TopModel, columns: number, availableRows: number): Row[] {
  // A blank row, and one that tells the scale.
  const rows = Math.min(MAX_ROWS, availableRows - 2)
  const values = model.mesh.accepted.tail(columns)
  if (rows < MIN_ROWS || values.length === 0) return []
  const max = sparklineMax([values])
  const bars = Array.from({ length: rows }, (_, row): Row => {
    const above = (rows - 1 - row) * BARS.length
    const text = values.map(value => bar(value, (rows * BARS.length) / max, above)).join('')
    return [{ text: text.padStart(columns), tone: 'accent' }]
  })
  const scale = `, at most ${formatRate(max)}, in ${values.length} s`
  return [
    [],
    [
      { text: 'messages/s', bold: true },
      { text: scale, dim: true },
    ],
    ...bars,
  ]
}

/** What of a value's bar stands in a row, above so many eighths of rows. */
function bar(value: number | undefined, scale: number, above: number): string {
  if (value === undefined) return ' '
  const eighths = value <= 0 ? 0 : Math.max(1, Math.round(value * scale))
  return BARS[Math.min(BARS.length, eighths - above) - 1] ?? ' '
}
