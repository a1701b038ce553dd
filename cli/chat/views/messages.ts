/** The rows of an entry: separators, time, delivery mark, name and text. */
import { formatDay, formatTimeOfDay } from '../../common/format-time.ts'
import { findAll } from '../../common/search-form.ts'
import { fitToColumns, width } from '../../terminal/width.ts'
import { Memo } from '../memo.ts'
import { type EntryLayout, entryLayout, type Reader } from '../model/layout/entry-layout.ts'
import type { Format, FormattedRow } from '../model/layout/formatting.ts'
import { replyText } from '../model/layout/message-text.ts'
import type { RowPosition } from '../model/layout/viewport.ts'
import type { ReadonlyEntry, ReadonlyThread } from '../model/readonly-model.ts'
import { findAllMentions, type Range } from '../model/rooms/mentions.ts'
import { progressMark } from '../model/threads/message-progress.ts'
import { markLinks, type Row, type Segment } from './row.ts'

/** Segments before the text of a message: time, delivery mark, name. */
const HEAD_SEGMENTS = 3

const rowsOfEntries = new Memo<ReadonlyEntry, readonly Row[]>()

/**
 * All rows of the entry at `index`, with the separators above it; the same objects while nothing has changed.
 * @param isConfusable whether a name looks like another one; its messages are marked
 */
export function entryRows(
  thread: ReadonlyThread,
  index: number,
  reader: Reader,
  columns: number,
  isConfusable: (name: string) => boolean = () => false,
): readonly Row[] {
  const entry = thread.entries[index]
  const layout = entryLayout(thread, index, reader, columns)
  if (entry === undefined || layout === undefined) return []
  const match = thread.searchMatch?.id === entry.id ? thread.searchMatch.text : ''
  const isSelected = thread.selection !== undefined && thread.messageOf(thread.selection) === entry
  const isMarked = entry.kind === 'message' && isConfusable(entry.from)
  const { reply } = entry
  const answered = reply && layout.hasReplyRow ? replyText(thread, reply, isConfusable(reply.from)) : undefined
  const mentioned = entry.mentionsUser ? thread.mentionWords : []
  const { progress, changeProgress } = entry
  const inputs = [layout, columns, reader.user, match, isSelected, isMarked, answered, progress, changeProgress]
  return rowsOfEntries.get(entry, [...inputs, mentioned.join('\n')], () => {
    const rows: Row[] = []
    if (layout.hasDaySeparator) rows.push(dayRow(entry.at, columns))
    if (layout.hasUnreadSeparator) rows.push(separatorRow('new', columns, 'accent'))
    const messages =
      entry.kind === 'message'
        ? messageRows(entry, reader.user, layout, columns, match, isMarked, mentioned, answered)
        : noteRows(entry, layout)
    rows.push(...(isSelected ? highlightFirst(messages) : messages))
    return rows
  })
}

/** The line with a day: above its first entry, and at the top of the view while that is scrolled up. */
export function dayRow(at: number, columns: number): Row {
  return separatorRow(formatDay(at), columns, 'dim')
}

function messageRows(
  entry: ReadonlyEntry,
  user: string,
  layout: EntryLayout,
  columns: number,
  match: string,
  isConfusable: boolean,
  mentioned: readonly string[],
  answered: string | undefined,
): Row[] {
  const progress = entry.changeProgress ?? (entry.from === user ? entry.progress : undefined)
  const mark = progress === undefined ? '' : progressMark(progress)
  const head = headSegments(entry, user, layout, mark, isConfusable)
  const indent: Segment = { text: ' '.repeat(layout.indent) }
  const rows = layout.lines.map((row, line): Row => {
    const content = markLinks(highlight(row, match, mentioned), row.links)
    if (row.isFlush) return content
    return line > 0 || answered !== undefined ? [indent, ...content] : [...head, ...content]
  })
  if (answered !== undefined) {
    const text = fitToColumns(answered, Math.max(1, columns - layout.indent)).trimEnd()
    rows.unshift([...head, { text, dim: true }])
  }
  for (const text of layout.reactionLines) rows.push([indent, { text, dim: true }])
  for (const text of layout.reasonLines) rows.push([indent, { text, tone: 'bad' }])
  return rows
}

