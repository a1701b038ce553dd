import {
  type ForwardedMessage,
  type ForwardFate,
  MAX_FATES_PER_FRAME,
  MAX_MESSAGES_PER_FRAME,
  MAX_NAMES_PER_FRAME,
  MAX_PEER_COUNT,
  MAX_TEXT_PER_FRAME,
  type Relay,
} from '../../protocol/frames.ts'
import { exceeds } from '../../protocol/limits.ts'
import type { Message } from '../../protocol/messages.ts'
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

  sendFate(id: string, incarnation: string, number: number, delivered: number, unconfirmed: boolean): void {
    const peer = this.#peers.get(id)
    peer?.settleForward(incarnation, number)
    if (peer?.inbound?.incarnation !== incarnation) return
    peer.pendingFates.push([number, delivered, unconfirmed])
    this.#context.needsFlush = true
  }

  relay(id: string, relay: Relay): void {
    const outbound = this.#peers.get(id)?.outbound
    if (outbound?.state === 'open') this.#links.send(outbound.link, { event: 'relay', payload: relay })
  }

  /** Sends this turn's forwards and delivery results. */
  flush(): void {
    for (const peer of this.#peers.values()) {
      const { outbound, inbound, pendingForwards, pendingFates } = peer
      if (pendingForwards.length > 0) {
        peer.pendingForwards = []
        if (outbound.state === 'open') {
          for (const payload of splitIntoFrames(pendingForwards)) {
            this.#links.send(outbound.link, { event: 'forward', payload })
          }
        }
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
    for (const payload of chunks([...peer.missedUsers], MAX_NAMES_PER_FRAME)) {
      this.#links.send(link, { event: 'missed', payload })
    }
    peer.missedUsers.clear()
    peer.pendingForwards = []
    // The peer drops the forwards that it has received before.
    for (const [number, { frame, delivery }] of peer.held) {
      peer.pendingForwards.push(frame)
      if (delivery.isSettled) peer.held.delete(number)
    }
    if (peer.pendingForwards.length > 0) this.#context.needsFlush = true
  }

  /** Records a peer's delivery results. */
  handleFates(peer: Peer, fates: readonly ForwardFate[]): void {
    for (const [number, delivered, unconfirmed] of fates) {
      const held = peer.held.get(number)
      if (held === undefined) continue
      peer.held.delete(number)
      held.delivery.recordAnswer(Math.min(delivered, MAX_PEER_COUNT), unconfirmed)
    }
  }

  /** Releases messages whose delivery is settled, and all messages of a peer past its grace period. */
  releaseSettled(peer: Peer): void {
    if (peer.outbound.state === 'open') {
      for (const [number, { delivery }] of peer.held) {
        if (!delivery.isSettled) break
        peer.held.delete(number)
      }
    } else if (peer.held.size > 0 && this.#isUnreachable(peer)) this.abandonHeld(peer)
  }

  /** Drops all messages held for a peer; their deliveries stay unconfirmed. */
  abandonHeld(peer: Peer): void {
    for (const delivery of peer.dropHeld()) delivery.recordAnswer(0, true)
  }

  #forwardTo(peer: Peer | undefined, frame: ForwardedMessage, delivery: Delivery): boolean {
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

/** Splits a batch into frames that fit a packet. */
function* splitIntoFrames(batch: readonly ForwardedMessage[]): Generator<ForwardedMessage[]> {
  let frame: ForwardedMessage[] = []
  let characters = 0
  for (const forwarded of batch) {
    if (
      frame.length === MAX_MESSAGES_PER_FRAME ||
      (frame.length > 0 && characters + forwarded[5].length > MAX_TEXT_PER_FRAME)
    ) {
      yield frame
      frame = []
      characters = 0
    }
    frame.push(forwarded)
    characters += forwarded[5].length
  }
  if (frame.length > 0) yield frame
}
