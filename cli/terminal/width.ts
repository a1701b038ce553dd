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

/** Marks, joiners, parts of flags, skin tones and old Hangul: terminals disagree on the width of graphemes with them. */
const DISPUTED = /[\p{M}\p{Cf}\p{Regional_Indicator}\p{Emoji_Modifier}\u1100-\u11ff]/u
const REGIONAL_INDICATOR = /\p{Regional_Indicator}/u
const SPACING_MARK = /\p{Spacing_Mark}/u
const SOFT_HYPHEN = '\u00ad'
const EMOJI_SELECTOR = '\ufe0f'

/**
 * The most columns that a terminal may give to a text: some draw each emoji of a sequence, and soft hyphens. Wrapping at
 * this width cuts no text at the right edge.
 */
function widestWidth(text: string): number {
  if (!DISPUTED.test(text)) return width(text)
  let columns = 0
  for (const { segment } of graphemes.segment(text)) columns += Math.max(width(segment), partsWidth(segment))
  return columns
}

function partsWidth(grapheme: string): number {
  let columns = 0
  for (const character of grapheme) {
    if (character === SOFT_HYPHEN) columns++
    else if (REGIONAL_INDICATOR.test(character)) columns += 2
    else if (character === EMOJI_SELECTOR) columns = Math.max(columns, 2)
    else columns += SPACING_MARK.test(character) ? 1 : width(character)
  }
  return columns
}

/** One row of a wrapped text, and its start in the text, in UTF-16 code units. */
export interface WrappedRow {
  start: number
  text: string
}

/**
 * Wraps a text into rows of at most `columns` on any terminal: at line breaks, else after the last space that fits, else between two
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

/** Wraps a line into rows of at most `columns`, between any two graphemes: for code, in which spaces matter. */
export function wrapAnywhere(line: string, columns: number): WrappedRow[] {
  if (widestWidth(line) <= columns) return [{ start: 0, text: line }]
  const rows: WrappedRow[] = []
  let start = 0
  let used = 0
  for (const { segment, index } of graphemes.segment(line)) {
    const segmentWidth = widestWidth(segment)
    if (used + segmentWidth > columns && index > start) {
      rows.push({ start, text: line.slice(start, index) })
      start = index
      used = 0
    }
    used += segmentWidth
  }
  rows.push({ start, text: line.slice(start) })
  return rows
}

function wrapLine(line: string, offset: number, columns: number, rows: WrappedRow[]): void {
  if (widestWidth(line) <= columns) {
    rows.push({ start: offset, text: line })
    return
  }
  let rowStart = 0
  let used = 0
  // The last place to break this row, after a space: its index, and the columns before it.
  let breakAt = 0
  let breakUsed = 0
  for (const { segment, index } of graphemes.segment(line)) {
    const segmentWidth = widestWidth(segment)
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
