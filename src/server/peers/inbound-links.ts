import type { LinkRefusal, PeerIdentity, StreamPosition } from '../../protocol/frames.ts'
import { PROTOCOL_VERSION } from '../../protocol/messages.ts'
import { type Context, log } from '../context.ts'
import type { LinkInput } from '../types.ts'
import { HEARTBEAT_INTERVAL_MS, LINK_TIMEOUT_MS } from './heartbeats.ts'
import type { Links } from './links.ts'
import type { Membership } from './membership.ts'
import type { Peer } from './peer.ts'

/**
 * The other server with an id lives, if it is heard of this long, ms, after one that wants in: longer than what it had
 * sent before its death can lie in buffers unread, on a network and in a process whose links are not found dead.
 */
const ID_CONFLICT_MS = LINK_TIMEOUT_MS + HEARTBEAT_INTERVAL_MS
/** A peer that dialled in is dialled back within this long, ms. */
const MAX_DIAL_BACK_DELAY_MS = 200

interface LinkDenial {
  code: LinkRefusal
  message: string
}

/** The links that peers dial: who is let in, and who of two servers with one id. */
export class InboundLinks {
  readonly #context: Context
  readonly #links: Links
  readonly #membership: Membership

  constructor(context: Context, links: Links, membership: Membership) {
    this.#context = context
    this.#links = links
    this.#membership = membership
  }

  accept({ link, introduction }: Extract<LinkInput, { type: 'accepted' }>): void {
    const result = this.#check(introduction) ?? this.#registerPeer(introduction)
    if ('code' in result) this.#context.effects.push({ type: 'refuse', link, ...result })
    else this.#open(link, result, introduction.incarnation)
  }

  #open(link: number, peer: Peer, incarnation: string): void {
    const { effects, now } = this.#context
    if (peer.inbound !== undefined) this.#links.discard(peer.inbound.link, 'replaced by a newer link')
    peer.inbound = { link, heardAt: now, incarnation }
    peer.challenger = undefined
    peer.usersExpireAt = Number.POSITIVE_INFINITY
    this.#links.add(link, peer, 'inbound')
    effects.push({ type: 'accept', link, holds: holdsOf(peer, incarnation) })
    log(this.#context, { event: 'inbound', peer: peer.id })
    this.#dialBack(peer)
  }

  /** Why a server may not be a peer of this one; undefined: it may. */
  #check({ id, incarnation, protocol, auth, url }: PeerIdentity): LinkDenial | undefined {
    const { options, draining } = this.#context
    if (draining) return { code: 'draining', message: 'this server is shutting down' }
    if (protocol !== PROTOCOL_VERSION) {
      return { code: 'bad-handshake', message: `this server speaks protocol ${PROTOCOL_VERSION}, not ${protocol}` }
    }
    if ((auth ?? 'open') !== options.auth) {
      const message = `this mesh knows its users by auth: ${options.auth}, not ${auth ?? 'open'}`
      return { code: 'other-auth', message }
    }
    if (id === options.id) {
      if (incarnation === options.incarnation) return { code: 'own-id', message: 'this is the dialling server itself' }
      return { code: 'id-held', message: `this server has the id ${id} itself` }
    }
    if (!this.#membership.isAllowedUrl(url)) {
      return { code: 'bad-handshake', message: 'this mesh is encrypted, and the address that you tell is not' }
    }
    if (!this.#membership.isRemoved(id)) return undefined
    return { code: 'removed', message: 'this server was told that you left the mesh' }
  }

  /** The peer, if there is room to know it and no other server has its id. */
  #registerPeer(introduction: PeerIdentity): Peer | LinkDenial {
    const { options, now } = this.#context
    const { id, incarnation } = introduction
    const peer = this.#membership.register(introduction)
    if (peer === undefined) {
      return { code: 'too-many-peers', message: `this server knows ${options.limits.peers} peers already` }
    }
    const { inbound } = peer
    if (inbound === undefined || inbound.incarnation === incarnation) return peer
    // Its life before, whose link is not known to be dead; or another server. Who lives is heard of.
    if (peer.challenger?.incarnation !== incarnation) peer.challenger = { incarnation, since: now }
    return inbound.heardAt - peer.challenger.since >= ID_CONFLICT_MS
      ? { code: 'id-in-use', message: `another server with the id ${id} is connected` }
      : { code: 'id-held', message: `another server with the id ${id} was connected a moment ago` }
  }

  /** It is evidently up: no reason to wait out a long back-off. */
  #dialBack({ outbound, url }: Peer): void {
    const { now, options } = this.#context
    if (outbound.state !== 'waiting' || url === undefined) return
    outbound.retryAt = Math.min(outbound.retryAt, now + options.random() * MAX_DIAL_BACK_DELAY_MS)
  }
}

/** What this server has of the stream of a peer in this life of it. */
function holdsOf({ replica }: Peer, incarnation: string): StreamPosition {
  return replica.incarnation === incarnation ? { incarnation, seq: replica.seq } : { seq: 0 }
}
