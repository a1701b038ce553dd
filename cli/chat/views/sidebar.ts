import { fitted, width } from '../../terminal/width.ts'
import type { Model } from '../model/model.ts'
import type { Thread } from '../model/thread.ts'
import type { Row } from './row.ts'

/** The threads in the order of last activity, and below them everyone online in the mesh. */
export function sidebarRows(model: Model, columns: number, height: number): Row[] {
  const threads = model.ordered()
  // The roster is what everyone asks for: threads take half at most, unless it needs less.
  const online = model.online.size + 1
  const forThreads = threads.length === 0 ? 0 : Math.min(threads.length + 2, Math.max(height >> 1, height - online))
  const rows: Row[] = []
  if (forThreads > 2) {
    rows.push(title('Threads', columns))
    const shown = threads.length + 2 > forThreads ? forThreads - 3 : threads.length
    threads.slice(0, shown).forEach((thread, at) => {
      rows.push(threadRow(model, thread, at, columns))
    })
    if (shown < threads.length) rows.push(more(threads.length - shown, columns))
    rows.push([{ text: ' '.repeat(columns) }])
  }
  rows.push(title(`Online ${model.online.size}`, columns))
  const room = height - rows.length
  const shown = model.online.size > room ? Math.max(0, room - 1) : model.online.size
  for (const name of model.online.slice(0, shown)) {
    rows.push(onlineRow(model, name, columns))
  }
  if (shown < model.online.size && rows.length < height) rows.push(more(model.online.size - shown, columns))
  while (rows.length < height) rows.push([{ text: ' '.repeat(columns) }])
  return rows.slice(0, height)
}

function onlineRow(model: Model, name: string, columns: number): Row {
  const you = name === model.user ? ' (you)' : ''
  const connections = model.connections.get(name)
  const alike = model.lookAlikes.of(name) === undefined ? '' : ' ≈'
  const times = `${alike}${connections === undefined ? '' : ` ×${connections}`}`
  const room = Math.max(1, columns - 1 - you.length - times.length)
  const shown = width(name) > room ? fitted(name, room) : name
  return [
    you === '' ? { text: ` ${shown}` } : { text: ` ${shown}${you}`, dim: true },
    { text: times, tone: 'accent' },
    { text: ' '.repeat(Math.max(0, columns - 1 - width(shown) - you.length - times.length)) },
  ]
}

function title(text: string, columns: number): Row {
  return [{ text: fitted(text, columns), bold: true }]
}

function more(count: number, columns: number): Row {
  return [{ text: fitted(` … ${count} more`, columns), dim: true }]
}

function threadRow(model: Model, thread: Thread, at: number, columns: number): Row {
  const number = at < 9 ? `${at + 1}` : ' '
  const unread = thread.unread > 0 ? ` ${thread.unread > 999 ? '999+' : thread.unread}` : ''
  const name = fitted(thread.name, columns - 5 - width(unread))
  const current = thread === model.current
  return [
    { text: `${number} `, dim: true },
    model.isOnline(thread.name) ? { text: '● ', tone: 'good' } : { text: '○ ', dim: true },
    current ? { text: name, inverse: true } : thread.unread > 0 ? { text: name, bold: true } : { text: name },
    { text: `${unread} `, tone: 'accent', bold: true },
  ]
}
