/** The table of servers, one row each. */

import type { ServerStatus } from '../../../src/protocol/status.ts'
import type { Tone } from '../../chat/model/theme.ts'
import { type Row, type Segment, truncateRow } from '../../chat/views/row.ts'
import { fitToColumns } from '../../terminal/width.ts'
import type { TopLayout } from '../layout.ts'
import type { ReadonlyMesh, ReadonlyServer } from '../mesh.ts'
import type { ReadonlyTopModel, SortKey } from '../model.ts'
import { formatCount, formatDuration, formatMs, formatOptional, formatRate, sparkline, sparklineMax } from './format.ts'

interface Column {
  title: string
  wide: number
  text: (server: ReadonlyServer, mesh: ReadonlyMesh) => string
  tone?: (server: ReadonlyServer, mesh: ReadonlyMesh) => Tone | undefined
  sortKey?: SortKey
  /** Columns with the lowest rank are omitted first on a narrow screen. */
  rank: number
  isAfterSparkline?: true
}

const COLUMNS: readonly Column[] = [
  { title: 'users', wide: 7, rank: 10, sortKey: 'users', text: ({ status }) => formatCount(status?.users ?? 0) },
  { title: 'conns', wide: 7, rank: 7, text: ({ status }) => formatCount(status?.connections ?? 0) },
  { title: 'online', wide: 8, rank: 3, text: ({ status }) => formatCount(status?.online ?? 0) },
  { title: 'rooms', wide: 7, rank: 1, text: ({ status }) => formatOptional(status?.rooms) },
  { title: 'in/s', wide: 7, rank: 0, text: ({ rates }) => formatRate(rates?.accepted) },
  { title: 'peers/s', wide: 9, rank: 0, text: ({ rates }) => formatRate(rates?.forwarded) },
  { title: 'out/s', wide: 7, rank: 4, text: ({ rates }) => formatRate(rates?.delivered) },
  { title: 'msg/s', wide: 7, rank: 9, sortKey: 'rate', text: server => formatRate(server.rate) },
  {
    title: 'refused/s',
    wide: 11,
    rank: 2,
    isAfterSparkline: true,
    text: ({ rates }) => formatRate(rates?.refused),
    tone: ({ rates }) => ((rates?.refused ?? 0) > 0 ? 'warn' : undefined),
  },
  {
    title: 'slow',
    wide: 6,
    rank: 6,
    isAfterSparkline: true,
    text: ({ status }) => formatCount(status?.slow ?? 0),
    tone: ({ status }) => ((status?.slow ?? 0) > 0 ? 'warn' : undefined),
  },
  { title: 'held', wide: 7, rank: 3, isAfterSparkline: true, text: ({ held }) => formatCount(held) },
  {
    title: 'links',
    wide: 8,
    rank: 11,
    isAfterSparkline: true,
    text: (server, mesh) => `${formatCount(mesh.openLinkCount(server.id))}/${formatCount(mesh.servers.size - 1)}`,
    tone: (server, mesh) => (mesh.openLinkCount(server.id) < mesh.servers.size - 1 ? 'bad' : 'good'),
  },
  {
    title: 'rtt ms',
    wide: 8,
    rank: 8,
    isAfterSparkline: true,
    sortKey: 'rtt',
    text: server => formatMs(server.worstRtt),
  },
  { title: 'up', wide: 7, rank: 5, isAfterSparkline: true, text: ({ status }) => formatDuration(status?.uptime ?? 0) },
]

/** A clock that is off by more than this is shown instead of the sparkline, ms. */
const WRONG_CLOCK_MS = 5_000

/** What the user must know about a server; undefined: nothing. */
function noteOf({ draining, clockAhead = 0 }: Pick<ServerStatus, 'draining' | 'clockAhead'>): string | undefined {
  if (draining) return 'draining'
  if (Math.abs(clockAhead) <= WRONG_CLOCK_MS) return undefined
  return `clock ${clockAhead < 0 ? '-' : '+'}${formatDuration(Math.abs(clockAhead))}`
}

/** Width of a sparkline, columns; rarely needed table columns are shown only if it keeps the preferred width. */
const SPARKLINE_COLUMNS = { min: 8, preferred: 20, max: 60 }
/** Table columns up to this rank are rarely needed. */
const MAX_RARE_RANK = 2
/** Least width for the names of unreachable peers, columns, and least width of the table to show them. */
const MIN_UNREACHABLE_COLUMNS = 16
const MIN_ROOM_FOR_UNREACHABLE = 48

interface Widths {
  columns: readonly Column[]
  sparkline: number
  /** Width of the names of unreachable peers; 0 if they are not shown. */
  unreachable: number
}

/** The header row, and the rows of the servers that the layout has room for. */
export function tableRows(model: ReadonlyTopModel, layout: TopLayout, now: number): { head: Row; rows: Row[] } {
  const widths = fitColumns(layout, model.mesh.servers.size)
  const servers = model.sortedServers()
  const scrollOffset = Math.max(0, Math.min(model.scrollOffset, servers.length - layout.listRows))
  const shown = servers.slice(scrollOffset, scrollOffset + layout.listRows)
  const max = sparklineMax(shown.map(({ history }) => history.tail(widths.sparkline)))
  const rows = shown.map(server => {
    const mark = model.mesh.isConfusable(server.id) ? '≈' : ' '
    return truncateRow(serverRow(model, server, mark, layout, widths, max, now), layout.columns)
  })
  const range =
    servers.length > layout.listRows ? `${scrollOffset + 1}-${scrollOffset + shown.length}/${servers.length}` : 'server'
  return { head: truncateRow(headerRow(model, layout, widths, range), layout.columns), rows }
}

