import { MAX_CLOCK_AHEAD_MS } from '../common/hybrid-clock.ts'
import { isTime } from '../common/time.ts'
import { parseSealedText, sealedLength } from '../protocol/credentials.ts'
import type { ForwardedMessage, Relay } from '../protocol/frames.ts'
import { exceeds } from '../protocol/limits.ts'
import {
  type DeliveredMessage,
  type ErrorCode,
  MAX_RETRY_AFTER_MS,
  type Message,
  type Refusal,
} from '../protocol/messages.ts'
import { parseUserName } from '../protocol/names.ts'
import { exceedsUtf8Length } from '../protocol/text.ts'
import type { Connection } from './clients/connection.ts'
import { type Context, emitToProtocol2, log, type PeerMessageHandler, type PeerMessageSender } from './context.ts'
import { DeadlineQueue, Delivery, type DeliveryOrigin } from './delivery.ts'
import type { ClientInput } from './types.ts'

/** How long a server waits for all answers to a message of its own client, ms. */
const DELIVERY_TIMEOUT_MS = 5_000
/** How long it waits for its clients to confirm a forwarded message; shorter, so that its answer is still in time. */
const FORWARDED_DELIVERY_TIMEOUT_MS = 3_000

/** A peer accepts messages by its own clock, which may differ from this server's by this much, ms. */
const MAX_PEER_CLOCK_DIFFERENCE_MS = 300_000

type ImInput = Extract<ClientInput, { type: 'im' }>

/** Routes messages: validates them, delivers them to local connections, forwards them, and reports delivery results. */
export class Router implements PeerMessageHandler {
  readonly #context: Context
  readonly #connections: ReadonlyMap<number, Connection>
  readonly #peerSender: PeerMessageSender
  readonly #pendingDeliveries = { client: new DeadlineQueue(), peer: new DeadlineQueue() }
  #generatedIds = 0

  /** @param connections the identified connections */
  constructor(context: Context, connections: ReadonlyMap<number, Connection>, peerSender: PeerMessageSender) {
    this.#context = context
    this.#connections = connections
    this.#peerSender = peerSender
  }

