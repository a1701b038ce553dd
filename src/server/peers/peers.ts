import type { ServerAddress } from '../../protocol/messages.ts'
import { type Context, log, type PeerMessageHandler, type StatusExchange, type UserObserver } from '../context.ts'
import { Heartbeats } from './heartbeats.ts'
import { InboundFrames } from './inbound-frames.ts'
import { InboundLinks } from './inbound-links.ts'
import { InboundPresence } from './inbound-presence.ts'
import type { Links } from './links.ts'
import { MemberLists } from './member-lists.ts'
import type { Membership } from './membership.ts'
import { OutboundLinks } from './outbound-links.ts'
import type { OutboundMessages } from './outbound-messages.ts'
import { OutboundPresence } from './outbound-presence.ts'
import type { Peer } from './peer.ts'

const REMOVED_REASON = 'removed from the mesh'

export interface PeersDependencies {
  membership: Membership
  links: Links
  outboundMessages: OutboundMessages
  users: UserObserver
  messages: PeerMessageHandler
  statuses: StatusExchange
}

/** The other servers of the mesh: membership, links in both directions, and the frames on them. */
export class Peers {
  readonly #context: Context
  readonly #membership: Membership
  readonly #links: Links
  readonly #inboundPresence: InboundPresence
  readonly #outboundPresence: OutboundPresence
  readonly #outboundMessages: OutboundMessages
  readonly #heartbeats: Heartbeats
  readonly outboundLinks: OutboundLinks
  readonly inboundLinks: InboundLinks
  readonly inboundFrames: InboundFrames

  constructor(context: Context, { membership, links, outboundMessages, users, messages, statuses }: PeersDependencies) {
    const inboundPresence = new InboundPresence(context, links, users, () => {
      if (membership.hasSynced) users.handlePeersSynced()
    })
    const memberLists = new MemberLists(context, links, membership)
    const outboundPresence = new OutboundPresence(context, links, membership.peers)
    this.#context = context
    this.#membership = membership
    this.#links = links
    this.#inboundPresence = inboundPresence
    this.#outboundPresence = outboundPresence
    this.#outboundMessages = outboundMessages
    this.#heartbeats = new Heartbeats(context, links, membership, memberLists, inboundPresence, outboundMessages)
    this.outboundLinks = new OutboundLinks(context, links, membership, memberLists, outboundPresence, outboundMessages)
    this.inboundLinks = new InboundLinks(context, links, membership)
    this.inboundFrames = new InboundFrames(context, {
      links,
      membership,
      memberLists,
      inboundPresence,
      outboundPresence,
      outboundMessages,
      users,
      messages,
      statuses,
    })
  }

  /** When the next heartbeat is due; monotonic ms. */
  get nextHeartbeatAt(): number {
    return this.#heartbeats.nextHeartbeatAt
  }

  get deadline(): number {
    return Math.min(this.#heartbeats.nextHeartbeatAt, this.#membership.deadline)
  }

  start(): void {
    this.#heartbeats.start()
    log(this.#context, { event: 'dialling-peers' })
    for (const url of this.#context.options.seeds ?? []) this.#membership.addSeed(url)
    this.configure(this.#context.options.peers)
  }

  /** Replaces the configured peers: dials new ones, and removes those that are no longer configured. */
  configure(configured: readonly ServerAddress[]): void {
    for (const peer of this.#membership.configure(configured)) {
      log(this.#context, { event: 'peer-removed', peer: peer.id })
      this.#sendGoodbye(peer)
      this.#removePeer(peer)
    }
    this.tick()
  }

  /** Learns a server that the edge has discovered, and dials it. */
  learn(member: ServerAddress): void {
    this.#membership.learn(member)
    this.tick()
  }

  /** Applies a further part of the snapshots of peers. */
  applyPresence(): void {
    this.#inboundPresence.flush()
  }

  /** Sends the frames batched in this turn. Presence goes first: a sender must be known before its messages. */
  flush(): void {
    this.#outboundPresence.flush()
    this.#outboundMessages.flush()
  }

  tick(): void {
    this.#heartbeats.tick()
    this.outboundLinks.tick()
  }

  /** Restarts all timeouts after a stall of this process. */
  resetTimeouts(): void {
    this.#heartbeats.resetTimeouts()
  }

  /** Sends the claims that a peer may not have seen: this server learned them while its link was open. */
  handOverClaims(): void {
    for (const peer of this.#membership.peers.values()) {
      if (peer.outbound.state === 'open') this.#outboundPresence.sendLearnedClaims(peer.outbound)
    }
  }

  /** Tells all peers that this server leaves. */
  goodbye(): void {
    for (const peer of this.#membership.peers.values()) this.#sendGoodbye(peer)
  }

  #sendGoodbye({ outbound }: Peer): void {
    if (outbound.state === 'open') this.#links.send(outbound.link, { event: 'goodbye', payload: null })
  }

  /** Closes both links of a peer, removes its users from the roster, and forgets it. */
  #removePeer(peer: Peer): void {
    if (peer.outbound.state === 'open') this.#links.close(peer.outbound.link, REMOVED_REASON)
    if (peer.inbound !== undefined) this.#links.close(peer.inbound.link, REMOVED_REASON)
    this.#inboundPresence.removeAtOnce(peer)
    this.#outboundMessages.abandonHeld(peer)
    this.#membership.forget(peer)
  }
}
