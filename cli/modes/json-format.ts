/** Session events as JSON, and requests from JSON lines. */
import * as z from 'zod'
import type { ConfusableNames } from '../../src/common/confusables.ts'
import { keySchema } from '../../src/protocol/credentials.ts'
import { parseUserName } from '../../src/protocol/names.ts'
import { isRoom, parseRoomName } from '../../src/protocol/rooms.ts'
import type { ClientEvent } from '../client-events.ts'
import { fingerprint } from '../keys/fingerprint.ts'

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
  z.object({
    to: z.string().refine(isRecipient, 'invalid user or room name'),
    text: z.string().min(1),
    /** Returned with the events of this message. */
    ref: z.union([z.string(), z.number()]).optional(),
  }),
])
export type JsonRequest = z.infer<typeof requestSchema>

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
    : 'invalid request; send {"to": NAME, "text": TEXT}, {"type": TYPE, "room": ROOM} with the type join, part or members, ' +
        '{"type": "list-rooms"}, {"type": "trust", "user": NAME, "key": KEY} or {"type": "close"}'
}

function isRecipient(to: string): boolean {
  return isRoom(to) ? parseRoomName(to).ok : parseUserName(to).ok
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
      return { type: 'message', origin, ...message, ...(late ? { late } : {}), ...looksLike(other) }
    }
    case 'redated':
      return { type: 'redated', ...event.message, ...looksLike(event.message.to) }
    case 'progress':
      return { type: 'progress', id: event.id, to: event.to, ...event.progress, ...looksLike(event.to) }
    case 'key': {
      const { user, key, state } = event
      return { type: 'key', user, key, words: fingerprint(key), state, ...looksLike(user) }
    }
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
