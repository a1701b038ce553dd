/** The servers, one a row. */
import type { Tone } from '../../chat/model/theme.ts'
import { cut, type Row, type Segment } from '../../chat/views/row.ts'
import { fitted } from '../../terminal/width.ts'
import type { Mesh, Watched } from '../mesh.ts'
import type { Sorting, TopModel } from '../model.ts'
import { count, height, millis, rate, span, sparkline } from './format.ts'
import type { TopLayout } from './layout.ts'

interface Column {
  title: string
  wide: number
  text: (server: Watched, mesh: Mesh) => string
  tone?: (server: Watched, mesh: Mesh) => Tone | undefined
  sorting?: Sorting
  /** Those of the lowest rank are left out first where there is no room for all. */
  rank: number
  /** Stands behind the sparkline. */
  behind?: true
}

const COLUMNS: readonly Column[] = [
  { title: 'users', wide: 7, rank: 9, sorting: 'users', text: ({ status }) => count(status?.users ?? 0) },
  { title: 'conns', wide: 7, rank: 6, text: ({ status }) => count(status?.connections ?? 0) },
  { title: 'online', wide: 8, rank: 2, text: ({ status }) => count(status?.online ?? 0) },
  { title: 'in/s', wide: 7, rank: 0, text: ({ rates }) => rate(rates?.accepted) },
  { title: 'peers/s', wide: 9, rank: 0, text: ({ rates }) => rate(rates?.forwarded) },
  { title: 'out/s', wide: 7, rank: 3, text: ({ rates }) => rate(rates?.delivered) },
  { title: 'msg/s', wide: 7, rank: 8, sorting: 'rate', text: server => rate(server.rate) },
  {
    title: 'refd/s',
    wide: 8,
    rank: 1,
    behind: true,
    text: ({ rates }) => rate(rates?.refused),
    tone: ({ rates }) => ((rates?.refused ?? 0) > 0 ? 'warn' : undefined),
  },
  {
    title: 'slow',
    wide: 6,
    rank: 5,
    behind: true,
    text: ({ status }) => count(status?.slow ?? 0),
    tone: ({ status }) => ((status?.slow ?? 0) > 0 ? 'warn' : undefined),
  },
  { title: 'held', wide: 7, rank: 2, behind: true, text: ({ held }) => count(held) },
  {
    title: 'links',
    wide: 8,
    rank: 10,
    behind: true,
    text: (server, mesh) => `${count(mesh.open(server.id))}/${count(mesh.servers.size - 1)}`,
    tone: (server, mesh) => (mesh.open(server.id) < mesh.servers.size - 1 ? 'bad' : 'good'),
  },
  { title: 'rtt ms', wide: 8, rank: 7, behind: true, sorting: 'rtt', text: server => millis(server.worstRtt) },
  { title: 'up', wide: 7, rank: 4, behind: true, text: ({ status }) => span(status?.uptime ?? 0) },
]

/** Columns of a sparkline: at least, so many before what few look for has room, at most. And of the names of those whom a server does not reach. */
const SPARK = { least: 8, good: 20, most: 60 }
/** Ranks up to this are of what few look for. */
const RARE = 1
const TAIL = 16
/** Columns beside the ids without which there is no room for those names. */
const ROOMY = 48

interface Widths {
  columns: readonly Column[]
  spark: number
  tail: number
}

/** The row of heads, and so many rows of servers as the layout has room for. */
export function tableRows(model: TopModel, at: TopLayout, now: number): { head: Row; rows: Row[] } {
  const widths = share(at, model.mesh.servers.size)
  const servers = model.ordered()
  const top = Math.max(0, Math.min(model.top, servers.length - at.servers))
  const shown = servers.slice(top, top + at.servers)
  const most = height(shown.map(({ history }) => history.tail(widths.spark)))
  const rows = shown.map(server => cut(serverRow(model, server, at, widths, most, now), at.columns))
  const range = servers.length > at.servers ? `${top + 1}-${top + shown.length}/${servers.length}` : 'server'
  return { head: cut(headRow(model, at, widths, range), at.columns), rows }
}

