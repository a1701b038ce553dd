import { MAX_RECEIPTS, type Message, type Receipt } from '../protocol/messages.ts'
import type { Context, PeerMessageSender } from './context.ts'
import type { Delivery } from './delivery.ts'

type SentMessage = Pick<Message, 'id' | 'at' | 'from' | 'to'>

/** Tells the clients of a sender which of the user's messages more connections have confirmed, once per turn. */
export class Receipts {
  readonly #context: Context
  readonly #peerSender: PeerMessageSender
  /** By sender, then by message id. */
  #pending = new Map<string, Map<string, { message: SentMessage; delivery: Delivery }>>()

  constructor(context: Context, peerSender: PeerMessageSender) {
    this.#context = context
    this.#peerSender = peerSender
  }

  /** At the end of this turn, tells the sender's clients how many have a message. */
  add(message: SentMessage, delivery: Delivery): void {
    let messages = this.#pending.get(message.from)
    if (messages === undefined) {
      messages = new Map()
      this.#pending.set(message.from, messages)
    }
    messages.set(message.id, { message, delivery })
    this.#context.needsFlush = true
  }

  flush(): void {
    const pending = this.#pending
    if (pending.size === 0) return
    this.#pending = new Map()
    for (const [user, messages] of pending) {
      const rows = Array.from(messages.values(), ({ message, delivery }) => receiptOf(message, delivery))
      for (let at = 0; at < rows.length; at += MAX_RECEIPTS) {
        const receipts = rows.slice(at, at + MAX_RECEIPTS)
        this.deliver(user, receipts)
        for (const peer of this.#context.directory.peersHolding(user, user)) {
          this.#peerSender.sendReceipts(peer, { user, receipts })
        }
      }
    }
  }

  /** Sends receipts to the user's clients on this server. */
  deliver(user: string, receipts: Receipt[]): void {
    const { directory, effects } = this.#context
    const to = directory.connectionsOf(user).flatMap(({ id, knowsRooms }) => (knowsRooms ? [id] : []))
    if (to.length > 0) effects.push({ type: 'emit', to, message: { event: 'receipts', payload: receipts } })
  }
}

function receiptOf({ id, at, to }: SentMessage, { audience, delivered }: Delivery): Receipt {
  return audience === undefined ? [id, at, to, delivered] : [id, at, to, delivered, audience.of, audience.names]
}
