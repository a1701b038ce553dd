import { isRoom } from '../../../src/protocol/rooms.ts'
import { fitToColumns, width } from '../../terminal/width.ts'
import type { ReadonlyModel, ReadonlyThread } from '../model/readonly-model.ts'
import { type UnreadCounts, unreadParts, unreadText } from '../model/threads/unread-counts.ts'
import { opening, type Row, type Segment } from './row.ts'

/** Below this height there are no titles: only threads. */
const MIN_TITLED_ROWS = 6

/** A thread with a draft. */
export const DRAFT_MARK = '*'
/** Without a connection, it is not known who is online. */
export const UNKNOWN_PRESENCE: Segment = { text: '· ', dim: true }

/** The rooms, below them the threads with users, and then the other users online in the mesh. */
export function sidebarRows(model: ReadonlyModel, columns: number, height: number): Row[] {
  const threads = model.listedThreads()
  // Users with a thread are not listed twice.
  const others = model.onlineCount - model.onlineThreadCount
  const rows = threadListRows(model, threads, columns, height, Math.max(height >> 1, height - others - 1))
  rows.push(onlineTitle(model, others, columns))
  const rowsLeft = height - rows.length
  const fitting = others > rowsLeft ? Math.max(0, rowsLeft - 1) : others
  const names = [...takeOthers(model, fitting)]
  for (const name of names) rows.push(onlineRow(model, name, columns))
  const shown = names.length
  if (shown < others && rows.length < height) rows.push(moreRow(others - shown, columns))
  while (rows.length < height) rows.push([{ text: ' '.repeat(columns) }])
  return rows.slice(0, height)
}

/** The title counts what is below it: without those who are listed as threads. */
function onlineTitle(model: ReadonlyModel, others: number, columns: number): Row {
  if (!model.knowsOnline) return [{ text: fitToColumns(others === 0 ? '' : 'Last online', columns), dim: true }]
  if (others === model.onlineCount) return titleRow(`Online ${others}`, columns)
  return titleRow(others === 0 ? '' : `Also online ${others}`, columns)
}

/** The first users online who have no thread. */
function* takeOthers({ online, threads }: ReadonlyModel, count: number): Generator<string> {
  let left = count
  if (left === 0) return
  for (const name of online) {
    if (threads.has(name)) continue
    yield name
    if (--left === 0) return
  }
}

/**
 * The rooms and the threads with users, each below a title, in at most `available` rows; the last one is blank. The open
 * thread is always among them.
 * @param height rows of the whole sidebar
 */
function threadListRows(
  model: ReadonlyModel,
  threads: readonly ReadonlyThread[],
  columns: number,
  height: number,
  available: number,
): Row[] {
  if (height < MIN_TITLED_ROWS) return threadWindow(model, threads, columns, height)
  const rooms = threads.filter(({ isRoom }) => isRoom)
  const groups = [
    { title: 'Rooms', threads: rooms },
    { title: 'Threads', threads: threads.slice(rooms.length) },
  ].filter(group => group.threads.length > 0)
  const current = groups.find(group => group.threads.some(one => one === model.current))
  const listed = available > 2 * groups.length ? groups : [current ?? groups[0]].filter(group => group !== undefined)
  const rows: Row[] = []
  // The rows for threads, without the titles and the blank row.
  let left = Math.max(1, available - listed.length - 1)
  for (const [at, group] of listed.entries()) {
    // A group leaves half of the rows to the next one, if that needs them.
    const others = listed.slice(at + 1).reduce((sum, other) => sum + other.threads.length, 0)
    const groupRows = threadWindow(model, group.threads, columns, Math.max(left - others, left - (left >> 1)))
    rows.push(titleRow(group.title, columns), ...groupRows)
    left -= groupRows.length
  }
  if (rows.length > 0) rows.push([{ text: ' '.repeat(columns) }])
  return rows
}

/** The threads that fit into some rows, the open one among them, and how many there are besides. */
function threadWindow(
  model: ReadonlyModel,
  threads: readonly ReadonlyThread[],
  columns: number,
  height: number,
): Row[] {
  const isCut = threads.length > height
  const shown = isCut ? Math.max(1, height - 1) : threads.length
  const at = model.current === undefined ? -1 : threads.indexOf(model.current)
  const top = Math.max(0, at - shown + 1)
  const rows = threads.slice(top, top + shown).map(thread => threadRow(model, thread, columns))
  if (!isCut || (height < 2 && at >= 0)) return rows
  if (height < 2) return [moreRow(threads.length, columns, unreadIn(threads))]
  const hidden = [...threads.slice(0, top), ...threads.slice(top + shown)]
  return [...rows, moreRow(hidden.length, columns, unreadIn(hidden))]
}

