import { sanitizeLine } from '../../../src/protocol/text.ts'
import { actionLabel } from '../model/keymap.ts'
import type { ReadonlyModel } from '../model/readonly-model.ts'
import { openInvitation } from '../model/rooms/invitations.ts'
import { type Row, type Segment, truncateRow } from './row.ts'

const SEARCH_HINTS = {
  idle: 'search: type to search',
  searching: 'search: searching…',
  found: 'search: Ctrl+S older match, Enter stay, Esc cancel',
  'not-found': 'search: nothing found',
}
const FINDER_HINT = 'type to filter, Enter select, Esc close'
const OVERLAY_HINTS = {
  help: 'Up/Down scroll, Esc closes the help',
  details: 'Up/Down scroll, Esc closes the details',
}

/** Connection, user, counts, and a hint or notice. */
export function statusRow(model: ReadonlyModel, wall: number): Row {
  const segments = connectionSegments(model, wall)
  segments.push({ text: `  ${model.user}`, bold: true })
  if (model.connection.phase === 'online') segments.push({ text: `  ${model.online.size} online`, dim: true })
  if (model.unreadCount > 0) segments.push({ text: `  ${model.unreadCount} unread`, tone: 'accent' })
  if (model.mentionCount > 0) segments.push({ text: ` @${model.mentionCount}`, tone: 'warn', bold: true })
  segments.push(...hintSegments(model))
  return truncateRow(segments, model.columns)
}

function connectionSegments({ connection }: ReadonlyModel, wall: number): Segment[] {
  switch (connection.phase) {
    case 'online':
      return [{ text: '● ', tone: 'good' }, { text: connection.server }]
    case 'connecting':
      return [
        { text: '◌ ', tone: 'warn' },
        { text: connection.server === '' ? 'connecting…' : `connecting to ${connection.server}…` },
      ]
    case 'waiting': {
      const seconds = Math.max(0, Math.ceil((connection.retryAt - wall) / 1000))
      const when = seconds > 1 ? `in ${seconds} s` : 'now'
      return [
        { text: '○ ', tone: 'bad' },
        { text: `not connected (${sanitizeLine(connection.reason)}), retrying ${when}` },
      ]
    }
    default:
      return [{ text: '○ ', tone: 'bad' }, { text: 'not connected' }]
  }
}

function hintSegments(model: ReadonlyModel): Segment[] {
  const { notice, overlay, finder, search, columns } = model
  if (overlay !== undefined) return [{ text: `  ${OVERLAY_HINTS[overlay]}`, tone: 'accent' }]
  if (search !== undefined) return [{ text: `  ${SEARCH_HINTS[search.state]}`, tone: 'accent' }]
  if (notice !== undefined) {
    const text = sanitizeLine(notice.text)
    return [{ text: '  ' }, { text, tone: notice.tone === 'error' ? 'bad' : 'accent' }]
  }
  if (finder !== undefined) return [{ text: `  ${FINDER_HINT}`, tone: 'accent' }]
  const invited = openInvitation(model)
  const key = actionLabel(model.bindings, 'join-invitation')
  if (invited !== undefined && key !== undefined) return [{ text: `  ${key} joins ${invited}`, tone: 'accent' }]
  return columns >= 60 ? [{ text: '  ? help', dim: true }] : []
}
