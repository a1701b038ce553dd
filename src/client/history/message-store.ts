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

  /** Stores and emits a message from the mesh unless it is known or has an impossible time. Returns whether it is new. */
  addReceived(message: Message, origin: 'live' | 'history'): boolean {
    return isPlausibleTime(this.#context, message.at) && this.add(message, origin)
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
