import { MAX_AHEAD } from '../common/hybrid-clock.ts'
import { readSealed, sealedLength } from '../protocol/credentials.ts'
import type { Forwarded, Relay } from '../protocol/frames.ts'
import { exceeds } from '../protocol/limits.ts'
import type { DeliveredMessage, ErrorCode, Message, Refusal } from '../protocol/messages.ts'
import { parseUserName } from '../protocol/names.ts'
import { isLonger } from '../protocol/text.ts'
import type { Clients } from './clients/clients.ts'
import type { Connection } from './clients/connection.ts'
import { type Arrivals, type Context, type Departures, note } from './context.ts'
import { DeadlineQueue, Delivery, type Origin } from './delivery.ts'
import type { ClientInput } from './types.ts'

/** How long a server waits for all answers to a message of its own client, ms. */
const FATE_MS = 5_000
/** How long it waits for its clients to confirm a forwarded message; less, so that its answer is still in time. */
const FORWARDED_FATE_MS = 3_000

/** The way of a message through this server: check, deliver here, pass on, count who confirmed it. */
export class Router implements Arrivals {
  readonly #context: Context
  readonly #clients: Clients
  readonly #departures: Departures
  readonly #waiting = { client: new DeadlineQueue(), peer: new DeadlineQueue() }
  #numbered = 0

  constructor(context: Context, clients: Clients, departures: Departures) {
    this.#context = context
    this.#clients = clients
    this.#departures = departures
  }