/** Time, delivery mark and name: as many columns as the indentation of the layout. */
function headSegments(
  entry: ReadonlyEntry,
  user: string,
  { indent, markColumns, nameColumns, showsName, showsTime }: EntryLayout,
  mark: string,
  isConfusable: boolean,
): Segment[] {
  const time = showsTime ? formatTimeOfDay(entry.at) : ''
  const shownMark = `${mark.padEnd(markColumns)} `
  const shownName = showsName ? entry.from : ''
  const name = entry.isAction ? '*'.padStart(nameColumns) : fitToColumns(shownName, nameColumns)
  return [
    { text: time.padEnd(indent - shownMark.length - nameColumns - 2), dim: true },
    entry.progress?.state === 'refused' ? { text: shownMark, tone: 'bad' } : { text: shownMark, dim: true },
    entry.from === user ? { text: name, bold: true } : { text: name, tone: 'name', user: entry.from },
    isConfusable && showsName ? { text: '≈ ', tone: 'accent', bold: true } : { text: '  ' },
  ]
}

/**
 * The visible rows of a thread, with the sender of the topmost message in the first row that has space for it, if the name is
 * further up: in an earlier message, or in an earlier row of a long one.
 * @param rows the rows from the one at `top` on
 */
export function withSender(
  rows: readonly Row[],
  top: RowPosition,
  thread: ReadonlyThread,
  reader: Reader,
  columns: number,
  isConfusable: (name: string) => boolean,
): readonly Row[] {
  const entry = thread.entries[top.index]
  const layout = entryLayout(thread, top.index, reader, columns)
  if (entry?.kind !== 'message' || layout === undefined) return rows
  const { hasDaySeparator, hasUnreadSeparator, hasReplyRow, lines, indent, markColumns, nameColumns } = layout
  const separators = Number(hasDaySeparator) + Number(hasUnreadSeparator)
  const first = top.row - separators
  if (first < 0 || (first === 0 && layout.showsName)) return rows
  // Rows at the left margin have no space for it.
  let at = first
  while (at > 0 && lines[at - Number(hasReplyRow)]?.isFlush) at++
  const row = rows[at - first]
  if (row === undefined || at >= layout.height - separators) return rows
  const mark = at === 0 ? (row[1]?.text ?? '').trimEnd() : ''
  const shown = { ...layout, showsName: true, showsTime: indent > markColumns + nameColumns + 3 }
  const head = headSegments(entry, reader.user, shown, mark, isConfusable(entry.from))
  const isSelected = row[0]?.inverse === true
  return rows.with(at - first, [...(isSelected ? inverseHead(head) : head), ...row.slice(at === 0 ? head.length : 1)])
}

/** The rows of a selected message: all before the text of the first one is inverse. */
function highlightFirst([first = [], ...others]: Row[]): Row[] {
  return [inverseHead(first), ...others]
}

function inverseHead(row: Row): Row {
  return row.map((segment, at): Segment => (at < HEAD_SEGMENTS ? { ...segment, inverse: true } : segment))
}

/**
 * Splits a row into segments: each occurrence of `match` (in its search form) is inverse, and each mention of a user is
 * bold, both on top of the formatting.
 */
export function highlight(
  { text, isCode, ranges }: FormattedRow,
  match: string,
  mentioned: readonly string[],
): Segment[] {
  const matches = findAll(text, match)
  const isFree = ({ start, end }: Range) => matches.every(other => other.end <= start || end <= other.start)
  const mentions = findAllMentions(text, mentioned).filter(isFree)
  const borders = [0, text.length, ...[...ranges, ...matches, ...mentions].flatMap(({ start, end }) => [start, end])]
  const sorted = [...new Set(borders)].sort((one, other) => one - other)
  const segments: Segment[] = []
  for (const [at, start] of sorted.entries()) {
    const end = sorted[at + 1]
    if (end === undefined) break
    const isIn = (range: Range) => range.start <= start && end <= range.end
    const format = ranges.find(isIn)?.format ?? (isCode ? { code: true } : {})
    segments.push({
      text: text.slice(start, end),
      ...formatStyle(format),
      ...(matches.some(isIn) ? { inverse: true } : mentions.some(isIn) ? { tone: 'warn', bold: true } : {}),
    })
  }
  return segments
}

function formatStyle({ bold, italic, code, dim }: Format): Omit<Segment, 'text'> {
  return { ...(bold && { bold }), ...(italic && { italic }), ...(code && { tone: 'code' }), ...(dim && { dim }) }
}

function noteRows(entry: ReadonlyEntry, { lines, showsTime, indent }: EntryLayout): Row[] {
  return lines.map(({ text }, line): Row => {
    const start = line === 0 && showsTime ? formatTimeOfDay(entry.at) : ''
    const row = start.padEnd(indent) + text
    return [entry.kind === 'note' ? { text: row, dim: true } : { text: row, tone: 'bad', bold: true }]
  })
}

function separatorRow(label: string, columns: number, tone: 'dim' | 'accent'): Row {
  const line = fitToColumns(`── ${label} ${'─'.repeat(Math.max(0, columns - width(label) - 4))}`, columns)
  return [tone === 'dim' ? { text: line, dim: true } : { text: line, tone: 'accent' }]
}
