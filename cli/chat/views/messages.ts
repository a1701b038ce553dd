/** The rows of an entry: separators, time, delivery mark, name and text. */
import { formatDay, formatTimeOfDay } from '../../format-time.ts'
import { findAll } from '../../search-form.ts'
import { fitToColumns, width } from '../../terminal/width.ts'
import { type EntryLayout, entryLayout } from '../model/layout/entry-layout.ts'
import { progressMark } from '../model/message-progress.ts'
import type { ReadonlyEntry, ReadonlyThread } from '../model/readonly-model.ts'
import { findMentions, type Range } from '../model/rooms/mentions.ts'
import type { Row, Segment } from './row.ts'

/** All rows of the entry at `index`, with the separators above it. */
export function entryRows(thread: ReadonlyThread, index: number, user: string, columns: number): Row[] {
  const entry = thread.entries[index]
  const layout = entryLayout(thread, index, user, columns)
  if (entry === undefined || layout === undefined) return []
  const rows: Row[] = []
  if (layout.hasDaySeparator) rows.push(separatorRow(formatDay(entry.at), columns, 'dim'))
  if (layout.hasUnreadSeparator) rows.push(separatorRow('new', columns, 'accent'))
  const match = thread.searchMatch?.id === entry.id ? thread.searchMatch.text : ''
  rows.push(...(entry.kind === 'message' ? messageRows(entry, user, layout, match) : noteRows(entry, layout)))
  return rows
}

function messageRows(entry: ReadonlyEntry, user: string, layout: EntryLayout, match: string): Row[] {
  const own = entry.from === user
  const rejected = entry.progress?.state === 'refused'
  const mark = `${(own && entry.progress !== undefined ? progressMark(entry.progress) : '').padEnd(layout.markColumns)} `
  const name = fitToColumns(entry.from, layout.nameColumns)
  const mentioned = entry.mentionsUser ? user : ''
  const indent: Segment = { text: ' '.repeat(layout.indent) }
  const rows = layout.lines.map((text, line): Row => {
    if (line > 0) return [indent, ...highlight(text, match, mentioned)]
    return [
      { text: layout.showsTime ? `${formatTimeOfDay(entry.at)} ` : '', dim: true },
      rejected ? { text: mark, tone: 'bad' } : { text: mark, dim: true },
      own ? { text: name, bold: true } : { text: name, tone: 'name', user: entry.from },
      { text: '  ' },
      ...highlight(text, match, mentioned),
    ]
  })
  for (const text of layout.reasonLines) rows.push([indent, { text, tone: 'bad' }])
  return rows
}

/** Splits a text so that each occurrence of `match` (in its search form) is inverse, and each mention of a user stands out. */
function highlight(text: string, match: string, mentioned: string): Segment[] {
  const matches = findAll(text, match).map(range => ({ ...range, style: { inverse: true } as const }))
  const mentions = mentioned === '' ? [] : findMentions(text, mentioned)
  const isFree = ({ start, end }: Range) => matches.every(other => other.end <= start || end <= other.start)
  const ranges = [
    ...matches,
    ...mentions.filter(isFree).map(range => ({ ...range, style: { tone: 'warn', bold: true } as const })),
  ].sort((one, other) => one.start - other.start)
  const segments: Segment[] = []
  let from = 0
  for (const { start, end, style } of ranges) {
    segments.push({ text: text.slice(from, start) }, { text: text.slice(start, end), ...style })
    from = end
  }
  segments.push({ text: text.slice(from) })
  return segments
}

function noteRows(entry: ReadonlyEntry, { lines, showsTime, indent }: EntryLayout): Row[] {
  return lines.map((text, line): Row => {
    const start = line === 0 && showsTime ? formatTimeOfDay(entry.at) : ''
    const row = start.padEnd(indent) + text
    return [entry.kind === 'note' ? { text: row, dim: true } : { text: row, tone: 'bad', bold: true }]
  })
}

function separatorRow(label: string, columns: number, tone: 'dim' | 'accent'): Row {
  const line = fitToColumns(`── ${label} ${'─'.repeat(Math.max(0, columns - width(label) - 4))}`, columns)
  return [tone === 'dim' ? { text: line, dim: true } : { text: line, tone: 'accent' }]
}
