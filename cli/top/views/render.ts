/** The whole screen of `top` as rows: a pure function of the model. */
import { sanitizeLine } from '../../../src/protocol/text.ts'
import { type Row, type Segment, truncateRow } from '../../chat/views/row.ts'
import { computeLayout } from '../layout.ts'
import { type ReadonlyTopModel, SORT_KEYS } from '../model.ts'
import { formatCount, formatDuration, formatRate, sparkline, sparklineMax } from './format.ts'
import { graphRows } from './graph.ts'
import { matrixRows } from './matrix.ts'
import { roomTableRows } from './rooms.ts'
import { tableRows } from './table.ts'

/** @param now the time, ms, by the same clock as the model's readings */
export function renderTop(model: ReadonlyTopModel, now: number): Row[] {
  const layout = computeLayout(model)
  const rows: Row[] = [titleRow(model, now)]
  if (layout.summaryRows >= 5) rows.push(totalsRow(model, layout.columns), messagesRow(model, layout.columns), [])
  const table = model.isRoomsOpen ? roomTableRows(model, layout) : tableRows(model, layout, now)
  if (layout.summaryRows >= 2) rows.push(table.head)
  rows.push(...table.rows)
  if (layout.matrix !== undefined) rows.push([], ...matrixRows(model, layout, layout.matrix))
  const body = Math.max(1, model.rows - layout.footerRows)
  rows.push(...graphRows(model, layout.columns, body - rows.length))
  while (rows.length < body) rows.push([])
  if (layout.footerRows > 0) rows.push(footerRow(model))
  return rows.map(row => truncateRow(row, layout.columns))
}

function titleRow(model: ReadonlyTopModel, now: number): Row {
  const { source, mesh } = model
  const row: Segment[] = [{ text: 'mesh-chat top', bold: true }, { text: '  ' }]
  if (model.isPaused) row.push({ text: 'paused', tone: 'warn', bold: true }, { text: '  ' })
  switch (source?.phase) {
    case undefined:
    case 'connecting':
      row.push({ text: '◌ ', tone: 'warn' }, { text: `connecting to ${source?.url ?? 'a server'}…` })
      break
    case 'live':
      row.push({ text: '● ', tone: 'good' }, { text: `${mesh.askedServer ?? ''} at ${source.url}` })
      break
    case 'refused':
    case 'lost':
      row.push({ text: '○ ', tone: 'bad' }, { text: source.url, tone: 'bad' })
  }
  if (source?.phase !== 'live' && mesh.updatedAt !== undefined) {
    row.push({ text: `  data ${formatDuration(now - mesh.updatedAt)} old`, tone: 'warn' })
  }
  // The reason comes last: it may be longer than the row.
  if (source?.phase === 'refused' || source?.phase === 'lost') {
    const reason = sanitizeLine(source.reason)
    row.push({ text: source.phase === 'refused' ? `  rejected: ${reason}` : `  ${reason}`, tone: 'bad' })
  }
  return row
}

function totalsRow(model: ReadonlyTopModel, columns: number): Row {
  const { mesh } = model
  if (mesh.updatedAt === undefined) return []
  const totals = mesh.totals()
  const size = mesh.servers.size
  const badUnlessAll = (part: number, all: number): Pick<Segment, 'tone'> => ({ tone: part < all ? 'bad' : 'good' })
  const warnUnlessZero = (value: number): Pick<Segment, 'tone'> => (value > 0 ? { tone: 'warn' } : {})
  const parts: [string, string, Pick<Segment, 'tone'>?][] = [
    ['servers', `${totals.answering}/${size}`, badUnlessAll(totals.answering, size)],
    ['links', `${formatCount(totals.open)}/${formatCount(totals.links)}`, badUnlessAll(totals.open, totals.links)],
    ['online', mesh.online === undefined ? '-' : formatCount(mesh.online)],
    ['connections', formatCount(totals.connections)],
    ...(totals.views === 0 ? [] : [['views', formatCount(totals.views)] satisfies [string, string]]),
    ['slow', formatCount(totals.slow), warnUnlessZero(totals.slow)],
    ['held', formatCount(totals.held)],
    ['refused/s', formatRate(totals.refused), warnUnlessZero(totals.refused)],
  ]
  const row: Segment[] = []
  let used = 0
  for (const [label, value, style = {}] of parts) {
    const gap = row.length === 0 ? '' : '  '
    used += gap.length + label.length + 1 + value.length
    // Omit a value that does not fit: a truncated number would be wrong.
    if (used > columns) break
    row.push({ text: `${gap}${label} `, dim: true }, { text: value, bold: true, ...style })
  }
  return row
}

/** Messages per second in the whole mesh: accepted from clients, and sent to connections. */
function messagesRow(model: ReadonlyTopModel, columns: number): Row {
  const { mesh } = model
  if (mesh.updatedAt === undefined) return []
  const both = columns >= 50
  const shown = [
    { label: 'messages/s ', series: mesh.accepted },
    ...(both ? [{ label: '  delivered/s ', series: mesh.delivered }] : []),
  ].map(({ label, series }) => ({ label, series, number: `${formatRate(series.last)} `.padStart(6) }))
  const used = shown.reduce((sum, { label, number }) => sum + label.length + number.length, 0)
  const room = Math.floor((columns - used) / shown.length)
  return shown.flatMap(({ label, series, number }): Segment[] => {
    const values = series.tail(room)
    return [
      { text: label, dim: true },
      { text: number, bold: true },
      { text: sparkline(values, room, sparklineMax([values])), tone: 'accent' },
    ]
  })
}

function footerRow(model: ReadonlyTopModel): Row {
  const otherView = model.isRoomsOpen ? 'servers' : 'rooms'
  const order = model.isRoomsOpen ? '' : `  sorted by ${model.sortKey}`
  const closing = model.isRoomsOpen ? 'Esc servers' : 'r rooms'
  if (!model.isHelpOpen) return [{ text: `? help  q quit  ${closing}${order}`, dim: true }]
  const keys: [string, string][] = [
    ['Esc', 'close'],
    ['q', 'quit'],
    // The list of rooms has one order.
    ...(model.isRoomsOpen ? [] : [['s', `sort: ${SORT_KEYS.join(' ')}`] satisfies [string, string]]),
    ['r', otherView],
    ['↑↓', 'scroll'],
    ['space', model.isPaused ? 'resume' : 'pause'],
  ]
  return keys.flatMap(([key, help]): Segment[] => [{ text: `${key} `, tone: 'accent' }, { text: `${help}  ` }])
}