function unreadIn(threads: readonly ReadonlyThread[]): UnreadCounts {
  const sum = (count: (thread: ReadonlyThread) => number) => threads.reduce((total, one) => total + count(one), 0)
  return { unreadCount: sum(one => one.unreadCount), mentionCount: sum(one => one.mentionCount) }
}

function onlineRow(model: ReadonlyModel, name: string, columns: number): Row {
  const you = name === model.user ? ' (you)' : ''
  const connections = connectionsOf(model, name)
  const confusableMark = model.similarName(name) === undefined ? '' : ' ≈'
  const suffix = `${confusableMark}${connections === undefined ? '' : ` ×${connections}`}`
  const nameColumns = Math.max(1, columns - 1 - you.length - suffix.length)
  const shown = width(name) > nameColumns ? fitToColumns(name, nameColumns) : name
  const row: Row = [
    you === '' && model.knowsOnline ? { text: ` ${shown}` } : { text: ` ${shown}${you}`, dim: true },
    { text: suffix, tone: 'accent' },
    { text: ' '.repeat(Math.max(0, columns - 1 - width(shown) - you.length - suffix.length)) },
  ]
  return name === model.user ? row : opening(name, row)
}

/** A row that opens a thread when it is clicked. */
function titleRow(text: string, columns: number): Row {
  return [{ text: fitToColumns(text, columns), bold: true }]
}

function moreRow(count: number, columns: number, unread: UnreadCounts = { unreadCount: 0, mentionCount: 0 }): Row {
  const text = unread.mentionCount > 0 ? unreadText(unread) : `${unreadText(unread)} unread`
  if (unread.unreadCount === 0) return [{ text: fitToColumns(` … ${count} more`, columns), dim: true }]
  return [{ text: fitToColumns(` … ${count} more, ${text}`, columns), tone: 'accent', bold: true }]
}

function threadRow(model: ReadonlyModel, thread: ReadonlyThread, columns: number): Row {
  const number = `${model.threadNumber(thread.name) ?? ' '}`
  const isMuted = model.preferences.muted.includes(thread.name)
  const connections = connectionsOf(model, thread.name)
  const confusable = model.similarName(thread.name) === undefined ? '' : ' ≈'
  // The draft of the open thread is in the input line.
  const draft = thread !== model.current && thread.hasDraft ? ` ${DRAFT_MARK}` : ''
  const marks = `${connections === undefined ? '' : ` ×${connections}`}${isMuted ? ' ~' : ''}`
  const parts = unreadParts(thread)
  const mentions = parts.mentions === '' ? '' : ` ${parts.mentions}`
  const unread = parts.others === '' ? '' : ` ${parts.others}`
  const taken = [unread, mentions, confusable, marks, draft].reduce((sum, text) => sum + width(text), 0)
  const nameColumns = Math.max(1, columns - 5 - taken)
  const you = thread.name === model.user ? ' (you)' : ''
  const name = fitToColumns(`${thread.name}${you}`, nameColumns)
  const current = thread === model.current
  const row: Row = [
    { text: `${number} `, dim: true },
    presenceMark(model, thread.name),
    {
      text: name,
      ...(current ? { inverse: true } : {}),
      ...(isMuted ? { dim: true } : {}),
      ...(!current && !isMuted && thread.unreadCount > 0 ? { bold: true } : {}),
    },
    { text: confusable, tone: 'accent', bold: true, column: 4 + nameColumns },
    { text: marks, dim: true },
    { text: draft, tone: 'accent' },
    { text: mentions, tone: 'warn', bold: true },
    isMuted ? { text: `${unread} `, dim: true } : { text: `${unread} `, tone: 'accent', bold: true },
  ]
  return opening(thread.name, row)
}

/** Clients of a user, if there are several; undefined: one, or it is not known. */
function connectionsOf({ knowsOnline, connectionCounts }: ReadonlyModel, name: string): number | undefined {
  return knowsOnline ? connectionCounts.get(name) : undefined
}

/** Whether a user is online, or the state of a room. */
export function presenceMark(model: ReadonlyModel, name: string): Segment {
  if (isRoom(name)) return roomMark(model, name)
  if (!model.knowsOnline) return UNKNOWN_PRESENCE
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
