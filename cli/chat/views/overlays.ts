/** What covers the messages: the help, the details of a message, and the lists of the finder. */
import { sanitizeLine } from '../../../src/protocol/text.ts'
import { fitToColumns, width } from '../../terminal/width.ts'
import { finderMatches } from '../model/finder.ts'
import { overlayLines } from '../model/layout/overlay-lines.ts'
import type { ReadonlyFinder, ReadonlyModel } from '../model/readonly-model.ts'
import { type Row, truncateRow } from './row.ts'

const HELP_LABEL_COLUMNS = 28

export function overlayRows(model: ReadonlyModel, columns: number, height: number): Row[] {
  const lines = overlayLines(model)
  // The screen may have grown since the user scrolled.
  const top = Math.max(0, Math.min(model.overlayTop, lines.length - height))
  const rows = lines.slice(top, top + height).map((line): Row => {
    if (line.type === 'title') return [{ text: line.text, bold: true }]
    if (line.type === 'text') return [{ text: fitToColumns(line.text, columns), dim: true }]
    const label = fitToColumns(`  ${line.label}`, Math.min(HELP_LABEL_COLUMNS, columns))
    return truncateRow([{ text: label, tone: 'accent' }, { text: ` ${line.text}` }], columns)
  })
  while (rows.length < height) rows.push([])
  return rows
}

export function finderRows(model: ReadonlyModel, finder: ReadonlyFinder, columns: number, height: number): Row[] {
  const matches = finderMatches(model, finder)
  const top = Math.max(0, Math.min(finder.selectedIndex - (height >> 1), matches.length - height))
  const roomList = new Map(model.roomList?.rooms.map(room => [room.room, room]))
  const rows = matches.slice(top, top + height).map((match, at): Row => {
    const text = finder.kind === 'rooms' ? roomText(model, match, roomList.get(match)) : itemText(model, finder, match)
    const line = width(text) > columns ? fitToColumns(text, columns) : text
    return [top + at === finder.selectedIndex ? { text: line, inverse: true } : { text: line }]
  })
  if (matches.length === 0 && height > 0) rows.push([{ text: noMatchesText(model, finder), dim: true }])
  while (rows.length < height) rows.push([])
  return rows
}

export function finderTitle(model: ReadonlyModel, { kind, room = '' }: ReadonlyFinder): string {
  switch (kind) {
    case 'users':
      return 'Online users'
    case 'members':
      return `Members of ${room} ${model.rooms.get(room)?.members.size ?? 0}`
    case 'rooms':
      return model.roomList === undefined ? 'Rooms' : `Rooms ${model.roomList.total}`
    case 'input':
      return 'Earlier input'
  }
}

function noMatchesText({ roomList, connection }: ReadonlyModel, { kind }: ReadonlyFinder): string {
  if (kind !== 'rooms' || roomList !== undefined) return 'no matches'
  return connection.phase === 'online' ? 'waiting for the list of rooms…' : 'not connected: no list of rooms'
}

/** A user or an earlier input as a line. */
function itemText(model: ReadonlyModel, { kind, room: name = '' }: ReadonlyFinder, item: string): string {
  const text = sanitizeLine(item.replaceAll('\n', ' ⏎ ').replaceAll('\t', ' '))
  if (kind === 'input') return text
  const connections = model.connectionCounts.get(item)
  const mark = model.similarName(item) === undefined ? '' : ' ≈'
  const suffix = `${mark}${connections === undefined ? '' : ` ×${connections}`}`
  if (kind === 'users') return `${text}${suffix}`
  const room = model.rooms.get(name)
  const you = item === model.user ? ' (you)' : ''
  const operator = room?.info.operators?.includes(item) ? '  operator' : ''
  return `${room?.members.has(item) ? '●' : '○'} ${text}${you}${suffix}${operator}`
}

/** A room as a line: whether the user is in it, its members and its topic. */
function roomText(
  model: ReadonlyModel,
  name: string,
  listed: { members: number; topic?: string | undefined } | undefined,
): string {
  const room = model.rooms.get(name)
  const members = listed?.members ?? room?.members.size ?? 0
  const topic = listed?.topic ?? room?.info.topic ?? ''
  const mark = model.similarName(name) === undefined ? '' : ' ≈'
  return `${room === undefined ? ' ' : '●'} ${name}${mark}  ${members}  ${topic}`.trimEnd()
}
