import type { PresenceDelta, PresenceSnapshot } from '../../protocol/frames.ts'
import { type Context, log } from '../context.ts'
import type { Peer } from './peer.ts'

/** Who is online at the peers, as they tell it: into their replicas, and out of them. */
export class InboundPresence {
  readonly #context: Context
  readonly #onPresenceChange: (name: string) => void

  /** @param onPresenceChange marks a name whose connections changed somewhere */
  constructor(context: Context, onPresenceChange: (name: string) => void) {
    this.#context = context
    this.#onPresenceChange = onPresenceChange
  }

  /** Brings a presence frame of a peer into its replica; false when a frame before it is missing. */
  apply(peer: Peer, frame: PresenceSnapshot | PresenceDelta): boolean {
    const isComplete = this.#applyToReplica(peer, frame)
    // Who came and went within one turn of the peer, is told as gone only, and may have spoken.
    if (frame.type === 'delta') {
      for (const [user, connections] of frame.changes) {
        if (connections === 0) peer.recordUserChange(user, this.#context.now)
      }
    }
    return isComplete
  }

  /** The peer's users leave the roster. */
  removeUsers(peer: Peer): void {
    peer.usersExpireAt = Number.POSITIVE_INFINITY
    log(this.#context, { event: 'peer-gone', peer: peer.id, users: peer.replica.size })
    for (const { name } of peer.replica.clear()) this.#handleUserChange(peer, name)
  }

  #applyToReplica(peer: Peer, frame: PresenceSnapshot | PresenceDelta): boolean {
    const context = this.#context
    const { id, replica } = peer
    const applied = replica.apply(frame)
    if (applied.outcome === 'gap') return false
    if (applied.outcome === 'nothing-new') return true
    log(context, { event: 'update-from-peer', peer: id })
    if (applied.replaced) log(context, { event: 'replacing-list', peer: id, users: replica.size })
    for (const { name, before, now } of applied.changes) {
      const claim = replica.claim(name)
      // What is claimed from now on is younger.
      if (claim !== undefined) context.clock.observe(claim.at, context.wall)
      this.#handleUserChange(peer, name)
      if (applied.replaced) continue
      const event = now === 0 ? 'removing-user' : before === 0 ? 'adding-user' : 'replacing-user'
      log(context, { event, peer: id, user: name, connections: now })
    }
    return true
  }

  /** A name's connections to the peer are others now. */
  #handleUserChange(peer: Peer, name: string): void {
    peer.recordUserChange(name, this.#context.now)
    this.#onPresenceChange(name)
  }
}
