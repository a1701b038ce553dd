import type { Message } from '../../protocol/messages.ts'
import { type Context, emit, serverTime } from '../context.ts'
import { type Archive, MessageLog, type StoredMessage } from './message-log.ts'

/** All messages of this client: each one is logged, stored on disk and emitted once. */
export class MessageStore {
  readonly #context: Context
  readonly log: MessageLog

  constructor(context: Context, archive: Archive) {
    this.#context = context
    this.log = new MessageLog(archive)
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

  /** Stores and emits a message unless it is known. Returns whether it is new. */
  add(message: StoredMessage, origin: 'composed' | 'live' | 'history'): boolean {
    const { clock, effects } = this.#context
    const { sealed } = message
    clock.observe(message.at, serverTime(this.#context))
    const plain = toMessage(message)
    const kept = sealed === undefined ? {} : { sealed }
    if (!this.log.add({ ...plain, ...kept })) return false
    effects.push({ type: 'store', message: plain, ...kept })
    emit(this.#context, { type: 'message', message: plain, origin })
    return true
  }
}

/** The fields of a message that users and servers may see. */
export function toMessage({ id, at, from, to, text }: Message): Message {
  return { id, at, from, to, text }
}
