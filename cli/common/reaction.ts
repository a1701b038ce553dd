/** Reactions as a person types them: an emoji, or its short name. Reactions of others may be any short text. */
import { isReaction } from '../../src/protocol/message-kinds.ts'

/** The short name in a text such as `:thumbsup:`; undefined: it is not one. */
export function shortNameOf(text: string): string | undefined {
  return /^:([a-z0-9_+-]{1,40}):$/.exec(text)?.[1]
}

/** Why a text is not a reaction that a person may type; undefined: it is one. */
export function reactionFault(text: string): string | undefined {
  if (!isReaction(text)) return 'a reaction is an emoji, without spaces'
  // Some emoji, such as ℹ️, are letters.
  const isWord = /^(?:(?!\p{Emoji})[\p{L}\p{M}])+$|^:[a-z0-9_+-]+$/iu.test(text)
  return isWord ? `"${text}" is not an emoji; use one such as 👍 or :thumbsup:` : undefined
}

export function unknownEmoji(name: string): string {
  return `no emoji has the name :${name}:`
}
