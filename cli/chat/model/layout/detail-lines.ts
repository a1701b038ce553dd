/** The content of the details overlay: one message, its delivery if it is an own one, and the reactions to it. */
import type { Progress } from '../../../../src/client/events.ts'
import { sanitizeLine } from '../../../../src/protocol/text.ts'
import { formatDay, formatTimeOfDay } from '../../../common/format-time.ts'
import { wrap } from '../../../terminal/width.ts'
import { markedName } from '../names/marked-name.ts'
import type { ReadonlyEntry, ReadonlyModel, ReadonlyThread } from '../readonly-model.ts'
import type { OverlayLine } from './help-lines.ts'

/** Most members that are listed as those who have not confirmed the message. */
const MAX_MISSING_MEMBERS = 500

/** Longest start of a text that is shown, in UTF-16 units. */
const MAX_TEXT_LENGTH = 500
/** Most users that are listed with a reaction. */
const MAX_REACTING_USERS = 500
/** Columns before the names of a reaction, and of the right margin. */
const REACTION_MARGINS = 30

/** The message to show: the one that is selected or that the search has found, else the last own one above the end of the view. */
export function detailedMessage({ current, user }: ReadonlyModel): ReadonlyEntry | undefined {
  if (current === undefined) return undefined
  const isOwn = (entry: ReadonlyEntry | undefined) => entry?.kind === 'message' && entry.from === user
  const { selection, searchMatch } = current
  const match = selection === undefined ? current.entryById(searchMatch?.id ?? '') : current.messageOf(selection)
  if (match?.kind === 'message') return match
  const { entries, anchor } = current
  const end = anchor === undefined ? entries.length : current.indexOf(anchor.entry) + 1
  return entries.slice(0, end).findLast(isOwn)
}

export function detailLines(model: ReadonlyModel): OverlayLine[] {
  const { current: thread, detailsId } = model
  const entry = thread?.entryById(detailsId ?? '')
  if (thread === undefined || entry === undefined) return [{ type: 'text', text: 'the message is gone' }]
  const [firstLine = ''] = entry.text.slice(0, MAX_TEXT_LENGTH).split('\n', 1)
  const isOwn = entry.from === model.user
  const lines: OverlayLine[] = [
    ...(isOwn ? [] : [{ type: 'item', label: 'From', text: markedName(model, entry.from) } as const]),
    { type: 'item', label: 'To', text: isOwn || thread.isRoom ? markedName(model, thread.name) : model.user },
    { type: 'item', label: 'Time', text: `${formatTimeOfDay(entry.at)}, ${formatDay(entry.at)}` },
    { type: 'item', label: 'Text', text: firstLine },
  ]
  if (isOwn) lines.push({ type: 'item', label: 'State', text: progressText(entry.progress, thread) })
  if (entry.changeProgress !== undefined)
    lines.push({ type: 'item', label: 'Change', text: progressText(entry.changeProgress, thread) })
  lines.push(...reactionLines(model, entry))
  if (!isOwn || entry.progress?.state !== 'delivered' || !thread.isRoom) return lines
  const { connections, of, names = [] } = entry.progress
  const list = (title: string, listed: readonly string[]) => {
    if (listed.length === 0) return
    lines.push({ type: 'text', text: '' }, { type: 'title', text: title })
    for (const name of listed) lines.push({ type: 'text', text: `  ${markedName(model, name)}` })
  }
  list('Delivered to', names)
  if (names.length < connections) {
    const others = names.length === 0 ? 'the names are not known' : `and ${connections - names.length} others`
    lines.push({ type: 'text', text: connections === of ? '  everyone who was in the room' : `  ${others}` })
    return lines
  }
  list('Not confirmed, in the room now', membersWithout(model, thread.name, names))
  return lines
}

/** Each reaction, with the users who reacted. */
function reactionLines(model: ReadonlyModel, { reactions = [] }: ReadonlyEntry): OverlayLine[] {
  if (reactions.length === 0) return []
  const items = reactions.flatMap(({ emoji, users }) => {
    const names = users.slice(0, MAX_REACTING_USERS).map(name => markedName(model, name))
    const more = users.length - names.length
    const text = sanitizeLine(`${names.join(', ')}${more > 0 ? ` and ${more} others` : ''}`)
    return wrap(text, Math.max(10, model.columns - REACTION_MARGINS)).map((row, at): OverlayLine => {
      return { type: 'item', label: at === 0 ? sanitizeLine(`${emoji} ${users.length}`) : '', text: row.text }
    })
  })
  return [{ type: 'text', text: '' }, { type: 'title', text: 'Reactions' }, ...items]
}

/** The other members of a room who are not in a list. */
function membersWithout(model: ReadonlyModel, room: string, names: readonly string[]): string[] {
  const known = new Set(names).add(model.user)
  const others: string[] = []
  for (const name of model.rooms.get(room)?.members ?? []) {
    if (!known.has(name)) others.push(name)
    if (others.length === MAX_MISSING_MEMBERS) break
  }
  return others
}

function progressText(progress: Progress | undefined, { isRoom }: ReadonlyThread): string {
  switch (progress?.state) {
    case undefined:
      return 'accepted by a server, not confirmed'
    case 'sent':
      return 'sent, not confirmed yet'
    case 'delivered': {
      const { connections, of } = progress
      if (isRoom) return `delivered to ${connections}${of === undefined ? '' : ` of ${of} other`} members`
      return `delivered to ${connections} ${connections === 1 ? 'connection' : 'connections'}`
    }
    case 'refused':
      return `rejected: ${sanitizeLine(progress.message)}`
    case 'waiting':
      return `waiting: ${waitingText(progress.reason, isRoom)}`
  }
}

function waitingText(reason: Extract<Progress, { state: 'waiting' }>['reason'], isRoom: boolean): string {
  switch (reason) {
    case 'offline':
      return 'you are offline'
    case 'recipient-offline':
      return isRoom ? 'no other member is online' : 'the recipient is offline'
    case 'unconfirmed':
      return 'nobody has confirmed it; it is sent again'
    case 'key-changed':
      return 'the key of the recipient has changed; see /key'
    case 'clock-ahead':
      return 'its time is ahead of the clock of the server'
    case 'not-joined':
      return 'you are not in the room yet'
  }
}