  get deadline(): number {
    return Math.min(this.#waiting.client.deadline, this.#waiting.peer.deadline)
  }

  /** A message from a client of this server. */
  im(input: Extract<ClientInput, { type: 'im' }>): void {
    const context = this.#context
    const sender = this.#clients.get(input.connection)
    if (sender === undefined) return this.#refuse(input, 'not-identified', 'identify first')
    const message = this.#check(input, sender)
    if (message === undefined) return
    context.counts.accepted++
    if (context.options.narrateMessages) note(context, { event: 'im', ...message, forwarded: false })

    const origin: Origin = { kind: 'client', connection: input.connection, call: input.call }
    const delivery = new Delivery(origin, context.now + FATE_MS)
    this.#deliver(message, delivery, false)
    const peers = context.directory.peersHolding(message.to, message.from)
    if (context.options.narrateMessages) for (const peer of peers) note(context, { event: 'forwarding', peer })
    if (peers.length > 0 && !this.#departures.forward(peers, message, delivery)) delivery.unconfirmed = true
    this.#await(delivery)
  }

  /** Messages that a peer passed on: for this server's clients only, never for another peer. */
  forwarded(peer: string, incarnation: string, batch: readonly Forwarded[]): void {
    const context = this.#context
    context.counts.forwarded += batch.length
    for (const [number, id, at, from, to, text] of batch) {
      const message: Message = { id, at, from, to, text }
      context.clock.see(at, context.wall)
      if (context.options.narrateMessages) note(context, { event: 'im', ...message, forwarded: true })
      const origin: Origin = { kind: 'peer', peer, incarnation, number }
      const delivery = new Delivery(origin, context.now + FORWARDED_FATE_MS)
      this.#deliver(message, delivery, true)
      this.#await(delivery)
    }
  }

  /** A connection says how many messages it has received. */
  got(connection: Connection, count: number): void {
    for (const delivery of connection.confirm(count)) {
      delivery.confirm(1)
      this.settle(delivery)
    }
  }

  /** What a connection that is gone had not confirmed, it never will. */
  abandon(connection: Connection): void {
    for (const delivery of connection.abandon()) {
      delivery.confirm(0, true)
      this.settle(delivery)
    }
  }

  /** A client's words to its user's other clients, or to the one at an address. Best effort: askers ask again. */
  relay(input: Extract<ClientInput, { type: 'relay' }>): void {
    const { options, directory, now } = this.#context
    const sender = this.#clients.get(input.connection)
    if (sender === undefined || sender.bucket.take(now) > 0) return
    const relay: Relay = { user: sender.user, from: `${options.id}:${sender.id}`, body: input.body }
    if (input.to !== undefined) relay.to = input.to
    const server = input.to?.slice(0, input.to.lastIndexOf(':'))
    if (server === undefined || server === options.id) this.relayed(relay)
    if (server === options.id) return
    for (const peer of directory.peersHolding(sender.user, sender.user)) {
      if (server === undefined || server === peer) this.#departures.relay(peer, relay)
    }
  }

  relayed(relay: Relay): void {
    const { options, directory } = this.#context
    const receivers = directory.room(relay.user).filter(({ id }) => {
      const address = `${options.id}:${id}`
      return relay.to === undefined ? address !== relay.from : address === relay.to
    })
    this.#clients.tell(receivers, { event: 'relay', payload: relay })
  }

  /** Tells a delivery's fate once nobody is waited for. */
  settle(delivery: Delivery): void {
    if (delivery.settled || !delivery.done) return
    this.#tell(delivery)
  }

  tick(): void {
    const { now } = this.#context
    for (const queue of [this.#waiting.client, this.#waiting.peer]) {
      for (let due = queue.due(now); due !== undefined; due = queue.due(now)) this.#tell(due)
    }
  }

  #await(delivery: Delivery): void {
    this.settle(delivery)
    if (!delivery.settled) this.#waiting[delivery.origin.kind].push(delivery)
  }

  #tell(delivery: Delivery): void {
    delivery.settled = true
    const { origin, fate } = delivery
    if (origin.kind === 'peer') {
      const unconfirmed = fate.ok && fate.unconfirmed === true
      this.#departures.answer(origin.peer, origin.incarnation, origin.number, delivery.delivered, unconfirmed)
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
    const { effects, options, counts } = this.#context
    const recipients = this.#readers(message.to, message, 'to')
    const senders = message.from === message.to ? [] : this.#readers(message.from, message, 'from')
    if (options.narrateMessages) this.#narrate(message, recipients.length, senders.length)
    if (recipients.length + senders.length === 0) return
    const { id, from, to, text, at } = message
    const payload: DeliveredMessage = { id, from, to, text, at, forwarded }
    const receivers: number[] = []
    for (const connection of recipients) {
      if (this.#send(connection, message, delivery)) receivers.push(connection.id)
    }
    for (const connection of senders) if (this.#send(connection, message, undefined)) receivers.push(connection.id)
    counts.delivered += receivers.length
    if (receivers.length > 0) effects.push({ type: 'emit', to: receivers, message: { event: 'im', payload } })
  }

  /** A user's connections here: where names are known by keys, none but those of the key for which it is sealed. */
  #readers(name: string, { text }: Message, role: 'to' | 'from'): readonly Connection[] {
    const { directory, options } = this.#context
    const room = directory.room(name)
    if (options.auth !== 'key' || room.length === 0) return room
    return readSealed(text)?.[role] === directory.ownClaim(name)?.key ? room : []
  }

  /** Counts a message as sent to a connection; whether it is to be emitted. */
  #send(connection: Connection, message: Message, delivery: Delivery | undefined): boolean {
    const { effects, options } = this.#context
    if (connection.protocol === 1) {
      // An original client confirms nothing: written counts as received.
      if (delivery !== undefined) delivery.delivered++
      return !connection.repeats(`${message.from}\n${message.id}`)
    }
    delivery?.expect()
    connection.sent(delivery)
    if (exceeds(connection.unconfirmed, options.limits.unconfirmedMessages)) {
      effects.push({ type: 'close', connection: connection.id, reason: 'it confirms nothing of what it is sent' })
    }
    return true
  }

  /** The message as it goes on, or undefined after a refusal. Its sender is who this connection identified as. */
  #check(input: Extract<ClientInput, { type: 'im' }>, sender: Connection): Message | undefined {
    const { options, now, wall, clock } = this.#context
    const { limits } = options
    const to = parseUserName(input.message.to)
    if (!to.ok) return this.#refuse(input, 'bad-name', to.reason)
    const { text } = input.message
    const keyed = options.auth === 'key'
    if (keyed && readSealed(text)?.from !== this.#context.directory.ownClaim(sender.user)?.key) {
      return this.#refuse(input, 'not-sealed', 'here a message is sealed with the keys of its sender and its recipient')
    }
    if (limits.textBytes > 0 && isLonger(text, keyed ? sealedLength(limits.textBytes) : limits.textBytes)) {
      return this.#refuse(input, 'text-too-long', `a text has at most ${limits.textBytes} bytes`)
    }
    const wait = sender.bucket.take(now)
    if (wait > 0) return this.#refuse(input, 'rate-limited', `too many messages; wait ${wait} ms`, wait)
    if (!('id' in input.message)) {
      const id = `${options.incarnation}.${(++this.#numbered).toString(36)}`
      return { id, at: clock.tick(wall), from: sender.user, to: to.value, text }
    }
    const { id, at } = input.message
    const ahead = at - wall - MAX_AHEAD
    if (ahead > 0) {
      return this.#refuse(input, 'clock-ahead', 'the time of this message is too far ahead', Math.ceil(ahead))
    }
    clock.see(at, wall)
    return { id, at, from: sender.user, to: to.value, text }
  }

  #refuse(
    input: Extract<ClientInput, { type: 'im' }>,
    code: ErrorCode,
    message: string,
    retryAfter?: number,
  ): undefined {
    const { effects, counts } = this.#context
    const { connection, call } = input
    counts.refused++
    const payload: Refusal =
      retryAfter === undefined ? { ok: false, code, message } : { ok: false, code, message, retryAfter }
    if (call !== undefined) effects.push({ type: 'answer', connection, call, payload })
    else {
      const refused = { event: 'refused' as const, payload: { ...payload, event: 'im' } }
      effects.push({ type: 'emit', to: [connection], message: refused })
    }
  }

  #narrate(message: Message, recipients: number, senders: number): void {
    const context = this.#context
    if (recipients > 0)
      note(context, { event: 'sending', role: 'Recipient', user: message.to, connections: recipients })
    else note(context, { event: 'not-connected-here', role: 'Recipient', user: message.to })
    if (message.from === message.to) return
    if (senders > 0) note(context, { event: 'sending', role: 'Sender', user: message.from, connections: senders })
    else note(context, { event: 'not-connected-here', role: 'Sender', user: message.from })
  }
}
