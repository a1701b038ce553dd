/** The length of what the user writes, compared with the limit of the server. */
import { MAX_TEXT_LENGTH } from '../../../src/protocol/messages.ts'
import { exceedsUtf8Length, utf8Length } from '../../../src/protocol/text.ts'
import type { ReadonlyModel } from './readonly-model.ts'

/** By how many bytes a text is too long; 0 if it may be sent. Without a limit of the server, counts UTF-16 units. */
function excessBytes({ maxTextBytes }: Pick<ReadonlyModel, 'maxTextBytes'>, text: string): number {
  if (maxTextBytes !== undefined && exceedsUtf8Length(text, maxTextBytes)) return utf8Length(text) - maxTextBytes
  return Math.max(0, text.length - MAX_TEXT_LENGTH)
}

/** By how many bytes the message in the input line is too long. Commands are checked when they run. */
export function excessBytesOfInput(model: ReadonlyModel): number {
  if (model.search !== undefined || model.finder !== undefined || model.current === undefined) return 0
  const { text } = model.current.editor
  if (text.startsWith('/') && !text.startsWith('//')) return 0
  return excessBytes(model, text.replace(/^\/\//, '/'))
}

/** Why a text cannot be sent, as a sentence; undefined: it can. */
export function lengthFault(model: Pick<ReadonlyModel, 'maxTextBytes'>, text: string): string | undefined {
  const excess = excessBytes(model, text)
  if (excess === 0) return undefined
  return `the message is ${excess} ${excess === 1 ? 'byte' : 'bytes'} too long; shorten it, or send it in parts`
}
