import {
  type DiallerFrame,
  type ForwardConfirmation,
  type ForwardedMessage,
  type ForwardFate,
  MAX_CONFIRMATIONS_PER_FRAME,
  MAX_FATES_PER_FRAME,
  MAX_MESSAGES_PER_FRAME,
  MAX_NAMES_PER_FRAME,
  MAX_TEXT_PER_FRAME,
  type Relay,
  type RoomForwarded,
  type RoomRelay,
  type UserReceipts,
} from '../../protocol/frames.ts'
import { exceeds } from '../../protocol/limits.ts'
import { MAX_RECEIPT_NAMES, type Message, type TypingNotice } from '../../protocol/messages.ts'
import type { Context, PeerMessageSender } from '../context.ts'
import type { Delivery } from '../delivery.ts'
import type { Links } from './links.ts'
import type { Peer } from './peer.ts'

/** Messages for peers: forwards, held until the peer answers them, and delivery results of the peers' own forwards. */
export class OutboundMessages implements PeerMessageSender {
  readonly #context: Context
  readonly #links: Links
  readonly #peers: ReadonlyMap<string, Peer>
  /** Shared by all peers, so that one frame serves all of them. */
  #lastForwardNumber = 0

  constructor(context: Context, links: Links, peers: ReadonlyMap<string, Peer>) {
    this.#context = context
    this.#links = links
    this.#peers = peers
  }

