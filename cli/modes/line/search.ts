/** Searches of the line mode in the history on disk. */
import { sanitizeLine } from '../../../src/protocol/text.ts'
import { threadName } from '../../common/thread-name.ts'
import type { History, IsOperator } from '../../history/history.ts'
import { localDateTime } from '../../terminal/local-time.ts'

/** Most messages that are printed, the newest ones. */
const MAX_RESULTS = 20
/** Characters of a text. */
const MAX_TEXT = 200

interface SearchContext {
  readonly user: string
  readonly isOperator: IsOperator
  /** The printed form of a name. */
  readonly shown: (name: string) => string
  readonly print: (line: string) => void
}

/**
 * Prints the newest messages that contain a text, oldest first. Works in slices, so that events are handled in between.
 * @param thread only messages of this thread; undefined: of all
 */
export async function printSearch(
  history: History | undefined,
  text: string,
  thread: string | undefined,
  { user, isOperator, shown, print }: SearchContext,
): Promise<void> {
  if (history === undefined) return print('* no messages are stored: nothing to search')
  const lines: string[] = []
  for (const message of history.searchAll(text, isOperator)) {
    if (message === undefined) {
      await new Promise(resolve => setImmediate(resolve))
      continue
    }
    const name = threadName(message, user)
    if (thread !== undefined && name !== thread) continue
    const where = thread === undefined ? `${shown(name)} ` : ''
    const line = `* ${localDateTime(message.at)} ${where}${shown(message.from)}: ${message.text.slice(0, MAX_TEXT)}`
    lines.push(sanitizeLine(line.replaceAll('\n', ' ')))
    if (lines.length === MAX_RESULTS) break
  }
  if (lines.length === 0) return print(sanitizeLine(`* nothing found for ${text}`))
  for (const line of lines.reverse()) print(line)
}
