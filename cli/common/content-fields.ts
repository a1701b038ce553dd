/** The kinds of messages for programs: fields instead of a marker in the text. */

import type { Reaction } from '../../src/client/messages/message-changes.ts'
import { type Content, parseContent, readableText } from '../../src/protocol/message-kinds.ts'
import type { Message } from '../../src/protocol/messages.ts'
import type { FoldedMessage } from '../history/history.ts'

/** The fields that depend on the kind of a message. */
export interface ContentFields {
  /** `text`: a message. Others change the message with the id `target`. */
  kind: Content['kind']
  /** Without a marker; of a deletion or reaction, a line for people. */
  text: string
  /** The id of the message that this one replies to. */
  reply?: string
  /** The id of the message that this one edits, deletes or reacts to. */
  target?: string
  /** Who sent the message that `reply` or `target` names: ids are unique per sender. */
  author?: string
  /** The reaction. */
  emoji?: string
  /** Whether the reaction is taken back. */
  removed?: true
}

/** The fields of a message, without its changes. */
export function contentFields({ text, from }: Pick<Message, 'text' | 'from'>): ContentFields {
  const content = parseContent(text, from)
  switch (content.kind) {
    case 'text': {
      const { kind, reply } = content
      return { kind, text: content.text, ...(reply === undefined ? {} : { reply: reply.id, author: reply.from }) }
    }
    case 'edit': {
      const { kind, target } = content
      return { kind, text: content.text, target: target.id, author: target.from }
    }
    case 'delete': {
      const { kind, target } = content
      return { kind, text: readableText(text), target: target.id, author: target.from }
    }
    case 'react': {
      const { kind, target, emoji, isRemoved } = content
      const fields = { kind, text: readableText(text), target: target.id, author: target.from, emoji }
      return isRemoved === true ? { ...fields, removed: true } : fields
    }
  }
}

/** The fields of a message after its changes. */
export function foldedContentFields(
  message: Pick<Message, 'text' | 'from'>,
  { changes }: FoldedMessage,
): ContentFields & { edited?: true; deleted?: true; reactions?: readonly Reaction[] } {
  const fields = contentFields(message)
  if (changes === undefined) return fields
  if (changes.isDeleted) return { ...fields, text: '', deleted: true }
  const { text, reactions } = changes
  return {
    ...fields,
    ...(text === undefined ? {} : { text, edited: true }),
    ...(reactions.length === 0 ? {} : { reactions }),
  }
}

/** A message after its changes as text for people, with the reactions below it. */
export function foldedText(
  message: Pick<Message, 'text' | 'from'>,
  { content, changes, isReplyToDeleted }: FoldedMessage,
): string {
  if (content.kind !== 'text') return readableText(message.text)
  if (changes?.isDeleted === true) return '(message deleted)'
  const { text, reactions = [] } = changes ?? {}
  const quoted = isReplyToDeleted === true ? '(message deleted)' : content.reply?.quote
  const quote = quoted === undefined ? '' : `> ${quoted}\n`
  const edited = text === undefined ? content.text : `${text} (edited)`
  return [`${quote}${edited}`, ...reactions.map(reactionText)].join('\n')
}

/** A reaction and who has it, such as `👍 2 Anna, Billy`. */
function reactionText({ emoji, users }: Reaction): string {
  return `${emoji} ${users.length} ${users.join(', ')}`
}
