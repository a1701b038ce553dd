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
