import {
  type ForwardedMessage,
  type ForwardFate,
  MAX_FATES_PER_FRAME,
  MAX_MESSAGES_PER_FRAME,
  MAX_NAMES_PER_FRAME,
  MAX_TEXT_PER_FRAME,
  type Relay,
} from '../../protocol/frames.ts'
import { exceeds } from '../../protocol/limits.ts'
import type { Message } from '../../protocol/messages.ts'
import type { Context, PeerMessageHandler, PeerMessageSender } from '../context.ts'
import type { Delivery } from '../delivery.ts'
import type { Links } from './links.ts'
import type { Peer } from './peer.ts'

/** What goes to peers: messages, held until their fates are known, answers to theirs, and presence, a turn at a time. */
export class OutboundMessages implements PeerMessageSender {
  readonly #context: Context
  readonly #links: Links
  readonly #peers: ReadonlyMap<string, Peer>
  #messageHandler: PeerMessageHandler | undefined
  /** Forwards so far, to whichever peers. */
  #lastForwardNumber = 0

  constructor(context: Context, links: Links, peers: ReadonlyMap<string, Peer>) {
    this.#context = context
    this.#links = links
    this.#peers = peers
  }

  /** Who is told the fates of what went out. */
  set messageHandler(handler: PeerMessageHandler) {
    this.#messageHandler = handler
  }

  forward(ids: readonly string[], message: Message, delivery: Delivery): boolean {
    const { id, at, from, to, text } = message
    // One frame for all of them: a carrier may send it to all at once.
    const frame: ForwardedMessage = [++this.#lastForwardNumber, id, at, from, to, text]
    let reached = true
    for (const peer of ids) if (!this.#forwardTo(this.#peers.get(peer), frame, delivery)) reached = false
    return reached
  }

  sendFate(id: string, incarnation: string, number: number, delivered: number, unconfirmed: boolean): void {
    const peer = this.#peers.get(id)
    if (peer?.inbound?.incarnation !== incarnation) return
    peer.pendingFates.push([number, delivered, unconfirmed])
    this.#context.needsFlush = true
  }

  relay(id: string, relay: Relay): void {
    const outbound = this.#peers.get(id)?.outbound
    if (outbound?.state === 'open') this.#links.send(outbound.link, { event: 'relay', payload: relay })
  }

  /** Sends what this turn gathered: presence, messages, answers. */
  flush(): void {
    const deltas = this.#context.stream.takeDeltas(this.#context.ownEntry)
    for (const peer of this.#peers.values()) {
      const { outbound, inbound } = peer
      if (outbound.state === 'open') {
        for (const delta of deltas) this.#links.send(outbound.link, { event: 'presence', payload: delta })
        for (const payload of splitIntoFrames(peer.pendingForwards))
          this.#links.send(outbound.link, { event: 'forward', payload })
      }
      if (inbound !== undefined && peer.pendingFates.length > 0) {
        for (const payload of chunks(peer.pendingFates, MAX_FATES_PER_FRAME)) {
          this.#links.send(inbound.link, { event: 'fates', payload })
        }
      }
      if (peer.pendingForwards.length > 0) peer.pendingForwards = []
      if (peer.pendingFates.length > 0) peer.pendingFates = []
    }
  }

  /** A peer's link is back: who missed something is told, and what was held goes out again. */
  resendHeld(peer: Peer, link: number): void {
    for (const payload of chunks([...peer.missedUsers], MAX_NAMES_PER_FRAME)) {
      this.#links.send(link, { event: 'missed', payload })
    }
    peer.missedUsers.clear()
    peer.pendingForwards = []
    // The peer drops what it received before.
    for (const [number, { frame, delivery }] of peer.held) {
      peer.pendingForwards.push(frame)
      if (delivery.isSettled) peer.held.delete(number)
    }
    if (peer.pendingForwards.length > 0) this.#context.needsFlush = true
  }

  /** A peer tells what became of messages. */
  handleFates(peer: Peer, fates: readonly ForwardFate[]): void {
    for (const [number, delivered, unconfirmed] of fates) {
      const held = peer.held.get(number)
      if (held === undefined) continue
      peer.held.delete(number)
      held.delivery.recordAnswer(delivered, unconfirmed)
      this.#messageHandler?.settle(held.delivery)
    }
  }

  /** Lets go of what nobody waits for any more, and of all once a peer is out of reach for too long. */
  releaseSettled(peer: Peer): void {
    if (peer.outbound.state === 'open') {
      for (const [number, { delivery }] of peer.held) {
        if (!delivery.isSettled) break
        peer.held.delete(number)
      }
    } else if (peer.held.size > 0 && this.#isUnreachable(peer)) this.abandonHeld(peer)
  }

  /** What is held for a peer will not be confirmed. */
  abandonHeld(peer: Peer): void {
    for (const delivery of peer.dropHeld()) {
      delivery.recordAnswer(0, true)
      this.#messageHandler?.settle(delivery)
    }
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

  /** Whether a peer is out of reach for longer than its messages wait. */
  #isUnreachable({ outbound, outboundLostAt }: Peer): boolean {
    const { now, options } = this.#context
    return outbound.state !== 'open' && now - outboundLostAt >= options.graceMs
  }
}

function* chunks<T>(all: readonly T[], size: number): Generator<T[]> {
  for (let at = 0; at < all.length; at += size) yield all.slice(at, at + size)
}

/** Cuts a batch into frames that stay under the packet size. */
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
