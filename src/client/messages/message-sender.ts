import { type Content, formatContent, parseContent } from '../../protocol/message-kinds.ts'
import type { Fate, Message } from '../../protocol/messages.ts'
import { isRoom, parseRecipient } from '../../protocol/rooms.ts'
import { type Context, emit, serverTime } from '../context.ts'
import type { Progress } from '../events.ts'
import type { HeldMessage } from '../history/message-log.ts'
import { type MessageStore, toMessage } from '../history/message-store.ts'
import type { KnownKeys } from '../keys/known-keys.ts'
import type { RoomProofs } from '../rooms/room-proofs.ts'
import type { Rooms } from '../rooms/rooms.ts'
import type { RosterCopy } from '../roster-copy.ts'
import { MessageDates, pendingEffect } from './message-dates.ts'
import { MAX_PENDING_MESSAGES, Outbox } from './outbox.ts'
import type { ReceiptLog } from './receipts.ts'
import { protocolTextFault, textFault } from './text-limit.ts'

/** Delay before messages to an online user are retried when no key holds the name, ms. */
const KEY_RETRY_MS = 1_000
/** Interval of key requests while a message waits for its recipient's key, ms. */
const CHANGED_KEY_RECHECK_MS = 10_000

const OUTBOX_FULL = `${MAX_PENDING_MESSAGES} messages are waiting to be delivered; try again when some are`

/** Sends this client's own messages and holds each until it is confirmed or rejected. */
export class MessageSender {
  readonly #context: Context
  readonly #keys: KnownKeys
  readonly #roster: RosterCopy
  readonly #store: MessageStore
  readonly #receipts: ReceiptLog
  readonly #rooms: Rooms
  readonly #proofs: RoomProofs
  readonly #outbox = new Outbox()
  readonly #dates: MessageDates
  /** Messages that are settled, and the number of the save after which the outbox need not have them. */
  #settled: { id: string; save: number }[] = []
  /** Messages that were taken back, and the number of the save after which that is on disk. */
  #cancelled: { message: Message; save: number; isDeleted: boolean }[] = []
  /** A server of 0.1 has rejected a time without telling its own: the connection must be made again. */
  #needsServerTime = false
  #composedCount = 0

  constructor(
    context: Context,
    keys: KnownKeys,
    roster: RosterCopy,
    store: MessageStore,
    receipts: ReceiptLog,
    rooms: Rooms,
    proofs: RoomProofs,
  ) {
    this.#context = context
    this.#receipts = receipts
    this.#rooms = rooms
    this.#proofs = proofs
    this.#keys = keys
    this.#roster = roster
    this.#store = store
    this.#dates = new MessageDates(context, keys, store, this.#outbox)
  }

  /** When `send` has something to send or `hasOverdue` becomes true, monotonic ms. */
  get deadline(): number {
    // Nothing is sent until the time of the mesh is measured again.
    return this.#needsServerTime ? this.#outbox.responseDeadline : this.#outbox.deadline
  }

  /** Whether the server has not answered a message in time. */
  get hasOverdue(): boolean {
    return this.#outbox.hasOverdue(this.#context.now)
  }

  /** Whether to leave the server, because its time is not known any more. Not while messages wait for its answer. */
  get mustMeasureTime(): boolean {
    return this.#needsServerTime && this.#outbox.isIdle
  }

  /** The messages that are not confirmed yet. */
  get pendingMessages(): Message[] {
    return this.#outbox.messages()
  }

