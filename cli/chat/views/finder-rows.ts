/** The lists of the finder. */

import { isRoom } from '../../../src/protocol/rooms.ts'
import { sanitizeLine } from '../../../src/protocol/text.ts'
import { finderMatches, finderNeedle } from '../model/finding/finder.ts'
import { matchRanges } from '../model/finding/fuzzy.ts'
import { joinsRoom } from '../model/finding/switcher.ts'
import { nearestName } from '../model/names/nearest-name.ts'
import type { ReadonlyFinder, ReadonlyModel } from '../model/readonly-model.ts'
import { isOperator } from '../model/rooms/room.ts'
import { unreadParts } from '../model/threads/unread-counts.ts'
import { opening, type Row, type Segment, truncateRow } from './row.ts'
import { DRAFT_MARK, presenceMark, UNKNOWN_PRESENCE } from './sidebar.ts'

export function finderRows(model: ReadonlyModel, finder: ReadonlyFinder, columns: number, height: number): Row[] {
  const matches = finderMatches(model, finder)
  const needle = finderNeedle(finder)
  const top = Math.max(0, Math.min(finder.selectedIndex - (height >> 1), matches.length - height))
  const roomList = new Map(model.roomList?.rooms.map(room => [room.room, room]))
  const rows = matches.slice(top, top + height).map((match, at): Row => {
    const item = truncateRow(itemRow(model, finder, match, needle, roomList.get(match)), columns)
    const row = finder.kind === 'input' || finder.kind === 'links' ? item : opening(match, item)
    return top + at === finder.selectedIndex ? row.map(segment => ({ ...segment, inverse: true })) : row
  })
  if (matches.length === 0 && height > 0) rows.push([{ text: noMatchesText(model, finder), dim: true }])
  while (rows.length < height) rows.push([])
  return rows
}

export function finderTitle(model: ReadonlyModel, { kind, room = '' }: ReadonlyFinder): string {
  switch (kind) {
    case 'switcher':
      return 'Go to a thread, room or user'
    case 'users':
      return model.knowsOnline ? 'Online users' : 'Users who were online last'
    case 'members':
      return `Members of ${room} ${model.rooms.get(room)?.members.size ?? 0}`
    case 'rooms':
      return model.roomList === undefined ? 'Rooms' : `Rooms ${model.roomList.total}`
    case 'links':
      return 'Links, newest first'
    case 'input':
      return 'Earlier input'
  }
}

function noMatchesText(model: ReadonlyModel, { kind, editor }: ReadonlyFinder): string {
  const { roomList, connection } = model
  if (kind === 'rooms' && roomList === undefined)
    return connection.phase === 'online' ? 'waiting for the list of rooms…' : 'not connected: no list of rooms'
  const nearest = kind === 'input' || kind === 'links' ? undefined : nearestName(model, editor.text)
  return nearest === undefined ? 'no matches' : sanitizeLine(`no matches; did you mean ${nearest}?`)
}

type ListedRoom = { members: number; topic?: string | undefined } | undefined

/** An item as a line, with what was typed highlighted. */
function itemRow(
  model: ReadonlyModel,
  { kind, room: name = '' }: ReadonlyFinder,
  item: string,
  needle: string,
  listed: ListedRoom,
): Row {
  const text = highlighted(sanitizeLine(item.replaceAll('\n', ' ⏎ ').replaceAll('\t', ' ')), needle)
  if (kind === 'input' || kind === 'links') return text
  const confusable: Segment = { text: model.similarName(item) === undefined ? '' : ' ≈', tone: 'accent' }
  if (isRoom(item)) return [roomMark(model, item, kind), ...text, confusable, ...roomSegments(model, item, listed)]
  const connections = model.knowsOnline ? model.connectionCounts.get(item) : undefined
  const suffix: Row = [confusable, { text: connections === undefined ? '' : ` ×${connections}`, tone: 'accent' }]
  const you: Segment = { text: item === model.user ? ' (you)' : '', dim: true }
  if (kind === 'users') return [...text, ...suffix]
  if (kind === 'switcher') return [presenceMark(model, item), ...text, you, ...suffix, ...unreadSegments(model, item)]
  const room = model.rooms.get(name)
  const isMember = room?.members.has(item) === true
  const known: Segment = isMember ? { text: '● ', tone: 'good' } : { text: '○ ', dim: true }
  const mark = model.knowsOnline ? known : UNKNOWN_PRESENCE
  const operator = isOperator(room, item) ? '  operator' : ''
  return [mark, ...text, you, ...suffix, { text: operator, dim: true }]
}

/** A room that Enter would join has its own mark in the switcher, where the others are open threads. */
function roomMark(model: ReadonlyModel, name: string, kind: ReadonlyFinder['kind']): Segment {
  if (!joinsRoom(model, name)) return presenceMark(model, name)
  return { text: kind === 'switcher' ? '+ ' : '  ', tone: 'accent' }
}

/** The members of a room, its topic, and what is unread. */
function roomSegments(model: ReadonlyModel, name: string, listed: ListedRoom): Segment[] {
  const room = model.rooms.get(name)
  const members = listed?.members ?? room?.members.size
  const topic = listed?.topic ?? room?.info.topic ?? ''
  const about = `${members === undefined ? '' : `  ${members}`}${topic === '' ? '' : `  ${topic}`}`
  return [...unreadSegments(model, name), { text: about, dim: true }]
}

function unreadSegments({ threads }: ReadonlyModel, name: string): Segment[] {
  const thread = threads.get(name)
  if (thread === undefined) return []
  const { mentions, others } = unreadParts(thread)
  const segments: Segment[] = []
  if (thread.hasDraft) segments.push({ text: ` ${DRAFT_MARK}`, tone: 'accent' })
  if (mentions !== '') segments.push({ text: `  ${mentions}`, tone: 'warn', bold: true })
  if (others !== '') segments.push({ text: `  ${others} unread`, tone: 'accent', bold: true })
  return segments
}

function highlighted(text: string, needle: string): Row {
  const isRoomName = isRoom(text) && !needle.startsWith('#')
  const ranges = needle === '' ? [] : matchRanges(isRoomName ? text.slice(1) : text, needle)
  const segments: Segment[] = []
  let from = 0
  for (const range of ranges) {
    const [start, end] = isRoomName ? [range.start + 1, range.end + 1] : [range.start, range.end]
    segments.push({ text: text.slice(from, start) }, { text: text.slice(start, end), tone: 'accent', bold: true })
    from = end
  }
  segments.push({ text: text.slice(from) })
  return segments.filter(segment => segment.text !== '')
}
