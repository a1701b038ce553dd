/** How an entry of a thread breaks into rows. Scrolling counts these rows; views/messages.ts draws them. */
import { sanitizeLine } from '../../../../src/protocol/text.ts'
import { formatTimeOfDay, localDay } from '../../../common/format-time.ts'
import { searchForm } from '../../../common/search-form.ts'
import { width, wrap } from '../../../terminal/width.ts'
import { Memo } from '../../memo.ts'
import { markedName } from '../names/marked-name.ts'
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
  /** Whether the first row names the message that this one replies to; the text is below it. */
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
export type Reader = Pick<ReadonlyModel, 'user' | 'preferences' | 'similarName' | 'similarNamesRevision'>

/** What the layouts of a thread have in common. */
interface Frame {
  columns: number
  markColumns: number
  nameColumns: number
  isFormatted: boolean
}

const frames = new Memo<ReadonlyThread, Frame>()
const layouts = new Memo<ReadonlyEntry, EntryLayout>()

/** The layout of the entry at `index`, the same object while nothing has changed; undefined if there is none. */
export function entryLayout(
  thread: ReadonlyThread,
  index: number,
  reader: Reader,
  columns: number,
): EntryLayout | undefined {
  const entry = thread.entries[index]
  if (entry === undefined) return undefined
  const frame = frameOf(thread, reader, columns)
  const previous = thread.entries[index - 1]
  const hasUnreadSeparator = thread.firstUnreadId === entry.id
  const match = thread.searchMatch?.id === entry.id ? thread.searchMatch.text : ''
  const names = entry.reactions === undefined ? 0 : reader.similarNamesRevision
  // Not the previous entry itself: each cached layout would keep the entry before it in memory.
  const before = [previous?.kind, previous?.from, previous?.at]
  const inputs = [frame, entry.at, entry.progress, ...before, hasUnreadSeparator, match, names]
  return layouts.get(entry, inputs, () => layOut(entry, previous, frame, hasUnreadSeparator, match, reader))
}

function frameOf(thread: ReadonlyThread, { user, preferences }: Reader, columns: number): Frame {
  const { name, isRoom, markColumns, senderColumns, showsSource } = thread
  const isFormatted = preferences.formatting && !showsSource
  return frames.get(thread, [columns, markColumns, senderColumns, isFormatted, user], () => {
    const widestName = Math.max(width(user), isRoom ? senderColumns : width(name))
    const nameColumns = Math.min(MAX_NAME_COLUMNS, widestName, Math.max(4, columns >> 2))
    return { columns, markColumns, nameColumns, isFormatted }
  })
}

function layOut(
  entry: ReadonlyEntry,
  previous: ReadonlyEntry | undefined,
  { columns, markColumns, nameColumns, isFormatted }: Frame,
  hasUnreadSeparator: boolean,
  match: string,
  reader: Reader,
): EntryLayout {
  const hasDaySeparator = previous === undefined || localDay(entry.at) !== localDay(previous.at)
  // The first row of a reply has what it answers: its sender is next to it.
  const mayBeGrouped = !hasDaySeparator && !hasUnreadSeparator && entry.reply === undefined
  const isGrouped = mayBeGrouped && continues(previous, entry)
  const showsName = !isGrouped
  const showsTime =
    columns >= MIN_COLUMNS_FOR_TIME && !(isGrouped && formatTimeOfDay(previous?.at ?? 0) === formatTimeOfDay(entry.at))
  const reactions = reactionsText(entry, name => markedName(reader, name))
  const timeColumns = columns >= MIN_COLUMNS_FOR_TIME ? TIME_COLUMNS : 0
  const indent = timeColumns + markColumns + 1 + (entry.kind === 'message' ? nameColumns + 2 : 0)
  const reason = rejectionText(entry)
  const lines = wrapFormatted(entryLines(entry, isFormatted, match), entry.id, columns - indent, columns)
  const wrapped = (text: string) => wrap(text, columns - indent).map(row => row.text)
  const hasReplyRow = entry.reply !== undefined && entry.isDeleted !== true
  const reactionLines = reactions === '' ? [] : wrapped(reactions).slice(0, MAX_REACTION_ROWS)
  const reasonLines = reason === undefined ? [] : wrapped(reason)
  const extraRows = [hasDaySeparator, hasUnreadSeparator, hasReplyRow].filter(Boolean).length
  const height = extraRows + lines.length + reactionLines.length + reasonLines.length
  const parts = { hasDaySeparator, hasUnreadSeparator, hasReplyRow, lines, reactionLines, reasonLines }
  return { ...parts, showsTime, showsName, markColumns, nameColumns, indent, height }
}

/** Whether a message belongs to those above it: soon after another one of its sender, on the same day. */
function continues(previous: ReadonlyEntry | undefined, { kind, from, at }: ReadonlyEntry): boolean {
  return kind === 'message' && previous?.kind === kind && previous.from === from && at - previous.at <= GROUP_PAUSE_MS
}

/** The lines of an entry, with its marks: formatted, or as they were written if the match of the search is only there. */
export function entryLines(entry: ReadonlyEntry, isFormatted: boolean, match = ''): FormattedLine[] {
  if (entry.kind !== 'message') return sourceLines(entry.text)
  return addMarks(entry, textLines(entry.text, isFormatted, match, entry.reply !== undefined))
}

function textLines(text: string, isFormatted: boolean, match: string, isReply: boolean): FormattedLine[] {
  if (!isFormatted) return sourceLines(text)
  const lines = parseFormatting(text)
  const first: FormattedLine = { text: '', isCode: false, ranges: [] }
  // The time and the name are not in a row of code.
  if (lines[0]?.isCode && !isReply) lines.unshift(first)
  const isFound = match === '' || lines.some(line => searchForm(line.text).includes(match))
  return isFound ? lines : sourceLines(text)
}

/** Why a message was rejected, for the user; undefined: it was not. */
export function rejectionText({ progress }: ReadonlyEntry): string | undefined {
  return progress?.state === 'refused' ? `not sent: ${sanitizeLine(progress.message)}` : undefined
}
