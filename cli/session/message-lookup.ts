import { foldChanges, toChange } from '../../src/client/messages/message-changes.ts'
import {
  type ChangeContent,
  type MessageTarget,
  parseContent,
  type QuotedTarget,
  quoteOf,
} from '../../src/protocol/message-kinds.ts'
import type { Message } from '../../src/protocol/messages.ts'
import { isRoom } from '../../src/protocol/rooms.ts'
import type { MessageChoice } from '../common/message-choice.ts'
import { threadName } from '../common/thread-name.ts'
import type { History } from '../history/history.ts'

/** Messages that are remembered, the latest ones. */
const MAX_MESSAGES = 20_000

interface KnownMessage extends QuotedTarget {
  readonly thread: string
  readonly isDeleted?: true
}

/**
 * Finds messages by their ids, for requests that name one: an id is unique per sender only, and the start of the text is
 * quoted. Knows the latest messages of this run, and those of the history.
 */
export class MessageLookup {
  readonly #user: string
  readonly #history: () => Pick<History, 'find'> | undefined
  /** By thread, sender and id, latest last. */
  readonly #known = new Map<string, KnownMessage>()

  /** @param history the current history on disk, if there is one */
  constructor(user: string, history: () => Pick<History, 'find'> | undefined = () => undefined) {
    this.#user = user
    this.#history = history
  }

  /** Notes a message, the new text of an edited one, and that one is deleted. */
  observe(message: Message): void {
    const { id, from, text } = message
    const thread = threadName(message, this.#user)
    const change = toChange(message)
    if (change !== undefined) {
      const { target } = change.content
      const known = this.#known.get(keyOf(thread, target.from, target.id))
      const { text: edited, isDeleted } = foldChanges([change])
      if (known !== undefined && isDeleted) this.#remember({ ...known, isDeleted })
      if (known !== undefined && edited !== undefined) this.#remember({ ...known, quote: quoteOf(edited) })
      return
    }
    const content = parseContent(text, from)
    if (content.kind === 'text') this.#remember({ thread, id, from, quote: quoteOf(content.text) })
  }

  /**
   * The message of a thread with this id, or why it cannot be named.
   * @param author its sender; undefined: unknown
   */
  find(thread: string, id: string, author: string | undefined): QuotedTarget | string {
    const authors = author === undefined ? this.#authorsOf(thread, id) : [author]
    const found = authors.flatMap(from => this.#target(thread, id, from) ?? [])
    const [first, second] = found
    if (first === undefined) {
      if (author !== undefined) return { id, from: author, quote: quoteOf('') }
      return `no message with the id ${id} is known in this thread; name its author too`
    }
    return second === undefined ? first : `several messages have the id ${id}; name the author too`
  }

  /** Whether this message of a thread is known. */
  knows(thread: string, { id, from }: MessageTarget): boolean {
    return this.#target(thread, id, from) !== undefined
  }

  /** The edit of an own message, or why it is not possible. */
  edit(thread: string, id: string, text: string): ChangeContent | string {
    const target = this.#ownOrOther(thread, id)
    if (target.from !== this.#user) return `the message is by ${target.from}; only its author can edit it`
    return { kind: 'edit', target, text }
  }

  /**
   * The deletion of a message, or why it is not possible.
   * @param isOperator whether this user is an operator of the room
   */
  delete(thread: string, id: string, author: string | undefined, isOperator: boolean): ChangeContent | string {
    const target = author === undefined ? this.#ownOrOther(thread, id) : { id, from: author }
    if (target.from !== this.#user && !isOperator)
      return `the message is by ${target.from}; only its author, and operators of a room, can delete it`
    return { kind: 'delete', target }
  }

  /** The reaction to a message, or why it is not possible. */
  react(
    thread: string,
    id: string,
    author: string | undefined,
    { emoji, isRemoved }: { emoji: string; isRemoved: boolean },
  ): ChangeContent | string {
    const target = this.find(thread, id, author)
    if (typeof target === 'string') return target
    return isRemoved ? { kind: 'react', target, emoji, isRemoved } : { kind: 'react', target, emoji }
  }

  /** An own message. One that is not known is older than what this client has, and taken for an own one. */
  #ownOrOther(thread: string, id: string): MessageTarget {
    const own = { id, from: this.#user }
    if (this.#target(thread, id, this.#user) !== undefined) return own
    const other = this.find(thread, id, undefined)
    return typeof other === 'string' ? own : { id, from: other.from }
  }

  /** One of the latest messages of a thread that are not deleted. */
  latest(thread: string, { by, nth }: MessageChoice): QuotedTarget | undefined {
    const isBy = (from: string) =>
      typeof by === 'object' ? from === by.name : (from === this.#user) === (by === 'self')
    const found = [...this.#known.values()]
      .filter(one => one.thread === thread && !one.isDeleted && isBy(one.from))
      .at(-nth)
    return found && { id: found.id, from: found.from, quote: found.quote }
  }

  #target(thread: string, id: string, from: string): QuotedTarget | undefined {
    const known = this.#known.get(keyOf(thread, from, id))
    if (known !== undefined) return { id, from, quote: known.quote }
    const stored = this.#history()?.find(thread, { id, from })
    const content = stored === undefined ? undefined : parseContent(stored.text, from)
    return content?.kind === 'text' ? { id, from, quote: quoteOf(content.text) } : undefined
  }

  /** Who may have sent a message with this id, as far as that is known. */
  #authorsOf(thread: string, id: string): string[] {
    const known = [...this.#known.values()].filter(one => one.id === id && one.thread === thread)
    if (known.length > 0) return known.map(({ from }) => from)
    return isRoom(thread) ? [this.#user] : [...new Set([this.#user, thread])]
  }

  #remember(message: KnownMessage): void {
    const key = keyOf(message.thread, message.from, message.id)
    const isKnown = this.#known.has(key)
    this.#known.set(key, message)
    const [oldest] = this.#known.keys()
    if (!isKnown && this.#known.size > MAX_MESSAGES && oldest !== undefined) this.#known.delete(oldest)
  }
}

/** Names contain no line breaks. */
function keyOf(thread: string, from: string, id: string): string {
  return `${thread}\n${from}\n${id}`
}
