import { MAX_CLOCK_AHEAD_MS } from '../../common/hybrid-clock.ts'
import { clampTime } from '../../common/time.ts'
import type { Message } from '../../protocol/messages.ts'
import { isRoom } from '../../protocol/rooms.ts'
import { type Context, emit, isPlausibleTime, MAX_CLOCK_DIFFERENCE_MS, serverTime } from '../context.ts'
import { LateMessages } from './late-messages.ts'
import { type Archive, MessageLog, type Rejection, type StoredMessage } from './message-log.ts'
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
  readonly #roomArchive: (room: string) => Archive
  /** The messages of each room, apart: they are compared with those of its members, not with the user's other clients. */
  readonly #roomLogs = new Map<string, MessageLog>()
  readonly #isInRoom: (room: string) => boolean
  readonly #lateMessages: LateMessages
  #isClockAligned = false

  /**
   * @param archive messages to and from users
   * @param roomArchive returns the messages of a room
   * @param isInRoom whether the user is in a room
   */
  constructor(
    context: Context,
    archive: Archive,
    roomArchive: (room: string) => Archive,
    isInRoom: (room: string) => boolean,
  ) {
    this.#context = context
    this.log = new MessageLog(archive)
    this.#roomArchive = roomArchive
    this.#isInRoom = isInRoom
    this.#lateMessages = new LateMessages(context.options.user)
  }

  /** The log of a room. */
  logOf(room: string): MessageLog {
    const known = this.#roomLogs.get(room)
    if (known !== undefined) return known
    const log = new MessageLog(this.#roomArchive(room))
    this.#roomLogs.set(room, log)
    this.#context.clock.observe(log.lastAt, serverTime(this.#context))
    return log
  }

  /** All logs that are open. */
  get logs(): MessageLog[] {
    return [this.log, ...this.#roomLogs.values()]
  }

  /** Whether a message is known. */
  has(message: Message): boolean {
    return this.#logFor(message).has(message)
  }

  #logFor({ to }: Message): MessageLog {
    return isRoom(to) ? this.logOf(to) : this.log
  }

  /** Emits the messages of earlier runs, except for the archive. */
  load(history: readonly StoredMessage[]): void {
    const { clock, wall } = this.#context
    clock.observe(this.log.lastAt, wall)
    for (const message of this.log.latest(MAX_RECALLED_MESSAGES)) this.#lateMessages.observe(message)
    for (const message of history) {
      clock.observe(message.at, wall)
      if (this.#logFor(message).add(message))
        emit(this.#context, { type: 'message', message: toMessage(message), origin: 'history' })
    }
  }

  /**
   * Whether a message from the mesh may be added: it has a possible time, is from or to this user or to a room that the user
   * is in, and can be stored. Others do not accept any else, so histories with one would differ for ever.
   */
  accepts({ at, from, to }: Message): boolean {
    const { user } = this.#context.options
    const isForUser = isRoom(to) ? this.#isInRoom(to) : from === user || to === user
    return isForUser && !isRoom(from) && isPlausibleTime(this.#context, at) && !this.#context.saves.isFull
  }

  /** Stores and emits a message unless it is known. Returns whether it is new. */
  add(message: StoredMessage, origin: 'live' | 'history'): boolean {
    const { clock, options } = this.#context
    clock.observe(message.at, serverTime(this.#context))
    const own = message.from === options.user ? this.unaccepted.get(message.id) : undefined
    if (own !== undefined) {
      // Another version of it has no place in the order. A message to this user itself is delivered with its copy.
      const isSettled = origin === 'history' || message.to === options.user
      if (own.message.at !== message.at) return false
      // The mesh has signed it.
      if (message.proof !== undefined)
        this.unaccepted.set({ ...own, message: { ...own.message, proof: message.proof } })
      return this.accept(message.id, isSettled)
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
   * @param isSettled whether it is delivered, or known to another client of this user
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

  /** An own message was rejected. Nobody has it, unless a server accepted it before; it does not enter the history. */
  reject(message: StoredMessage, rejection: Rejection): void {
    const own = this.unaccepted.get(message.id)
    if (own === undefined) return
    this.unaccepted.delete(message.id)
    const { effects, saves } = this.#context
    const { sealed } = own.message
    const kept = sealed === undefined ? {} : { sealed }
    effects.push({ type: 'store-rejected', message: { ...toMessage(own.message), ...kept, rejection } })
    saves.count(effects)
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
    for (const log of this.logs) clock.observe(log.lastAtUntil(wall + MAX_CLOCK_AHEAD_MS), wall)
  }

  #store(message: StoredMessage): boolean {
    const { effects, saves } = this.#context
    const { sealed, late } = message
    const plain = toMessage(message)
    const kept = sealed === undefined ? {} : { sealed }
    if (!this.#logFor(plain).add({ ...plain, ...kept })) return false
    effects.push({ type: 'store', message: plain, ...kept, ...(late === undefined ? {} : { late }) })
    saves.count(effects)
    return true
  }
}

/** The fields of a message that users and servers may see. */
export function toMessage({ id, at, from, to, text, proof }: Message): Message {
  const message = { id, at, from, to, text }
  return proof !== undefined && isRoom(to) ? { ...message, proof } : message
}
