import { MAX_CLOCK_AHEAD_MS } from '../common/hybrid-clock.ts'
import { isTime } from '../common/time.ts'
import type { Room } from '../presence/room-directory.ts'
import type { ForwardedMessage, Relay, RoomForwarded, RoomRelay, UserReceipts } from '../protocol/frames.ts'
import { exceeds } from '../protocol/limits.ts'
import { readableText } from '../protocol/message-kinds.ts'
import {
  type DeliveredMessage,
  type ErrorCode,
  MAX_RETRY_AFTER_MS,
  type Message,
  type Refusal,
  type TypingNotice,
} from '../protocol/messages.ts'
import { parseUserName } from '../protocol/names.ts'
import { parseSealedText, sealedLength } from '../protocol/proofs/credentials.ts'
import { parseAuthorProof } from '../protocol/proofs/room-proof.ts'
import { isRoom, parseRoomName } from '../protocol/rooms.ts'
import { exceedsUtf8Length } from '../protocol/text.ts'
import type { Connection } from './clients/connection.ts'
import {
  type Context,
  emitToProtocol2,
  log,
  type PeerMessageHandler,
  type PeerMessageSender,
  type UserObserver,
} from './context.ts'
import { Audience, DeadlineQueue, Delivery, type DeliveryObserver, type DeliveryOrigin } from './delivery.ts'
import { Receipts } from './receipts.ts'
import type { Rooms } from './rooms/rooms.ts'
import type { ClientInput } from './types.ts'
import { TypingNotices } from './typing-notices.ts'

/** How long a server waits for all answers to a message of its own client, ms. */
const DELIVERY_TIMEOUT_MS = 5_000
/** How long it waits for its clients to confirm a forwarded message; shorter, so that its answer is still in time. */
const FORWARDED_DELIVERY_TIMEOUT_MS = 3_000

/** Misses within this time are told together, ms: while a client hangs, each message to its user is one. */
const MISSED_NOTICE_DELAY_MS = 3_000

/**
 * Later confirmations in a large room are reported together, at most this long after the first of them, ms: 1 ms for each
 * member, a tenth of the time that members take to confirm, within these bounds.
 */
const MIN_LATE_ANSWERS_DELAY_MS = 250
const MAX_LATE_ANSWERS_DELAY_MS = 1_000

/** A peer accepts messages by its own clock, which may differ from this server's by this much, ms. */
const MAX_PEER_CLOCK_DIFFERENCE_MS = 300_000

type ImInput = Extract<ClientInput, { type: 'im' }>

/** Routes messages: validates them, delivers them to local connections, forwards them, and reports delivery results. */
export class Router implements PeerMessageHandler, DeliveryObserver {
  readonly #context: Context
  readonly #connections: ReadonlyMap<number, Connection>
  readonly #peerSender: PeerMessageSender
  readonly #users: Pick<UserObserver, 'notifySiblings'>
  readonly #rooms: Pick<Rooms, 'checkMessage' | 'mayWrite'>
  readonly #receipts: Receipts
  readonly #typing: TypingNotices
  /** Users of whose connections some may have missed a message, and when their clients are told; monotonic ms. */
  #missedUsers = new Set<string>()
  #tellMissedAt = Number.POSITIVE_INFINITY
  /** Deliveries in large rooms with later answers, whether one of them is new, and when to report them; monotonic ms. */
  #lateAnswers = new Map<Delivery, boolean>()
  #reportLateAt = Number.POSITIVE_INFINITY
  readonly #pendingDeliveries = { client: new DeadlineQueue(), peer: new DeadlineQueue() }
  #generatedIds = 0

  /** @param connections the identified connections */
  constructor(
    context: Context,
    connections: ReadonlyMap<number, Connection>,
    peerSender: PeerMessageSender,
    users: Pick<UserObserver, 'notifySiblings'>,
    rooms: Pick<Rooms, 'checkMessage' | 'mayWrite'>,
  ) {
    this.#context = context
    this.#connections = connections
    this.#peerSender = peerSender
    this.#users = users
    this.#rooms = rooms
    this.#receipts = new Receipts(context, peerSender)
    this.#typing = new TypingNotices(context, connections, peerSender, rooms)
  }