  /** Takes over the unconfirmed messages of earlier runs. */
  start(pending: readonly HeldMessage[]): void {
    for (const { provisional, ...message } of pending) {
      this.#outbox.add(message)
      const isProvisional = provisional === true
      // A message that a server may have accepted is in the history already, unless the program was killed.
      if (!isProvisional && !this.#store.isTimeDoubtful(message.at)) this.#store.add(message, 'history')
      else if (!this.#store.has(message)) {
        const own = { message, needsDate: isProvisional, isProvisional, mayBeAccepted: !isProvisional }
        this.#store.show({ ...own, composedAt: undefined }, 'history')
      }
      this.#emitProgress(message, { state: 'waiting', reason: 'offline' })
    }
    // The user has left their rooms in an earlier run, or on another client.
    for (const message of pending) {
      if (isRoom(message.to) && !this.#rooms.list.has(message.to)) this.#rejectForRoom(message)
    }
    const { saves, effects } = this.#context
    saves.request(effects)
  }

  /** Takes over the held messages of another client that has ended. */
  adopt(messages: readonly HeldMessage[]): void {
    this.start(messages.filter(({ id }) => this.#outbox.get(id) === undefined))
    if (this.#context.onlineConnection !== undefined) this.#dates.update()
    this.send()
  }

  compose(to: string, content: Content): void {
    const { options, clock, effects, saves, onlineConnection, clockOffset, now } = this.#context
    const name = parseRecipient(to)
    const id = `${options.instance}.${(++this.#composedCount).toString(36)}.${options.makeIdSuffix()}`
    const at = clock.tick(serverTime(this.#context))
    const text = formatContent(content, options.user)
    const message: Message = { id, at, from: options.user, to: name.ok ? name.value : to, text }
    if (!name.ok) {
      const code = isRoom(to.trimStart()) ? 'bad-room' : 'bad-name'
      return this.#emitProgress(message, { state: 'refused', code, message: name.reason })
    }
    const fault = protocolTextFault(text)
    if (fault !== undefined)
      return this.#emitProgress(message, { state: 'refused', code: 'text-too-long', message: fault })
    if (this.#outbox.isFull)
      return this.#emitProgress(message, { state: 'refused', code: 'outbox-full', message: OUTBOX_FULL })
    if (isRoom(message.to) && !this.#rooms.list.has(message.to)) {
      const reason = `you are not in ${message.to}; join it first`
      return this.#emitProgress(message, { state: 'refused', code: 'not-in-room', message: reason })
    }
    const stored = this.#keys.toStored(message)
    const isProvisional = onlineConnection === undefined
    effects.push({ ...pendingEffect(stored), ...(isProvisional ? { provisional: true as const } : {}) })
    saves.count(effects)
    const needsDate = clockOffset === undefined
    this.#store.show({ message: stored, needsDate, composedAt: now, isProvisional, mayBeAccepted: false }, 'composed')
    this.#outbox.add(stored, saves.awaitComposed(id))
    saves.request(effects)
    this.#emitProgress(message, { state: 'waiting', reason: 'offline' })
    this.send()
  }

  /**
   * Takes back a message that waits: it is not sent from now on. If a server may have accepted it, a deletion of it takes its
   * place in the outbox, for the clients that have it. The event `cancelled` comes when that is on disk.
   */
  cancel(id: string): void {
    const message = this.#outbox.get(id)
    if (message === undefined) {
      if (!this.#cancelled.some(one => one.message.id === id))
        emit(this.#context, { type: 'not-cancelled', id, reason: 'not-waiting' })
      return
    }
    const isUnsent = !this.#outbox.isInFlight(id) && this.#store.unaccepted.get(id)?.mayBeAccepted === false
    if (!isUnsent && !this.#canDelete(message))
      return emit(this.#context, { type: 'not-cancelled', id, reason: 'may-be-delivered' })
    const { effects, saves } = this.#context
    if (isUnsent) {
      this.#store.unaccepted.delete(id)
      this.#outbox.withdraw(id)
      effects.push({ type: 'remove-pending', id })
      saves.count(effects)
    } else {
      this.#store.accept(id)
      this.#outbox.withdraw(id)
      this.compose(message.to, { kind: 'delete', target: { id, from: message.from } })
      this.#release(id)
    }
    this.#cancelled.push({ message: toMessage(message), save: saves.latest, isDeleted: !isUnsent })
    saves.request(effects)
    this.#emitCancelled()
  }

  /** Whether a deletion of a message that waits can be sent: it is a text, with a time that may be stored. */
  #canDelete({ id, at, from, to, text }: Message): boolean {
    if (parseContent(text, from).kind !== 'text' || (isRoom(to) && !this.#rooms.list.has(to))) return false
    return this.#store.unaccepted.get(id) === undefined || !this.#store.isTimeDoubtful(at)
  }

  #emitCancelled(): void {
    const { saves } = this.#context
    const saved = this.#cancelled.filter(({ save }) => saves.isSaved(save))
    this.#cancelled = this.#cancelled.filter(({ save }) => !saves.isSaved(save))
    for (const { message, isDeleted } of saved)
      emit(this.#context, { type: 'cancelled', message, ...(isDeleted ? { isDeleted } : {}) })
  }

  /** Sends the messages that are due. One that can never be sent is refused, and others take its place. */
  send(): void {
    const { onlineConnection, effects, now, saves } = this.#context
    if (onlineConnection === undefined || this.#needsServerTime) return
    for (const message of this.#outbox.takeDue(now, save => saves.isSaved(save))) {
      const { id, at, to, text } = message
      if (isRoom(to) && !this.#rooms.isJoined(to)) {
        this.#outbox.defer(id, Number.POSITIVE_INFINITY)
        this.#emitProgress(message, { state: 'waiting', reason: 'not-joined' })
        continue
      }
      const sealed = this.#keys.seal(message)
      if ('waits' in sealed) {
        this.#defer(message, sealed.waits)
        continue
      }
      const fault = textFault(this.#context, text, sealed.text)
      if (fault !== undefined) {
        this.#applyFate(message, { ok: false, code: 'text-too-long', message: fault })
        continue
      }
      this.#emitProgress(message, { state: 'sent' })
      const proof = isRoom(to) ? this.#proofs.prove(message) : undefined
      const composed = { id, at, to, text: sealed.text, ...(proof === undefined ? {} : { proof }) }
      effects.push({ type: 'im', dial: onlineConnection, message: composed })
    }
  }

  /** Handles the delivery result of a message. */
  handleFate(id: string, fate: Fate): void {
    const message = this.#outbox.get(id)
    if (message === undefined || !this.#applyFate(message, fate)) return
    const { to } = message
    // The recipient is online but no connection could read it: another key may hold the name now.
    if (fate.ok && fate.delivered === 0 && this.#roster.has(to)) this.#requestKey(to)
    if (!fate.ok && fate.code === 'not-in-room') this.#rooms.handleNotInRoom(to)
    this.send()
  }

  /** The time of the mesh was measured. */
  handleTime(): void {
    this.#dates.update()
    this.send()
  }

  /** Removes the settled messages from the outbox whose history is saved. */
  handleSaved(): void {
    const { effects, saves } = this.#context
    const saved = this.#settled.filter(({ save }) => saves.isSaved(save))
    this.#settled = this.#settled.filter(({ save }) => !saves.isSaved(save))
    for (const { id } of saved) effects.push({ type: 'remove-pending', id })
    this.#emitCancelled()
  }

  /** The session ends, and its caller saves everything. */
  close(): void {
    for (const { id } of this.#settled) this.#context.effects.push({ type: 'remove-pending', id })
    this.#settled = []
  }

  /** Handles the answer to a key request; undefined: no key holds the name. */
  handleKeyHolder(user: string, key: string | undefined): void {
    this.#keys.finishRequest(user)
    if (key !== undefined) {
      if (this.#keys.observeKey(user, key)) this.sendWaiting(user)
      return
    }
    // Offline: messages to the user are sent when the user comes online. Online: the user may have just connected.
    if (this.#roster.has(user)) this.#outbox.reschedule(user, this.#context.now + KEY_RETRY_MS)
  }

  /** Sends the messages that wait for a user's key, or for a room. */
  sendWaiting(to: string): void {
    this.#outbox.reschedule(to)
    this.send()
  }

  /** The user has left a room: rejects the messages that wait for it. */
  handleParted(room: string): void {
    for (const message of this.#outbox.messages()) if (message.to === room) this.#rejectForRoom(message)
  }

  /**
   * Rejects a message to a room that the user has left. If a server has accepted it, it is in the history of the room, and
   * other members get it from there if the user comes back.
   */
  #rejectForRoom(message: Message): void {
    const { id, to } = message
    if (this.#store.unaccepted.get(id)?.mayBeAccepted === true || this.#outbox.isInFlight(id)) return
    const rejection = { code: 'not-in-room' as const, message: `you have left ${to}` }
    this.#store.reject(message, rejection)
    this.#outbox.delete(id)
    this.#release(id)
    this.#emitProgress(message, { state: 'refused', ...rejection })
  }

  /** Sends the messages that wait for users who came online. */
  handleJoined(users: readonly string[]): void {
    for (const user of users) this.#outbox.reschedule(user)
    if (users.length > 0) this.send()
  }

  /** Applies the delivery result of a message. Returns false for a message that is not in flight. */
  #applyFate(message: Message, fate: Fate): boolean {
    const { id, to } = message
    const isOnline = isRoom(to) ? this.#rooms.hasOthers(to) : this.#roster.has(to)
    const result = this.#outbox.handleFate(id, fate, isOnline, this.#context.now)
    if (result === undefined) return false
    if (fate.ok) this.#store.accept(id, fate.delivered > 0)
    else if (result.done) this.#store.reject(message, { code: fate.code, message: fate.message })
    if (result.done) this.#release(id)
    const mayBeRedated = this.#store.unaccepted.get(id)?.mayBeAccepted === false
    if (!fate.ok && fate.code === 'clock-ahead' && fate.time === undefined && mayBeRedated) this.#needsServerTime = true
    // More receipts than the result has may have come before it.
    if (fate.ok && fate.delivered > 0) this.#receipts.recordFate(message, fate)
    else this.#emitProgress(message, result.progress)
    return true
  }

  onDisconnected(): void {
    this.#needsServerTime = false
    for (const message of this.#outbox.requeueInFlight()) {
      this.#store.accept(message.id)
      this.#emitProgress(message, { state: 'waiting', reason: 'offline' })
    }
  }

  /** Removes a settled message from the outbox, after the history that has it is saved. */
  #release(id: string): void {
    const { saves, effects } = this.#context
    if (saves.isSaved(saves.latest)) return void effects.push({ type: 'remove-pending', id })
    this.#settled.push({ id, save: saves.latest })
    saves.request(effects)
  }

  /** Holds a message until its recipient's key is known, or a changed key is trusted. */
  #defer(message: Message, waits: 'for-key' | 'key-changed'): void {
    const isOnline = this.#roster.has(message.to)
    // The known key may hold the name again while the name stays online.
    this.#outbox.defer(message.id, isOnline ? this.#context.now + CHANGED_KEY_RECHECK_MS : Number.POSITIVE_INFINITY)
    const reason = waits === 'key-changed' ? waits : isOnline ? 'unconfirmed' : 'recipient-offline'
    this.#emitProgress(message, { state: 'waiting', reason })
    if (isOnline) this.#requestKey(message.to)
  }

  #requestKey(user: string): void {
    const { onlineConnection, effects } = this.#context
    if (onlineConnection !== undefined && this.#keys.startRequest(user))
      effects.push({ type: 'ask-key', dial: onlineConnection, user })
  }

  #emitProgress({ id, from, to, text }: Message, progress: Progress): void {
    const { kind } = parseContent(text, from)
    emit(this.#context, { type: 'progress', id, to, progress, ...(kind === 'text' ? {} : { kind }) })
  }
}
