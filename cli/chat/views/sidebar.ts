import { fitToColumns, width } from '../../terminal/width.ts'
import type { ReadonlyModel, ReadonlyThread } from '../model/readonly-model.ts'
import type { Row } from './row.ts'

/** The threads, most recent activity first, and below them all users online in the mesh. */
export function sidebarRows(model: ReadonlyModel, columns: number, height: number): Row[] {
  const threads = model.threadsByActivity()
  // Threads get at most half of the rows, or more if the roster leaves rows free.
  const rosterRows = model.online.size + 1
  const forThreads = threads.length === 0 ? 0 : Math.min(threads.length + 2, Math.max(height >> 1, height - rosterRows))
  const rows: Row[] = []
  if (forThreads > 2) {
    rows.push(titleRow('Threads', columns))
    const shownThreads = threads.length + 2 > forThreads ? forThreads - 3 : threads.length
    threads.slice(0, shownThreads).forEach((thread, at) => {
      rows.push(threadRow(model, thread, at, columns))
    })
    if (shownThreads < threads.length) rows.push(moreRow(threads.length - shownThreads, columns))
    rows.push([{ text: ' '.repeat(columns) }])
  }
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

function onlineRow(model: ReadonlyModel, name: string, columns: number): Row {
  const you = name === model.user ? ' (you)' : ''
  const connections = model.connectionCounts.get(name)
  const confusableMark = model.confusables.find(name) === undefined ? '' : ' ≈'
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
  const mark = model.confusables.find(thread.name) === undefined ? '' : ' ≈'
  const unread = thread.unreadCount > 0 ? ` ${thread.unreadCount > 999 ? '999+' : thread.unreadCount}` : ''
  const name = fitToColumns(thread.name, Math.max(1, columns - 5 - width(unread) - width(mark)))
  const current = thread === model.current
  return [
    { text: `${number} `, dim: true },
    model.isOnline(thread.name) ? { text: '● ', tone: 'good' } : { text: '○ ', dim: true },
    current ? { text: name, inverse: true } : thread.unreadCount > 0 ? { text: name, bold: true } : { text: name },
    { text: `${mark}${unread} `, tone: 'accent', bold: true },
  ]
}
