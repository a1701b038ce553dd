import type { Progress } from '../../../src/client/events.ts'
import { sanitizeLine } from '../../../src/protocol/text.ts'
import { fitToColumns, width, wrap } from '../../terminal/width.ts'
import type { Entry, Thread } from '../model/thread.ts'
import type { Row, Segment } from './row.ts'

/** Widest column of names. */
const MAX_NAME_COLUMNS = 16
/** Wrapped entries kept, so that a frame wraps only what is new. */
const MAX_CACHED_ENTRIES = 2_000

const DAY_FORMAT = new Intl.DateTimeFormat('en-GB', { weekday: 'long', day: 'numeric', month: 'long', year: 'numeric' })
const cache = new Map<Entry, { key: string; rows: Row[] }>()

/** All rows of an entry: a line for a new day, the line before what is new, then the message itself. */
export function entryRows(thread: Thread, index: number, user: string, columns: number): Row[] {
  const entry = thread.entries[index]
  if (entry === undefined) return []
  const before = thread.entries[index - 1]
  const newDay = day(entry.at) !== (before === undefined ? '' : day(before.at))
  const isNew = thread.firstUnreadId === entry.id
  const found = thread.searchMatch?.id === entry.id ? thread.searchMatch.text : ''
  const names = Math.min(MAX_NAME_COLUMNS, Math.max(width(user), width(thread.name)), Math.max(4, columns >> 2))
  const key = `${columns} ${names} ${newDay} ${isNew} ${entryMark(entry, user)} ${entry.progress?.state} ${found}`
  const cached = cache.get(entry)
  if (cached?.key === key) return cached.rows
  const rows: Row[] = []
  if (newDay) rows.push(separatorRow(DAY_FORMAT.format(entry.at), columns, 'dim'))
  if (isNew) rows.push(separatorRow('new', columns, 'accent'))
  rows.push(...(entry.kind === 'message' ? messageRows(entry, user, names, columns, found) : noteRows(entry, columns)))
  if (cache.size >= MAX_CACHED_ENTRIES) cache.clear()
  cache.set(entry, { key, rows })
  return rows
}

function messageRows(entry: Entry, user: string, names: number, columns: number, found: string): Row[] {
  const own = entry.from === user
  const time = columns >= 36 ? `${formatTime(entry.at)} ` : ''
  const sign = `${entryMark(entry, user).padEnd(2)} `
  const indent = time.length + sign.length + names + 2
  const texts = wrap(entry.text, columns - indent)
  const rows = texts.map(({ text }, row): Row => {
    if (row > 0) return [{ text: ' '.repeat(indent) }, ...highlight(text, found)]
    return [
      { text: time, dim: true },
      entry.progress?.state === 'refused' ? { text: sign, tone: 'bad' } : { text: sign, dim: true },
      own
        ? { text: fitToColumns(entry.from, names), bold: true }
        : { text: fitToColumns(entry.from, names), tone: 'name' },
      { text: '  ' },
      ...highlight(text, found),
    ]
  })
  if (entry.progress?.state === 'refused') {
    const reason = `not sent: ${sanitizeLine(entry.progress.message)}`
    for (const { text } of wrap(reason, columns - indent)) {
      rows.push([{ text: ' '.repeat(indent) }, { text, tone: 'bad' }])
    }
  }
  return rows
}

/** A text with what was found in it marked. */
function highlight(text: string, found: string): Segment[] {
  const lower = text.toLowerCase()
  const segments: Segment[] = []
  let from = 0
  if (found !== '' && lower.length === text.length) {
    for (let at = lower.indexOf(found); at >= 0; at = lower.indexOf(found, from)) {
      segments.push({ text: text.slice(from, at) }, { text: text.slice(at, at + found.length), inverse: true })
      from = at + found.length
    }
  }
  segments.push({ text: text.slice(from) })
  return segments
}

function noteRows(entry: Entry, columns: number): Row[] {
  const time = columns >= 36 ? `${formatTime(entry.at)} ` : ''
  return wrap(entry.text, columns - time.length - 3).map(({ text }, row): Row => {
    const line = `${row === 0 ? time : ' '.repeat(time.length)}   ${text}`
    return [entry.kind === 'note' ? { text: line, dim: true } : { text: line, tone: 'bad', bold: true }]
  })
}

/** The state of one's own message, in at most two columns. */
function entryMark(entry: Entry, user: string): string {
  return entry.from === user && entry.progress !== undefined ? progressMark(entry.progress) : ''
}

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

/** The time of day. */
export function formatTime(at: number): string {
  const date = new Date(at)
  return `${`${date.getHours()}`.padStart(2, '0')}:${`${date.getMinutes()}`.padStart(2, '0')}`
}

function day(at: number): string {
  const date = new Date(at)
  return `${date.getFullYear()}-${date.getMonth()}-${date.getDate()}`
}
