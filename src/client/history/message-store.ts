import type { Message } from '../../protocol/messages.ts'
import { type Context, emit, isPlausibleTime, serverTime } from '../context.ts'
import { LateMessages } from './late-messages.ts'
import { type Archive, MessageLog, type StoredMessage } from './message-log.ts'

/** All messages of this client: each one is logged, stored on disk and emitted once. */
export class MessageStore {
  readonly #context: Context
  readonly log: MessageLog
  readonly #lateMessages: LateMessages

  constructor(context: Context, archive: Archive) {
    this.#context = context
    this.log = new MessageLog(archive)
    this.#lateMessages = new LateMessages(context.options.user)
  }

  /** Emits the messages of earlier runs, except for the archive. */
  load(history: readonly StoredMessage[]): void {
    const { clock, wall } = this.#context
    clock.observe(this.log.lastAt, wall)
    for (const message of history) {
      clock.observe(message.at, wall)
      if (this.log.add(message))
        emit(this.#context, { type: 'message', message: toMessage(message), origin: 'history' })
    }
  }

  /**
   * Whether a message from the mesh may be added: it has a possible time, is from or to this user, and can be stored. Siblings do not
   * accept others, so histories with one would differ for ever.
   */
  accepts({ at, from, to }: Message): boolean {
    const { user } = this.#context.options
    return (from === user || to === user) && isPlausibleTime(this.#context, at) && !this.#context.saves.isFull
  }

  /** Stores and emits a message unless it is known. Returns whether it is new. */
  add(message: StoredMessage, origin: 'composed' | 'live' | 'history'): boolean {
    const { clock, effects, saves } = this.#context
    const { sealed } = message
    clock.observe(message.at, serverTime(this.#context))
    const plain = toMessage(message)
    const kept = sealed === undefined ? {} : { sealed }
    if (!this.log.add({ ...plain, ...kept })) return false
    effects.push({ type: 'store', message: plain, ...kept })
    saves.count(effects)
    const isLate = origin === 'live' && this.#lateMessages.isLate(plain, serverTime(this.#context))
    this.#lateMessages.observe(plain)
    emit(this.#context, { type: 'message', message: plain, origin, ...(isLate ? { late: true } : {}) })
    return true
  }
}

/** The fields of a message that users and servers may see. */
export function toMessage({ id, at, from, to, text }: Message): Message {
  return { id, at, from, to, text }
}
