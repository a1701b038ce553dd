/** The servers, one a row. */
import type { Tone } from '../../chat/model/theme.ts'
import { type Row, type Segment, truncateRow } from '../../chat/views/row.ts'
import { fitToColumns } from '../../terminal/width.ts'
import type { Mesh, MonitoredServer } from '../mesh.ts'
import type { SortKey, TopModel } from '../model.ts'
import { formatCount, formatDuration, formatMs, formatRate, sparkline, sparklineMax } from './format.ts'
import type { TopLayout } from './layout.ts'

interface Column {
  title: string
  wide: number
  text: (server: MonitoredServer, mesh: Mesh) => string
  tone?: (server: MonitoredServer, mesh: Mesh) => Tone | undefined
  sortKey?: SortKey
  /** Those of the lowest rank are left out first where there is no room for all. */
  rank: number
  /** Stands behind the sparkline. */
  isAfterSparkline?: true
}

const COLUMNS: readonly Column[] = [
  { title: 'users', wide: 7, rank: 9, sortKey: 'users', text: ({ status }) => formatCount(status?.users ?? 0) },
  { title: 'conns', wide: 7, rank: 6, text: ({ status }) => formatCount(status?.connections ?? 0) },
  { title: 'online', wide: 8, rank: 2, text: ({ status }) => formatCount(status?.online ?? 0) },
  { title: 'in/s', wide: 7, rank: 0, text: ({ rates }) => formatRate(rates?.accepted) },
  { title: 'peers/s', wide: 9, rank: 0, text: ({ rates }) => formatRate(rates?.forwarded) },
  { title: 'out/s', wide: 7, rank: 3, text: ({ rates }) => formatRate(rates?.delivered) },
  { title: 'msg/s', wide: 7, rank: 8, sortKey: 'rate', text: server => formatRate(server.rate) },
  {
    title: 'refd/s',
    wide: 8,
    rank: 1,
    isAfterSparkline: true,
    text: ({ rates }) => formatRate(rates?.refused),
    tone: ({ rates }) => ((rates?.refused ?? 0) > 0 ? 'warn' : undefined),
  },
  {
    title: 'slow',
    wide: 6,
    rank: 5,
    isAfterSparkline: true,
    text: ({ status }) => formatCount(status?.slow ?? 0),
    tone: ({ status }) => ((status?.slow ?? 0) > 0 ? 'warn' : undefined),
  },
  { title: 'held', wide: 7, rank: 2, isAfterSparkline: true, text: ({ held }) => formatCount(held) },
  {
    title: 'links',
    wide: 8,
    rank: 10,
    isAfterSparkline: true,
    text: (server, mesh) => `${formatCount(mesh.openLinkCount(server.id))}/${formatCount(mesh.servers.size - 1)}`,
    tone: (server, mesh) => (mesh.openLinkCount(server.id) < mesh.servers.size - 1 ? 'bad' : 'good'),
  },
  {
    title: 'rtt ms',
    wide: 8,
    rank: 7,
    isAfterSparkline: true,
    sortKey: 'rtt',
    text: server => formatMs(server.worstRtt),
  },
  { title: 'up', wide: 7, rank: 4, isAfterSparkline: true, text: ({ status }) => formatDuration(status?.uptime ?? 0) },
]

/** Columns of a sparkline: at least, so many before what few look for has room, at most. And of the names of those whom a server does not reach. */
const SPARKLINE_COLUMNS = { min: 8, preferred: 20, max: 60 }
/** Ranks up to this are of what few look for. */
const MAX_RARE_RANK = 1
const MIN_UNREACHABLE_COLUMNS = 16
/** Columns beside the ids without which there is no room for those names. */
const MIN_ROOM_FOR_UNREACHABLE = 48

interface Widths {
  columns: readonly Column[]
  spark: number
  tail: number
}

