import { MAX_TEXT_LENGTH } from '../../protocol/messages.ts'
import { exceedsUtf8Length } from '../../protocol/text.ts'
import type { Context } from '../context.ts'

/** Why no server would accept a text, whatever its limits; undefined if one may. */
export function protocolTextFault(text: string): string | undefined {
  if (text.length <= MAX_TEXT_LENGTH) return undefined
  return `the text has ${text.length} characters, and a message at most ${MAX_TEXT_LENGTH}; send it in parts`
}

/**
 * Why the server would reject a message, or close the connection because of it; undefined if it may be sent.
 * @param wireText the text to send: in key mode the sealed one
 */
export function textFault(context: Context, text: string, wireText: string): string | undefined {
  const { maxTextBytes } = context
  // The server's limit is for the plain text, in key mode too (K11).
  if (maxTextBytes !== undefined && exceedsUtf8Length(text, maxTextBytes)) {
    return `the text is longer than ${maxTextBytes} bytes; shorten it`
  }
  if (wireText === text || wireText.length <= MAX_TEXT_LENGTH) return protocolTextFault(text)
  return `the text is too long to be sealed: ${wireText.length} characters of at most ${MAX_TEXT_LENGTH}; send it in parts`
}
