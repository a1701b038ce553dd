import type { Fate, Message } from '../protocol/messages.ts'
import { parseUserName } from '../protocol/names.ts'
import { type Context, emit, serverTime } from './context.ts'
import type { Progress } from './events.ts'
import type { KnownKeys } from './keys/known-keys.ts'
import type { MessageReceiver } from './message-receiver.ts'
import { Outbox } from './outbox.ts'
import type { RosterCopy } from './roster-copy.ts'

/** A key that a server did not tell is asked for again after this long, ms. */
const KEY_RETRY_MS = 1_000
/** Whose a name is, is asked again after this long, ms, while something waits for another key. */
const CHANGED_KEY_RECHECK_MS = 10_000

/** The way of this client's own messages: composed, held, sent, and let go once their fates are known. */
export class MessageSender {
  readonly #context: Context
  readonly #keys: KnownKeys
  readonly #roster: RosterCopy
  readonly #receiver: MessageReceiver
  readonly #outbox = new Outbox()
  #composedCount = 0

  constructor(context: Context, keys: KnownKeys, roster: RosterCopy, receiver: MessageReceiver) {
    this.#context = context
    this.#keys = keys
    this.#roster = roster
    this.#receiver = receiver
  }

  /** When `send` has something, or the server's answer is overdue; monotonic ms. */
  get deadline(): number {
    return this.#outbox.deadline
  }

  /** Whether the server left a message without an answer for too long. */
  get hasOverdue(): boolean {
    return this.#outbox.hasOverdue(this.#context.now)
  }

  /** The messages that wait for their recipients. */
  get pendingMessages(): Message[] {
    return this.#outbox.messages()
  }

  /** @param held by an earlier run of the program */
  start(held: readonly Message[]): void {
    for (const message of held) {
      this.#outbox.add(message)
      // New where the program died after it held the message and before it stored it.
      this.#receiver.addMessage(message, 'history')
      this.#emitProgress(message, { state: 'waiting', reason: 'offline' })
    }
  }

  compose(to: string, text: string): void {
    const { options, clock, effects } = this.#context
    const name = parseUserName(to)
    if (!name.ok) return
    const id = `${options.instance}.${(++this.#composedCount).toString(36)}`
    const at = clock.tick(serverTime(this.#context))
    const message: Message = { id, at, from: options.user, to: name.value, text }
    if (this.#outbox.isFull) {
      const why = 'too many messages wait for their recipients; this one is not sent'
      return this.#emitProgress(message, { state: 'refused', code: 'outbox-full', message: why })
    }
    this.#outbox.add(message)
    effects.push({ type: 'hold', message })
    this.#receiver.addMessage(message, 'composed')
    this.#emitProgress(message, { state: 'waiting', reason: 'offline' })
    this.send()
  }

  /** Sends what is due. */
  send(): void {
    const { onlineConnection, effects, now } = this.#context
    if (onlineConnection === undefined) return
    for (const message of this.#outbox.takeDue(now)) {
      const { id, at, to } = message
      const sealed = this.#keys.seal(message)
      if ('waits' in sealed) this.#defer(message, sealed.waits)
      else {
        this.#emitProgress(message, { state: 'sent' })
        effects.push({ type: 'im', dial: onlineConnection, message: { id, at, to, text: sealed.text } })
      }
    }
  }

  /** A server tells what became of a message. */
  handleFate(id: string, fate: Fate): void {
    const { effects, now } = this.#context
    const to = this.#outbox.get(id)?.to
    if (to === undefined) return
    const answered = this.#outbox.handleFate(id, fate, this.#roster.has(to), now)
    if (answered === undefined) return
    if (answered.done) effects.push({ type: 'release', id })
    emit(this.#context, { type: 'progress', id, to, progress: answered.progress })
    // Online, and nobody there could read it: the name may have passed to another key.
    if (fate.ok && fate.delivered === 0 && this.#roster.has(to)) this.#keys.requestKey(to)
    this.send()
  }

  /** A server says which key holds a recipient's name; undefined: none does. */
  handleKeyHolder(user: string, key: string | undefined): void {
    this.#keys.finishRequest(user)
    if (key !== undefined) return this.#keys.observeKey(user, key)
    // Nobody does: what is for them goes out when they come online, should that not be just now.
    if (this.#roster.has(user)) this.#outbox.reschedule(user, this.#context.now + KEY_RETRY_MS)
  }

  /** What waits for a user can go out. */
  sendWaiting(user: string): void {
    this.#outbox.reschedule(user)
    this.send()
  }

  /** Users came online. */
  handleJoined(users: readonly string[]): void {
    for (const user of users) this.#outbox.reschedule(user)
    if (users.length > 0) this.send()
  }

  /** The connection is gone: what was under way waits again. */
  onDisconnected(): void {
    for (const message of this.#outbox.requeueInFlight())
      this.#emitProgress(message, { state: 'waiting', reason: 'offline' })
  }

  /** A message waits for its recipient's key, or for the person to trust another. */
  #defer(message: Message, waits: 'for-key' | 'key-changed'): void {
    const isOnline = this.#roster.has(message.to)
    // A name that stays online may pass back to the key that was known.
    this.#outbox.defer(message.id, isOnline ? this.#context.now + CHANGED_KEY_RECHECK_MS : Number.POSITIVE_INFINITY)
    const reason = waits === 'key-changed' ? waits : isOnline ? 'unconfirmed' : 'recipient-offline'
    this.#emitProgress(message, { state: 'waiting', reason })
    if (isOnline) this.#keys.requestKey(message.to)
  }

  #emitProgress({ id, to }: Message, progress: Progress): void {
    emit(this.#context, { type: 'progress', id, to, progress })
  }
}
