import type { Tone } from '../model/theme.ts'

/** A part of a row in one style. */
export interface Segment {
  text: string
  tone?: Tone
  bold?: true
  dim?: true
  inverse?: true
}

/** One row of the screen. */
export type Row = readonly Segment[]

export function rowText(row: Row): string {
  return row.map(segment => segment.text).join('')
}

/** Whether two rows look alike. */
export function sameRow(a: Row | undefined, b: Row | undefined): boolean {
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
          segment.bold === other.bold &&
          segment.dim === other.dim &&
          segment.inverse === other.inverse
        )
      }))
  )
}
