import type { Delta, Snapshot } from '../../protocol/frames.ts'
import { type Context, note } from '../context.ts'
import type { Peer } from './peer.ts'

/** Who is online at the peers, as they tell it: into their replicas, and out of them. */
export class Presence {
  readonly #context: Context
  readonly #touch: (name: string) => void

  /** @param touch marks a name whose connections changed somewhere */
  constructor(context: Context, touch: (name: string) => void) {
    this.#context = context
    this.#touch = touch
  }

  /** Brings a presence frame of a peer into its replica; false when a frame before it is missing. */
  apply(peer: Peer, frame: Snapshot | Delta): boolean {
    const isComplete = this.#apply(peer, frame)
    // Who came and went within one turn of the peer, is told as gone only, and may have spoken.
    if (frame.type === 'delta') {
      for (const [user, connections] of frame.changes) {
        if (connections === 0) peer.changed(user, this.#context.now)
      }
    }
    return isComplete
  }

  /** The peer's users leave the roster. */
  gone(peer: Peer): void {
    peer.goneAt = Number.POSITIVE_INFINITY
    note(this.#context, { event: 'peer-gone', peer: peer.id, users: peer.replica.size })
    for (const { name } of peer.replica.clear()) this.#changed(peer, name)
  }

  #apply(peer: Peer, frame: Snapshot | Delta): boolean {
    const context = this.#context
    const { id, replica } = peer
    const applied = replica.apply(frame)
    if (applied.outcome === 'gap') return false
    if (applied.outcome === 'nothing-new') return true
    note(context, { event: 'update-from-peer', peer: id })
    if (applied.replaced) note(context, { event: 'replacing-list', peer: id, users: replica.size })
    for (const { name, before, now } of applied.changes) {
      const claim = replica.claim(name)
      // What is claimed from now on is younger.
      if (claim !== undefined) context.clock.see(claim.at, context.wall)
      this.#changed(peer, name)
      if (applied.replaced) continue
      const event = now === 0 ? 'removing-user' : before === 0 ? 'adding-user' : 'replacing-user'
      note(context, { event, peer: id, user: name, connections: now })
    }
    return true
  }

  /** A name's connections to the peer are others now. */
  #changed(peer: Peer, name: string): void {
    peer.changed(name, this.#context.now)
    this.#touch(name)
  }
}
