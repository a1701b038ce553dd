/** Which message a command is about. */
import { parseNameArgument } from './name-argument.ts'

/** Chooses a message of a thread, counted from the latest one. */
export interface MessageChoice {
  /** By this user, by others, or by the user with this name. */
  readonly by: 'self' | 'others' | { readonly name: string }
  /** 1: the latest. */
  readonly nth: number
}

/** What a command is about: a message, and the text after it. */
interface ChosenMessage {
  readonly choice: MessageChoice
  readonly rest: string
}

/** What the help says of it. */
export const CHOICE_HELP = '-2: the one before the last; @NAME: their last'

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