  get deadline(): number {
    const { client, peer } = this.#pendingDeliveries
    return Math.min(client.deadline, peer.deadline, this.#tellMissedAt, this.#reportLateAt)
  }

  /** Handles a message from a client of this server. */
  handleIm(input: ImInput): void {
    const context = this.#context
    const sender = this.#connections.get(input.connection)
    if (sender === undefined) return this.#refuse(input, 'not-identified', 'identify first')
    const message = this.#validate(input, sender)
    if (message === undefined) return
    if (isRoom(message.to)) return this.#handleRoomMessage(input, message)
    context.messageCounts.accepted++
    if (context.options.narrateMessages) log(context, { event: 'im', ...message, forwarded: false })

    const origin: DeliveryOrigin = { kind: 'client', connection: input.connection, call: input.call, message }
    const delivery = new Delivery(origin, context.now + DELIVERY_TIMEOUT_MS, this)
    this.#deliver(message, delivery, false)
    const peers = context.directory.peersHolding(message.to, message.from)
    if (context.options.narrateMessages) for (const peer of peers) log(context, { event: 'forwarding', peer })
    if (peers.length > 0 && !this.#peerSender.forward(peers, message, delivery)) delivery.markUnconfirmed()
    this.#track(delivery)
  }

  /** Delivers a message to the members of a room here, and forwards it to the servers with others. */
  #handleRoomMessage(input: ImInput, message: Message): void {
    const context = this.#context
    const room = context.rooms.get(message.to)
    if (room === undefined) return
    context.messageCounts.accepted++
    context.messageCounts.roomAccepted++
    if (context.options.narrateMessages) log(context, { event: 'im', ...message, forwarded: false })
    const origin: DeliveryOrigin = { kind: 'client', connection: input.connection, call: input.call, message }
    const delivery = new Delivery(origin, context.now + DELIVERY_TIMEOUT_MS, this, audienceOf(room))
    this.#deliverToRoom(room, message, delivery, false)
    const { peers } = room
    if (peers.length > 0 && !this.#peerSender.forwardToRoom(peers, message, delivery)) delivery.markUnconfirmed()
    this.#track(delivery)
  }

  /** Delivers messages that a peer forwarded to local members. They are never forwarded again. */
  handleRoomForwarded(peer: string, incarnation: string, batch: readonly RoomForwarded[]): void {
    const context = this.#context
    context.messageCounts.forwarded += batch.length
    for (const [number, id, at, from, to, text, proof] of batch) {
      const room = context.rooms.get(to)
      const isTimeValid = isTime(at) && at <= context.wall + MAX_CLOCK_AHEAD_MS + MAX_PEER_CLOCK_DIFFERENCE_MS
      if (!isTimeValid || room === undefined) {
        this.#peerSender.sendFate(peer, incarnation, number, 0, !isTimeValid)
        continue
      }
      const message: Message = { id, at, from, to, text, ...(proof === '' ? {} : { proof }) }
      context.clock.observe(at, context.wall)
      if (context.options.narrateMessages) log(context, { event: 'im', ...message, forwarded: true })
      const origin: DeliveryOrigin = { kind: 'peer', peer, incarnation, number, waitsForAll: false }
      const delivery = new Delivery(origin, context.now + FORWARDED_DELIVERY_TIMEOUT_MS, this, audienceOf(room))
      this.#deliverToRoom(room, message, delivery, true)
      this.#track(delivery)
    }
  }

  /** Sends a message to the local connections in a room, once to each. */
  #deliverToRoom(room: Room<Connection>, message: Message, delivery: Delivery, forwarded: boolean): void {
    const { effects, messageCounts } = this.#context
    const to: number[] = []
    for (const connection of room.connections) {
      // The sender's own connections get a copy; who has it is counted among the others.
      if (connection.user === message.from) this.#recordSend(connection, message, undefined)
      else this.#recordSend(connection, message, delivery)
      to.push(connection.id)
    }
    messageCounts.delivered += to.length
    if (to.length > 0) effects.push({ type: 'emit', to, message: { event: 'im', payload: { ...message, forwarded } } })
  }

  /** Delivers messages that a peer forwarded to local connections. They are never forwarded again. */
  handleForwarded(peer: string, incarnation: string, batch: readonly ForwardedMessage[], waitsForAll: boolean): void {
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
      const origin: DeliveryOrigin = { kind: 'peer', peer, incarnation, number, waitsForAll }
      const delivery = new Delivery(origin, context.now + FORWARDED_DELIVERY_TIMEOUT_MS, this)
      this.#deliver(message, delivery, true)
      this.#track(delivery)
    }
  }

