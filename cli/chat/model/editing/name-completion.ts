/** Completes the name that is an argument of a command, also one with spaces or, where that chooses a message, after `@`. */
import { quoteName, unquote } from '../../../common/name-argument.ts'
import { COMMANDS } from '../commands/commands.ts'

/** Where an argument starts, and what may replace it, the best first. */
interface ArgumentCompletion {
  start: number
  candidates: string[]
}

/**
 * @param text the input before the cursor
 * @param names the users that may be meant, the best first
 * @param authors the users whose message a command may be about, the best first
 * @returns undefined if the text does not end in the name argument of a command, or no name fits
 */
export function completeNameArgument(
  text: string,
  names: Iterable<string>,
  authors: Iterable<string>,
): ArgumentCompletion | undefined {
  const argument = nameArgument(text)
  if (argument === undefined) return undefined
  const prefix = argument.prefix.toLowerCase()
  const { start, mark } = argument
  const candidates = [...(mark === '@' ? authors : names)].filter(name => name.toLowerCase().startsWith(prefix))
  if (candidates.length === 0) return undefined
  return { start, candidates: candidates.map(name => `${mark}${quoteName(name)} `) }
}

/** The start of the name at the end of a text; undefined: the text does not end in the name argument of a command. */
export function nameArgumentPrefix(text: string): string | undefined {
  return nameArgument(text)?.prefix
}

function nameArgument(text: string): { start: number; prefix: string; mark: '' | '@' } | undefined {
  const [head = '', commandName, written = ''] = /^\/(\S+)\s+([\s\S]*)$/.exec(text) ?? []
  const command = COMMANDS.find(({ name }) => name === commandName)
  const mark = command?.takesMessage === true && written.startsWith('@') ? '@' : ''
  const argument = written.slice(mark.length)
  if (mark === '' && (command?.takesName === undefined || argument === '' || argument.startsWith('#'))) return undefined
  const isQuoted = argument.startsWith('"')
  // The name is complete: what follows is something else.
  if (isQuoted && /^"(?:[^"\\]|\\.)*"/.test(argument)) return undefined
  return { start: head.length - written.length, prefix: isQuoted ? unquote(argument) : argument, mark }
}
