/** The table of rooms: members in the mesh and on each server. */
import { ConfusableNames } from '../../../src/common/confusables.ts'
import { type Row, type Segment, truncateRow } from '../../chat/views/row.ts'
import { fitToColumns, width } from '../../terminal/width.ts'
import type { TopLayout } from '../layout.ts'
import type { ReadonlyTopModel } from '../model.ts'
import { formatCount, formatOptional } from './format.ts'

/** Columns of the longest room name that is shown in full. */
const MAX_NAME_COLUMNS = 32
const MIN_NAME_COLUMNS = 6
const COUNT_COLUMNS = 9
/** Columns of the longest server id that is shown in full. */
const MAX_SERVER_COLUMNS = 12

/** The header row, and the rows of the rooms that the layout has room for. */
export function roomTableRows(model: ReadonlyTopModel, layout: TopLayout): { head: Row; rows: Row[] } {
  const rooms = model.mesh.rooms()
  const scrollOffset = Math.max(0, Math.min(model.scrollOffset, rooms.length - layout.listRows))
  const shown = rooms.slice(scrollOffset, scrollOffset + layout.listRows)
  const widest = Math.max(MIN_NAME_COLUMNS, ...shown.map(({ name }) => width(name)))
  const nameColumns = Math.min(widest, MAX_NAME_COLUMNS, Math.max(4, layout.columns >> 1))
  const servers = serverColumns(model, layout.columns - 2 - nameColumns - COUNT_COLUMNS)
  const names = new ConfusableNames()
  names.keep(rooms.map(({ name }) => name))
  const range =
    rooms.length > layout.listRows ? `${scrollOffset + 1}-${scrollOffset + shown.length}/${rooms.length}` : 'room'
  const head: Segment[] = [
    { text: fitToColumns(range, nameColumns + 2) + 'members'.padStart(COUNT_COLUMNS), dim: true },
    { text: servers.ids.map(id => alignRight(id, servers.wide)).join(''), dim: true },
    { text: servers.omitted === 0 ? '' : `  +${servers.omitted}`, dim: true },
  ]
  const rows = shown.map(({ name, members, byServer }): Row => {
    const mark = names.find(name) === undefined ? '  ' : '≈ '
    const counts = servers.ids.map(id => formatOptional(byServer.get(id)).padStart(servers.wide))
    return [
      { text: mark, tone: 'warn' },
      { text: fitToColumns(name, nameColumns), bold: true },
      { text: formatCount(members).padStart(COUNT_COLUMNS) + counts.join('') },
    ]
  })
  if (rooms.length === 0 && model.mesh.updatedAt !== undefined && layout.listRows > 0)
    rows.push([{ text: '  no rooms, except hidden ones', dim: true }])
  return { head: truncateRow(head, layout.columns), rows: rows.map(row => truncateRow(row, layout.columns)) }
}

/** The servers that fit into some columns, and the number of the others. */
function serverColumns(model: ReadonlyTopModel, columns: number): { ids: string[]; wide: number; omitted: number } {
  const ids = model.sortedServers().map(({ id }) => id)
  const wide = 2 + Math.max(4, ...ids.map(id => Math.min(MAX_SERVER_COLUMNS, width(id))))
  const fits = (count: number) => count * wide + (count < ids.length ? `  +${ids.length - count}`.length : 0) <= columns
  let count = ids.length
  while (count > 0 && !fits(count)) count--
  return { ids: ids.slice(0, count), wide, omitted: ids.length - count }
}

/** The id at the right end of its column, as the counts below it. */
function alignRight(id: string, columns: number): string {
  const wide = Math.min(MAX_SERVER_COLUMNS, width(id))
  return ' '.repeat(columns - wide) + fitToColumns(id, wide)
}