  /** @param count messages that the connection has received in total */
  handleConfirmation(connection: Connection, count: number): void {
    for (const delivery of connection.confirm(count)) delivery.recordConfirmation(connection.user)
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
    if (sender === undefined || sender.takeToken(now) > 0) return
    if (input.room !== undefined) return this.#relayToRoom(sender, input.room, input)
    const relay: Relay = { user: sender.user, from: `${options.id}:${sender.id}`, body: input.body }
    if (input.to !== undefined) relay.to = input.to
    const server = input.to?.slice(0, input.to.lastIndexOf(':'))
    if (server === undefined || server === options.id) this.deliverRelay(relay)
    if (server === options.id) return
    for (const peer of directory.peersHolding(sender.user, sender.user)) {
      if (server === undefined || server === peer) this.#peerSender.relay(peer, relay)
    }
  }

  /** Relays a member's payload to another connection in a room: the one at address `to`, or any, chosen at random. */
  #relayToRoom(sender: Connection, name: string, { to, body }: Extract<ClientInput, { type: 'relay' }>): void {
    const { options, rooms } = this.#context
    const room = rooms.get(name)
    if (room === undefined || !sender.rooms.has(name)) return
    const relay: RoomRelay = { room: name, user: sender.user, from: `${options.id}:${sender.id}`, body }
    if (to === undefined) {
      const peer = this.#pickServer(room)
      if (peer === options.id) this.deliverRoomRelay(relay)
      else if (peer !== undefined) this.#peerSender.relayToRoom(peer, relay)
      return
    }
    const server = to.slice(0, to.lastIndexOf(':'))
    if (server === options.id) this.deliverRoomRelay({ ...relay, to })
    else if (room.countOn(server) > 0) this.#peerSender.relayToRoom(server, { ...relay, to })
  }

  /** A server with another client in a room, each with the probability of its share; undefined: there is none. */
  #pickServer(room: Room<Connection>): string | undefined {
    const { options } = this.#context
    const local = room.connections.size - 1
    const places = room.peers.reduce((sum, peer) => sum + room.countOn(peer), local)
    let place = Math.floor(options.random() * places)
    if (place < local) return options.id
    place -= local
    for (const peer of room.peers) {
      if (place < room.countOn(peer)) return peer
      place -= room.countOn(peer)
    }
    return undefined
  }

  deliverRoomRelay(relay: RoomRelay): void {
    const { options, rooms, effects } = this.#context
    const address = (id: number) => `${options.id}:${id}`
    const others = [...(rooms.get(relay.room)?.connections ?? [])].filter(({ id }) => address(id) !== relay.from)
    const receiver =
      relay.to === undefined
        ? others[Math.floor(options.random() * others.length)]
        : others.find(({ id }) => address(id) === relay.to)
    if (receiver === undefined) return
    effects.push({ type: 'emit', to: [receiver.id], message: { event: 'relay', payload: relay } })
  }

  deliverRelay(relay: Relay): void {
    const { options, directory } = this.#context
    const receivers = directory.connectionsOf(relay.user).filter(({ id }) => {
      const address = `${options.id}:${id}`
      return relay.to === undefined ? address !== relay.from : address === relay.to
    })
    emitToProtocol2(this.#context, receivers, { event: 'relay', payload: relay })
  }

  deliverReceipts({ user, receipts }: UserReceipts): void {
    this.#receipts.deliver(user, receipts)
  }

  handleTyping(input: Extract<ClientInput, { type: 'typing' }>): void {
    this.#typing.handle(input)
  }

  deliverTyping(notice: TypingNotice): void {
    this.#typing.deliver(notice)
  }

  /** Sends the receipts of this turn. */
  flush(): void {
    this.#receipts.flush()
  }

  /** Settles the deliveries whose deadline has passed. */
  tick(): void {
    const { now } = this.#context
    for (const queue of [this.#pendingDeliveries.client, this.#pendingDeliveries.peer]) {
      for (let due = queue.takeDue(now); due !== undefined; due = queue.takeDue(now)) due.settle()
    }
    if (this.#tellMissedAt <= now) this.#tellMissed()
    if (this.#reportLateAt <= now) this.#reportLateAnswers()
  }

  /** All receivers are known: settles the delivery, or waits for their answers. */
  #track(delivery: Delivery): void {
    delivery.settleIfComplete()
    if (!delivery.isSettled) this.#pendingDeliveries[delivery.origin.kind].push(delivery)
  }

  onSettled(delivery: Delivery): void {
    const { origin, result } = delivery
    if (origin.kind === 'peer') {
      const { peer, incarnation, number } = origin
      const { isPending, audience, delivered, isUnconfirmed } = delivery
      const mayHaveMore = isPending || audience !== undefined
      if (mayHaveMore) this.#peerSender.sendConfirmation(peer, incarnation, number, delivery)
      return this.#peerSender.sendFate(peer, incarnation, number, delivered, isUnconfirmed)
    }
    const { connection, call, message } = origin
    if (call !== undefined) this.#context.effects.push({ type: 'answer', connection, call, payload: result })
    // The user's other clients get no delivery result.
    if (delivery.delivered > 0 && this.#hasOtherConnections(message.from)) this.#receipts.add(message, delivery)
  }

  onLateAnswer(delivery: Delivery, isNew: boolean): void {
    const { audience } = delivery
    if (audience === undefined || audience.isSmall) return this.#reportLateAnswer(delivery, isNew)
    // A report for each of a thousand members would cost more than the message.
    this.#lateAnswers.set(delivery, isNew || this.#lateAnswers.get(delivery) === true)
    const delay = Math.min(MAX_LATE_ANSWERS_DELAY_MS, Math.max(MIN_LATE_ANSWERS_DELAY_MS, audience.of))
    this.#reportLateAt = Math.min(this.#reportLateAt, this.#context.now + delay)
  }

  #reportLateAnswers(): void {
    const answers = this.#lateAnswers
    this.#lateAnswers = new Map()
    this.#reportLateAt = Number.POSITIVE_INFINITY
    for (const [delivery, isNew] of answers) this.#reportLateAnswer(delivery, isNew)
  }

  #reportLateAnswer(delivery: Delivery, isNew: boolean): void {
    const { origin } = delivery
    if (origin.kind === 'client') return isNew ? this.#receipts.add(origin.message, delivery) : undefined
    this.#peerSender.sendConfirmation(origin.peer, origin.incarnation, origin.number, delivery)
  }

  /** The sender does not send the message again: the user's clients find it by comparing their histories. */
  onMissed({ origin }: Delivery): void {
    if (origin.kind !== 'client') return
    const { from, to } = origin.message
    // Members compare by themselves, and one that confirms nothing would make all others compare.
    if (isRoom(to)) return
    this.#missedUsers.add(from).add(to)
    this.#tellMissedAt = Math.min(this.#tellMissedAt, this.#context.now + MISSED_NOTICE_DELAY_MS)
  }

  #tellMissed(): void {
    const users = this.#missedUsers
    this.#missedUsers = new Set()
    this.#tellMissedAt = Number.POSITIVE_INFINITY
    const usersByPeer = new Map<string, string[]>()
    for (const user of users) {
      this.#users.notifySiblings(user)
      for (const peer of this.#context.directory.peersHolding(user, user)) {
        usersByPeer.set(peer, [...(usersByPeer.get(peer) ?? []), user])
      }
    }
    for (const [peer, names] of usersByPeer) this.#peerSender.sendMissed(peer, names)
  }

  #hasOtherConnections(user: string): boolean {
    const { directory } = this.#context
    return directory.connectionsOf(user).length > 1 || directory.peersHolding(user, user).length > 0
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
    const receivers: Connection[] = []
    for (const connection of recipients) {
      if (this.#recordSend(connection, message, delivery)) receivers.push(connection)
    }
    for (const connection of senders) {
      if (this.#recordSend(connection, message, undefined)) receivers.push(connection)
    }
    messageCounts.delivered += receivers.length
    const emit = (connections: readonly Connection[], sent: DeliveredMessage) => {
      if (connections.length === 0) return
      effects.push({ type: 'emit', to: connections.map(one => one.id), message: { event: 'im', payload: sent } })
    }
    const readable = readableText(text)
    if (readable === text) return emit(receivers, payload)
    // Original clients do not know kinds of messages.
    emit(
      receivers.filter(({ protocol }) => protocol !== 1),
      payload,
    )
    emit(
      receivers.filter(({ protocol }) => protocol === 1),
      { ...payload, text: readable },
    )
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
    const { text } = input.message
    const toRoom = isRoom(input.message.to.trimStart()) && sender.knowsRooms
    const to = toRoom ? parseRoomName(input.message.to) : parseUserName(input.message.to)
    if (!to.ok) return this.#refuse(input, toRoom ? 'bad-room' : 'bad-name', to.reason)
    // Texts to a room are signed, not sealed.
    const keyed = options.auth === 'key' && !toRoom
    if (keyed && parseSealedText(text)?.from !== this.#context.directory.ownClaim(sender.user)?.key) {
      const message = 'this mesh requires sealed texts; seal the text with the keys of sender and recipient'
      return this.#refuse(input, 'not-sealed', message)
    }
    if (limits.textBytes > 0 && exceedsUtf8Length(text, keyed ? sealedLength(limits.textBytes) : limits.textBytes)) {
      return this.#refuse(input, 'text-too-long', `the text is longer than ${limits.textBytes} bytes; shorten it`)
    }
    const wait = sender.takeToken(now)
    if (wait > 0) return this.#refuse(input, 'rate-limited', `too many messages; retry in ${wait} ms`, wait)
    if (!('id' in input.message)) {
      // Only original clients send such messages; they are in no room, and cannot prove what they say.
      if (toRoom) return this.#refuse(input, 'bad-payload', 'a message to a room needs id and at')
      const id = `${options.incarnation}.${(++this.#generatedIds).toString(36)}`
      return { id, at: clock.tick(wall), from: sender.user, to: to.value, text }
    }
    const { id, at, proof } = input.message
    const ahead = at - wall - MAX_CLOCK_AHEAD_MS
    if (ahead > 0) {
      const message = 'the time of the message is too far in the future; check the clock'
      return this.#refuse(input, 'clock-ahead', message, Math.min(MAX_RETRY_AFTER_MS, Math.ceil(ahead)))
    }
    clock.observe(at, wall)
    const message = { id, at, from: sender.user, to: to.value, text }
    return toRoom ? this.#checkRoomMessage(message, sender, proof, input) : message
  }

  /** A message that its sender may send to a room, with the proof of its author. */
  #checkRoomMessage(
    message: Message,
    sender: Connection,
    given: string | undefined,
    input: ImInput,
  ): Message | undefined {
    const proven = this.#withProof(message, sender, given, input)
    if (proven === undefined) return undefined
    const denied = this.#rooms.checkMessage(sender, message.to)
    return denied === undefined ? proven : this.#refuse(input, denied.code, denied.message, denied.retryAfter)
  }

  /** A message to a room with the proof of its author: the author's in key mode, and this server's in token mode. */
  #withProof(message: Message, { user }: Connection, given: string | undefined, input: ImInput): Message | undefined {
    const { options, directory } = this.#context
    if (options.auth === 'open') return message
    if (options.auth === 'token') {
      const proof = options.signRoomMessage?.(message)
      return proof === undefined ? message : { ...message, proof }
    }
    // The receivers check the signature.
    if (given !== undefined && parseAuthorProof(given)?.key === directory.ownClaim(user)?.key) {
      return { ...message, proof: given }
    }
    return this.#refuse(input, 'not-sealed', 'this mesh requires signed texts in rooms; sign the text with your key')
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

/** The other members of a room, for the delivery of a message. */
function audienceOf(room: Room<Connection>): Audience {
  return new Audience(room.memberCount - 1, user => room.isInSeveralPlaces(user))
}
