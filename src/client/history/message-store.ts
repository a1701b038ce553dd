import type { Message } from '../../protocol/messages.ts'
import { type Context, emit, isPlausibleTime, serverTime } from '../context.ts'
import { type Archive, MessageLog } from './message-log.ts'

/** All messages of this client: each one is logged, stored on disk and emitted once. */
export class MessageStore {
  readonly #context: Context
  readonly log: MessageLog

  constructor(context: Context, archive: Archive) {
    this.#context = context
    this.log = new MessageLog(archive)
  }

  /** Emits the messages of earlier runs, except for the archive. */
  load(history: readonly Message[]): void {
    const { clock, wall } = this.#context
    clock.observe(this.log.lastAt, wall)
    for (const message of history) {
      clock.observe(message.at, wall)
      if (this.log.add(message)) emit(this.#context, { type: 'message', message, origin: 'history' })
    }
  }

  /**
   * Whether a message from the mesh may be added: it has a possible time, and is from or to this user. Siblings do not
   * accept others, so histories with one would differ for ever.
   */
  accepts({ at, from, to }: Message): boolean {
    const { user } = this.#context.options
    return (from === user || to === user) && isPlausibleTime(this.#context, at)
  }

  /** Stores and emits a message unless it is known. Returns whether it is new. */
  add(message: Message, origin: 'composed' | 'live' | 'history'): boolean {
    const { clock, effects } = this.#context
    const { id, at, from, to, text } = message
    clock.observe(at, serverTime(this.#context))
    const plain: Message = { id, at, from, to, text }
    if (!this.log.add(plain)) return false
    effects.push({ type: 'store', message: plain })
    emit(this.#context, { type: 'message', message: plain, origin })
    return true
  }
}
