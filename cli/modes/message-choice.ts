/** Which message a command of the line mode is about. */
import { parseNameArgument } from '../name-argument.ts'
import type { MessageChoice } from '../session/message-lookup.ts'

/** What a command is about: a message, and the text after it. */
interface ChosenMessage {
  readonly choice: MessageChoice
  readonly rest: string
}

/** What the help says of it. */
export const CHOICE_HELP = '-2 is the message before the last one, @NAME the last one of NAME'

/**
 * Parses arguments such as `-2 TEXT`, about the second last message, or `@NAME TEXT`, about the last one of a user; undefined: they
 * name no message.
 * @param by the senders among whose messages a number counts
 */
export function parseChoice(
  args: string,
  by: 'self' | 'others',
  isKnown: (name: string) => boolean,
): ChosenMessage | undefined {
  const [, number, after = ''] = /^-([1-9]\d{0,3})(?:\s+([\s\S]*))?$/.exec(args) ?? []
  if (number !== undefined) return { choice: { by, nth: Number(number) }, rest: after.trim() }
  if (by === 'self' || !args.startsWith('@')) return undefined
  const parsed = parseNameArgument(args.slice(1), isKnown)
  if (!parsed.ok || !isKnown(parsed.value.name)) return undefined
  const { name, rest } = parsed.value
  return { choice: { by: { name }, nth: 1 }, rest }
}
