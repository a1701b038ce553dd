/**
 * The kind of a message: a text, perhaps a reply, or a change of another message. The kind is a part of the text, so that
 * whatever carries, seals, signs or stores messages needs to know nothing of it: docs/decisions/message-kinds.md.
 */
import { MAX_ID_LENGTH } from './messages.ts'
import { isUserName } from './names.ts'

/** A message of the same thread: ids are unique per sender only. */
export interface MessageTarget {
  readonly id: string
  readonly from: string
}

/** A target with the start of its text, for clients that do not have it or do not know kinds. */
export interface QuotedTarget extends MessageTarget {
  readonly quote: string
}

interface TextContent {
  readonly kind: 'text'
  readonly text: string
  /** The message that this one replies to. */
  readonly reply?: QuotedTarget
}

/** A message that changes another one, and is not shown by itself. */
export type ChangeContent =
  | { readonly kind: 'edit'; readonly target: MessageTarget; readonly text: string }
  | { readonly kind: 'delete'; readonly target: MessageTarget }
  /** `isRemoved`: takes the same reaction back. */
  | { readonly kind: 'react'; readonly target: QuotedTarget; readonly emoji: string; readonly isRemoved?: true }

export type Content = TextContent | ChangeContent

/** Longest reaction, in UTF-16 units: an emoji may be a sequence of many. */
const MAX_EMOJI_LENGTH = 32
/** Longest quote, in characters. */
const MAX_QUOTE_LENGTH = 60

const MARKER_END = '⟧'
/** A marker line: the kind, the id of the target, and its sender unless that is the sender of this message. */
const MARKER = /^⟦(text|reply|edit|delete|react|unreact)(?: ((?:[\w.-]|~[0-9a-f]{4})+)(?: (.+))?)?⟧$/
/** No marker is longer: five units for each one of the id, and the sender. */
const MAX_MARKER_LENGTH = MAX_ID_LENGTH * 5 + 250

/** The line that starts a block of code, and blank lines after it. */
const OPENING_FENCE = /^```[^\s`]*[ \t]*\n\s*/

const EDIT_PREFIX = '(edited) '
const DELETE_TEXT = '(deleted a message)'
const QUOTE_PREFIX = '> '
const REACTION = /^(\S+) to "(.*)"$/
const REMOVED_REACTION = /^removed (\S+) from "(.*)"$/

/**
 * The content of a message. A text whose marker is missing or invalid, or does not fit the lines above it, is a plain text.
 * @param from the sender of the message
 */
export function parseContent(text: string, from: string): Content {
  return parseMarked(text, from)?.content ?? { kind: 'text', text }
}

/** The text of a message with this content: readable lines, and a marker as the last line unless it is a plain text. */
export function formatContent(content: Content, from: string): string {
  const marked = (kind: string, body: string, target: MessageTarget) =>
    `${body}\n⟦${kind} ${escapeId(target.id)}${target.from === from ? '' : ` ${target.from}`}⟧`
  switch (content.kind) {
    case 'text': {
      const { text, reply } = content
      if (reply !== undefined) return marked('reply', `${QUOTE_PREFIX}${quoteOf(reply.quote)}\n${text}`, reply)
      // A text that ends like another kind of message stays what it is.
      return parseMarked(text, from) === undefined ? text : `${text}\n⟦text⟧`
    }
    case 'edit':
      return marked('edit', `${EDIT_PREFIX}${content.text}`, content.target)
    case 'delete':
      return marked('delete', DELETE_TEXT, content.target)
    case 'react': {
      const { target, emoji, isRemoved } = content
      const quote = quoteOf(target.quote)
      return isRemoved === true
        ? marked('unreact', `removed ${emoji} from "${quote}"`, target)
        : marked('react', `${emoji} to "${quote}"`, target)
    }
  }
}

/** The text for clients and people that do not know kinds: without the marker. */
export function readableText(text: string): string {
  return parseMarked(text, '')?.body ?? text
}

/** The first line of a text, cut; of a block of code, its first line. */
export function quoteOf(text: string): string {
  // Not more than this is normalised and cut into characters.
  const [line = ''] = text
    .trimStart()
    .replace(OPENING_FENCE, '')
    .slice(0, MAX_QUOTE_LENGTH * 4)
    .split('\n', 1)
  const characters = [...line.replace(/\s+/g, ' ').trimEnd()]
  if (characters.length <= MAX_QUOTE_LENGTH) return characters.join('') || '…'
  return `${characters.slice(0, MAX_QUOTE_LENGTH - 1).join('')}…`
}

/** Whether a text can be a reaction: a few characters without white space. */
export function isReaction(text: string): boolean {
  return text !== '' && text.length <= MAX_EMOJI_LENGTH && !/\s/.test(text)
}

/** What the sender does, of a text such as `/me waves` (XEP-0245); undefined: the text is not an action. */
export function actionOf(text: string): string | undefined {
  return text.startsWith('/me ') ? text.slice('/me '.length) : undefined
}

/** The content of a text with a valid marker, and the lines above the marker; undefined: a plain text. */
function parseMarked(text: string, from: string): { content: Content; body: string } | undefined {
  // Nearly all texts end here.
  if (!text.endsWith(MARKER_END)) return undefined
  const end = text.lastIndexOf('\n')
  if (end < 0 || text.length - end > MAX_MARKER_LENGTH) return undefined
  const [, kind, rawId, author = from] = MARKER.exec(text.slice(end + 1)) ?? []
  if (kind === undefined) return undefined
  const body = text.slice(0, end)
  if (kind === 'text') return rawId === undefined ? { content: { kind, text: body }, body } : undefined
  const id = rawId === undefined ? '' : unescapeId(rawId)
  if (id === '' || id.length > MAX_ID_LENGTH || (author !== '' && !isUserName(author))) return undefined
  const content = markedContent(kind, body, { id, from: author })
  return content === undefined ? undefined : { content, body }
}

/** The content of the lines above a marker; undefined if they are not those of its kind. */
function markedContent(kind: string, body: string, target: MessageTarget): Content | undefined {
  switch (kind) {
    case 'reply': {
      const end = body.indexOf('\n')
      if (end < 0 || !body.startsWith(QUOTE_PREFIX)) return undefined
      const quote = body.slice(QUOTE_PREFIX.length, end)
      return { kind: 'text', text: body.slice(end + 1), reply: { ...target, quote } }
    }
    case 'edit':
      if (!body.startsWith(EDIT_PREFIX)) return undefined
      return { kind, target, text: body.slice(EDIT_PREFIX.length) }
    case 'delete':
      return body === DELETE_TEXT ? { kind, target } : undefined
    default: {
      const isRemoved = kind === 'unreact'
      const [, emoji = '', quote = ''] = (isRemoved ? REMOVED_REACTION : REACTION).exec(body) ?? []
      if (!isReaction(emoji)) return undefined
      const content = { kind: 'react' as const, target: { ...target, quote }, emoji }
      return isRemoved ? { ...content, isRemoved } : content
    }
  }
}

/** An id as a word: a unit that is not a letter, digit or any of `_ . -` becomes `~` and four hexadecimal digits. */
function escapeId(id: string): string {
  return id.replace(/[^A-Za-z0-9_.-]/g, unit => `~${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

function unescapeId(text: string): string {
  return text.replace(/~([0-9a-f]{4})/g, (_, code: string) => String.fromCharCode(Number.parseInt(code, 16)))
}
