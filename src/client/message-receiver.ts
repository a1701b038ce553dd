import type { Message } from '../protocol/messages.ts'
import { Confirmations } from './confirmations.ts'
import { type Context, emit, serverTime } from './context.ts'
import { type Archive, MessageLog } from './history/message-log.ts'
import type { KnownKeys } from './keys/known-keys.ts'

/** Stands before a message of a user whose key is not the one that was known, also when that is long ago. */
const CHANGED_KEY_PREFIX = '[signed with another key than before] '

/** The way of messages to this client: confirmed, opened where they are sealed, and each taken in once. */
export class MessageReceiver {
  readonly #context: Context
  readonly #keys: KnownKeys
  #confirmations = new Confirmations()

  constructor(context: Context, keys: KnownKeys) {
    this.#context = context
    this.#keys = keys
  }

  /** When `confirm` is due, monotonic ms. */
  get deadline(): number {
    return this.#confirmations.deadline
  }

  /** @param history is told; `archive` is not */
  start(history: readonly Message[], archive: Archive | undefined): void {
    const context = this.#context
    context.log = new MessageLog(archive)
    context.clock.observe(context.log.lastAt, context.wall)
    for (const message of history) {
      context.clock.observe(message.at, context.wall)
      if (context.log.add(message)) emit(context, { type: 'message', message, origin: 'history' })
    }
  }

  /** A connection begins: messages are counted anew. */
  onConnected(): void {
    this.#confirmations = new Confirmations()
  }

  /** A message from a server. */
  handleMessage(message: Message): void {
    this.#confirmations.receive(this.#isOwnCopy(message), this.#context.now)
    const opened = this.#keys.open(message)
    if (opened === undefined) return void this.addMessage(message, 'live')
    if (opened.state === 'forged') return emit(this.#context, { type: 'forged', from: message.from })
    this.#keys.observeKey(message.from, opened.key)
    const prefix = opened.state === 'changed' ? CHANGED_KEY_PREFIX : ''
    this.addMessage({ ...message, text: `${prefix}${opened.text}` }, 'live')
  }

  /** Confirms what was received, if that is due. */
  sendConfirmation(): void {
    const { onlineConnection, effects, now } = this.#context
    if (onlineConnection === undefined) return
    const count = this.#confirmations.takeDue(now)
    if (count !== undefined) effects.push({ type: 'got', dial: onlineConnection, count })
  }

  /** Takes in a message, once per id: stores and tells it. Whether it is new. */
  addMessage(message: Message, origin: 'composed' | 'live' | 'history'): boolean {
    const { clock, log, effects } = this.#context
    const { id, at, from, to, text } = message
    clock.observe(at, serverTime(this.#context))
    const plain: Message = { id, at, from, to, text }
    if (!log.add(plain)) return false
    effects.push({ type: 'store', message: plain })
    emit(this.#context, { type: 'message', message: plain, origin })
    return true
  }

  /** Whether a message is this user's own, come back for this connection to show. */
  #isOwnCopy({ from, to }: Message): boolean {
    const { user } = this.#context.options
    return from === user && to !== user
  }
}