  forward(ids: readonly string[], message: Message, delivery: Delivery): boolean {
    const { id, at, from, to, text } = message
    // Carriers rely on all peers getting the same object.
    const frame: ForwardedMessage = [++this.#lastForwardNumber, id, at, from, to, text]
    let reached = true
    for (const peer of ids) if (!this.#forwardTo(this.#peers.get(peer), frame, delivery)) reached = false
    return reached
  }

  forwardToRoom(ids: readonly string[], message: Message, delivery: Delivery): boolean {
    const { id, at, from, to, text, proof = '' } = message
    const frame: RoomForwarded = [++this.#lastForwardNumber, id, at, from, to, text, proof]
    let reached = true
    for (const peer of ids) if (!this.#forwardTo(this.#peers.get(peer), frame, delivery)) reached = false
    return reached
  }

  sendFate(id: string, incarnation: string, number: number, delivered: number, unconfirmed: boolean): void {
    const peer = this.#peers.get(id)
    peer?.settleForward(incarnation, number)
    if (peer?.inbound?.incarnation !== incarnation) return
    peer.pendingFates.push([number, delivered, unconfirmed])
    this.#context.needsFlush = true
  }

  sendConfirmation(id: string, incarnation: string, number: number, delivery: Delivery): void {
    const peer = this.#peers.get(id)
    if (peer?.inbound?.incarnation !== incarnation || !peer.inbound.knowsRooms) return
    peer.pendingConfirmations.set(number, delivery)
    this.#context.needsFlush = true
  }

  sendMissed(id: string, users: readonly string[]): void {
    const outbound = this.#peers.get(id)?.outbound
    if (outbound?.state === 'open') this.#sendMissed(outbound.link, users)
  }

  sendReceipts(id: string, receipts: UserReceipts): void {
    const outbound = this.#peers.get(id)?.outbound
    if (outbound?.state === 'open') this.#links.send(outbound.link, { event: 'receipts', payload: receipts })
  }

  relayToRoom(id: string, relay: RoomRelay): void {
    const outbound = this.#peers.get(id)?.outbound
    if (outbound?.state === 'open') this.#links.send(outbound.link, { event: 'room-relay', payload: relay })
  }

  relay(id: string, relay: Relay): void {
    const outbound = this.#peers.get(id)?.outbound
    if (outbound?.state === 'open') this.#links.send(outbound.link, { event: 'relay', payload: relay })
  }

  sendTyping(ids: readonly string[], notice: TypingNotice): void {
    for (const id of ids) {
      const outbound = this.#peers.get(id)?.outbound
      if (outbound?.state === 'open') this.#links.send(outbound.link, { event: 'typing', payload: notice })
    }
  }

  /** Sends this turn's forwards and delivery results. */
  flush(): void {
    for (const peer of this.#peers.values()) {
      const { outbound, inbound, pendingForwards, pendingFates, pendingConfirmations } = peer
      if (pendingForwards.length > 0) {
        peer.pendingForwards = []
        if (outbound.state === 'open') {
          for (const frame of splitIntoFrames(pendingForwards)) this.#links.send(outbound.link, frame)
        }
      }
      // Before the results: they tell which results may be followed by more.
      if (pendingConfirmations.size > 0) {
        peer.pendingConfirmations = new Map()
        if (inbound !== undefined) this.#sendConfirmations(inbound.link, pendingConfirmations)
      }
      if (pendingFates.length > 0) {
        peer.pendingFates = []
        if (inbound === undefined) continue
        for (const payload of chunks(pendingFates, MAX_FATES_PER_FRAME)) {
          this.#links.send(inbound.link, { event: 'fates', payload })
        }
      }
    }
  }

  /** A peer is reachable again: reports the users who missed messages, and sends the held messages again. */
  resendHeld(peer: Peer, link: number): void {
    this.#sendMissed(link, [...peer.missedUsers])
    peer.missedUsers.clear()
    peer.pendingForwards = []
    // The peer drops the forwards that it has received before.
    for (const [number, { frame, confirmations }] of peer.held) {
      peer.pendingForwards.push(frame)
      if (confirmations.delivery.deadline <= this.#context.now) peer.held.delete(number)
    }
    if (peer.pendingForwards.length > 0) this.#context.needsFlush = true
  }

  /** Records a peer's delivery results. */
  handleFates(peer: Peer, fates: readonly ForwardFate[]): void {
    for (const fate of fates) peer.recordFate(fate)
  }

  /** Releases messages whose deadline has passed, and all messages of a peer past its grace period. */
  releaseExpired(peer: Peer): void {
    if (peer.outbound.state === 'open') {
      for (const [number, { confirmations }] of peer.held) {
        if (confirmations.delivery.deadline > this.#context.now) break
        peer.held.delete(number)
      }
    } else if (peer.held.size > 0 && this.#isUnreachable(peer)) this.abandonHeld(peer)
  }

  /** Drops all messages held for a peer; their deliveries stay unconfirmed. */
  abandonHeld(peer: Peer): void {
    for (const delivery of peer.dropHeld()) delivery.recordAnswer(0, true)
  }

  #sendMissed(link: number, users: readonly string[]): void {
    for (const payload of chunks(users, MAX_NAMES_PER_FRAME)) this.#links.send(link, { event: 'missed', payload })
  }

  #sendConfirmations(link: number, deliveries: ReadonlyMap<number, Delivery>): void {
    const rows: ForwardConfirmation[] = []
    for (const [number, delivery] of deliveries) {
      const { audience, isPending } = delivery
      const names = audience?.takeNewNames() ?? []
      const counted = audience?.counted ?? delivery.delivered
      do rows.push([number, counted, isPending || names.length > MAX_RECEIPT_NAMES, names.splice(0, MAX_RECEIPT_NAMES)])
      while (names.length > 0)
    }
    for (const payload of chunks(rows, MAX_CONFIRMATIONS_PER_FRAME)) {
      this.#links.send(link, { event: 'confirmed', payload })
    }
  }

  #forwardTo(peer: Peer | undefined, frame: ForwardedMessage | RoomForwarded, delivery: Delivery): boolean {
    if (peer === undefined) return false
    if (this.#isUnreachable(peer) || exceeds(peer.held.size + 1, this.#context.options.limits.heldPerPeer)) {
      const [, , , from, to] = frame
      peer.markMissed(from, to)
      return false
    }
    peer.hold(frame, delivery)
    this.#context.needsFlush = true
    return true
  }

  /** Whether a peer has been disconnected for longer than the grace period. */
  #isUnreachable({ outbound, outboundLostAt }: Peer): boolean {
    const { now, options } = this.#context
    return outbound.state !== 'open' && now - outboundLostAt >= options.graceMs
  }
}

function* chunks<T>(all: readonly T[], size: number): Generator<T[]> {
  for (let at = 0; at < all.length; at += size) yield all.slice(at, at + size)
}

type ForwardFrame = Extract<DiallerFrame, { event: 'forward' | 'room-forward' }>

/** Splits a batch into frames that fit a packet, in the order of the numbers: the peer drops those that come too late. */
function* splitIntoFrames(batch: readonly (ForwardedMessage | RoomForwarded)[]): Generator<ForwardFrame> {
  let frame: ForwardFrame | undefined
  let characters = 0
  for (const forwarded of batch) {
    const event = forwarded.length === 7 ? 'room-forward' : 'forward'
    const isFull =
      frame?.payload.length === MAX_MESSAGES_PER_FRAME || characters + forwarded[5].length > MAX_TEXT_PER_FRAME
    if (frame !== undefined && (frame.event !== event || isFull)) {
      yield frame
      frame = undefined
    }
    if (frame === undefined) characters = 0
    characters += forwarded[5].length
    if (forwarded.length === 7) {
      if (frame?.event === 'room-forward') frame.payload.push(forwarded)
      else frame = { event: 'room-forward', payload: [forwarded] }
    } else if (frame?.event === 'forward') frame.payload.push(forwarded)
    else frame = { event: 'forward', payload: [forwarded] }
  }
  if (frame !== undefined) yield frame
}
