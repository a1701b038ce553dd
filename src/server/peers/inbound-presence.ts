import type { Claim } from '../../protocol/credentials.ts'
import type { Heartbeat, PresenceDelta, PresenceSnapshot, StreamDelta } from '../../protocol/frames.ts'
import { exceeds } from '../../protocol/limits.ts'
import { type Context, log, type UserObserver } from '../context.ts'
import type { Links } from './links.ts'
import type { InboundLink, Peer } from './peer.ts'

/** Minimum time between two resync requests to one peer, ms. */
const RESYNC_INTERVAL_MS = 1_000

/** Presence from peers: applies their streams to the replicas, and requests a snapshot after a gap. */
export class InboundPresence {
  readonly #context: Context
  readonly #links: Links
  readonly #users: UserObserver

  constructor(context: Context, links: Links, users: UserObserver) {
    this.#context = context
    this.#links = links
    this.#users = users
  }

  handlePresence(peer: Peer, inbound: InboundLink, given: PresenceSnapshot | PresenceDelta): void {
    const frame = { ...given, incarnation: given.incarnation ?? inbound.incarnation }
    // Accept only the incarnation that the handshake proved.
    if (frame.incarnation !== inbound.incarnation || !peer.replica.isPlausible(frame.incarnation, frame.seq)) return
    if (!this.#apply(peer, frame)) this.#requestResync(peer, inbound)
    const { usersPerPeer, membershipsPerPeer } = this.#context.options.limits
    const isTooLarge = exceeds(peer.replica.size, usersPerPeer)
    if (!isTooLarge && !exceeds(peer.replica.membershipCount, membershipsPerPeer)) return
    this.removeUsers(peer, false)
    const limit = isTooLarge ? 'users than usersPerPeer' : 'memberships than membershipsPerPeer'
    this.#links.close(inbound.link, `more ${limit} allows`)
  }

  /** Compares the peer's position in its stream with the replica's. */
  handleHeartbeat(peer: Peer, inbound: InboundLink, { seq }: Heartbeat): void {
    if (!peer.replica.isPlausible(inbound.incarnation, seq)) return
    if (peer.replica.isBehind(inbound.incarnation, seq)) this.#requestResync(peer, inbound)
  }

  /**
   * Removes a peer's users from the roster.
   * @param keepsClaims whether their names stay with their keys for a while
   */
  removeUsers(peer: Peer, keepsClaims = true): void {
    peer.usersExpireAt = Number.POSITIVE_INFINITY
    log(this.#context, { event: 'peer-gone', peer: peer.id, users: peer.replica.size })
    const { changes, memberships } = this.#context.directory.clear(peer.id)
    this.#users.handleMemberships(peer.id, memberships)
    for (const { name, lostClaim } of changes) this.#handleUserChange(peer, name, keepsClaims ? lostClaim : undefined)
  }

  /** Returns false if an earlier frame is missing. */
  #apply(peer: Peer, frame: PresenceSnapshot | StreamDelta): boolean {
    const isComplete = this.#applyToReplica(peer, frame)
    // A user who joined and left in one turn of the peer appears only here, and may have sent messages.
    if (frame.type === 'delta') {
      for (const [user, connections] of frame.changes) {
        if (connections === 0) peer.recordUserChange(user, this.#context.now)
      }
    }
    return isComplete
  }

  #applyToReplica(peer: Peer, frame: PresenceSnapshot | StreamDelta): boolean {
    const context = this.#context
    const { id, replica } = peer
    const applied = context.directory.apply(id, frame)
    if (applied.outcome === 'gap') return false
    if (applied.outcome === 'nothing-new') return true
    log(context, { event: 'update-from-peer', peer: id })
    if (applied.replaced) log(context, { event: 'replacing-list', peer: id, users: replica.size })
    for (const { name, before, now, lostClaim } of applied.changes) {
      const claim = replica.claim(name)
      // Later claims of this server get a later time.
      if (claim !== undefined) context.clock.observe(claim.at, context.wall)
      this.#handleUserChange(peer, name, lostClaim)
      if (applied.replaced) continue
      const event = now === 0 ? 'removing-user' : before === 0 ? 'adding-user' : 'replacing-user'
      log(context, { event, peer: id, user: name, connections: now })
    }
    this.#users.handleMemberships(id, applied.memberships)
    return true
  }

  #handleUserChange(peer: Peer, name: string, lostClaim: Claim | undefined): void {
    peer.recordUserChange(name, this.#context.now)
    this.#users.handlePresenceChange(name, lostClaim)
  }

  #requestResync(peer: Peer, { link }: InboundLink): void {
    const { now } = this.#context
    if (now - peer.resyncRequestedAt < RESYNC_INTERVAL_MS) return
    peer.resyncRequestedAt = now
    log(this.#context, { event: 'resync', peer: peer.id })
    this.#links.send(link, { event: 'resync', payload: null })
  }
}
