/** The texts of messages for `/raw` of the line mode. */
import { type Change, foldChanges, toChange } from '../../../src/client/messages/message-changes.ts'
import { type MessageTarget, parseContent } from '../../../src/protocol/message-kinds.ts'
import type { Message } from '../../../src/protocol/messages.ts'
import { sanitizeText } from '../../../src/protocol/text.ts'
import { threadName } from '../../common/thread-name.ts'
import type { History } from '../../history/history.ts'

/** Messages whose text is kept in memory, the latest ones. The history on disk has the others. */
const MAX_KEPT_MESSAGES = 200
/** Before each line: no line can look like another message. */
const INDENT = '  '

interface Source {
  readonly text: string
  readonly changes: readonly Change[]
}

export class LineSources {
  readonly #user: string
  readonly #history: () => Pick<History, 'find' | 'changesOf'> | undefined
  /** By thread, sender and id, latest last. */
  readonly #kept = new Map<string, Source>()

  /** @param history the current history on disk, if there is one */
  constructor(user: string, history: () => Pick<History, 'find' | 'changesOf'> | undefined) {
    this.#user = user
    this.#history = history
  }

  observe(message: Message): void {
    const thread = threadName(message, this.#user)
    const change = toChange(message)
    if (change !== undefined) {
      const key = keyOf(thread, change.content.target)
      const source = this.#kept.get(key)
      if (source !== undefined && change.content.kind === 'edit')
        this.#kept.set(key, { ...source, changes: [...source.changes, change] })
      return
    }
    this.#kept.set(keyOf(thread, message), { text: message.text, changes: [] })
    const [oldest] = this.#kept.keys()
    if (this.#kept.size > MAX_KEPT_MESSAGES && oldest !== undefined) this.#kept.delete(oldest)
  }

  /** The lines of a message as they were written, neither wrapped nor with what a reply quotes. */
  lines(thread: string, target: MessageTarget): string[] | undefined {
    const source = this.#kept.get(keyOf(thread, target)) ?? this.#stored(thread, target)
    if (source === undefined) return undefined
    const content = parseContent(source.text, target.from)
    const written = foldChanges(source.changes).text ?? (content.kind === 'text' ? content.text : '')
    return sanitizeText(written)
      .split('\n')
      .map(line => `${INDENT}${line}`)
  }

  #stored(thread: string, target: MessageTarget): Source | undefined {
    const history = this.#history()
    const message = history?.find(thread, target)
    return message && { text: message.text, changes: history?.changesOf(thread, [message]) ?? [] }
  }
}

/** Names contain no line breaks. */
function keyOf(thread: string, { from, id }: MessageTarget): string {
  return `${thread}\n${from}\n${id}`
}
