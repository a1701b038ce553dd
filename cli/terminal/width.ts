import width from './string-width.ts'

/** The width of a text in terminal columns. */
export { width }

const graphemes = new Intl.Segmenter(undefined, { granularity: 'grapheme' })

/** Cuts a text (with an ellipsis) or pads it to exactly `columns`. */
export function fitToColumns(text: string, columns: number): string {
  const textWidth = width(text)
  if (textWidth <= columns) return text + ' '.repeat(columns - textWidth)
  let kept = ''
  let used = 0
  for (const { segment } of graphemes.segment(text)) {
    const segmentWidth = width(segment)
    if (used + segmentWidth > columns - 1) break
    kept += segment
    used += segmentWidth
  }
  return columns < 1 ? '' : `${kept}…${' '.repeat(columns - 1 - used)}`
}

/** One row of a wrapped text, and its start in the text, in UTF-16 code units. */
export interface WrappedRow {
  start: number
  text: string
}

/**
 * Wraps a text into rows of at most `columns`: at line breaks, else after the last space that fits, else between two
 * graphemes. Every character except line breaks is in exactly one row.
 */
export function wrap(text: string, columns: number): WrappedRow[] {
  const rows: WrappedRow[] = []
  let start = 0
  for (const line of text.split('\n')) {
    wrapLine(line, start, Math.max(1, columns), rows)
    start += line.length + 1
  }
  return rows
}

function wrapLine(line: string, offset: number, columns: number, rows: WrappedRow[]): void {
  if (width(line) <= columns) {
    rows.push({ start: offset, text: line })
    return
  }
  let rowStart = 0
  let used = 0
  // The last place to break this row, after a space: its index, and the columns before it.
  let breakAt = 0
  let breakUsed = 0
  for (const { segment, index } of graphemes.segment(line)) {
    const segmentWidth = width(segment)
    while (used + segmentWidth > columns && index > rowStart) {
      const at = breakAt > rowStart ? breakAt : index
      rows.push({ start: offset + rowStart, text: line.slice(rowStart, at) })
      used -= at === index ? used : breakUsed
      rowStart = at
    }
    used += segmentWidth
    if (segment === ' ') {
      breakAt = index + 1
      breakUsed = used
    }
  }
  rows.push({ start: offset + rowStart, text: line.slice(rowStart) })
}
