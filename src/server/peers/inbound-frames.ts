import type { AcceptorFrame, DiallerFrame, ForwardedMessage, Heartbeat, Relay } from '../../protocol/frames.ts'
import { exceeds } from '../../protocol/limits.ts'
import { type Context, log, type PeerMessageHandler, type StatusExchange } from '../context.ts'
import { HEARTBEAT_INTERVAL_MS } from './heartbeats.ts'
import type { InboundPresence } from './inbound-presence.ts'
import type { Links } from './links.ts'
import type { Membership } from './membership.ts'
import type { OutboundMessages } from './outbound-messages.ts'
import type { InboundLink, OutboundLink, Peer } from './peer.ts'

/** What comes from peers: presence, messages and more on the links that they dialled, answers on this server's own. */
export class InboundFrames {
  readonly #context: Context
  readonly #links: Links
  readonly #membership: Membership
  readonly #inboundPresence: InboundPresence
  readonly #outboundMessages: OutboundMessages
  #messageHandler: PeerMessageHandler | undefined
  #statusExchange: StatusExchange | undefined

  constructor(
    context: Context,
    links: Links,
    membership: Membership,
    inboundPresence: InboundPresence,
    outboundMessages: OutboundMessages,
  ) {
    this.#context = context
    this.#links = links
    this.#membership = membership
    this.#inboundPresence = inboundPresence
    this.#outboundMessages = outboundMessages
  }

  /** Where messages from peers go. */
  set messageHandler(handler: PeerMessageHandler) {
    this.#messageHandler = handler
  }

  /** Who tells peers how this server stands, and hears it of them. */
  set statusExchange(exchange: StatusExchange) {
    this.#statusExchange = exchange
  }

  handle(link: number, frame: DiallerFrame | AcceptorFrame): void {
    const known = this.#links.get(link)
    if (known === undefined) return
    const { peer, direction } = known
    if (direction === 'inbound') {
      if (peer.inbound !== undefined) this.#handleDiallerFrame(peer, peer.inbound, frame)
    } else if (peer.outbound.state === 'open') this.#handleAcceptorFrame(peer, peer.outbound, frame)
  }

  /** What a peer has to tell, on the link that it dialled. */
  #handleDiallerFrame(peer: Peer, inbound: InboundLink, frame: DiallerFrame | AcceptorFrame): void {
    inbound.heardAt = this.#context.now
    switch (frame.event) {
      case 'presence':
        // A stream speaks for the incarnation that the handshake proved, and for no other.
        if (frame.payload.incarnation !== inbound.incarnation) return
        if (!this.#inboundPresence.apply(peer, frame.payload)) this.#requestResync(peer, inbound)
        if (exceeds(peer.replica.size, this.#context.options.limits.usersPerPeer)) {
          this.#inboundPresence.removeUsers(peer)
          this.#links.close(inbound.link, 'it brings more users than usersPerPeer allows')
        }
        return
      case 'beat':
        this.#links.send(inbound.link, { event: 'beat', payload: frame.payload })
        if (peer.replica.isBehind(inbound.incarnation, frame.payload.seq)) this.#requestResync(peer, inbound)
        return
      case 'forward':
        return this.#handleForward(peer, inbound.incarnation, frame.payload)
      case 'relay':
        return this.#handleRelay(peer, frame.payload)
      case 'missed':
        for (const name of frame.payload) this.#context.siblingsToNotify.add(name)
        this.#context.needsFlush = true
        return
      case 'members':
        for (const member of frame.payload) this.#membership.learn(member)
        return
      case 'survey': {
        const status = this.#statusExchange?.ownStatus
        if (status === undefined) return
        this.#links.send(inbound.link, { event: 'status', payload: { number: frame.payload.number, status } })
        return
      }
      case 'goodbye':
        log(this.#context, { event: 'peer-goodbye', peer: peer.id })
        this.#inboundPresence.removeUsers(peer)
        return
    }
  }

  /** Those messages of a batch that are new go on, of users of that peer. */
  #handleForward(peer: Peer, incarnation: string, batch: readonly ForwardedMessage[]): void {
    const fresh = batch.filter(([number]) => peer.acceptForward(incarnation, number))
    const own = fresh.filter(([, , , from]) => peer.speaksFor(from, this.#context.now))
    if (own.length < fresh.length) this.#refuseForeign(peer, incarnation, fresh)
    this.#messageHandler?.handleForwarded(peer.id, incarnation, own)
  }

  /**
   * Answers those of a batch that come from no user of the peer, as unconfirmed: should it be honest, and only its
   * stream be behind, the sender's client sends them again.
   */
  #refuseForeign(peer: Peer, incarnation: string, batch: readonly ForwardedMessage[]): void {
    for (const [number, , , from] of batch) {
      if (peer.speaksFor(from, this.#context.now)) continue
      peer.foreignMessages = { messages: (peer.foreignMessages?.messages ?? 0) + 1, user: from }
      this.#outboundMessages.sendFate(peer.id, incarnation, number, 0, true)
    }
  }

  /** It comes from a connection of that user, to that peer. */
  #handleRelay(peer: Peer, relay: Relay): void {
    if (!relay.from.startsWith(`${peer.id}:`)) return
    if (peer.speaksFor(relay.user, this.#context.now)) this.#messageHandler?.deliverRelay(relay)
  }

  #requestResync(peer: Peer, { link }: InboundLink): void {
    const { now } = this.#context
    if (now - peer.resyncRequestedAt < HEARTBEAT_INTERVAL_MS) return
    peer.resyncRequestedAt = now
    log(this.#context, { event: 'resync', peer: peer.id })
    this.#links.send(link, { event: 'resync', payload: null })
  }

  /** An answer on a link that this server dialled. */
  #handleAcceptorFrame(
    peer: Peer,
    outbound: Extract<OutboundLink, { state: 'open' }>,
    frame: DiallerFrame | AcceptorFrame,
  ): void {
    outbound.heardAt = this.#context.now
    switch (frame.event) {
      case 'fates':
        return this.#outboundMessages.handleFates(peer, frame.payload)
      case 'resync': {
        const { stream, directory } = this.#context
        for (const payload of stream.snapshot(directory.ownUsers())) {
          this.#links.send(outbound.link, { event: 'presence', payload })
        }
        return
      }
      case 'beat':
        return this.#recordRtt(outbound, frame.payload)
      case 'status':
        return this.#statusExchange?.handleStatus(peer.id, outbound.incarnation, frame.payload)
    }
  }

  /** A beat's echo tells the round trip. */
  #recordRtt(outbound: Extract<OutboundLink, { state: 'open' }>, { at = Number.POSITIVE_INFINITY }: Heartbeat): void {
    if (at <= this.#context.now) outbound.rtt = this.#context.now - at
  }
}
