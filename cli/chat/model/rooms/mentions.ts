/** Mentions of a user in the messages of rooms: `@Anna`, or the name as a word. */
import { parseContent } from '../../../../src/protocol/message-kinds.ts'
import type { Message } from '../../../../src/protocol/messages.ts'
import { isRoom } from '../../../../src/protocol/rooms.ts'
import { findAll, SPACELESS, searchForm } from '../../../common/search-form.ts'

/** A word character at the end of a text, and at its start. */
const WORD = `(?![${SPACELESS}])[\\p{L}\\p{N}\\p{M}_]`
const ENDS_WITH_WORD = new RegExp(`${WORD}$`, 'u')
const STARTS_WITH_WORD = new RegExp(`^${WORD}`, 'u')
/** The start of a mail address: its host may be a name. */
const ENDS_WITH_MAILBOX = new RegExp(`${WORD}@$`, 'u')

/** A part of a text, in UTF-16 units. */
export interface Range {
  start: number
  end: number
}

/**
 * Whether a message of a room, by someone else, mentions a user, has one of the words that the user highlights, or replies to
 * the user.
 */
export function mentionsUser(
  { from, to, text }: Pick<Message, 'from' | 'to' | 'text'>,
  user: string,
  highlights: readonly string[],
): boolean {
  if (!isRoom(to) || from === user) return false
  const content = parseContent(text, from)
  if (content.kind !== 'text') return false
  return content.reply?.from === user || [user, ...highlights].some(word => mentions(content.text, word))
}

/** Whether a text mentions a user, whatever the case. */
export function mentions(text: string, name: string): boolean {
  return findMentions(text, name).length > 0
}

/** The parts of a text that mention one of the names, in order, without overlaps. */
export function findAllMentions(text: string, names: readonly string[]): Range[] {
  const found = names.flatMap(name => findMentions(text, name)).sort((a, b) => a.start - b.start || b.end - a.end)
  let end = 0
  return found.filter(range => {
    if (range.start < end) return false
    end = range.end
    return true
  })
}

/** The parts of a text that mention a user, with the `@`. */
export function findMentions(text: string, name: string): Range[] {
  const needle = searchForm(name)
  // Most messages do not: this is much cheaper than mapping the positions.
  if (!searchForm(text).includes(needle)) return []
  return findAll(text, needle).flatMap(({ start, end }) => {
    // Two UTF-16 units before and after: one character, and the `@` of a mail address.
    const before = text.slice(Math.max(0, start - 3), start)
    const after = text.slice(end, end + 2)
    if (ENDS_WITH_WORD.test(text.slice(start, end)) && STARTS_WITH_WORD.test(after)) return []
    if (STARTS_WITH_WORD.test(text.slice(start, end)) && ENDS_WITH_WORD.test(before)) return []
    if (ENDS_WITH_MAILBOX.test(before)) return []
    return [{ start: before.endsWith('@') ? start - 1 : start, end }]
  })
}
