/** Session events as JSON, and requests from JSON lines. */
import * as z from 'zod'
import type { ConfusableNames } from '../../../src/common/confusables.ts'
import { isReaction } from '../../../src/protocol/message-kinds.ts'
import { idSchema } from '../../../src/protocol/messages.ts'
import { isUserName } from '../../../src/protocol/names.ts'
import { keySchema } from '../../../src/protocol/proofs/credentials.ts'
import { parseRecipient, parseRoomName } from '../../../src/protocol/rooms.ts'
import type { ClientEvent } from '../../common/client-events.ts'
import { contentFields } from '../../common/content-fields.ts'
import { fingerprint } from '../../keys/fingerprint.ts'

const roomSchema = z.string().transform((raw, context) => {
  const name = parseRoomName(raw)
  if (name.ok) return name.value
  context.addIssue({ code: 'custom', message: name.reason })
  return z.NEVER
})

const requestSchema = z.union([
  z.object({ type: z.literal('close') }),
  /** `key`: the key that was compared, as in the event `key`. */
  z.object({ type: z.literal('trust'), user: z.string(), key: keySchema }),
  z.object({ type: z.enum(['join', 'part']), room: roomSchema }),
  /** Asks for the event `room` with all members. */
  z.object({ type: z.literal('members'), room: roomSchema }),
  z.object({ type: z.literal('list-rooms') }),
  z.object({ type: z.literal('cancel'), id: z.string() }),
  /** The user is writing a message. */
  z.object({ type: z.literal('typing'), to: z.string().refine(isRecipient, 'invalid user or room name') }),
  /** Sends, edits, deletes or reacts to a message. */
  z
    .object({
      to: z.string().refine(isRecipient, 'invalid user or room name'),
      text: z.string().min(1).optional(),
      reply: idSchema.optional(),
      edit: idSchema.optional(),
      delete: idSchema.optional(),
      react: idSchema.optional(),
      emoji: z.string().refine(isReaction, 'an emoji, or a few characters without spaces').optional(),
      /** Takes the reaction back. */
      remove: z.boolean().optional(),
      /** The sender of the message that is named by its id; needed only if the client does not know it. */
      author: z.string().refine(isUserName, 'invalid user name').optional(),
      /** Returned with the events of this message. */
      ref: z.union([z.string(), z.number()]).optional(),
    })
    .transform(({ text, reply, edit, delete: deleted, react, emoji, remove = false, ...rest }, context) => {
      const named = [reply, edit, deleted, react].filter(id => id !== undefined)
      if (named.length < 2) {
        if (edit !== undefined && text !== undefined) return { ...rest, edit, text }
        if (deleted !== undefined) return { ...rest, delete: deleted }
        if (react !== undefined && emoji !== undefined) return { ...rest, react, emoji, remove }
        if (edit === undefined && react === undefined && text !== undefined) return { ...rest, text, reply }
      }
      context.addIssue({ code: 'custom', message: 'not a message, edit, deletion or reaction' })
      return z.NEVER
    }),
])
export type JsonRequest = z.infer<typeof requestSchema>
/** A request to send, edit, delete or react to a message. */
export type JsonMessageRequest = Exclude<JsonRequest, { type: string }>

/** The request of a line, or an error message. */
export function parseRequest(line: string): JsonRequest | string {
  let raw: unknown
  try {
    raw = JSON.parse(line)
  } catch {
    return 'the line is not JSON'
  }
  const parsed = requestSchema.safeParse(raw)
  return parsed.success
    ? parsed.data
    : 'invalid request; send {"to": NAME, "text": TEXT}, also with "reply": ID, {"to": NAME, "edit": ID, "text": TEXT}, ' +
        '{"to": NAME, "delete": ID}, {"to": NAME, "react": ID, "emoji": EMOJI}, {"type": TYPE, "room": ROOM} with the type join, part or members, ' +
        '{"type": "list-rooms"}, {"type": "typing", "to": NAME}, {"type": "cancel", "id": ID}, {"type": "trust", "user": NAME, "key": KEY} or {"type": "close"}'
}

function isRecipient(to: string): boolean {
  return parseRecipient(to).ok
}

/** The JSON of an event of a room. `withMembers`: all members, besides the changes. */
export function roomEventToJson(event: Extract<ClientEvent, { type: 'room' }>, withMembers: boolean): object {
  const { room, state, members, info, joined, left } = event
  if (state.state !== 'joined') return { type: 'room', room, ...state }
  const all = withMembers ? { members: [...members] } : {}
  return { type: 'room', room, ...state, ...all, joined, left, ...info }
}

/** The JSON of an event other than those of a room; undefined: programs do not get it. */
export function eventToJson(event: ClientEvent, user: string, confusables: ConfusableNames): object | undefined {
  /** The field `looksLike` for a name that looks like another one. */
  const looksLike = (name: string) => {
    const similarName = confusables.find(name)
    return similarName === undefined ? {} : { looksLike: similarName }
  }
  switch (event.type) {
    case 'connection': {
      const { phase, ...rest } = event.state
      return { type: 'connection', state: phase, ...rest }
    }
    case 'roster': {
      const users = [...event.users]
      const { joined, left } = event
      return { type: 'roster', users, joined, left, ...lookAlikes(event.users, confusables) }
    }
    case 'message': {
      const { message, origin, late } = event
      const other = message.from === user ? message.to : message.from
      const fields = contentFields(message)
      const type = fields.kind === 'text' ? 'message' : 'change'
      return { type, origin, ...message, ...fields, ...(late ? { late } : {}), ...looksLike(other) }
    }
    case 'cancelled':
      return {
        type: 'cancelled',
        ...event.message,
        ...contentFields(event.message),
        ...(event.isDeleted ? { deleted: true } : {}),
        ...looksLike(event.message.to),
      }
    case 'not-cancelled':
      return event
    case 'redated':
      return { type: 'redated', ...event.message, ...contentFields(event.message), ...looksLike(event.message.to) }
    case 'progress':
      return { type: 'progress', id: event.id, to: event.to, ...event.progress, ...looksLike(event.to) }
    case 'key': {
      const { user, key, state } = event
      return { type: 'key', user, key, words: fingerprint(key), state, ...looksLike(user) }
    }
    case 'typing':
      return { ...event, ...looksLike(event.from) }
    case 'forged':
      return { ...event, ...looksLike(event.from) }
    case 'mesh': {
      const { key, mode, url, isNew, movedFrom } = event
      return { type: 'mesh', key, words: key === undefined ? undefined : fingerprint(key), mode, url, isNew, movedFrom }
    }
    case 'mesh-changed':
      return event
    case 'room-list':
      return event
    case 'notice':
      return { type: 'notice', code: event.code, message: event.text }
    default:
      return undefined
  }
}

/** The field `lookAlikes`, pairs of a name and one that it looks like; no field if there are none. */
export function lookAlikes(
  names: { has(name: string): boolean },
  confusables: ConfusableNames,
): { lookAlikes?: [name: string, other: string][] } {
  const pairs = [...confusables.pairs()].filter(([name]) => names.has(name))
  return pairs.length === 0 ? {} : { lookAlikes: pairs }
}
