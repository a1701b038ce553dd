import { fitToColumns, width } from '../../terminal/width.ts'
import type { ReadonlyModel, ReadonlyThread } from '../model/readonly-model.ts'
import type { Row, Segment } from './row.ts'

/** The rooms, below them the threads with users, most recent activity first, and then all users online in the mesh. */
export function sidebarRows(model: ReadonlyModel, columns: number, height: number): Row[] {
  // Threads get at most half of the rows, or more if the roster leaves rows free.
  const rows = threadListRows(model, columns, Math.max(height >> 1, height - model.online.size - 1))
  rows.push(titleRow(`Online ${model.online.size}`, columns))
  const rowsLeft = height - rows.length
  const shown = model.online.size > rowsLeft ? Math.max(0, rowsLeft - 1) : model.online.size
  for (const name of model.online.slice(0, shown)) {
    rows.push(onlineRow(model, name, columns))
  }
  if (shown < model.online.size && rows.length < height) rows.push(moreRow(model.online.size - shown, columns))
  while (rows.length < height) rows.push([{ text: ' '.repeat(columns) }])
  return rows.slice(0, height)
}

/** The rooms and the threads with users, each below a title, in at most `height` rows; the last one is blank. */
function threadListRows(model: ReadonlyModel, columns: number, height: number): Row[] {
  const threads = model.threadsByActivity()
  const rooms = threads.filter(({ isRoom }) => isRoom)
  const groups = [
    { title: 'Rooms', threads: rooms, firstNumber: 0 },
    { title: 'Threads', threads: threads.slice(rooms.length), firstNumber: rooms.length },
  ].filter(group => group.threads.length > 0)
  const rows: Row[] = []
  // The rows for threads, without the titles and the blank row.
  let left = height - groups.length - 1
  for (const [at, group] of groups.entries()) {
    // A group leaves half of the rows to the next one, if that needs them.
    const others = groups.slice(at + 1).reduce((sum, other) => sum + other.threads.length, 0)
    const available = Math.max(left - others, left - (others > 0 ? left >> 1 : 0))
    if (available < 1) break
    const isCut = group.threads.length > available
    const shown = isCut ? available - 1 : group.threads.length
    rows.push(titleRow(group.title, columns))
    for (const [nth, thread] of group.threads.slice(0, shown).entries())
      rows.push(threadRow(model, thread, group.firstNumber + nth, columns))
    if (isCut) rows.push(moreRow(group.threads.length - shown, columns))
    left -= isCut ? available : shown
  }
  if (rows.length > 0) rows.push([{ text: ' '.repeat(columns) }])
  return rows
}

function onlineRow(model: ReadonlyModel, name: string, columns: number): Row {
  const you = name === model.user ? ' (you)' : ''
  const connections = model.connectionCounts.get(name)
  const confusableMark = model.similarName(name) === undefined ? '' : ' ≈'
  const suffix = `${confusableMark}${connections === undefined ? '' : ` ×${connections}`}`
  const nameColumns = Math.max(1, columns - 1 - you.length - suffix.length)
  const shown = width(name) > nameColumns ? fitToColumns(name, nameColumns) : name
  return [
    you === '' ? { text: ` ${shown}` } : { text: ` ${shown}${you}`, dim: true },
    { text: suffix, tone: 'accent' },
    { text: ' '.repeat(Math.max(0, columns - 1 - width(shown) - you.length - suffix.length)) },
  ]
}

function titleRow(text: string, columns: number): Row {
  return [{ text: fitToColumns(text, columns), bold: true }]
}

function moreRow(count: number, columns: number): Row {
  return [{ text: fitToColumns(` … ${count} more`, columns), dim: true }]
}

function threadRow(model: ReadonlyModel, thread: ReadonlyThread, at: number, columns: number): Row {
  const number = at < 9 ? `${at + 1}` : ' '
  const mark = model.similarName(thread.name) === undefined ? '' : ' ≈'
  const unread = thread.unreadCount > 0 ? ` ${shortCount(thread.unreadCount)}` : ''
  const mentions = thread.mentionCount > 0 ? ` @${shortCount(thread.mentionCount)}` : ''
  const name = fitToColumns(thread.name, Math.max(1, columns - 5 - width(unread) - width(mentions) - width(mark)))
  const current = thread === model.current
  return [
    { text: `${number} `, dim: true },
    thread.isRoom ? roomMark(model, thread.name) : onlineMark(model, thread.name),
    current ? { text: name, inverse: true } : thread.unreadCount > 0 ? { text: name, bold: true } : { text: name },
    { text: mark, tone: 'accent', bold: true },
    { text: mentions, tone: 'warn', bold: true },
    { text: `${unread} `, tone: 'accent', bold: true },
  ]
}

function shortCount(count: number): string {
  return count > 999 ? '999+' : `${count}`
}

function onlineMark(model: ReadonlyModel, name: string): Segment {
  return model.isOnline(name) ? { text: '● ', tone: 'good' } : { text: '○ ', dim: true }
}

/** Whether the user is in a room, waits for it, or is rejected. */
function roomMark(model: ReadonlyModel, name: string): Segment {
  switch (model.rooms.get(name)?.state.state) {
    case 'joined':
      return { text: '● ', tone: 'good' }
    case 'waiting':
      return { text: '◌ ', tone: 'warn' }
    case 'rejected':
      return { text: '✗ ', tone: 'bad' }
    default:
      return { text: '○ ', dim: true }
  }
}
