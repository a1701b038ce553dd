/** Scrolling of the open thread. */
import { screenLayout } from './layout/screen-layout.ts'
import { bottomPosition, movePosition, rowCounter } from './layout/viewport.ts'
import type { Model, ScreenRequest } from './model.ts'

/** When fewer entries than this are loaded beyond the visible rows, the next page of the history is requested. */
const PREFETCH_ENTRIES = 30

/** Rows of a page: one less than visible, so that one row stays in view. */
export function pageSize(model: Model): number {
  return Math.max(1, screenLayout(model).body - 1)
}

/**
 * Scrolls the open thread and requests the pages of the history that this needs. At the end of the thread, the view
 * follows new messages.
 * @param by rows, negative to scroll up; ±Infinity scrolls to the end or start
 */
export function scroll(model: Model, by: number): ScreenRequest[] {
  const thread = model.current
  if (thread === undefined || thread.entries.length === 0) return []
  const { main, body } = screenLayout(model)
  const rowsOf = rowCounter(thread, model.user, main)
  if (by === Number.POSITIVE_INFINITY && !thread.hasEnd) {
    thread.anchor = undefined
    return [{ type: 'page', part: 'latest' }]
  }
  if (by === Number.NEGATIVE_INFINITY && !thread.hasStart) return [{ type: 'page', part: 'first' }]
  const firstPage = () => movePosition({ index: 0, row: 0 }, body - 1, thread, rowsOf)
  let bottom = bottomPosition(thread, rowsOf)
  if (by === Number.POSITIVE_INFINITY) bottom = { index: thread.entries.length, row: 0 }
  else if (by === Number.NEGATIVE_INFINITY) bottom = firstPage()
  else {
    bottom = movePosition(bottom, by, thread, rowsOf)
    // Do not scroll past the start: the first row stays at the top.
    const top = movePosition(bottom, -(body - 1), thread, rowsOf)
    if (top.index < 0) bottom = firstPage()
  }
  const last = thread.entries.length - 1
  const entry = thread.entries[bottom.index]
  if (thread.hasEnd && (entry === undefined || (bottom.index === last && bottom.row >= rowsOf(last) - 1))) {
    thread.anchor = undefined
    thread.newBelow = 0
  } else {
    const lowest = entry ?? thread.entries[last]
    if (lowest !== undefined)
      thread.anchor = { entry: lowest, row: entry === undefined ? rowsOf(last) - 1 : bottom.row }
  }
  if (by < 0 && !thread.hasStart && bottom.index < PREFETCH_ENTRIES + body) return [{ type: 'page', part: 'before' }]
  if (by > 0 && !thread.hasEnd && bottom.index > last - PREFETCH_ENTRIES) return [{ type: 'page', part: 'after' }]
  return []
}
