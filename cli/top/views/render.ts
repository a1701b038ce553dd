/** The whole screen of `top` as rows: a pure function of the model. */
import { sanitizeLine } from '../../../src/protocol/text.ts'
import { type Row, type Segment, truncateRow } from '../../chat/views/row.ts'
import { SORT_KEYS, type TopModel } from '../model.ts'
import { formatCount, formatDuration, formatRate, sparkline, sparklineMax } from './format.ts'
import { graphRows } from './graph.ts'
import { computeLayout } from './layout.ts'
import { matrixRows } from './matrix.ts'
import { tableRows } from './table.ts'

/** @param now on the clock by which the mesh was told its readings, ms */
export function renderTop(model: TopModel, now: number): Row[] {
  const layout = computeLayout(model)
  const rows: Row[] = [titleRow(model, now)]
  if (layout.summaryRows >= 5) rows.push(totalsRow(model, layout.columns), messagesRow(model, layout.columns), [])
  const table = tableRows(model, layout, now)
  if (layout.summaryRows >= 2) rows.push(table.head)
  rows.push(...table.rows)
  if (layout.matrix !== undefined) rows.push([], ...matrixRows(model, layout, layout.matrix))
  const body = Math.max(1, model.rows - layout.footerRows)
  rows.push(...graphRows(model, layout.columns, body - rows.length))
  while (rows.length < body) rows.push([])
  if (layout.footerRows > 0) rows.push(footRow(model))
  return rows.map(row => truncateRow(row, layout.columns))
}

function titleRow(model: TopModel, now: number): Row {
  const { source, mesh } = model
  const row: Segment[] = [{ text: 'mesh-chat top', bold: true }, { text: '  ' }]
  if (model.isPaused) row.push({ text: 'paused', tone: 'warn', bold: true }, { text: '  ' })
  switch (source?.phase) {
    case undefined:
    case 'connecting':
      row.push({ text: '◌ ', tone: 'warn' }, { text: `asking ${source?.url ?? ''}…` })
      break
    case 'live':
      row.push({ text: '● ', tone: 'good' }, { text: `${mesh.askedServer ?? ''} at ${source.url}` })
      break
    case 'refused':
      row.push(
        { text: '○ ', tone: 'bad' },
        { text: `${source.url} refuses: ${sanitizeLine(source.reason)}`, tone: 'bad' },
      )
      break
    case 'lost':
      row.push({ text: '○ ', tone: 'bad' }, { text: `${source.url}: ${sanitizeLine(source.reason)}`, tone: 'bad' })
  }
  // What is shown is old then.
  if (source?.phase !== 'live' && mesh.updatedAt !== undefined) {
    row.push({ text: `  as it was ${formatDuration(now - mesh.updatedAt)} ago`, tone: 'warn' })
  }
  return row
}

function totalsRow(model: TopModel, columns: number): Row {
  const { mesh } = model
  if (mesh.updatedAt === undefined) return []
  const totals = mesh.totals()
  const size = mesh.servers.size
  const whole = (part: number, all: number): Pick<Segment, 'tone'> => ({ tone: part < all ? 'bad' : 'good' })
  const above = (value: number): Pick<Segment, 'tone'> => (value > 0 ? { tone: 'warn' } : {})
  const parts: [string, string, Pick<Segment, 'tone'>?][] = [
    ['servers', `${totals.answering}/${size}`, whole(totals.answering, size)],
    ['links', `${formatCount(totals.open)}/${formatCount(totals.links)}`, whole(totals.open, totals.links)],
    ['online', mesh.online === undefined ? '-' : formatCount(mesh.online)],
    ['connections', formatCount(totals.connections)],
    ['slow', formatCount(totals.slow), above(totals.slow)],
    ['held', formatCount(totals.held)],
    ['refused/s', formatRate(totals.refused), above(totals.refused)],
  ]
  const row: Segment[] = []
  let used = 0
  for (const [label, value, style = {}] of parts) {
    const gap = row.length === 0 ? '' : '  '
    used += gap.length + label.length + 1 + value.length
    // Half a number would be a wrong one.
    if (used > columns) break
    row.push({ text: `${gap}${label} `, dim: true }, { text: value, bold: true, ...style })
  }
  return row
}

/** Messages a second in the whole mesh, and what was handed to connections. */
function messagesRow(model: TopModel, columns: number): Row {
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

function footRow(model: TopModel): Row {
  if (!model.isHelpOpen) return [{ text: `? keys  q leaves  sorted by ${model.sortKey}`, dim: true }]
  const keys: [string, string][] = [
    ['q', 'leave'],
    ['s', `sort: ${SORT_KEYS.join(', ')}`],
    ['↑↓ jk PgUp PgDn', 'scroll'],
    ['space', model.isPaused ? 'go on' : 'pause'],
  ]
  return keys.flatMap(([key, help]): Segment[] => [{ text: `${key} `, tone: 'accent' }, { text: `${help}  ` }])
}
