/** The rooms that a config, or a program that runs a server, sets up. */
import * as z from 'zod'
import { type ParseResult, parseUserName } from '../protocol/names.ts'
import { parseRoomName, type RoomSettings } from '../protocol/rooms.ts'

const MAX_ROOMS = 1_000
/** Most users in one list of a room. */
const MAX_USERS = 10_000
const MAX_TOPIC_LENGTH = 500
const MAX_HISTORY_DAYS = 3_650
const MAX_SLOW_SECONDS = 3_600

/** Controls, lone surrogates, line and paragraph separators. */
const CONTROL_CHARACTER = /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}]/u

const TOPIC = `must be a text of at most ${MAX_TOPIC_LENGTH} characters`
const HISTORY = `must be "none" or a whole number of days from 1 to ${MAX_HISTORY_DAYS}`
const SLOW = `must be a whole number of seconds from 0 to ${MAX_SLOW_SECONDS}`

/** A room as a config describes it. */
export interface ConfiguredRoom {
  /** The name, with its `#`: `#ops`. */
  name: string
  /** One line, at most 500 characters. */
  topic?: string | undefined
  /** Users who may write where only operators may; default: none. */
  operators?: readonly string[] | undefined
  /** Users who may join, besides the operators; default: everyone. */
  members?: readonly string[] | undefined
  /** Who may write; default: `all`. */
  write?: 'all' | 'operators' | undefined
  /** Days of history that newcomers get, or `none`; default: as many as their clients want. */
  history?: 'none' | number | undefined
  /** Whether the list of rooms leaves the room out; default: false. */
  hidden?: boolean | undefined
  /** Shortest time between two messages of one user, s; default: 0. */
  slow?: number | undefined
}

const usersSchema = z
  .array(nameSchema(parseUserName), 'must be a list of user names')
  .max(MAX_USERS, `must list at most ${MAX_USERS} users`)
  .transform(names => [...new Set(names)])

const roomFields = z.strictObject(
  {
    name: nameSchema(parseRoomName),
    topic: z
      .string(TOPIC)
      .max(MAX_TOPIC_LENGTH, TOPIC)
      .refine(topic => !CONTROL_CHARACTER.test(topic), 'must be one line, without control characters')
      .optional(),
    operators: usersSchema.default([]),
    members: usersSchema.optional(),
    write: z.enum(['all', 'operators'], 'must be all or operators').default('all'),
    history: z
      .union([z.literal('none', HISTORY), z.int(HISTORY).min(1, HISTORY).max(MAX_HISTORY_DAYS, HISTORY)], HISTORY)
      .optional(),
    hidden: z.boolean('must be true or false').default(false),
    slow: z.int(SLOW).min(0, SLOW).max(MAX_SLOW_SECONDS, SLOW).default(0),
  },
  'must be a JSON object',
)

/** The fields of a room. */
export const ROOM_FIELDS = Object.keys(roomFields.shape)

const roomSchema = roomFields
  .refine(({ write, operators }) => write === 'all' || operators.length > 0, {
    path: ['write'],
    error: 'is operators, but the room has none, so nobody could write; add users to its operators',
  })
  .refine(({ members, operators }) => members === undefined || members.length + operators.length > 0, {
    path: ['members'],
    error: 'is empty and the room has no operators, so nobody could join; add users, or remove this field',
  })
  .transform(
    ({ history, slow, topic, ...room }): RoomSettings => ({
      ...room,
      topic: topic?.trim() || undefined,
      historyDays: history === 'none' ? 0 : history,
      slowSeconds: slow,
    }),
  )

/** A list of `ConfiguredRoom`, parsed to settings. */
export const roomsSchema = z
  .array(roomSchema, 'must be a list of rooms')
  .max(MAX_ROOMS, `must list at most ${MAX_ROOMS} rooms`)
  .check(({ value, issues }) => {
    const names = new Set<string>()
    for (const [at, { name }] of value.entries()) {
      if (names.has(name)) {
        const message = `${name} is used twice; give each room its own name`
        issues.push({ code: 'custom', path: [at, 'name'], message, input: name })
      }
      names.add(name)
    }
  })

/** A schema of a name that `parse` brings into canonical form. */
function nameSchema(parse: (raw: unknown) => ParseResult<string>) {
  return z.custom<string>().transform((raw, { issues }) => {
    const parsed = parse(raw)
    if (parsed.ok) return parsed.value
    issues.push({ code: 'custom', message: `is invalid: ${parsed.reason}`, input: raw })
    return z.NEVER
  })
}
