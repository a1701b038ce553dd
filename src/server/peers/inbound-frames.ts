import type { AcceptorFrame, Beat, DiallerFrame, Forwarded, Relay } from '../../protocol/frames.ts'
import { exceeds } from '../../protocol/limits.ts'
import { type Arrivals, type Context, note, type Observer } from '../context.ts'
import { BEAT_MS } from './heartbeats.ts'
import type { Presence } from './inbound-presence.ts'
import type { Links } from './links.ts'
import type { Membership } from './membership.ts'
import type { Outgoing } from './outbound-messages.ts'
import type { Inbound, Outbound, Peer } from './peer.ts'

/** What comes from peers: presence, messages and more on the links that they dialled, answers on this server's own. */
export class Incoming {
  readonly #context: Context
  readonly #links: Links
  readonly #membership: Membership
  readonly #presence: Presence
  readonly #outgoing: Outgoing
  #arrivals: Arrivals | undefined
  #observer: Observer | undefined

  constructor(context: Context, links: Links, membership: Membership, presence: Presence, outgoing: Outgoing) {
    this.#context = context
    this.#links = links
    this.#membership = membership
    this.#presence = presence
    this.#outgoing = outgoing
  }

  /** Where messages from peers go. */
  set arrivals(arrivals: Arrivals) {
    this.#arrivals = arrivals
  }

  /** Who tells peers how this server stands, and hears it of them. */
  set observer(observer: Observer) {
    this.#observer = observer
  }

  frame(link: number, frame: DiallerFrame | AcceptorFrame): void {
    const known = this.#links.get(link)
    if (known === undefined) return
    const { peer, direction } = known
    if (direction === 'inbound') {
      if (peer.inbound !== undefined) this.#told(peer, peer.inbound, frame)
    } else if (peer.outbound.state === 'open') this.#answered(peer, peer.outbound, frame)
  }

  /** What a peer has to tell, on the link that it dialled. */
  #told(peer: Peer, inbound: Inbound, frame: DiallerFrame | AcceptorFrame): void {
    inbound.heardAt = this.#context.now
    switch (frame.event) {
      case 'presence':
        // A stream speaks for the incarnation that the handshake proved, and for no other.
        if (frame.payload.incarnation !== inbound.incarnation) return
        if (!this.#presence.apply(peer, frame.payload)) this.#resync(peer, inbound)
        if (exceeds(peer.replica.size, this.#context.options.limits.usersPerPeer)) {
          this.#presence.gone(peer)
          this.#links.cut(inbound.link, 'it brings more users than usersPerPeer allows')
        }
        return
      case 'beat':
        this.#links.send(inbound.link, { event: 'beat', payload: frame.payload })
        if (peer.replica.isBehind(inbound.incarnation, frame.payload.seq)) this.#resync(peer, inbound)
        return
      case 'forward':
        return this.#forwarded(peer, inbound.incarnation, frame.payload)
      case 'relay':
        return this.#relayed(peer, frame.payload)
      case 'missed':
        for (const name of frame.payload) this.#context.siblings.add(name)
        this.#context.gathered = true
        return
      case 'members':
        for (const member of frame.payload) this.#membership.learn(member)
        return
      case 'survey': {
        const status = this.#observer?.own
        if (status === undefined) return
        this.#links.send(inbound.link, { event: 'status', payload: { number: frame.payload.number, status } })
        return
      }
      case 'goodbye':
        note(this.#context, { event: 'peer-goodbye', peer: peer.id })
        this.#presence.gone(peer)
        return
    }
  }

  /** Those messages of a batch that are new go on, of users of that peer. */
  #forwarded(peer: Peer, incarnation: string, batch: readonly Forwarded[]): void {
    const fresh = batch.filter(([number]) => peer.accepts(incarnation, number))
    const own = fresh.filter(([, , , from]) => peer.speaksFor(from, this.#context.now))
    if (own.length < fresh.length) this.#refuseForeign(peer, incarnation, fresh)
    this.#arrivals?.forwarded(peer.id, incarnation, own)
  }

  /**
   * Answers those of a batch that come from no user of the peer, as unconfirmed: should it be honest, and only its
   * stream be behind, the sender's client sends them again.
   */
  #refuseForeign(peer: Peer, incarnation: string, batch: readonly Forwarded[]): void {
    for (const [number, , , from] of batch) {
      if (peer.speaksFor(from, this.#context.now)) continue
      peer.foreign = { messages: (peer.foreign?.messages ?? 0) + 1, user: from }
      this.#outgoing.answer(peer.id, incarnation, number, 0, true)
    }
  }

  /** It comes from a connection of that user, to that peer. */
  #relayed(peer: Peer, relay: Relay): void {
    if (!relay.from.startsWith(`${peer.id}:`)) return
    if (peer.speaksFor(relay.user, this.#context.now)) this.#arrivals?.relayed(relay)
  }

  #resync(peer: Peer, { link }: Inbound): void {
    const { now } = this.#context
    if (now - peer.resyncAskedAt < BEAT_MS) return
    peer.resyncAskedAt = now
    note(this.#context, { event: 'resync', peer: peer.id })
    this.#links.send(link, { event: 'resync', payload: null })
  }

  /** An answer on a link that this server dialled. */
  #answered(peer: Peer, outbound: Extract<Outbound, { state: 'open' }>, frame: DiallerFrame | AcceptorFrame): void {
    outbound.heardAt = this.#context.now
    switch (frame.event) {
      case 'fates':
        return this.#outgoing.confirmed(peer, frame.payload)
      case 'resync': {
        const { stream, directory } = this.#context
        for (const payload of stream.snapshot(directory.ownUsers())) {
          this.#links.send(outbound.link, { event: 'presence', payload })
        }
        return
      }
      case 'beat':
        return this.#timed(outbound, frame.payload)
      case 'status':
        return this.#observer?.told(peer.id, outbound.incarnation, frame.payload)
    }
  }

  /** A beat's echo tells the round trip. */
  #timed(outbound: Extract<Outbound, { state: 'open' }>, { at = Number.POSITIVE_INFINITY }: Beat): void {
    if (at <= this.#context.now) outbound.rtt = this.#context.now - at
  }
}
