import { layout } from '../views/layout.ts'
import { entryRows } from '../views/messages.ts'
import type { Model, ScreenRequest } from './model.ts'
import type { Thread } from './thread.ts'

/** A place in the rows of a thread: an entry by its index, and one of its rows. */
export interface RowPosition {
  index: number
  row: number
}

/** Rows of messages on the screen. */
function bodyHeight(model: Model): number {
  return layout(model, composerText(model)).body
}

/** What stands in the composer's place. */
function composerText(model: Model): string {
  return (model.search?.editor ?? model.finder?.editor ?? model.current?.editor ?? model.commandEditor).text
}

/** How far a page goes: a row of what was seen stays in view. */
export function pageSize(model: Model): number {
  return Math.max(1, bodyHeight(model) - 1)
}

/** The lowest row in view. */
export function bottomPosition(thread: Thread, rowsOf: (index: number) => number): RowPosition {
  const { anchor } = thread
  const last = thread.entries.length - 1
  if (anchor === undefined) return { index: last, row: rowsOf(last) - 1 }
  const index = Math.min(last, thread.indexOf(anchor.entry))
  return { index, row: Math.min(anchor.row, rowsOf(index) - 1) }
}

/** Entries left before the edge of what is read, when more is asked for. */
const PREFETCH_ENTRIES = 30

/** Moves the view of the open thread by so many rows; at its end it follows what comes. */
export function scroll(model: Model, by: number): ScreenRequest[] {
  const thread = model.current
  if (thread === undefined || thread.entries.length === 0) return []
  const { main, body } = layout(model, composerText(model))
  const rowsOf = (index: number) => entryRows(thread, index, model.user, main).length
  if (by === Number.POSITIVE_INFINITY && !thread.hasEnd) {
    thread.anchor = undefined
    return [{ type: 'page', part: 'latest' }]
  }
  if (by === Number.NEGATIVE_INFINITY && !thread.hasStart) return [{ type: 'page', part: 'first' }]
  let place = bottomPosition(thread, rowsOf)
  if (by === Number.POSITIVE_INFINITY) place = { index: thread.entries.length, row: 0 }
  else if (by === Number.NEGATIVE_INFINITY) place = movePosition({ index: 0, row: 0 }, body - 1, thread, rowsOf)
  else {
    place = movePosition(place, by, thread, rowsOf)
    // Where the beginning is in view, it stands at the top.
    const top = movePosition(place, -(body - 1), thread, rowsOf)
    if (top.index < 0) place = movePosition({ index: 0, row: 0 }, body - 1, thread, rowsOf)
  }
  const last = thread.entries.length - 1
  const entry = thread.entries[place.index]
  if (thread.hasEnd && (entry === undefined || (place.index === last && place.row >= rowsOf(last) - 1))) {
    thread.anchor = undefined
    thread.newBelow = 0
  } else {
    const lowest = entry ?? thread.entries[last]
    if (lowest !== undefined) thread.anchor = { entry: lowest, row: entry === undefined ? rowsOf(last) - 1 : place.row }
  }
  if (by < 0 && !thread.hasStart && place.index < PREFETCH_ENTRIES + body) return [{ type: 'page', part: 'before' }]
  if (by > 0 && !thread.hasEnd && place.index > last - PREFETCH_ENTRIES) return [{ type: 'page', part: 'behind' }]
  return []
}

/** Past the beginning the index is -1, past the end it is the number of entries. */
function movePosition(from: RowPosition, by: number, thread: Thread, rowsOf: (index: number) => number): RowPosition {
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
