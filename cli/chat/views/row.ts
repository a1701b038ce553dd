import type { ColumnStop } from '../../terminal/output.ts'
import { fitToColumns, width } from '../../terminal/width.ts'
import type { Range } from '../model/rooms/mentions.ts'
import type { Tone } from '../model/theme.ts'

/** A part of a row in one style. */
export interface Segment {
  text: string
  tone?: Tone
  /** The user whose color the segment has, for the tone `name`. */
  user?: string
  bold?: true
  italic?: true
  dim?: true
  inverse?: true
  /** The column at which the segment starts, whatever width the terminal gives the text before it. */
  column?: number
  /** The thread that a click opens. */
  opens?: string
  /** The link that the segment is a part of. All parts have the same id. */
  link?: SegmentLink
}

export interface SegmentLink {
  url: string
  id: string
}

/** One row of the screen. */
export type Row = readonly Segment[]

export function rowText(row: Row): string {
  return row.map(segment => segment.text).join('')
}

/** The links of a row, with their positions in its text. */
export function rowLinks(row: Row): (SegmentLink & Range)[] {
  const links: (SegmentLink & Range)[] = []
  let start = 0
  for (const { text, link } of row) {
    const end = start + text.length
    const last = links.at(-1)
    if (link !== undefined && last?.id === link.id && last.end === start) last.end = end
    else if (link !== undefined && end > start) links.push({ ...link, start, end })
    start = end
  }
  return links
}

/** Whether a row continues a link that fills the row above to its right edge. */
export function continuesLink(row: Row, above: Row | undefined, columns: number): boolean {
  const id = row.find(({ text }) => text !== '')?.link?.id
  if (id === undefined || above?.findLast(({ text }) => text !== '')?.link?.id !== id) return false
  // Other characters may be wider on the terminal.
  const isAscii = /^[\x20-\x7e]*$/
  return rowText(above).length === columns && isAscii.test(rowText(above)) && isAscii.test(rowText(row))
}

/** Marks the parts of links in segments. @param links in order, with their positions in the text of the segments */
export function markLinks(segments: Row, links: readonly (SegmentLink & Range)[]): Row {
  if (links.length === 0) return segments
  const marked: Segment[] = []
  let segmentStart = 0
  for (const segment of segments) {
    const segmentEnd = segmentStart + segment.text.length
    let from = segmentStart
    const push = (to: number, link?: SegmentLink) => {
      const text = segment.text.slice(from - segmentStart, to - segmentStart)
      if (text !== '') marked.push(link === undefined ? { ...segment, text } : { ...segment, text, link })
      from = to
    }
    for (const { start, end, url, id } of links) {
      if (end <= from || start >= segmentEnd) continue
      push(Math.max(from, start))
      push(Math.min(segmentEnd, end), { url, id })
    }
    push(segmentEnd)
    segmentStart = segmentEnd
  }
  return marked
}

/** Cuts a row to at most `columns`, from its end. */
export function truncateRow(segments: Row, columns: number): Row {
  const row: Segment[] = []
  let left = columns
  for (const segment of segments) {
    const wide = width(segment.text)
    row.push(wide <= left ? segment : { ...segment, text: fitToColumns(segment.text, left) })
    left -= Math.min(left, wide)
    if (left === 0) break
  }
  return row
}

/** The segments of a row that start at a certain column. */
export function columnStops(row: Row): ColumnStop[] {
  const stops: ColumnStop[] = []
  let units = 0
  for (const { text, column } of row) {
    if (column !== undefined) stops.push({ units, column })
    units += text.length
  }
  return stops
}

/** The row, with a click on it opening a thread. */
export function opening(thread: string, row: Row): Row {
  return row.map(segment => ({ ...segment, opens: thread }))
}

/** Whether two rows have the same text and style. */
export function rowsEqual(a: Row | undefined, b: Row | undefined): boolean {
  return (
    a === b ||
    (a !== undefined &&
      b !== undefined &&
      a.length === b.length &&
      a.every((segment, at) => {
        const other = b[at]
        return (
          segment === other ||
          (other !== undefined &&
            segment.text === other.text &&
            segment.tone === other.tone &&
            segment.user === other.user &&
            segment.bold === other.bold &&
            segment.italic === other.italic &&
            segment.dim === other.dim &&
            segment.inverse === other.inverse &&
            segment.opens === other.opens &&
            segment.link?.id === other.link?.id &&
            segment.link?.url === other.link?.url &&
            segment.column === other.column)
        )
      }))
  )
}
