/** Session events as JSON, and requests from JSON lines. */
import * as z from 'zod'
import type { ConfusableNames } from '../../src/common/confusables.ts'
import { parseUserName } from '../../src/protocol/names.ts'
import type { ClientEvent } from '../client-events.ts'
import { fingerprint } from '../keys/fingerprint.ts'

const requestSchema = z.union([
  z.object({ type: z.literal('close') }),
  z.object({ type: z.literal('trust'), user: z.string() }),
  z.object({
    to: z.string().refine(to => parseUserName(to).ok, 'invalid user name'),
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
    : 'invalid request; send {"to": NAME, "text": TEXT}, {"type": "trust", "user": NAME} or {"type": "close"}'
}

/** The JSON of an event, or undefined for an event that programs do not get. */
export function eventToJson(event: ClientEvent, confusables: ConfusableNames): object | undefined {
  switch (event.type) {
    case 'connection': {
      const { phase, ...rest } = event.state
      return { type: 'connection', state: phase, ...rest }
    }
    case 'roster':
      return { type: 'roster', users: [...event.users], joined: event.joined, left: event.left }
    case 'message': {
      const looksLike = confusables.find(event.message.from)
      const json = { type: 'message', origin: event.origin, ...event.message }
      return looksLike === undefined ? json : { ...json, looksLike }
    }
    case 'progress':
      return { type: 'progress', id: event.id, to: event.to, ...event.progress }
    case 'key':
      return { type: 'key', user: event.user, key: event.key, words: fingerprint(event.key), state: event.state }
    case 'forged':
      return event
    case 'mesh': {
      const { key, mode, url, isNew, movedFrom } = event
      return { type: 'mesh', key, words: key === undefined ? undefined : fingerprint(key), mode, url, isNew, movedFrom }
    }
    case 'mesh-changed':
      return event
    case 'notice':
      return { type: 'notice', code: event.code, message: event.text }
    default:
      return undefined
  }
}
