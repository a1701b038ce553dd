/** Scrolling of the open thread. */

import { endHighlight } from '../finding/search-highlight.ts'
import { screenLayout } from '../layout/screen-layout.ts'
import {
  bottomPosition,
  MIN_ROWS_FOR_DAY,
  movePosition,
  type RowCounter,
  type RowPosition,
  rowCounter,
} from '../layout/viewport.ts'
import type { Model, ScreenRequest } from '../model.ts'
import type { Entry, Thread } from './thread.ts'

/** When fewer entries than this are loaded beyond the visible rows, the next page of the history is requested. */
const PREFETCH_ENTRIES = 30

/** Rows of a thread that are visible away from its end: the last row of the body says that the end is further down. */
function rowsWhenScrolledUp(body: number): number {
  return Math.max(1, body - 1)
}

/** Rows of a page: so that one row stays in view, next to the one that the day covers. */
export function pageSize(model: Model): number {
  const rows = rowsWhenScrolledUp(screenLayout(model).body)
  return Math.max(1, rows - (rows >= MIN_ROWS_FOR_DAY ? 2 : 1))
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
    endHighlight(model)
    return [{ type: 'page', part: 'latest' }]
  }
  if (by === Number.NEGATIVE_INFINITY && !thread.hasStart) return [{ type: 'page', part: 'first' }]
  const { main, body } = screenLayout(model)
  const rowsOf = rowCounter(thread, model, main)
  const bottom = Number.isFinite(by)
    ? movePosition(bottomPosition(thread, rowsOf), by, thread, rowsOf)
    : { index: by < 0 ? -1 : thread.entries.length, row: 0 }
  setBottom(thread, notAboveFirstPage(bottom, thread, body, rowsOf), rowsOf)
  if (by > 0 && thread.anchor === undefined) endHighlight(model)
  const last = thread.entries.length - 1
  if (by < 0 && !thread.hasStart && bottom.index < PREFETCH_ENTRIES + body) return [{ type: 'page', part: 'before' }]
  if (by > 0 && !thread.hasEnd && bottom.index > last - PREFETCH_ENTRIES) return [{ type: 'page', part: 'after' }]
  return []
}

/** Scrolls the open thread if an entry is not in view, and requests the page before the first entries. */
export function revealEntry(model: Model, thread: Thread, entry: Entry): ScreenRequest[] {
  // Inline, messages are in the terminal's scrollback.
  if (model.isInline) return []
  const { main, body } = screenLayout(model)
  const rowsOf = rowCounter(thread, model, main)
  const visible = thread.anchor === undefined ? body : rowsWhenScrolledUp(body)
  const bottom = bottomPosition(thread, rowsOf)
  const top = movePosition(bottom, 1 - visible, thread, rowsOf)
  const index = thread.indexOf(entry)
  const isBelowTop = index > top.index || (index === top.index && top.row === 0)
  const isAboveBottom = index < bottom.index || (index === bottom.index && bottom.row >= rowsOf(index) - 1)
  if (!isBelowTop || !isAboveBottom) scrollToEntry(model, thread, entry.id)
  return !thread.hasStart && index < PREFETCH_ENTRIES ? [{ type: 'page', part: 'before' }] : []
}

/** Scrolls the open thread so that an entry is in the middle of the view. */
export function scrollToEntry(model: Model, thread: Thread, id: string): void {
  const index = thread.entries.findIndex(entry => entry.id === id)
  if (index < 0) return
  const { main, body } = screenLayout(model)
  const rowsOf = rowCounter(thread, model, main)
  const visible = rowsWhenScrolledUp(body)
  const rows = rowsOf(index)
  // Show the start of an entry that is higher than the view, below the row of the day.
  const below = Math.max(0, Math.floor((visible - rows) / 2))
  const bottom = movePosition({ index, row: Math.max(0, Math.min(rows, visible - 1) - 1) }, below, thread, rowsOf)
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