  get deadline(): number {
    return Math.min(this.#pendingDeliveries.client.deadline, this.#pendingDeliveries.peer.deadline)
  }

  /** Handles a message from a client of this server. */
  handleIm(input: ImInput): void {
    const context = this.#context
    const sender = this.#connections.get(input.connection)
    if (sender === undefined) return this.#refuse(input, 'not-identified', 'identify first')
    const message = this.#validate(input, sender)
    if (message === undefined) return
    context.messageCounts.accepted++
    if (context.options.narrateMessages) log(context, { event: 'im', ...message, forwarded: false })

    const origin: DeliveryOrigin = { kind: 'client', connection: input.connection, call: input.call }
    const delivery = new Delivery(origin, context.now + DELIVERY_TIMEOUT_MS, this.#reportResult)
    this.#deliver(message, delivery, false)
    const peers = context.directory.peersHolding(message.to, message.from)
    if (context.options.narrateMessages) for (const peer of peers) log(context, { event: 'forwarding', peer })
    if (peers.length > 0 && !this.#peerSender.forward(peers, message, delivery)) delivery.markUnconfirmed()
    this.#track(delivery)
  }

  /** Delivers messages that a peer forwarded to local connections. They are never forwarded again. */
  handleForwarded(peer: string, incarnation: string, batch: readonly ForwardedMessage[]): void {
    const context = this.#context
    context.messageCounts.forwarded += batch.length
    for (const [number, id, at, from, to, text] of batch) {
      // If only a clock is wrong, the sender's client sends the message again until it is accepted.
      if (!isTime(at) || at > context.wall + MAX_CLOCK_AHEAD_MS + MAX_PEER_CLOCK_DIFFERENCE_MS) {
        this.#peerSender.sendFate(peer, incarnation, number, 0, true)
        continue
      }
      const message: Message = { id, at, from, to, text }
      context.clock.observe(at, context.wall)
      if (context.options.narrateMessages) log(context, { event: 'im', ...message, forwarded: true })
      const origin: DeliveryOrigin = { kind: 'peer', peer, incarnation, number }
      const delivery = new Delivery(origin, context.now + FORWARDED_DELIVERY_TIMEOUT_MS, this.#reportResult)
      this.#deliver(message, delivery, true)
      this.#track(delivery)
    }
  }

  /** @param count messages that the connection has received in total */
  handleConfirmation(connection: Connection, count: number): void {
    for (const delivery of connection.confirm(count)) delivery.recordAnswer(1)
  }

  /** Settles the deliveries that a closed connection has not confirmed. */
  handleDisconnected(connection: Connection): void {
    for (const delivery of connection.takeUnconfirmed()) delivery.recordAnswer(0, true)
  }

  /**
   * Relays a client's payload to all siblings, or to the sibling at address `to`. Best effort: the client repeats a
   * request that is not answered.
   */
  handleRelay(input: Extract<ClientInput, { type: 'relay' }>): void {
    const { options, directory, now } = this.#context
    const sender = this.#connections.get(input.connection)
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
    emitToProtocol2(this.#context, receivers, { event: 'relay', payload: relay })
  }

  /** Settles the deliveries whose deadline has passed. */
  tick(): void {
    const { now } = this.#context
    for (const queue of [this.#pendingDeliveries.client, this.#pendingDeliveries.peer]) {
      for (let due = queue.takeDue(now); due !== undefined; due = queue.takeDue(now)) due.settle()
    }
  }

  /** All receivers are known: settles the delivery, or waits for their answers. */
  #track(delivery: Delivery): void {
    delivery.settleIfComplete()
    if (!delivery.isSettled) this.#pendingDeliveries[delivery.origin.kind].push(delivery)
  }

  #reportResult = ({ origin, result, delivered, isUnconfirmed }: Delivery): void => {
    if (origin.kind === 'peer') {
      this.#peerSender.sendFate(origin.peer, origin.incarnation, origin.number, delivered, isUnconfirmed)
    } else if (origin.call !== undefined) {
      const { connection, call } = origin
      this.#context.effects.push({ type: 'answer', connection, call, payload: result })
    }
  }

  /** Sends a message to the local connections of recipient and sender, once to each. */
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
    for (const connection of senders) {
      if (this.#recordSend(connection, message, undefined)) receivers.push(connection.id)
    }
    messageCounts.delivered += receivers.length
    if (receivers.length > 0) effects.push({ type: 'emit', to: receivers, message: { event: 'im', payload } })
  }

  /** A user's local connections. With `auth: key`, none unless they hold the key for which the text is sealed. */
  #eligibleConnections(name: string, { text }: Message, role: 'to' | 'from'): readonly Connection[] {
    const { directory, options } = this.#context
    const connections = directory.connectionsOf(name)
    if (options.auth !== 'key' || connections.length === 0) return connections
    return parseSealedText(text)?.[role] === directory.ownClaim(name)?.key ? connections : []
  }

  /** Counts a message as sent to a connection. Returns false if an original client already has it. */
  #recordSend(connection: Connection, message: Message, delivery: Delivery | undefined): boolean {
    const { effects, options } = this.#context
    if (connection.protocol === 1) {
      delivery?.countDelivered()
      return !connection.isDuplicate(`${message.from}\n${message.id}`)
    }
    delivery?.expectAnswer()
    connection.trackSent(delivery)
    if (exceeds(connection.unconfirmedCount, options.limits.unconfirmedMessages)) {
      effects.push({ type: 'close', connection: connection.id, reason: 'too many unconfirmed messages' })
    }
    return true
  }

  /** Returns the message to route, or undefined after a refusal. Its sender is the user of the connection. */
  #validate(input: ImInput, sender: Connection): Message | undefined {
    const { options, now, wall, clock } = this.#context
    const { limits } = options
    const to = parseUserName(input.message.to)
    if (!to.ok) return this.#refuse(input, 'bad-name', to.reason)
    const { text } = input.message
    const keyed = options.auth === 'key'
    if (keyed && parseSealedText(text)?.from !== this.#context.directory.ownClaim(sender.user)?.key) {
      const message = 'this mesh requires sealed texts; seal the text with the keys of sender and recipient'
      return this.#refuse(input, 'not-sealed', message)
    }
    if (limits.textBytes > 0 && exceedsUtf8Length(text, keyed ? sealedLength(limits.textBytes) : limits.textBytes)) {
      return this.#refuse(input, 'text-too-long', `the text is longer than ${limits.textBytes} bytes; shorten it`)
    }
    const wait = sender.rateLimiter.take(now)
    if (wait > 0) return this.#refuse(input, 'rate-limited', `too many messages; retry in ${wait} ms`, wait)
    if (!('id' in input.message)) {
      const id = `${options.incarnation}.${(++this.#generatedIds).toString(36)}`
      return { id, at: clock.tick(wall), from: sender.user, to: to.value, text }
    }
    const { id, at } = input.message
    const ahead = at - wall - MAX_CLOCK_AHEAD_MS
    if (ahead > 0) {
      const message = 'the time of the message is too far in the future; check the clock'
      return this.#refuse(input, 'clock-ahead', message, Math.min(MAX_RETRY_AFTER_MS, Math.ceil(ahead)))
    }
    clock.observe(at, wall)
    return { id, at, from: sender.user, to: to.value, text }
  }

  #refuse({ connection, call }: ImInput, code: ErrorCode, message: string, retryAfter?: number): undefined {
    const { effects, messageCounts, wall } = this.#context
    messageCounts.refused++
    const payload: Refusal = {
      ok: false,
      code,
      message,
      ...(retryAfter === undefined ? {} : { retryAfter }),
      ...(code === 'clock-ahead' ? { time: wall } : {}),
    }
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
