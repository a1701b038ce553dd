import type { Message } from '../../protocol/messages.ts'
import { isRoom } from '../../protocol/rooms.ts'
import { type Context, emit } from '../context.ts'
import type { MessageStore } from '../history/message-store.ts'
import { withOpenedText } from '../keys/keyring.ts'
import type { KnownKeys } from '../keys/known-keys.ts'
import type { RoomProofs } from '../rooms/room-proofs.ts'
import type { Rooms } from '../rooms/rooms.ts'
import { Confirmations } from './confirmations.ts'
import type { MessageSender } from './message-sender.ts'

/** Longest delay of the confirmation of a sender's own copy, ms. No one waits for it. */
const OWN_COPY_DELAY_MS = 1_000
/** Receives messages from the server: confirms them, opens sealed ones, and stores each once. */
export class MessageReceiver {
  readonly #context: Context
  readonly #keys: KnownKeys
  readonly #sender: MessageSender
  readonly #store: MessageStore
  readonly #proofs: RoomProofs
  readonly #rooms: Rooms
  #confirmations = new Confirmations()

  constructor(
    context: Context,
    keys: KnownKeys,
    sender: MessageSender,
    store: MessageStore,
    proofs: RoomProofs,
    rooms: Rooms,
  ) {
    this.#context = context
    this.#keys = keys
    this.#sender = sender
    this.#store = store
    this.#proofs = proofs
    this.#rooms = rooms
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
    const { now, saves, options } = this.#context
    const { to } = message
    if (this.#isOwnCopy(message)) return this.#confirmations.receive(OWN_COPY_DELAY_MS, now, saves.latest)
    if (!isRoom(to)) return this.#confirmations.receive(undefined, now, saves.latest)
    const memberCount = this.#rooms.get(to)?.members.size ?? 0
    this.#confirmations.receiveInRoom(to, memberCount, options.random, now, saves.latest)
  }

  #receive(message: Message): void {
    const { from } = message
    if (!this.#store.accepts(message)) return
    if (isRoom(message.to)) {
      if (this.#proofs.checkLive(message) !== 'proven') return emit(this.#context, { type: 'forged', from })
      return void this.#store.add(message, 'live')
    }
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
