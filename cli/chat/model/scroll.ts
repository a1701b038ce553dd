/** Scrolling of the open thread. */
import { screenLayout } from './layout/screen-layout.ts'
import { bottomPosition, movePosition, type RowCounter, type RowPosition, rowCounter } from './layout/viewport.ts'
import type { Model, ScreenRequest } from './model.ts'
import type { Thread } from './thread.ts'

/** When fewer entries than this are loaded beyond the visible rows, the next page of the history is requested. */
const PREFETCH_ENTRIES = 30

/** Rows of a thread that are visible away from its end: the last row of the body says that the end is further down. */
function rowsWhenScrolledUp(body: number): number {
  return Math.max(1, body - 1)
}

/** Rows of a page: one row less than visible, so that one row stays in view. */
export function pageSize(model: Model): number {
  return Math.max(1, rowsWhenScrolledUp(screenLayout(model).body) - 1)
}

/**
 * Scrolls the open thread and requests the pages of the history that this needs. At the end of the thread, the view
 * follows new messages.
 * @param by rows, negative to scroll up; ±Infinity scrolls to the end or start
 */
export function scroll(model: Model, by: number): ScreenRequest[] {
  const thread = model.current
  if (thread === undefined || thread.entries.length === 0) return []
  if (by === Number.POSITIVE_INFINITY && !thread.hasEnd) {
    thread.anchor = undefined
    return [{ type: 'page', part: 'latest' }]
  }
  if (by === Number.NEGATIVE_INFINITY && !thread.hasStart) return [{ type: 'page', part: 'first' }]
  const { main, body } = screenLayout(model)
  const rowsOf = rowCounter(thread, model.user, main)
  const bottom = Number.isFinite(by)
    ? movePosition(bottomPosition(thread, rowsOf), by, thread, rowsOf)
    : { index: by < 0 ? -1 : thread.entries.length, row: 0 }
  setBottom(thread, notAboveFirstPage(bottom, thread, body, rowsOf), rowsOf)
  const last = thread.entries.length - 1
  if (by < 0 && !thread.hasStart && bottom.index < PREFETCH_ENTRIES + body) return [{ type: 'page', part: 'before' }]
  if (by > 0 && !thread.hasEnd && bottom.index > last - PREFETCH_ENTRIES) return [{ type: 'page', part: 'after' }]
  return []
}

/** Scrolls the open thread so that an entry is in the middle of the view. */
export function scrollToEntry(model: Model, thread: Thread, id: string): void {
  const index = thread.entries.findIndex(entry => entry.id === id)
  if (index < 0) return
  const { main, body } = screenLayout(model)
  const rowsOf = rowCounter(thread, model.user, main)
  const visible = rowsWhenScrolledUp(body)
  const rows = rowsOf(index)
  // Show the start of an entry that is higher than the view.
  const below = Math.max(0, Math.floor((visible - rows) / 2))
  const bottom = movePosition({ index, row: Math.min(rows, visible) - 1 }, below, thread, rowsOf)
  setBottom(thread, notAboveFirstPage(bottom, thread, body, rowsOf), rowsOf)
}

/** Moves a bottom position down if rows above the start of the thread would be visible: its first row is at the top. */
function notAboveFirstPage(bottom: RowPosition, thread: Thread, body: number, rowsOf: RowCounter): RowPosition {
  const start = { index: 0, row: 0 }
  // A thread that fits on the screen has no other position than its end.
  const end = movePosition(start, body, thread, rowsOf)
  if (thread.hasEnd && end.index >= thread.entries.length) return end
  const firstPage = movePosition(start, rowsWhenScrolledUp(body) - 1, thread, rowsOf)
  const isAbove = bottom.index < firstPage.index || (bottom.index === firstPage.index && bottom.row < firstPage.row)
  return isAbove ? firstPage : bottom
}

/** Sets the lowest visible row. At the end of the thread, the view follows new messages. */
function setBottom(thread: Thread, bottom: RowPosition, rowsOf: RowCounter): void {
  const last = thread.entries.length - 1
  const isAtEnd = bottom.index > last || (bottom.index === last && bottom.row >= rowsOf(last) - 1)
  if (isAtEnd && thread.hasEnd) {
    thread.anchor = undefined
    thread.newBelow = 0
    return
  }
  const entry = thread.entries[Math.min(bottom.index, last)]
  if (entry !== undefined) thread.anchor = { entry, row: isAtEnd ? rowsOf(last) - 1 : bottom.row }
}
