import { MAX_CLOCK_AHEAD_MS } from '../../common/hybrid-clock.ts'
import { clampTime } from '../../common/time.ts'
import type { Message } from '../../protocol/messages.ts'
import { type Context, emit, isPlausibleTime, MAX_CLOCK_DIFFERENCE_MS, serverTime } from '../context.ts'
import { LateMessages } from './late-messages.ts'
import { type Archive, MessageLog, type StoredMessage } from './message-log.ts'
import { type UnacceptedMessage, UnacceptedMessages } from './unaccepted-messages.ts'

/** Messages of earlier runs that are read at the start, to tell later ones that are dated before them. */
const MAX_RECALLED_MESSAGES = 500

/**
 * All messages of this client: each one is logged, stored on disk and emitted once. Own messages are emitted at once, and
 * logged and stored when a server has accepted them, because their time may change before.
 */
export class MessageStore {
  readonly #context: Context
  readonly log: MessageLog
  readonly unaccepted = new UnacceptedMessages()
  readonly #lateMessages: LateMessages
  #isClockAligned = false

  constructor(context: Context, archive: Archive) {
    this.#context = context
    this.log = new MessageLog(archive)
    this.#lateMessages = new LateMessages(context.options.user)
  }

  /** Emits the messages of earlier runs, except for the archive. */
  load(history: readonly StoredMessage[]): void {
    const { clock, wall } = this.#context
    clock.observe(this.log.lastAt, wall)
    for (const message of this.log.latest(MAX_RECALLED_MESSAGES)) this.#lateMessages.observe(message)
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
  add(message: StoredMessage, origin: 'live' | 'history'): boolean {
    const { clock, options } = this.#context
    clock.observe(message.at, serverTime(this.#context))
    const own = message.from === options.user ? this.unaccepted.get(message.id) : undefined
    if (own !== undefined) {
      // Another version of it has no place in the order. A message to this user itself is delivered with its copy.
      const isSettled = origin === 'history' || message.to === options.user
      return own.message.at === message.at && this.accept(message.id, isSettled)
    }
    const plain = toMessage(message)
    const isLate = origin === 'live' && this.#lateMessages.isLate(plain, serverTime(this.#context))
    const late = isLate ? { late: true as const } : {}
    if (!this.#store({ ...message, ...late })) return false
    this.#lateMessages.observe(plain)
    emit(this.#context, { type: 'message', message: plain, origin, ...late })
    return true
  }

  /** Emits an own message that no server has accepted. */
  show(message: UnacceptedMessage, origin: 'composed' | 'history'): void {
    const plain = toMessage(message.message)
    this.unaccepted.set(message)
    if (!message.needsDate) this.#lateMessages.observe(plain)
    emit(this.#context, { type: 'message', message: plain, origin })
  }

  /** Replaces an own message by the same one with another time. */
  redate(message: UnacceptedMessage): void {
    const plain = toMessage(message.message)
    this.unaccepted.set(message)
    this.#lateMessages.observe(plain)
    emit(this.#context, { type: 'redated', message: plain })
  }

  /**
   * Logs and stores an own message: a server has, or may have, accepted it. While its time is more than 24 h ahead of this
   * machine's clock, one of the two is wrong: it is stored when it is delivered.
   * @param isSettled whether it is delivered, rejected for good, or known to another client of this user
   * @returns whether it was stored
   */
  accept(id: string, isSettled = false): boolean {
    const own = this.unaccepted.get(id)
    if (own === undefined) return false
    if (!isSettled && this.isTimeDoubtful(own.message.at)) {
      this.unaccepted.set({ ...own, mayBeAccepted: true })
      return false
    }
    this.unaccepted.delete(id)
    return this.#store(own.message)
  }

  /** Whether a time is so far ahead of this machine's clock that one of the two is wrong. */
  isTimeDoubtful(at: number): boolean {
    return at > clampTime(this.#context.wall) + MAX_CLOCK_DIFFERENCE_MS
  }

  /** Adjusts the hybrid clock after the time of the mesh was measured: a time too far ahead is forgotten. */
  alignClock(): void {
    const { clock } = this.#context
    const wall = serverTime(this.#context)
    if (!this.#isClockAligned || clock.isAhead(wall)) clock.reset()
    this.#isClockAligned = true
    clock.observe(this.log.lastAtUntil(wall + MAX_CLOCK_AHEAD_MS), wall)
  }

  #store(message: StoredMessage): boolean {
    const { effects, saves } = this.#context
    const { sealed, late } = message
    const plain = toMessage(message)
    const kept = sealed === undefined ? {} : { sealed }
    if (!this.log.add({ ...plain, ...kept })) return false
    effects.push({ type: 'store', message: plain, ...kept, ...(late === undefined ? {} : { late }) })
    saves.count(effects)
    return true
  }
}

/** The fields of a message that users and servers may see. */
export function toMessage({ id, at, from, to, text }: Message): Message {
  return { id, at, from, to, text }
}
