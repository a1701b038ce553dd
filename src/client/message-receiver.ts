import type { Message } from '../protocol/messages.ts'
import { Confirmations } from './confirmations.ts'
import { type Context, emit } from './context.ts'
import type { MessageStore } from './history/message-store.ts'
import { withOpenedText } from './keys/keyring.ts'
import type { KnownKeys } from './keys/known-keys.ts'
import type { MessageSender } from './message-sender.ts'

/** Receives messages from the server: confirms them, opens sealed ones, and stores each once. */
export class MessageReceiver {
  readonly #context: Context
  readonly #keys: KnownKeys
  readonly #sender: MessageSender
  readonly #store: MessageStore
  #confirmations = new Confirmations()

  constructor(context: Context, keys: KnownKeys, sender: MessageSender, store: MessageStore) {
    this.#context = context
    this.#keys = keys
    this.#sender = sender
    this.#store = store
  }

  /** When `sendConfirmation` is due, monotonic ms. */
  get deadline(): number {
    return this.#confirmations.deadline
  }

  /** Messages are counted per connection. */
  onConnected(): void {
    this.#confirmations = new Confirmations()
  }

  handleMessage(message: Message): void {
    this.#receive(message)
    // Counted even if it was dropped: the confirmation is a count of all messages.
    const { now, saves } = this.#context
    this.#confirmations.receive(this.#isOwnCopy(message), now, saves.latest)
  }

  #receive(message: Message): void {
    const { from } = message
    if (!this.#store.accepts(message)) return
    const opened = this.#keys.open(message)
    if (opened.state === 'forged') return emit(this.#context, { type: 'forged', from })
    if (opened.state === 'plain') return void this.#store.add(message, 'live')
    if (this.#keys.observeKey(from, opened.key)) this.#sender.sendWaiting(from)
    this.#store.add(withOpenedText(message, opened), 'live')
  }

  /** Confirms the received messages, if that is due and they are saved (D10). */
  sendConfirmation(): void {
    const { onlineConnection, effects, now, saves } = this.#context
    if (onlineConnection === undefined) return
    const count = this.#confirmations.takeDue(now, save => {
      if (saves.isSaved(save)) return true
      saves.request(effects)
      return false
    })
    if (count !== undefined) effects.push({ type: 'got', dial: onlineConnection, count })
  }

  /** Whether a message is the copy of an own message, sent from another of the user's connections or returned to this one. */
  #isOwnCopy({ from, to }: Message): boolean {
    const { user } = this.#context.options
    return from === user && to !== user
  }
}
