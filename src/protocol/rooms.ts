/** Rooms: their names, their settings, and the payloads between clients and servers that only rooms have. */
import * as z from 'zod'
import { hasHiddenCharacters, type ParseResult, parseUserName } from './names.ts'

/** Longest room name, in characters with the `#`. */
const MAX_ROOM_NAME_CHARACTERS = 64
/** Longest room name on the wire, in UTF-16 units. */
const MAX_ROOM_NAME_LENGTH = 128

/** Room names that need no normalisation, as nearly all. */
const ASCII_ROOM_NAME = /^#[a-z0-9._-]{1,63}$/
const ROOM_NAME = /^#[\p{L}\p{N}._-][\p{L}\p{M}\p{N}._-]*$/u

const ROOM_NAME_RULE = `a room name has # and then 1 to ${MAX_ROOM_NAME_CHARACTERS - 1} letters, digits or any of - _ .`

/** Whether a recipient is a room: no user name starts with `#`. */
export function isRoom(recipient: string): boolean {
  return recipient.startsWith('#')
}

/** Whether a text is a room name in canonical form. */
export function isRoomName(name: unknown): name is string {
  if (typeof name !== 'string') return false
  if (ASCII_ROOM_NAME.test(name)) return true
  if (name.length > MAX_ROOM_NAME_LENGTH) return false
  const parsed = parseRoomName(name)
  return parsed.ok && parsed.value === name
}

/** Parses a room name into its canonical form: Unicode NFC (UAX #15), in lower case. `#Ops` and `#ops` are one room. */
export function parseRoomName(raw: unknown): ParseResult<string> {
  if (typeof raw !== 'string') return { ok: false, reason: 'a room name must be a string' }
  if (ASCII_ROOM_NAME.test(raw)) return { ok: true, value: raw }
  // Checked before normalising, so that a huge text costs nothing.
  if (raw.length > MAX_ROOM_NAME_LENGTH * 4) return { ok: false, reason: ROOM_NAME_RULE }
  // A final sigma in lower case depends on its place: without this, parsing twice would give another name.
  const name = raw.trim().normalize('NFC').toLowerCase().normalize('NFC').replaceAll('ς', 'σ')
  const isValid =
    ROOM_NAME.test(name) &&
    !hasHiddenCharacters(name) &&
    [...name].length <= MAX_ROOM_NAME_CHARACTERS &&
    name.length <= MAX_ROOM_NAME_LENGTH
  return isValid ? { ok: true, value: name } : { ok: false, reason: ROOM_NAME_RULE }
}

/** Parses a recipient, a user or a room, into its canonical form. Spaces around it are ignored. */
export function parseRecipient(raw: string): ParseResult<string> {
  return isRoom(raw) || isRoom(raw.trimStart()) ? parseRoomName(raw) : parseUserName(raw)
}

/** A room name that another program passes on. */
export const roomNameSchema = z.string().refine(isRoomName, 'is not a room name')

/** A room that the config sets up. */
export interface RoomSettings {
  /** In canonical form. */
  readonly name: string
  readonly topic?: string | undefined
  /** Users who may write where only operators may. */
  readonly operators: readonly string[]
  /** Users who may join, besides the operators; undefined: everyone. */
  readonly members?: readonly string[] | undefined
  readonly write: 'all' | 'operators'
  /** Days of history that newcomers get; 0: none; undefined: as many as their clients want. */
  readonly historyDays?: number | undefined
  /** Whether the list of rooms leaves it out. */
  readonly hidden: boolean
  /** Shortest time between two messages of one user, s; 0: none. */
  readonly slowSeconds: number
}