/** Leaves out columns until a sparkline fits, and with it the names of the unreached where no matrix tells them. */
function share(at: TopLayout, size: number): Widths {
  const room = at.columns - 2 - at.ids
  const tail = at.matrix === undefined && size > 1 && room >= ROOMY ? TAIL : 0
  let columns = COLUMNS
  const used = () => columns.reduce((sum, { wide }) => sum + wide, 0)
  while (columns.length > 0) {
    const lowest = Math.min(...columns.map(({ rank }) => rank))
    if (used() + 2 + (lowest <= RARE ? SPARK.good : SPARK.least) + tail <= room) break
    columns = columns.filter(({ rank }) => rank > lowest)
  }
  const left = Math.max(0, room - used() - 2)
  const spark = Math.min(SPARK.most, tail > 0 ? Math.max(SPARK.least, left >> 1) : left)
  return { columns, spark, tail: tail > 0 ? Math.max(0, left - spark - 2) : 0 }
}

function headRow(model: TopModel, at: TopLayout, { columns, spark, tail }: Widths, range: string): Row {
  const title = ({ title, wide, sorting }: Column): Segment =>
    sorting === model.sorting
      ? { text: title.padStart(wide), tone: 'accent', bold: true }
      : { text: title.padStart(wide), dim: true }
  const ids = fitted(range, at.ids + 2)
  return [
    model.sorting === 'id' ? { text: ids, tone: 'accent', bold: true } : { text: ids, dim: true },
    ...columns.filter(({ behind }) => !behind).map(title),
    { text: ' '.repeat(spark + 2) },
    ...columns.filter(({ behind }) => behind).map(title),
    ...(tail > 0 ? [{ text: '  unreached', dim: true } as const] : []),
  ]
}

function serverRow(model: TopModel, server: Watched, at: TopLayout, widths: Widths, most: number, now: number): Row {
  const { mesh } = model
  const id: Segment = { text: fitted(server.id, at.ids), bold: true }
  const { status } = server
  if (status === undefined) {
    const since = server.answeredAt === undefined ? '' : ` for ${span(now - server.answeredAt)}`
    return [
      { text: '✗ ', tone: 'bad' },
      id,
      { text: `  does not answer${since}${reached(mesh, server.id)}`, tone: 'bad' },
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
    ...columns.filter(({ behind }) => !behind).map(cell),
    status.draining
      ? { text: `  ${fitted('shuts down', spark)}`, tone: 'warn' }
      : { text: `  ${sparkline(server.history.tail(spark), spark, most)}`, tone: 'accent' },
    ...columns.filter(({ behind }) => behind).map(cell),
    ...(tail > 0 ? [{ text: `  ${unreached(mesh, server.id, tail)}`, tone: 'bad' } as const] : []),
  ]
}

/** How many hold a link to a server that says nothing itself. */
function reached(mesh: Mesh, id: string): string {
  const others = [...mesh.servers.keys()].filter(from => from !== id)
  const reach = others.filter(from => mesh.link(from, id).state === 'open')
  return others.length === 0 ? '' : `; ${reach.length}/${others.length} reach it`
}

/** As many names as there is room for, and how many more there are. */
function unreached(mesh: Mesh, id: string, columns: number): string {
  const names = mesh.unreached(id)
  let text = ''
  for (const [at, name] of names.entries()) {
    const longer = at === 0 ? name : `${text}, ${name}`
    const more = names.length - at - 1
    const needed = longer.length + (more > 0 ? ` +${more}`.length : 0)
    if (needed > columns) return at === 0 ? fitted(`${names.length} servers`, columns) : `${text} +${more + 1}`
    text = longer
  }
  return text
}
