import type { Allowance, ReplicaChanges } from '../../presence/replica.ts'
import type { Heartbeat, PresenceDelta, PresenceSnapshot, StreamDelta } from '../../protocol/frames.ts'
import { exceeds } from '../../protocol/limits.ts'
import { type Context, log, type UserObserver } from '../context.ts'
import type { Links } from './links.ts'
import type { InboundLink, Peer } from './peer.ts'

/** Minimum time between two resync requests to one peer, ms. */
const RESYNC_INTERVAL_MS = 1_000
/** Users and memberships of snapshots that are applied in one turn of the event loop, unless the options differ: some 5 ms. */
const APPLIED_PER_TURN = 500

/**
 * Presence from peers: applies their streams to the replicas, and requests a snapshot after a gap. What replaces many users is
 * applied in slices, one in each turn of the event loop.
 */
export class InboundPresence {
  readonly #context: Context
  readonly #links: Links
  readonly #users: UserObserver
  readonly #onSettled: () => void
  readonly #perTurn: number
  /** Peers whose snapshots are not applied completely. */
  readonly #takingOver = new Set<Peer>()
  /** What this turn may still apply. */
  readonly #allowance: Allowance

  /** @param onSettled called when a snapshot that took several turns is applied */
  constructor(context: Context, links: Links, users: UserObserver, onSettled: () => void) {
    this.#context = context
    this.#links = links
    this.#users = users
    this.#onSettled = onSettled
    this.#perTurn = context.options.appliedPerTurn ?? APPLIED_PER_TURN
    this.#allowance = { left: this.#perTurn }
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
    this.#report(peer, this.#context.directory.clear(peer.id, this.#allowance, keepsClaims))
    this.#schedule(peer)
  }

  /** Removes all users of a peer in this turn: it is forgotten. */
  removeAtOnce(peer: Peer): void {
    this.removeUsers(peer)
    this.#report(peer, this.#context.directory.takeOver(peer.id, { left: Number.POSITIVE_INFINITY }))
    this.#takingOver.delete(peer)
  }

  /** At the end of a turn: applies the next slice of what waits. */
  flush(): void {
    this.#allowance.left = this.#perTurn
    for (const peer of [...this.#takingOver]) {
      if (this.#allowance.left === 0) break
      this.#report(peer, this.#context.directory.takeOver(peer.id, this.#allowance))
      this.#takingOver.delete(peer)
      // The others come first in the next turn: a peer may send one snapshot after the other.
      if (peer.replica.isTakingOver) this.#takingOver.add(peer)
      else this.#onSettled()
    }
    this.#allowance.left = this.#perTurn
    if (this.#takingOver.size > 0) this.#context.needsFlush = true
  }

  /** Has the end of this turn go on with what the allowance did not cover, and renew the allowance. */
  #schedule(peer: Peer): void {
    if (peer.replica.isTakingOver) this.#takingOver.add(peer)
    else this.#takingOver.delete(peer)
    this.#context.needsFlush = true
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
    const applied = context.directory.apply(id, frame, this.#allowance)
    if (applied.outcome === 'gap') return false
    if (applied.outcome === 'nothing-new') return true
    log(context, { event: 'update-from-peer', peer: id })
    if (applied.replaced) {
      log(context, { event: 'replacing-list', peer: id, users: replica.size })
      this.#schedule(peer)
    } else {
      for (const { name, before, now } of applied.changes) {
        const event = now === 0 ? 'removing-user' : before === 0 ? 'adding-user' : 'replacing-user'
        log(context, { event, peer: id, user: name, connections: now })
      }
    }
    this.#report(peer, applied)
    return true
  }

  /** Has the roster and the rooms follow changes of a peer's replica. */
  #report(peer: Peer, { changes, memberships }: ReplicaChanges): void {
    const { now, clock, wall } = this.#context
    for (const { name, lostClaim } of changes) {
      const claim = peer.replica.claim(name)
      // Later claims of this server get a later time.
      if (claim !== undefined) clock.observe(claim.at, wall)
      peer.recordUserChange(name, now)
      this.#users.handlePresenceChange(name, lostClaim)
    }
    if (memberships.length > 0) this.#users.handleMemberships(peer.id, memberships)
  }

  #requestResync(peer: Peer, { link }: InboundLink): void {
    const { now } = this.#context
    if (now - peer.resyncRequestedAt < RESYNC_INTERVAL_MS) return
    peer.resyncRequestedAt = now
    log(this.#context, { event: 'resync', peer: peer.id })
    this.#links.send(link, { event: 'resync', payload: null })
  }
}
