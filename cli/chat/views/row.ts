import { fitToColumns, width } from '../../terminal/width.ts'
import type { Tone } from '../model/theme.ts'

/** A part of a row in one style. */
export interface Segment {
  text: string
  tone?: Tone
  /** The user whose color the segment has, for the tone `name`. */
  user?: string
  bold?: true
  dim?: true
  inverse?: true
}

/** One row of the screen. */
export type Row = readonly Segment[]

export function rowText(row: Row): string {
  return row.map(segment => segment.text).join('')
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
          other !== undefined &&
          segment.text === other.text &&
          segment.tone === other.tone &&
          segment.user === other.user &&
          segment.bold === other.bold &&
          segment.dim === other.dim &&
          segment.inverse === other.inverse
        )
      }))
  )
}
