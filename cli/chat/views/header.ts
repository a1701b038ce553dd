/** The first row: what is shown below it, and the state of the open thread. */
import { sanitizeLine } from '../../../src/protocol/text.ts'
import { fitToColumns, width } from '../../terminal/width.ts'
import type { ReadonlyModel, ReadonlyThread } from '../model/readonly-model.ts'
import { finderTitle } from './finder-rows.ts'
import { type Row, type Segment, truncateRow } from './row.ts'
import { searchResultsTitle } from './search-results.ts'
import { typingText } from './typing-text.ts'

/** Columns that the state gets next to a long name. */
const MIN_STATE_COLUMNS = 12
/** Columns that name and state get next to who is writing. */
const MIN_COLUMNS_NEXT_TO_TYPING = 24
/** Free columns on both sides of who is writing: terminals disagree on the width of some names. */
const TYPING_MARGINS = 3

const OVERLAY_TITLES = { help: 'Help', details: 'Message', settings: 'Settings' }

/** @param wall ms since 1970 */
export function headerRow(model: ReadonlyModel, columns: number, wall: number): Row {
  const title = (text: string): Row => [{ text: fitToColumns(text, columns), bold: true }]
  if (model.overlay === 'help' && model.helpTopic !== '') return title(`Help: ${sanitizeLine(model.helpTopic)}`)
  if (model.overlay !== undefined) return title(OVERLAY_TITLES[model.overlay])
  if (model.searchAll !== undefined) return title(searchResultsTitle(model.searchAll))
  if (model.finder !== undefined) return title(finderTitle(model, model.finder))
  const thread = model.current
  if (thread === undefined) return title('mesh-chat')
  const typing = typingText(model, wall, columns - MIN_COLUMNS_NEXT_TO_TYPING - TYPING_MARGINS)
  if (typing === '') return threadHeader(model, thread, columns)
  // At the right, so that nothing moves.
  const left = columns - width(typing) - TYPING_MARGINS
  const row = threadHeader(model, thread, left)
  const padding = left - widthOf(row)
  return [...row, { text: ' '.repeat(padding + TYPING_MARGINS - 1) }, { text: typing, tone: 'accent' }]
}

function threadHeader(model: ReadonlyModel, thread: ReadonlyThread, columns: number): Row {
  const nameColumns = Math.max(1, columns - MIN_STATE_COLUMNS)
  const name = width(thread.name) > nameColumns ? fitToColumns(thread.name, nameColumns) : thread.name
  const mark = model.similarName(thread.name) === undefined ? '' : ' ≈'
  const muted: Segment[] = model.preferences.muted.includes(thread.name) ? [{ text: '~ muted  ', dim: true }] : []
  const state = thread.isRoom ? roomState(model, thread.name) : userState(model, thread.name)
  const start: Row = [{ text: name, bold: true }, { text: `${mark}  `, tone: 'accent' }, ...muted]
  const hasRoom = widthOf(start) + widthOf(state) <= columns
  return truncateRow([...start, ...(hasRoom ? state : state.map(shortened))], columns)
}

/** A state without its explanation: the start of `messages are delivered when they connect` would say something else. */
function shortened(segment: Segment): Segment {
  return /^[○◌]/.test(segment.text) ? { ...segment, text: segment.text.replace(/[:;] .*/s, '') } : segment
}

function widthOf(row: Row): number {
  return row.reduce((sum, { text }) => sum + width(text), 0)
}

function userState(model: ReadonlyModel, name: string): Segment[] {
  if (model.connection.phase !== 'online') return []
  const connections = model.connectionCounts.get(name)
  if (!model.isOnline(name)) return [{ text: '○ offline: messages are delivered when they connect', dim: true }]
  return [{ text: `● online${connections === undefined ? '' : ` ×${connections}`}`, tone: 'good' }]
}

/** The number of members of a room and its topic, or why the user is not in it. */
function roomState(model: ReadonlyModel, name: string): Segment[] {
  const room = model.rooms.get(name)
  if (room === undefined) return [{ text: `○ you are not in this room; /join ${name}`, dim: true }]
  const { state, members, info } = room
  switch (state.state) {
    case 'joined': {
      const count: Segment = { text: `● ${members.size} ${members.size === 1 ? 'member' : 'members'}`, tone: 'good' }
      return info.topic === undefined ? [count] : [count, { text: `  ${info.topic}`, dim: true }]
    }
    case 'waiting':
      return model.connection.phase === 'online'
        ? [{ text: '◌ joining…', tone: 'warn' }]
        : [{ text: '◌ offline: messages are sent when you are back', tone: 'warn' }]
    case 'rejected':
      return [{ text: `✗ ${sanitizeLine(state.message)}`, tone: 'bad' }]
  }
}
