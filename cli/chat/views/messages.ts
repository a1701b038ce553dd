/** The rows of an entry: separators, time, delivery mark, name and text. */
import type { Progress } from '../../../src/client/events.ts'
import { formatDay, formatTimeOfDay } from '../../format-time.ts'
import { findAll } from '../../search-form.ts'
import { fitToColumns, width } from '../../terminal/width.ts'
import { type EntryLayout, entryLayout } from '../model/layout/entry-layout.ts'
import type { ReadonlyEntry, ReadonlyThread } from '../model/readonly-model.ts'
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
  const mark = `${(own && entry.progress !== undefined ? progressMark(entry.progress) : '').padEnd(2)} `
  const name = fitToColumns(entry.from, layout.nameColumns)
  const indent: Segment = { text: ' '.repeat(layout.indent) }
  const rows = layout.lines.map((text, line): Row => {
    if (line > 0) return [indent, ...highlight(text, match)]
    return [
      { text: layout.showsTime ? `${formatTimeOfDay(entry.at)} ` : '', dim: true },
      rejected ? { text: mark, tone: 'bad' } : { text: mark, dim: true },
      own ? { text: name, bold: true } : { text: name, tone: 'name' },
      { text: '  ' },
      ...highlight(text, match),
    ]
  })
  for (const text of layout.reasonLines) rows.push([indent, { text, tone: 'bad' }])
  return rows
}

/** Splits a text so that each occurrence of `match` (in its search form) is inverse. */
function highlight(text: string, match: string): Segment[] {
  const segments: Segment[] = []
  let from = 0
  for (const { start, end } of findAll(text, match)) {
    segments.push({ text: text.slice(from, start) }, { text: text.slice(start, end), inverse: true })
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

/** The delivery state in at most two columns. The help overlay explains these marks. */
function progressMark(progress: Progress): string {
  switch (progress.state) {
    case 'waiting':
      return '…'
    case 'sent':
      return '→'
    case 'delivered':
      return progress.connections > 1 ? `✓${Math.min(9, progress.connections)}` : '✓'
    case 'refused':
      return '✗'
  }
}

function separatorRow(label: string, columns: number, tone: 'dim' | 'accent'): Row {
  const line = fitToColumns(`── ${label} ${'─'.repeat(Math.max(0, columns - width(label) - 4))}`, columns)
  return [tone === 'dim' ? { text: line, dim: true } : { text: line, tone: 'accent' }]
}
