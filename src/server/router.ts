import { MAX_CLOCK_AHEAD_MS } from '../common/hybrid-clock.ts'
import { parseSealedText, sealedLength } from '../protocol/credentials.ts'
import type { ForwardedMessage, Relay } from '../protocol/frames.ts'
import { exceeds } from '../protocol/limits.ts'
import type { DeliveredMessage, ErrorCode, Message, Refusal } from '../protocol/messages.ts'
import { parseUserName } from '../protocol/names.ts'
import { exceedsUtf8Length } from '../protocol/text.ts'
import type { Clients } from './clients/clients.ts'
import type { Connection } from './clients/connection.ts'
import { type Context, log, type PeerMessageHandler, type PeerMessageSender } from './context.ts'
import { DeadlineQueue, Delivery, type DeliveryOrigin } from './delivery.ts'
import type { ClientInput } from './types.ts'

/** How long a server waits for all answers to a message of its own client, ms. */
const DELIVERY_TIMEOUT_MS = 5_000
/** How long it waits for its clients to confirm a forwarded message; less, so that its answer is still in time. */
const FORWARDED_DELIVERY_TIMEOUT_MS = 3_000

/** The way of a message through this server: check, deliver here, pass on, count who confirmed it. */
export class Router implements PeerMessageHandler {
  readonly #context: Context
  readonly #clients: Clients
  readonly #peerSender: PeerMessageSender
  readonly #pendingDeliveries = { client: new DeadlineQueue(), peer: new DeadlineQueue() }
  #generatedIds = 0

  constructor(context: Context, clients: Clients, peerSender: PeerMessageSender) {
    this.#context = context
    this.#clients = clients
    this.#peerSender = peerSender
  }

