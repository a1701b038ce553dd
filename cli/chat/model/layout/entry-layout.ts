/** How an entry of a thread breaks into rows. Scrolling counts these rows; views/messages.ts draws them. */
import { sanitizeLine } from '../../../../src/protocol/text.ts'
import { formatTimeOfDay, localDay } from '../../../format-time.ts'
import { searchForm } from '../../../search-form.ts'
import { width, wrap } from '../../../terminal/width.ts'
import { markedName } from '../marked-name.ts'
import type { ReadonlyEntry, ReadonlyModel, ReadonlyThread } from '../readonly-model.ts'
import { type FormattedLine, type FormattedRow, parseFormatting, sourceLines, wrapFormatted } from './formatting.ts'
import { addMarks, reactionsText } from './message-text.ts'

/** Widest column of names. */
const MAX_NAME_COLUMNS = 16
/** Below this width the time of day is left out. */
const MIN_COLUMNS_FOR_TIME = 36
/** Most rows of reactions. */
const MAX_REACTION_ROWS = 3
/** Columns of a time of day and a space. */
const TIME_COLUMNS = 6
/** Cached layouts, so that a frame only wraps entries that are new or have changed. */
const MAX_CACHED_LAYOUTS = 2_000

export interface EntryLayout {
  /** Whether separators for a new day and for the first unread entry come before the entry. */
  hasDaySeparator: boolean
  hasUnreadSeparator: boolean
  showsTime: boolean
  /** False for a message that follows another one of the same sender. */
  showsName: boolean
  /** Columns of the delivery mark, without the space after it. */
  markColumns: number
  nameColumns: number
  /** Columns before the text. */
  indent: number
  /** Whether a row above the text names the message that this one replies to. */
  hasReplyRow: boolean
  /** The wrapped text. */
  lines: readonly FormattedRow[]
  /** The reactions, wrapped. */
  reactionLines: readonly string[]
  /** For a rejected message: why, wrapped. */
  reasonLines: readonly string[]
  /** Number of all rows, separators included. */
  height: number
}

/** Longest pause between two messages of a sender that are shown below one name, ms. */
const GROUP_PAUSE_MS = 5 * 60_000

/** The user of the client, their preferences, and the names that look like another one: the layout depends on them. */
export type Reader = Pick<ReadonlyModel, 'user' | 'preferences' | 'similarName'>

const cache = new Map<ReadonlyEntry, { key: string; layout: EntryLayout }>()

/** The layout of the entry at `index`; undefined if there is none. */
export function entryLayout(
  thread: ReadonlyThread,
  index: number,
  reader: Reader,
  columns: number,
): EntryLayout | undefined {
  const { user, preferences } = reader
  const entry = thread.entries[index]
  if (entry === undefined) return undefined
  const previous = thread.entries[index - 1]
  const hasDaySeparator = previous === undefined || localDay(entry.at) !== localDay(previous.at)
  const hasUnreadSeparator = thread.firstUnreadId === entry.id
  const { markColumns, isRoom, senderColumns } = thread
  const widestName = Math.max(width(user), isRoom ? senderColumns : width(thread.name))
  const nameColumns = Math.min(MAX_NAME_COLUMNS, widestName, Math.max(4, columns >> 2))
  const isGrouped = !hasDaySeparator && !hasUnreadSeparator && continues(previous, entry)
  const showsName = !isGrouped
  const showsTime =
    columns >= MIN_COLUMNS_FOR_TIME && !(isGrouped && formatTimeOfDay(previous?.at ?? 0) === formatTimeOfDay(entry.at))
  const isFormatted = preferences.formatting && !thread.showsSource
  const match = thread.searchMatch?.id === entry.id ? thread.searchMatch.text : ''
  const reactions = reactionsText(entry, name => markedName(reader, name))
  const key = [
    ...[columns, markColumns, nameColumns, hasDaySeparator, hasUnreadSeparator, showsName, showsTime],
    ...[entry.progress?.state, isFormatted, reactions, match],
  ].join(' ')
  const cached = cache.get(entry)
  if (cached?.key === key) return cached.layout
  const timeColumns = columns >= MIN_COLUMNS_FOR_TIME ? TIME_COLUMNS : 0
  const indent = timeColumns + markColumns + 1 + (entry.kind === 'message' ? nameColumns + 2 : 0)
  const reason = rejectionText(entry)
  const lines = wrapFormatted(entryLines(entry, isFormatted, match), entry.id, columns - indent, columns)
  const wrapped = (text: string) => wrap(text, columns - indent).map(row => row.text)
  const hasReplyRow = entry.reply !== undefined
  const reactionLines = reactions === '' ? [] : wrapped(reactions).slice(0, MAX_REACTION_ROWS)
  const reasonLines = reason === undefined ? [] : wrapped(reason)
  const extraRows = [hasDaySeparator, hasUnreadSeparator, hasReplyRow].filter(Boolean).length
  const height = extraRows + lines.length + reactionLines.length + reasonLines.length
  const parts = { hasDaySeparator, hasUnreadSeparator, hasReplyRow, lines, reactionLines, reasonLines }
  const layout = { ...parts, showsTime, showsName, markColumns, nameColumns, indent, height }
  if (cache.size >= MAX_CACHED_LAYOUTS) cache.clear()
  cache.set(entry, { key, layout })
  return layout
}

/** Whether a message belongs to those above it: soon after another one of its sender, on the same day. */
function continues(previous: ReadonlyEntry | undefined, { kind, from, at }: ReadonlyEntry): boolean {
  return kind === 'message' && previous?.kind === kind && previous.from === from && at - previous.at <= GROUP_PAUSE_MS
}

/** The lines of an entry, with its marks: formatted, or as they were written if the match of the search is only there. */
export function entryLines(entry: ReadonlyEntry, isFormatted: boolean, match = ''): FormattedLine[] {
  return entry.kind === 'message' ? addMarks(entry, textLines(entry.text, isFormatted, match)) : sourceLines(entry.text)
}

function textLines(text: string, isFormatted: boolean, match: string): FormattedLine[] {
  if (!isFormatted) return sourceLines(text)
  const lines = parseFormatting(text)
  const first: FormattedLine = { text: '', isCode: false, ranges: [] }
  // The time and the name are not in a row of code.
  if (lines[0]?.isCode) lines.unshift(first)
  const isFound = match === '' || lines.some(line => searchForm(line.text).includes(match))
  return isFound ? lines : sourceLines(text)
}

/** Why a message was rejected, for the user; undefined: it was not. */
export function rejectionText({ progress }: ReadonlyEntry): string | undefined {
  return progress?.state === 'refused' ? `not sent: ${sanitizeLine(progress.message)}` : undefined
}
