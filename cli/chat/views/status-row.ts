import { quoteOf } from '../../../src/protocol/message-kinds.ts'
import { sanitizeLine } from '../../../src/protocol/text.ts'
import { width } from '../../terminal/width.ts'
import { actionLabel } from '../model/keymap.ts'
import { quotedMessage } from '../model/layout/message-text.ts'
import type { ReadonlyModel } from '../model/readonly-model.ts'
import { openInvitation } from '../model/rooms/invitations.ts'
import { excessBytesOfInput } from '../model/text-length.ts'
import { QUICK_REACTIONS, SELECTION_KEYS } from '../model/threads/message-selection.ts'
import { type Row, type Segment, truncateRow } from './row.ts'
import { typingText } from './typing-text.ts'
import { unreadSegments } from './unread.ts'

/** What the status row says of a search. @param key the key for the next match */
const SEARCH_HINTS = {
  idle: () => 'search: type to search',
  searching: () => 'search: searching…',
  found: (key: string) => `search: Esc cancel, ${key} older match, Down newer, Enter stay`,
  oldest: (key: string) => `no older match; ${key} goes to the newest again`,
  newest: (key: string) => `no newer match; Esc cancel, ${key} older match, Enter stay`,
  'not-found': () => 'search: nothing found; Esc cancel',
}
const FINDER_HINT = 'Esc close, type to filter, Enter select'
const SEARCH_ALL_HINT = 'Esc close, Up/Down select, Enter go to the message'
const OVERLAY_HINTS = {
  help: 'Esc closes the help, Up/Down scroll',
  details: 'Esc closes the details, Up/Down scroll',
  settings: 'Esc closes the settings, Up/Down scroll',
}

/** Connection, user, counts, and a hint or notice, as a bar with its own background. */
export function statusRow(model: ReadonlyModel, wall: number): Row {
  const row = truncateRow(statusSegments(model, wall), model.columns)
  const free = model.columns - widthOf(row)
  // Inline, a row that is as wide as the terminal would break when that gets narrower.
  const bar = model.isInline ? row : [...row, { text: ' '.repeat(Math.max(0, free)) }]
  // A faint text on an inverse background is hard to read.
  return bar.map(({ dim: _, ...segment }): Segment => ({ ...segment, inverse: true }))
}

function statusSegments(model: ReadonlyModel, wall: number): Segment[] {
  // How to close the help is visible at every width.
  if (model.overlay !== undefined) {
    const all = model.overlay === 'help' && model.helpTopic !== '' ? '; /help shows all of it' : ''
    return [{ text: `${OVERLAY_HINTS[model.overlay]}${all}`, bold: true }]
  }
  const hints = [...excessSegments(model), ...hintSegments(model, wall)]
  const states = stateVariants(model, wall)
  const isNotice = model.notice !== undefined && model.notice.isKept !== true
  const isNews =
    isNotice ||
    [model.search, model.searchAll, model.finder, selectionHint(model)].some(one => one !== undefined) ||
    excessBytesOfInput(model) > 0
  // A notice or a prompt is more important than what else is in the row.
  const fitting = states.find(segments => widthOf(segments) + widthOf(hints) <= model.columns) ?? states.at(-1)
  const state = (isNews ? fitting : states[0]) ?? []
  // Half of the hint about the help says nothing.
  const isLeftOut = hints.every(({ dim }) => dim) && widthOf(state) + widthOf(hints) > model.columns
  return isLeftOut ? state : [...state, ...hints]
}

/** The state of connection, user and threads, in words that take fewer and fewer columns. */
function stateVariants(model: ReadonlyModel, wall: number): Segment[][] {
  const isOnline = model.connection.phase === 'online'
  const user: Segment = { text: `  ${model.user}`, bold: true }
  const online: Segment[] = isOnline ? [{ text: `  ${model.onlineCount} online`, dim: true }] : []
  const unread = unreadSegments(model)
  const connection = connectionSegments(model, wall)
  const [mark] = connection
  const short: Segment[] = isOnline || mark === undefined ? connection : [mark, { text: 'not connected' }]
  return [
    [...connection, user, ...online, ...unread],
    [...short, user, ...unread],
    [...short, ...unread],
    mark === undefined ? [] : [mark],
  ]
}