  get deadline(): number {
    return Math.min(this.#pendingDeliveries.client.deadline, this.#pendingDeliveries.peer.deadline)
  }

  /** A message from a client of this server. */
  handleIm(input: Extract<ClientInput, { type: 'im' }>): void {
    const context = this.#context
    const sender = this.#clients.get(input.connection)
    if (sender === undefined) return this.#refuse(input, 'not-identified', 'identify first')
    const message = this.#validate(input, sender)
    if (message === undefined) return
    context.messageCounts.accepted++
    if (context.options.narrateMessages) log(context, { event: 'im', ...message, forwarded: false })

    const origin: DeliveryOrigin = { kind: 'client', connection: input.connection, call: input.call }
    const delivery = new Delivery(origin, context.now + DELIVERY_TIMEOUT_MS)
    this.#deliver(message, delivery, false)
    const peers = context.directory.peersHolding(message.to, message.from)
    if (context.options.narrateMessages) for (const peer of peers) log(context, { event: 'forwarding', peer })
    if (peers.length > 0 && !this.#peerSender.forward(peers, message, delivery)) delivery.unconfirmed = true
    this.#track(delivery)
  }

  /** Messages that a peer passed on: for this server's clients only, never for another peer. */
  handleForwarded(peer: string, incarnation: string, batch: readonly ForwardedMessage[]): void {
    const context = this.#context
    context.messageCounts.forwarded += batch.length
    for (const [number, id, at, from, to, text] of batch) {
      const message: Message = { id, at, from, to, text }
      context.clock.observe(at, context.wall)
      if (context.options.narrateMessages) log(context, { event: 'im', ...message, forwarded: true })
      const origin: DeliveryOrigin = { kind: 'peer', peer, incarnation, number }
      const delivery = new Delivery(origin, context.now + FORWARDED_DELIVERY_TIMEOUT_MS)
      this.#deliver(message, delivery, true)
      this.#track(delivery)
    }
  }

  /** A connection says how many messages it has received. */
  handleConfirmation(connection: Connection, count: number): void {
    for (const delivery of connection.confirm(count)) {
      delivery.recordAnswer(1)
      this.settle(delivery)
    }
  }

  /** What a connection that is gone had not confirmed, it never will. */
  handleDisconnected(connection: Connection): void {
    for (const delivery of connection.takeUnconfirmed()) {
      delivery.recordAnswer(0, true)
      this.settle(delivery)
    }
  }

  /** A client's words to its user's other clients, or to the one at an address. Best effort: askers ask again. */
  handleRelay(input: Extract<ClientInput, { type: 'relay' }>): void {
    const { options, directory, now } = this.#context
    const sender = this.#clients.get(input.connection)
    if (sender === undefined || sender.rateLimiter.take(now) > 0) return
    const relay: Relay = { user: sender.user, from: `${options.id}:${sender.id}`, body: input.body }
    if (input.to !== undefined) relay.to = input.to
    const server = input.to?.slice(0, input.to.lastIndexOf(':'))
    if (server === undefined || server === options.id) this.deliverRelay(relay)
    if (server === options.id) return
    for (const peer of directory.peersHolding(sender.user, sender.user)) {
      if (server === undefined || server === peer) this.#peerSender.relay(peer, relay)
    }
  }

  deliverRelay(relay: Relay): void {
    const { options, directory } = this.#context
    const receivers = directory.connectionsOf(relay.user).filter(({ id }) => {
      const address = `${options.id}:${id}`
      return relay.to === undefined ? address !== relay.from : address === relay.to
    })
    this.#clients.emitToProtocol2(receivers, { event: 'relay', payload: relay })
  }

  /** Tells a delivery's fate once nobody is waited for. */
  settle(delivery: Delivery): void {
    if (delivery.isSettled || !delivery.isDone) return
    this.#reportFate(delivery)
  }

  tick(): void {
    const { now } = this.#context
    for (const queue of [this.#pendingDeliveries.client, this.#pendingDeliveries.peer]) {
      for (let due = queue.takeDue(now); due !== undefined; due = queue.takeDue(now)) this.#reportFate(due)
    }
  }

  #track(delivery: Delivery): void {
    this.settle(delivery)
    if (!delivery.isSettled) this.#pendingDeliveries[delivery.origin.kind].push(delivery)
  }

  #reportFate(delivery: Delivery): void {
    delivery.isSettled = true
    const { origin, fate } = delivery
    if (origin.kind === 'peer') {
      const unconfirmed = fate.ok && fate.unconfirmed === true
      this.#peerSender.sendFate(origin.peer, origin.incarnation, origin.number, delivery.delivered, unconfirmed)
    } else if (origin.call !== undefined) {
      this.#context.effects.push({
        type: 'answer',
        connection: origin.connection,
        call: origin.call,
        payload: fate,
      })
    }
  }

  /** To the rooms of the recipient and of the sender on this server, once to each connection. */
  #deliver(message: Message, delivery: Delivery, forwarded: boolean): void {
    const { effects, options, messageCounts } = this.#context
    const recipients = this.#eligibleConnections(message.to, message, 'to')
    const senders = message.from === message.to ? [] : this.#eligibleConnections(message.from, message, 'from')
    if (options.narrateMessages) this.#logDelivery(message, recipients.length, senders.length)
    if (recipients.length + senders.length === 0) return
    const { id, from, to, text, at } = message
    const payload: DeliveredMessage = { id, from, to, text, at, forwarded }
    const receivers: number[] = []
    for (const connection of recipients) {
      if (this.#recordSend(connection, message, delivery)) receivers.push(connection.id)
    }
    for (const connection of senders)
      if (this.#recordSend(connection, message, undefined)) receivers.push(connection.id)
    messageCounts.delivered += receivers.length
    if (receivers.length > 0) effects.push({ type: 'emit', to: receivers, message: { event: 'im', payload } })
  }

  /** A user's connections here: where names are known by keys, none but those of the key for which it is sealed. */
  #eligibleConnections(name: string, { text }: Message, role: 'to' | 'from'): readonly Connection[] {
    const { directory, options } = this.#context
    const connections = directory.connectionsOf(name)
    if (options.auth !== 'key' || connections.length === 0) return connections
    return parseSealedText(text)?.[role] === directory.ownClaim(name)?.key ? connections : []
  }

  /** Counts a message as sent to a connection; whether it is to be emitted. */
  #recordSend(connection: Connection, message: Message, delivery: Delivery | undefined): boolean {
    const { effects, options } = this.#context
    if (connection.protocol === 1) {
      // An original client confirms nothing: written counts as received.
      if (delivery !== undefined) delivery.delivered++
      return !connection.isDuplicate(`${message.from}\n${message.id}`)
    }
    delivery?.expectAnswer()
    connection.trackSent(delivery)
    if (exceeds(connection.unconfirmedCount, options.limits.unconfirmedMessages)) {
      effects.push({ type: 'close', connection: connection.id, reason: 'it confirms nothing of what it is sent' })
    }
    return true
  }

  /** The message as it goes on, or undefined after a refusal. Its sender is who this connection identified as. */
  #validate(input: Extract<ClientInput, { type: 'im' }>, sender: Connection): Message | undefined {
    const { options, now, wall, clock } = this.#context
    const { limits } = options
    const to = parseUserName(input.message.to)
    if (!to.ok) return this.#refuse(input, 'bad-name', to.reason)
    const { text } = input.message
    const keyed = options.auth === 'key'
    if (keyed && parseSealedText(text)?.from !== this.#context.directory.ownClaim(sender.user)?.key) {
      return this.#refuse(input, 'not-sealed', 'here a message is sealed with the keys of its sender and its recipient')
    }
    if (limits.textBytes > 0 && exceedsUtf8Length(text, keyed ? sealedLength(limits.textBytes) : limits.textBytes)) {
      return this.#refuse(input, 'text-too-long', `a text has at most ${limits.textBytes} bytes`)
    }
    const wait = sender.rateLimiter.take(now)
    if (wait > 0) return this.#refuse(input, 'rate-limited', `too many messages; wait ${wait} ms`, wait)
    if (!('id' in input.message)) {
      const id = `${options.incarnation}.${(++this.#generatedIds).toString(36)}`
      return { id, at: clock.tick(wall), from: sender.user, to: to.value, text }
    }
    const { id, at } = input.message
    const ahead = at - wall - MAX_CLOCK_AHEAD_MS
    if (ahead > 0) {
      return this.#refuse(input, 'clock-ahead', 'the time of this message is too far ahead', Math.ceil(ahead))
    }
    clock.observe(at, wall)
    return { id, at, from: sender.user, to: to.value, text }
  }

  #refuse(
    input: Extract<ClientInput, { type: 'im' }>,
    code: ErrorCode,
    message: string,
    retryAfter?: number,
  ): undefined {
    const { effects, messageCounts } = this.#context
    const { connection, call } = input
    messageCounts.refused++
    const payload: Refusal =
      retryAfter === undefined ? { ok: false, code, message } : { ok: false, code, message, retryAfter }
    if (call !== undefined) effects.push({ type: 'answer', connection, call, payload })
    else {
      const refused = { event: 'refused' as const, payload: { ...payload, event: 'im' } }
      effects.push({ type: 'emit', to: [connection], message: refused })
    }
  }

  #logDelivery(message: Message, recipients: number, senders: number): void {
    const context = this.#context
    if (recipients > 0) log(context, { event: 'sending', role: 'Recipient', user: message.to, connections: recipients })
    else log(context, { event: 'not-connected-here', role: 'Recipient', user: message.to })
    if (message.from === message.to) return
    if (senders > 0) log(context, { event: 'sending', role: 'Sender', user: message.from, connections: senders })
    else log(context, { event: 'not-connected-here', role: 'Sender', user: message.from })
  }
}