/** The row of heads, and so many rows of servers as the layout has room for. */
export function tableRows(model: TopModel, layout: TopLayout, now: number): { head: Row; rows: Row[] } {
  const widths = fitColumns(layout, model.mesh.servers.size)
  const servers = model.sortedServers()
  const scrollOffset = Math.max(0, Math.min(model.scrollOffset, servers.length - layout.serverRows))
  const shown = servers.slice(scrollOffset, scrollOffset + layout.serverRows)
  const max = sparklineMax(shown.map(({ history }) => history.tail(widths.spark)))
  const rows = shown.map(server => truncateRow(serverRow(model, server, layout, widths, max, now), layout.columns))
  const range =
    servers.length > layout.serverRows
      ? `${scrollOffset + 1}-${scrollOffset + shown.length}/${servers.length}`
      : 'server'
  return { head: truncateRow(headRow(model, layout, widths, range), layout.columns), rows }
}

/** Leaves out columns until a sparkline fits, and with it the names of the unreached where no matrix tells them. */
function fitColumns(layout: TopLayout, size: number): Widths {
  const room = layout.columns - 2 - layout.idColumns
  const tail = layout.matrix === undefined && size > 1 && room >= MIN_ROOM_FOR_UNREACHABLE ? MIN_UNREACHABLE_COLUMNS : 0
  let columns = COLUMNS
  const used = () => columns.reduce((sum, { wide }) => sum + wide, 0)
  while (columns.length > 0) {
    const lowest = Math.min(...columns.map(({ rank }) => rank))
    if (used() + 2 + (lowest <= MAX_RARE_RANK ? SPARKLINE_COLUMNS.preferred : SPARKLINE_COLUMNS.min) + tail <= room)
      break
    columns = columns.filter(({ rank }) => rank > lowest)
  }
  const left = Math.max(0, room - used() - 2)
  const spark = Math.min(SPARKLINE_COLUMNS.max, tail > 0 ? Math.max(SPARKLINE_COLUMNS.min, left >> 1) : left)
  return { columns, spark, tail: tail > 0 ? Math.max(0, left - spark - 2) : 0 }
}

function headRow(model: TopModel, layout: TopLayout, { columns, spark, tail }: Widths, range: string): Row {
  const title = ({ title, wide, sortKey }: Column): Segment =>
    sortKey === model.sortKey
      ? { text: title.padStart(wide), tone: 'accent', bold: true }
      : { text: title.padStart(wide), dim: true }
  const ids = fitToColumns(range, layout.idColumns + 2)
  return [
    model.sortKey === 'id' ? { text: ids, tone: 'accent', bold: true } : { text: ids, dim: true },
    ...columns.filter(({ isAfterSparkline: behind }) => !behind).map(title),
    { text: ' '.repeat(spark + 2) },
    ...columns.filter(({ isAfterSparkline: behind }) => behind).map(title),
    ...(tail > 0 ? [{ text: '  unreached', dim: true } as const] : []),
  ]
}

function serverRow(
  model: TopModel,
  server: MonitoredServer,
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
      { text: '✗ ', tone: 'bad' },
      id,
      { text: `  does not answer${since}${reachText(mesh, server.id)}`, tone: 'bad' },
    ]
  }
  const cell = ({ text, wide, tone: toneOf }: Column): Segment => {
    const tone = toneOf?.(server, mesh)
    const padded = text(server, mesh).padStart(wide)
    return tone === undefined ? { text: padded } : { text: padded, tone }
  }
  const { columns, spark, tail } = widths
  return [
    status.draining ? { text: '◌ ', tone: 'warn' } : { text: '● ', tone: 'good' },
    id,
    ...columns.filter(({ isAfterSparkline: behind }) => !behind).map(cell),
    status.draining
      ? { text: `  ${fitToColumns('shuts down', spark)}`, tone: 'warn' }
      : { text: `  ${sparkline(server.history.tail(spark), spark, max)}`, tone: 'accent' },
    ...columns.filter(({ isAfterSparkline: behind }) => behind).map(cell),
    ...(tail > 0 ? [{ text: `  ${unreachableText(mesh, server.id, tail)}`, tone: 'bad' } as const] : []),
  ]
}

/** How many hold a link to a server that says nothing itself. */
function reachText(mesh: Mesh, id: string): string {
  const others = [...mesh.servers.keys()].filter(from => from !== id)
  const reach = others.filter(from => mesh.link(from, id).state === 'open')
  return others.length === 0 ? '' : `; ${reach.length}/${others.length} reach it`
}

/** As many names as there is room for, and how many more there are. */
function unreachableText(mesh: Mesh, id: string, columns: number): string {
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
