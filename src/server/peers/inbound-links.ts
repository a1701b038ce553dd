import type { LinkRefusal, PeerIdentity, StreamPosition } from '../../protocol/frames.ts'
import { isProcessKey, parseServerOrigin } from '../../protocol/proofs/mesh-identity.ts'
import { OWN_PROTOCOLS, protocolFault } from '../../protocol/versions.ts'
import { type Context, log } from '../context.ts'
import type { LinkInput } from '../types.ts'
import { HEARTBEAT_INTERVAL_MS, LINK_TIMEOUT_MS } from './heartbeats.ts'
import type { Links } from './links.ts'
import type { Membership } from './membership.ts'
import type { Peer } from './peer.ts'

/**
 * A frame that arrives this long, ms, after another incarnation with the same id dialled in proves that the connected
 * one is alive. Frames sent before its death may wait in buffers for as long as it takes to detect a dead link.
 */
const ID_CONFLICT_MS = LINK_TIMEOUT_MS + HEARTBEAT_INTERVAL_MS
/** A peer that dialled in is dialled back within this time, ms. */
const MAX_DIAL_BACK_DELAY_MS = 200

/** Denials that a person has to end. */
const LASTING_DENIALS: ReadonlySet<LinkRefusal> = new Set([
  'bad-handshake',
  'id-in-use',
  'other-auth',
  'removed',
  'too-many-peers',
])
/** Most denials that are remembered. */
const MAX_DENIALS = 1_000

interface LinkDenial {
  code: LinkRefusal
  message: string
}

/** The links that peers dial: accepts or refuses them, and resolves conflicts between servers with the same id. */
export class InboundLinks {
  readonly #context: Context
  readonly #links: Links
  readonly #membership: Membership
  /** The codes of the last denials, by server, oldest first: a denied server dials again and again. */
  readonly #denials = new Map<string, LinkRefusal>()

  constructor(context: Context, links: Links, membership: Membership) {
    this.#context = context
    this.#links = links
    this.#membership = membership
  }

  handleAccepted({ link, introduction }: Extract<LinkInput, { type: 'accepted' }>): void {
    const result = this.#check(introduction) ?? this.#registerPeer(introduction)
    if (!('code' in result)) return this.#open(link, result, introduction)
    this.#context.effects.push({ type: 'refuse', link, ...result })
    this.#logDenial(introduction.id, result)
  }

  /** Logs a denial that lasts; the others are part of restarts. */
  #logDenial(id: string, { code, message }: LinkDenial): void {
    if (!LASTING_DENIALS.has(code)) return
    log(this.#context, {
      event: 'link-denied',
      peer: id,
      code,
      reason: message,
      isRepeated: this.#denials.get(id) === code,
    })
    this.#denials.delete(id)
    this.#denials.set(id, code)
    if (this.#denials.size <= MAX_DENIALS) return
    for (const oldest of this.#denials.keys()) return void this.#denials.delete(oldest)
  }

  #open(link: number, peer: Peer, { incarnation, rooms }: PeerIdentity): void {
    const { effects, now } = this.#context
    if (peer.inbound !== undefined) this.#links.discard(peer.inbound.link, 'replaced by a newer link')
    peer.inbound = { link, openedAt: now, heardAt: now, incarnation, knowsRooms: rooms === true }
    peer.challenger = undefined
    this.#denials.delete(peer.id)
    peer.usersExpireAt = Number.POSITIVE_INFINITY
    this.#links.add(link, peer, 'inbound')
    effects.push({ type: 'accept', link, holds: streamPosition(peer, incarnation) })
    log(this.#context, { event: 'inbound', peer: peer.id })
    this.#dialBack(peer)
  }

  /** Returns why a server cannot be a peer of this one, or undefined if it can. */
  #check(introduction: PeerIdentity): LinkDenial | undefined {
    const { id, incarnation, auth, url, clients } = introduction
    const { options, draining } = this.#context
    if (draining) return { code: 'draining', message: 'this server is shutting down' }
    const fault = protocolFault(OWN_PROTOCOLS, introduction)
    if (fault !== undefined) return { code: 'bad-handshake', message: fault }
    if ((auth ?? 'open') !== options.auth) {
      const message = `this mesh uses auth: ${options.auth}, not auth: ${auth ?? 'open'}; use the same on all servers`
      return { code: 'other-auth', message }
    }
    if (id === options.id) {
      if (incarnation === options.incarnation) return { code: 'own-id', message: 'the server dialled itself' }
      return { code: 'id-held', message: `this server has the same id, ${id}` }
    }
    for (const announced of [url, clients]) {
      if (announced === undefined) continue
      if (parseServerOrigin(announced) === undefined) {
        return {
          code: 'bad-handshake',
          message: 'a URL may have a scheme, a host and a port only; advertise one without more',
        }
      }
      if (!this.#membership.isAllowedUrl(announced)) {
        return { code: 'bad-handshake', message: 'this mesh uses TLS; advertise an https URL' }
      }
    }
    if (!this.#membership.isRemoved(id)) return undefined
    return { code: 'removed', message: `${id} was removed from the config of this server` }
  }

  /** Returns the peer, unless there is no room for it or another server uses its id. */
  #registerPeer(introduction: PeerIdentity): Peer | LinkDenial {
    const { options } = this.#context
    const { id, incarnation } = introduction
    const known = this.#membership.peers.get(id)
    // A server that is refused here changes nothing: not the URLs of the connected one either.
    const conflict = known === undefined ? undefined : this.#findConflict(known, incarnation)
    if (conflict !== undefined) return conflict
    const peer = this.#membership.register(introduction)
    if (peer !== undefined) return peer
    return { code: 'too-many-peers', message: `this server already knows ${options.limits.peers} peers` }
  }

  /** Returns why a server with the id of a connected peer is refused, or undefined if it is that peer. */
  #findConflict(peer: Peer, incarnation: string): LinkDenial | undefined {
    const { now } = this.#context
    const { id, inbound } = peer
    if (inbound === undefined) return undefined
    if (inbound.incarnation === incarnation) {
      // The handshake has proven a process key. An incarnation of 0.1 is known to strangers: its link must time out first.
      if (isProcessKey(incarnation)) return undefined
      return {
        code: 'id-held',
        message: `a link of ${id} is open, and its incarnation cannot prove that it is replaced`,
      }
    }
    // The old link may belong to a previous incarnation whose death is not detected yet, or to another server.
    if (peer.challenger?.incarnation !== incarnation) peer.challenger = { incarnation, since: now }
    return inbound.heardAt - peer.challenger.since >= ID_CONFLICT_MS
      ? { code: 'id-in-use', message: `another server with the id ${id} is connected` }
      : { code: 'id-held', message: `another server with the id ${id} was connected a moment ago` }
  }

  /** The peer is up: do not wait for a long back-off. */
  #dialBack(peer: Peer): void {
    const { now, options } = this.#context
    const { outbound, url } = peer
    if (outbound.state !== 'waiting' || url === undefined) return
    const retryAt = Math.min(outbound.retryAt, now + options.random() * MAX_DIAL_BACK_DELAY_MS)
    peer.outbound = { state: 'waiting', retryAt }
  }
}

/** This server's position in the presence stream of an incarnation of a peer. */
function streamPosition({ replica }: Peer, incarnation: string): StreamPosition {
  return replica.incarnation === incarnation ? { incarnation, seq: replica.seq } : { seq: 0 }
}