function excessSegments(model: ReadonlyModel): Segment[] {
  const excess = excessBytesOfInput(model)
  if (excess <= 0) return []
  return [{ text: '  ' }, { text: `${excess} ${excess === 1 ? 'byte' : 'bytes'} too long`, tone: 'bad', bold: true }]
}

function widthOf(segments: readonly Segment[]): number {
  return segments.reduce((sum, { text }) => sum + width(text), 0)
}

function connectionSegments({ connection }: ReadonlyModel, wall: number): Segment[] {
  switch (connection.phase) {
    case 'online':
      return [{ text: '● ' }, { text: connection.server }]
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

/** What the keys do with the selected message, or what the text of the input line becomes. */
function selectionHint({ current, reactionPrompt, waiting, bindings }: ReadonlyModel): string | undefined {
  if (reactionPrompt !== undefined)
    return `react: ${QUICK_REACTIONS.map((emoji, at) => `${at + 1} ${emoji}`).join('  ')}`
  if (current === undefined) return undefined
  const { selection, draftTarget } = current
  if (selection?.step === 'confirm-delete') return 'd to delete for everyone, any other key to cancel'
  if (selection?.step === 'menu') {
    const quote = quoteOf(current.messageOf(selection)?.currentText ?? '')
    const keys = SELECTION_KEYS.map(([key, help]) => `${key} ${help}`)
    const cancelKey = waiting.has(selection.id) ? actionLabel(bindings, 'cancel-message') : undefined
    if (cancelKey !== undefined) keys.push(`${cancelKey} cancel`)
    return `${keys.join('  ')}  Esc leave  │ ${quotedMessage(selection.from, quote)}`
  }
  if (draftTarget === undefined) return undefined
  const { kind, target } = draftTarget
  const what = kind === 'reply' ? `reply to ${quotedMessage(target.from, target.quote)}` : `edit: ${target.quote}`
  return `Esc cancels  │ ${what}`
}

/** After a search, while its match is highlighted. */
function matchHint({ bindings }: ReadonlyModel): string {
  const key = actionLabel(bindings, 'select-previous')
  return `match: ${key === undefined ? '' : `${key} selects the message, `}Esc leaves it`
}

function hintSegments(model: ReadonlyModel, wall: number): Segment[] {
  const { notice, finder, search, searchAll, columns } = model
  if (search !== undefined) {
    const key = actionLabel(model.bindings, 'search') ?? 'Up'
    return [{ text: `  ${SEARCH_HINTS[search.state](key)}` }]
  }
  const selecting = selectionHint(model)
  if (selecting !== undefined && (model.reactionPrompt !== undefined || notice === undefined))
    return [{ text: `  ${sanitizeLine(selecting)}` }]
  if (notice !== undefined) {
    const text = sanitizeLine(notice.text)
    return [{ text: '  ' }, notice.tone === 'error' ? { text, tone: 'bad' } : { text }]
  }
  if (searchAll !== undefined) return [{ text: `  ${SEARCH_ALL_HINT}` }]
  if (finder !== undefined) return [{ text: `  ${FINDER_HINT}` }]
  // The full screen has it in the header, where no notice is in its place.
  const typing = model.isInline ? typingText(model, wall, columns) : ''
  if (typing !== '') return [{ text: `  ${typing}` }]
  const invited = openInvitation(model)
  const key = actionLabel(model.bindings, 'join-invitation')
  if (invited !== undefined && key !== undefined)
    return [{ text: '  ' }, { text: `${key} joins ${invited}`, tone: 'accent' }]
  if (model.current?.searchMatch !== undefined) return [{ text: `  ${matchHint(model)}` }]
  return columns >= 60 ? [{ text: '  ? help', dim: true }] : []
}
