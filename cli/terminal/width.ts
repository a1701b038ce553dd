import width from './string-width.ts'

/** Columns that a text takes in a terminal. */
export { width }

const graphemes = new Intl.Segmenter(undefined, { granularity: 'grapheme' })

/** The text in exactly so many columns: cut with an ellipsis, or filled with spaces. */
export function fitToColumns(text: string, columns: number): string {
  const wide = width(text)
  if (wide <= columns) return text + ' '.repeat(columns - wide)
  let kept = ''
  let used = 0
  for (const { segment } of graphemes.segment(text)) {
    const more = width(segment)
    if (used + more > columns - 1) break
    kept += segment
    used += more
  }
  return columns < 1 ? '' : `${kept}…${' '.repeat(columns - 1 - used)}`
}

/** One row of a wrapped text: its place in the text, and what stands there. */
export interface WrappedRow {
  start: number
  text: string
}

/**
 * Breaks a text into rows of at most so many columns: at line breaks, else after a space where there is one, else
 * between two graphemes. Every character is in exactly one row, but line breaks, which are in none.
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
  /** After the last space of this row: its place, and the columns up to there. */
  let breakAt = 0
  let breakUsed = 0
  for (const { segment, index } of graphemes.segment(line)) {
    const wide = width(segment)
    while (used + wide > columns && index > rowStart) {
      const at = breakAt > rowStart ? breakAt : index
      rows.push({ start: offset + rowStart, text: line.slice(rowStart, at) })
      used -= at === index ? used : breakUsed
      rowStart = at
    }
    used += wide
    if (segment === ' ') {
      breakAt = index + 1
      breakUsed = used
    }
  }
  rows.push({ start: offset + rowStart, text: line.slice(rowStart) })
}