/** Omits table columns until a sparkline fits and, without a matrix, the names of unreachable peers. */
function fitColumns(layout: TopLayout, size: number): Widths {
  const room = layout.columns - 2 - layout.idColumns
  const hasUnreachable = layout.matrix === undefined && size > 1 && room >= MIN_ROOM_FOR_UNREACHABLE
  const minUnreachable = hasUnreachable ? MIN_UNREACHABLE_COLUMNS : 0
  let columns = COLUMNS
  const used = () => columns.reduce((sum, { wide }) => sum + wide, 0)
  while (columns.length > 0) {
    const lowest = Math.min(...columns.map(({ rank }) => rank))
    const minSparkline = lowest <= MAX_RARE_RANK ? SPARKLINE_COLUMNS.preferred : SPARKLINE_COLUMNS.min
    if (used() + 2 + minSparkline + minUnreachable <= room) break
    columns = columns.filter(({ rank }) => rank > lowest)
  }
  const left = Math.max(0, room - used() - 2)
  const sparklineRoom = hasUnreachable ? Math.max(SPARKLINE_COLUMNS.min, left >> 1) : left
  const sparkline = Math.min(SPARKLINE_COLUMNS.max, sparklineRoom)
  return { columns, sparkline, unreachable: hasUnreachable ? Math.max(0, left - sparkline - 2) : 0 }
}

function headerRow(model: ReadonlyTopModel, layout: TopLayout, widths: Widths, range: string): Row {
  const { columns } = widths
  const title = ({ title, wide, sortKey }: Column): Segment =>
    sortKey === model.sortKey
      ? { text: title.padStart(wide), tone: 'accent', bold: true }
      : { text: title.padStart(wide), dim: true }
  const ids = fitToColumns(range, layout.idColumns + 2)
  return [
    model.sortKey === 'id' ? { text: ids, tone: 'accent', bold: true } : { text: ids, dim: true },
    ...columns.filter(({ isAfterSparkline }) => !isAfterSparkline).map(title),
    { text: ' '.repeat(widths.sparkline + 2) },
    ...columns.filter(({ isAfterSparkline }) => isAfterSparkline).map(title),
    ...(widths.unreachable > 0 ? [{ text: '  unreachable', dim: true } as const] : []),
  ]
}

function serverRow(
  model: ReadonlyTopModel,
  server: ReadonlyServer,
  /** Marks an id that looks like another one. */
  mark: ' ' | '≈',
  layout: TopLayout,
  widths: Widths,
  max: number,
  now: number,
): Row {
  const { mesh } = model
  const id: Segment = { text: fitToColumns(server.id, layout.idColumns), bold: true }
  const { status } = server
  if (status === undefined) {
    const since = server.answeredAt === undefined ? '' : ` for ${formatDuration(now - server.answeredAt)}`
    return [
      { text: `✗${mark}`, tone: 'bad' },
      id,
      { text: `  no answer${since}${reachableText(mesh, server.id)}`, tone: 'bad' },
    ]
  }
  const cell = ({ text, wide, tone: toneOf }: Column): Segment => {
    const tone = toneOf?.(server, mesh)
    const padded = text(server, mesh).padStart(wide)
    return tone === undefined ? { text: padded } : { text: padded, tone }
  }
  const { columns, sparkline: sparklineColumns, unreachable } = widths
  const note = noteOf(status)
  return [
    status.draining ? { text: `◌${mark}`, tone: 'warn' } : { text: `●${mark}`, tone: 'good' },
    id,
    ...columns.filter(({ isAfterSparkline }) => !isAfterSparkline).map(cell),
    note !== undefined
      ? { text: `  ${fitToColumns(note, sparklineColumns)}`, tone: 'warn' }
      : { text: `  ${sparkline(server.history.tail(sparklineColumns), sparklineColumns, max)}`, tone: 'accent' },
    ...columns.filter(({ isAfterSparkline }) => isAfterSparkline).map(cell),
    ...(unreachable > 0 ? [{ text: `  ${unreachableText(mesh, server.id, unreachable)}`, tone: 'bad' } as const] : []),
  ]
}

/** How many peers report an open link to a server that does not answer. */
function reachableText(mesh: ReadonlyMesh, id: string): string {
  const others = [...mesh.servers.keys()].filter(from => from !== id)
  const reachable = others.filter(from => mesh.link(from, id).state === 'open')
  return others.length === 0 ? '' : `; reachable from ${reachable.length}/${others.length}`
}

/** The names of unreachable peers that fit, and the number of the others. */
function unreachableText(mesh: ReadonlyMesh, id: string, columns: number): string {
  const names = mesh.unreachablePeers(id)
  let text = ''
  for (const [at, name] of names.entries()) {
    const longer = at === 0 ? name : `${text}, ${name}`
    const more = names.length - at - 1
    const needed = longer.length + (more > 0 ? ` +${more}`.length : 0)
    if (needed > columns) return at === 0 ? fitToColumns(`${names.length} servers`, columns) : `${text} +${more + 1}`
    text = longer
  }
  return text
}
