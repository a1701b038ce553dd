import type { SessionRequest } from '../../../src/client/events.ts'
import { parseUserName } from '../../../src/protocol/names.ts'
import { isRoom, parseRoomName } from '../../../src/protocol/rooms.ts'
import type { MessageLookup } from '../../session/message-lookup.ts'
import type { JsonMessageRequest } from './format.ts'

/**
 * The session's request for a program's request to send, edit, delete or react to a message, or why it is not possible.
 * @param isOperator whether this user is an operator of a room
 */
export function toSessionRequest(
  request: JsonMessageRequest,
  lookup: MessageLookup,
  isOperator: (room: string) => boolean,
): SessionRequest | string {
  const { to, author } = request
  const name = isRoom(to) ? parseRoomName(to) : parseUserName(to)
  const thread = name.ok ? name.value : to
  const toChange = (change: ReturnType<MessageLookup['edit']>): SessionRequest | string =>
    typeof change === 'string' ? change : { type: 'change', to, change }
  if ('edit' in request) return toChange(lookup.edit(thread, request.edit, request.text))
  if ('delete' in request) return toChange(lookup.delete(thread, request.delete, author, isOperator(thread)))
  if ('react' in request) {
    const { react, emoji, remove } = request
    return toChange(lookup.react(thread, react, author, { emoji, isRemoved: remove }))
  }
  const { text, reply: id } = request
  const reply = id === undefined ? undefined : lookup.find(thread, id, author)
  if (typeof reply === 'string') return reply
  return reply === undefined ? { type: 'compose', to, text } : { type: 'compose', to, text, reply }
}
