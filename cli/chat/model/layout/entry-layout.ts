/** How an entry of a thread breaks into rows. Scrolling counts these rows; views/messages.ts draws them. */
import { sanitizeLine } from '../../../../src/protocol/text.ts'
import { localDay } from '../../../format-time.ts'
import { width, wrap } from '../../../terminal/width.ts'
import type { ReadonlyEntry, ReadonlyThread } from '../readonly-model.ts'

/** Widest column of names. */
const MAX_NAME_COLUMNS = 16
/** Below this width the time of day is left out. */
const MIN_COLUMNS_FOR_TIME = 36
/** Columns of a time of day and a space. */
const TIME_COLUMNS = 6
/** Cached layouts, so that a frame only wraps entries that are new or have changed. */
const MAX_CACHED_LAYOUTS = 2_000

export interface EntryLayout {
  /** Whether separators for a new day and for the first unread entry come before the entry. */
  hasDaySeparator: boolean
  hasUnreadSeparator: boolean
  showsTime: boolean
  /** Columns of the delivery mark, without the space after it. */
  markColumns: number
  nameColumns: number
  /** Columns before the text. */
  indent: number
  /** The wrapped text. */
  lines: readonly string[]
  /** For a rejected message: why, wrapped. */
  reasonLines: readonly string[]
  /** Number of all rows, separators included. */
  height: number
}

const cache = new Map<ReadonlyEntry, { key: string; layout: EntryLayout }>()

/** The layout of the entry at `index`; undefined if there is none. */
export function entryLayout(
  thread: ReadonlyThread,
  index: number,
  user: string,
  columns: number,
): EntryLayout | undefined {
  const entry = thread.entries[index]
  if (entry === undefined) return undefined
  const previous = thread.entries[index - 1]
  const hasDaySeparator = previous === undefined || localDay(entry.at) !== localDay(previous.at)
  const hasUnreadSeparator = thread.firstUnreadId === entry.id
  const { markColumns, isRoom, senderColumns } = thread
  const widestName = Math.max(width(user), isRoom ? senderColumns : width(thread.name))
  const nameColumns = Math.min(MAX_NAME_COLUMNS, widestName, Math.max(4, columns >> 2))
  const key = `${columns} ${markColumns} ${nameColumns} ${hasDaySeparator} ${hasUnreadSeparator} ${entry.progress?.state}`
  const cached = cache.get(entry)
  if (cached?.key === key) return cached.layout
  const showsTime = columns >= MIN_COLUMNS_FOR_TIME
  const timeColumns = showsTime ? TIME_COLUMNS : 0
  const indent = timeColumns + markColumns + 1 + (entry.kind === 'message' ? nameColumns + 2 : 0)
  const reason = rejectionText(entry)
  const wrapped = (text: string) => wrap(text, columns - indent).map(row => row.text)
  const lines = wrapped(entry.text)
  const reasonLines = reason === undefined ? [] : wrapped(reason)
  const height = (hasDaySeparator ? 1 : 0) + (hasUnreadSeparator ? 1 : 0) + lines.length + reasonLines.length
  const separators = { hasDaySeparator, hasUnreadSeparator }
  const layout = { ...separators, showsTime, markColumns, nameColumns, indent, lines, reasonLines, height }
  if (cache.size >= MAX_CACHED_LAYOUTS) cache.clear()
  cache.set(entry, { key, layout })
  return layout
}

/** Why a message was rejected, for the user; undefined: it was not. */
export function rejectionText({ progress }: ReadonlyEntry): string | undefined {
  return progress?.state === 'refused' ? `not sent: ${sanitizeLine(progress.message)}` : undefined
}
