/** Which rows of a thread are visible. */
import type { ReadonlyThread } from '../readonly-model.ts'
import { entryLayout, type Reader } from './entry-layout.ts'

/** With fewer rows, the view does not show the day at its top while it is scrolled up. */
export const MIN_ROWS_FOR_DAY = 6

/** A row of a thread: the index of its entry, and its number in the entry. */
export interface RowPosition {
  index: number
  row: number
}

/** The number of rows of the entry at an index; 0 if there is none. */
export type RowCounter = (index: number) => number

export function rowCounter(thread: ReadonlyThread, reader: Reader, columns: number): RowCounter {
  return index => entryLayout(thread, index, reader, columns)?.height ?? 0
}

/** The lowest visible row. */
export function bottomPosition(thread: ReadonlyThread, rowsOf: RowCounter): RowPosition {
  const { anchor } = thread
  const last = thread.entries.length - 1
  if (anchor === undefined) return { index: last, row: rowsOf(last) - 1 }
  const index = Math.min(last, thread.indexOf(anchor.entry))
  return { index, row: Math.min(anchor.row, rowsOf(index) - 1) }
}

/**
 * The position `by` rows further down (up if negative). Before the start the index is -1; after the end it is the number
 * of entries.
 */
export function movePosition(from: RowPosition, by: number, thread: ReadonlyThread, rowsOf: RowCounter): RowPosition {
  let { index, row } = from
  row += by
  while (row < 0) {
    if (--index < 0) return { index: -1, row: 0 }
    row += rowsOf(index)
  }
  for (let rows = rowsOf(index); index < thread.entries.length && row >= rows; rows = rowsOf(index)) {
    row -= rows
    index++
  }
  return { index, row }
}
