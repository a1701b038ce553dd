/** Session events as lines of text. */
import type { SessionEvent } from '../../../src/client/events.ts'
import type { ConfusableNames } from '../../../src/common/confusables.ts'
import { actionOf, parseContent, readableText } from '../../../src/protocol/message-kinds.ts'
import { isRoom } from '../../../src/protocol/rooms.ts'
import { sanitizeLine } from '../../../src/protocol/text.ts'
import { mentionsUser } from '../../chat/model/rooms/mentions.ts'
import type { ClientEvent } from '../../common/client-events.ts'
import { quoteName } from '../../common/name-argument.ts'
import { cancelledText, notCancelledText, waitingText } from '../../common/waiting-messages.ts'
import { fingerprint } from '../../keys/fingerprint.ts'
import { localDateTime } from '../../terminal/local-time.ts'
import { actionLine, messageLine, nameText } from './message-line.ts'

/** Most names in a list of users, and in a line about who came and went. */
const MAX_LISTED_NAMES = 500
const MAX_CHANGED_NAMES = 4

/**
 * The line to print for an event, or undefined if there is none. All but messages start with `* `; further lines of a
 * message are indented.
 * @param columns width of the terminal; undefined if the output is not a terminal
 * @param highlights the words that count as mentions of the user
 */
export function formatEvent(
  event: ClientEvent,
  user: string,
  confusables: ConfusableNames,
  columns?: number,
  highlights: readonly string[] = [],
): string | undefined {
  const shown = (name: string) => nameText(name, confusables)
  switch (event.type) {
    case 'message': {
      const { at, from, to, text } = event.message
      const dateTime = localDateTime(at)
      const time = event.late ? `${dateTime} (late)` : dateTime.slice(-5)
      // A name with a parenthesis is in quotes: no name can look like this mark.
      const sender = mentionsUser(event.message, user, highlights) ? `${shown(from)} (mentions you)` : shown(from)
      const author = isRoom(to) ? `${shown(to)} ${sender}` : sender
      const head = from === user ? `${time} to ${shown(to)}` : `${time} ${author}`
      const content = parseContent(text, from)
      const action = content.kind === 'text' ? actionOf(content.text) : undefined
      if (action === undefined) return messageLine(head, readableText(text), columns)
      const place = from === user ? `${time} to ${shown(to)}` : isRoom(to) ? `${time} ${shown(to)}` : time
      return actionLine(`${place} * ${sender}`, action, columns)
    }
    case 'connection': {
      const { state } = event
      if (state.phase === 'online') return `* online at ${state.server}`
      if (state.phase === 'waiting') return `* not connected (${sanitizeLine(state.reason)}); retrying`
      return undefined
    }
    case 'roster':
      if (event.total !== undefined) return `* ${event.total} online; /who NAME finds users`
      if (event.joined.length + event.left.length === 0) return undefined
      return sanitizeLine(`* online: ${namesText(event.users, event.users.size, confusables)}`)
    case 'names-found':
      if (event.users.length === 0) return sanitizeLine(`* no user online matches ${event.text}`)
      return sanitizeLine(`* online: ${namesText(event.users, event.users.length, confusables)}`)
    case 'names-listed':
      return sanitizeLine(`* ${event.total} online: ${namesText(event.users, event.total, confusables)}`)
    case 'progress': {
      if (event.progress.state === 'refused')
        return sanitizeLine(`* not sent to ${shown(event.to)}: ${event.progress.message}`)
      // Nobody takes a deletion back, or waits for it.
      const text = event.kind === 'delete' ? undefined : waitingText(event, shown(event.to))
      return text === undefined ? undefined : sanitizeLine(`* ${text}`)
    }
    case 'cancelled':
      return sanitizeLine(
        `* the message to ${shown(event.message.to)} is ${cancelledText(event.isDeleted)}: ${readableText(event.message.text)}`,
      )
    case 'not-cancelled':
      return `* ${notCancelledText(event.reason)}`
    case 'key':
      return formatKeyEvent(event, shown(event.user))
    case 'forged':
      return sanitizeLine(`* dropped a forged message in the name of ${shown(event.from)}`)
    case 'notice':
      return sanitizeLine(`* ${event.text}`)
    // `RoomLines` has the lines of rooms.
    case 'room':
    case 'room-list':
    case 'redated':
    case 'text-limit':
    case 'clock-wrong':
    case 'servers':
    case 'connections':
    case 'read':
      return undefined
  }
}

/** Names, the first ones if there are many. Only names that look like another one are looked up. */
export function namesText(names: Iterable<string>, count: number, confusables: ConfusableNames): string {
  const pairs = confusables.pairs()
  const lookUp = { find: (name: string) => pairs.get(name) }
  const listed: string[] = []
  for (const name of names) {
    if (listed.length === MAX_LISTED_NAMES) break
    listed.push(nameText(name, lookUp))
  }
  const more = count - listed.length
  return `${listed.join(', ')}${more > 0 ? ` and ${more} more` : ''}`
}

/** Who came and went, in one short line; undefined: nobody. */
export function rosterChange(
  { joined, left }: Pick<Extract<SessionEvent, { type: 'roster' }>, 'joined' | 'left'>,
  shown: (name: string) => string,
): string | undefined {
  const list = (names: readonly string[]) => {
    const more = names.length - MAX_CHANGED_NAMES
    return `${names.slice(0, MAX_CHANGED_NAMES).map(shown).join(', ')}${more > 0 ? ` and ${more} more` : ''}`
  }
  const parts: string[] = []
  if (joined.length > 0) parts.push(`${list(joined)} ${joined.length === 1 ? 'is' : 'are'} online`)
  if (left.length > 0) parts.push(`${list(left)} went offline`)
  return parts.length === 0 ? undefined : sanitizeLine(`* ${parts.join('; ')}`)
}

function formatKeyEvent(
  { user, key, state }: Extract<SessionEvent, { type: 'key' }>,
  shownUser: string,
): string | undefined {
  if (state === 'own' || state === 'new') return undefined
  if (state === 'trusted') return sanitizeLine(`* the new key of ${shownUser} is trusted`)
  return sanitizeLine(
    `* WARNING: the key of ${shownUser} has changed. The new key is: ${fingerprint(key)}. Someone else may be using ` +
      `this name. Verify the new key with ${user} over another channel, then accept it with /trust ${quoteName(user)} and the ` +
      `words that ${user} told you. Until then, your messages to ${user} are held.`,
  )
}
