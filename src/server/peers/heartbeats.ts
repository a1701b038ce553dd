import type { Beat } from '../../protocol/frames.ts'
import { type Context, note } from '../context.ts'
import type { Presence } from './inbound-presence.ts'
import type { Links } from './links.ts'
import type { Membership } from './membership.ts'
import type { Outgoing } from './outbound-messages.ts'
import type { Peer } from './peer.ts'

/** A beat goes out on each link every so often, ms. */
export const BEAT_MS = 1_000
/** A link without a beat for this long is dead, ms. */
export const LINK_DEAD_MS = 5_000
const SILENT = 'no sign of life'

/** Signs of life: this server's to its peers, and what follows when a peer gives none. */
export class Beats {
  readonly #context: Context
  readonly #links: Links
  readonly #membership: Membership
  readonly #presence: Presence
  readonly #outgoing: Outgoing
  #beatAt = Number.POSITIVE_INFINITY

  constructor(context: Context, links: Links, membership: Membership, presence: Presence, outgoing: Outgoing) {
    this.#context = context
    this.#links = links
    this.#membership = membership
    this.#presence = presence
    this.#outgoing = outgoing
  }

  /** When the next beat is due. */
  get beatAt(): number {
    return this.#beatAt
  }

  start(): void {
    this.#beatAt = this.#context.now + BEAT_MS
  }

  tick(): void {
    const { now } = this.#context
    const isDue = this.#beatAt <= now
    if (isDue) this.#beatAt = now + BEAT_MS
    const { incarnation, seq } = this.#context.stream
    const life: Beat = { incarnation, seq, at: now }
    for (const peer of this.#membership.peers.values()) {
      if (peer.goneAt <= now) this.#presence.gone(peer)
      if (isDue) this.#beat(peer, life)
    }
    if (isDue) this.#membership.forgetGone()
  }

  /** After a stall of this process: silence proves nothing, everyone gets a fresh period. */
  forgive(): void {
    const { now, options } = this.#context
    this.#beatAt = now
    for (const peer of this.#membership.peers.values()) {
      if (peer.outbound.state === 'open') peer.outbound.heardAt = now
      else peer.outboundLostAt = now
      if (peer.inbound !== undefined) peer.inbound.heardAt = now
      if (peer.challenger !== undefined) peer.challenger.since = now
      if (peer.goneAt !== Number.POSITIVE_INFINITY) peer.goneAt = now + options.graceMs
    }
  }

  /** One beat: let go of what was held for too long, say where the stream stands, find links without life. */
  #beat(peer: Peer, payload: Beat): void {
    const { now } = this.#context
    peer.forgetDeparted(now)
    if (peer.foreign !== undefined) note(this.#context, { event: 'foreign-sender', peer: peer.id, ...peer.foreign })
    peer.foreign = undefined
    this.#outgoing.letGo(peer)
    const { outbound, inbound } = peer
    if (outbound.state === 'open') {
      if (now - outbound.heardAt > LINK_DEAD_MS) this.#links.cut(outbound.link, SILENT)
      else this.#links.send(outbound.link, { event: 'beat', payload })
    }
    if (inbound !== undefined && now - inbound.heardAt > LINK_DEAD_MS) this.#links.cut(inbound.link, SILENT)
  }
}
