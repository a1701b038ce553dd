/** Names in the arguments of commands: in quotes, or the longest one that is known. */
import { type ParseResult, parseUserName } from '../../src/protocol/names.ts'
import { isRoom, parseRoomName } from '../../src/protocol/rooms.ts'

/** Longest start of the arguments that may be a name without quotes. */
const MAX_NAME_LENGTH = 256

/** The user or room that arguments start with, and the trimmed text after it. */
export interface NameArgument {
  /** In canonical form. */
  readonly name: string
  readonly rest: string
  /** Another known name that the arguments also start with, shorter than `name`, and the text after it. */
  readonly alternative?: { readonly name: string; readonly rest: string }
}

/**
 * Parses arguments that start with a name: `"Anna B" hello`, `#ops hello`, or the longest known name; else the first word.
 * @param isKnown whether there is a user with this name
 */
export function parseNameArgument(args: string, isKnown: (name: string) => boolean): ParseResult<NameArgument> {
  if (args.startsWith('"')) return parseQuoted(args)
  const [word = ''] = /^\S+/.exec(args) ?? []
  if (isRoom(word)) return withRest(parseRoomName(word), args.slice(word.length))
  const known: { name: string; rest: string }[] = []
  for (const start of startsOf(args)) {
    const name = parseUserName(start)
    if (name.ok && isKnown(name.value)) known.push({ name: name.value, rest: args.slice(start.length).trim() })
  }
  const longest = known.at(-1)
  if (longest === undefined) return withRest(parseUserName(word), args.slice(word.length))
  const alternative = known.at(-2)
  return { ok: true, value: { ...longest, ...(alternative === undefined ? {} : { alternative }) } }
}

/** Parses arguments that are a name and nothing else, with or without quotes. */
export function parseSoleName(args: string): ParseResult<string> {
  if (isRoom(args)) return parseRoomName(args)
  if (!args.startsWith('"')) return parseUserName(args)
  const quoted = parseQuoted(args)
  if (!quoted.ok) return quoted
  const { name, rest } = quoted.value
  return rest === '' ? { ok: true, value: name } : { ok: false, reason: `unexpected text after the name: ${rest}` }
}

/** Parses arguments that are the name of a user and nothing else. */
export function parseSoleUser(args: string): ParseResult<string> {
  const name = parseSoleName(args)
  return name.ok ? parseUserName(name.value) : name
}

/** Parses the arguments of `/invite`: the name of a user, and perhaps the text of a room name. */
export function parseInvitation(args: string): ParseResult<{ user: string; room: string }> {
  const [, userPart = '', room = ''] = /^([\s\S]*?)(?:\s+(#\S*))?$/.exec(args) ?? []
  const user = parseSoleUser(userPart)
  return user.ok ? { ok: true, value: { user: user.value, room } } : user
}

/** A name as an argument: in quotes if it needs them. */
export function quoteName(name: string): string {
  return /[\s"\\]/.test(name) ? `"${name.replace(/["\\]/g, '\\$&')}"` : name
}

/** The part of a quoted name that is typed so far. */
export function unquote(text: string): string {
  return text.replace(/^"/, '').replace(/\\(.)/g, '$1')
}

function parseQuoted(args: string): ParseResult<NameArgument> {
  const [, quoted, rest = ''] = /^"((?:[^"\\]|\\.)*)"(?:\s+([\s\S]*))?$/.exec(args) ?? []
  if (quoted === undefined) return { ok: false, reason: 'put the name in quotes: "NAME"' }
  const name = unquote(quoted)
  return withRest(isRoom(name) ? parseRoomName(name) : parseUserName(name), rest)
}

function withRest(name: ParseResult<string>, rest: string): ParseResult<NameArgument> {
  return name.ok ? { ok: true, value: { name: name.value, rest: rest.trim() } } : name
}

/** The starts of a text that end at a white space or at its end, shortest first. */
function startsOf(text: string): string[] {
  const ends = [...text.slice(0, MAX_NAME_LENGTH + 1).matchAll(/\s+/g)].map(({ index }) => index)
  if (text.length <= MAX_NAME_LENGTH) ends.push(text.length)
  return ends.map(end => text.slice(0, end))
}
