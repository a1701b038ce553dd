import type { Heartbeat } from '../../protocol/frames.ts'
import { type Context, log } from '../context.ts'
import type { InboundPresence } from './inbound-presence.ts'
import type { Links } from './links.ts'
import type { MemberLists } from './member-lists.ts'
import type { Membership } from './membership.ts'
import type { OutboundMessages } from './outbound-messages.ts'
import { readsCompact } from './outbound-presence.ts'
import type { Peer } from './peer.ts'

/** Time between heartbeats on a link, ms. */
export const HEARTBEAT_INTERVAL_MS = 1_000
/** A link without a frame for this long is dead, ms. */
export const LINK_TIMEOUT_MS = 5_000
const TIMED_OUT = `no heartbeat for ${LINK_TIMEOUT_MS / 1_000} s`

/** Sends heartbeats, closes links that have timed out, and runs the periodic clean-up of peers. */
export class Heartbeats {
  readonly #context: Context
  readonly #links: Links
  readonly #membership: Membership
  readonly #memberLists: MemberLists
  readonly #inboundPresence: InboundPresence
  readonly #outboundMessages: OutboundMessages
  #nextHeartbeatAt = Number.POSITIVE_INFINITY

  constructor(
    context: Context,
    links: Links,
    membership: Membership,
    memberLists: MemberLists,
    inboundPresence: InboundPresence,
    outboundMessages: OutboundMessages,
  ) {
    this.#context = context
    this.#links = links
    this.#membership = membership
    this.#memberLists = memberLists
    this.#inboundPresence = inboundPresence
    this.#outboundMessages = outboundMessages
  }

  /** When the next heartbeat is due; monotonic ms. */
  get nextHeartbeatAt(): number {
    return this.#nextHeartbeatAt
  }

  start(): void {
    this.#nextHeartbeatAt = this.#context.now + HEARTBEAT_INTERVAL_MS
  }

  tick(): void {
    const { now } = this.#context
    for (const peer of this.#membership.peers.values()) {
      if (peer.usersExpireAt <= now) this.#inboundPresence.removeUsers(peer)
    }
    if (this.#nextHeartbeatAt > now) return
    this.#nextHeartbeatAt = now + HEARTBEAT_INTERVAL_MS
    const { incarnation, seq } = this.#context.stream
    const heartbeat: Heartbeat = {
      ...(readsCompact(this.#membership.peers) ? {} : { incarnation }),
      seq,
      at: now,
      members: this.#memberLists.updateDigest(),
    }
    for (const peer of this.#membership.peers.values()) this.#heartbeat(peer, heartbeat)
    this.#memberLists.tick()
    this.#reportClocks()
    this.#membership.forgetExpired()
    this.#membership.learnAnnounced()
  }

  /** After this process stalled, silence of the peers proves nothing: restarts all timeouts. */
  resetTimeouts(): void {
    const { now, options } = this.#context
    this.#nextHeartbeatAt = now
    for (const peer of this.#membership.peers.values()) {
      if (peer.outbound.state === 'open') peer.outbound.heardAt = now
      else peer.outboundLostAt = now
      if (peer.inbound !== undefined) peer.inbound.heardAt = now
      if (peer.challenger !== undefined) peer.challenger.since = now
      if (peer.usersExpireAt !== Number.POSITIVE_INFINITY) peer.usersExpireAt = now + options.graceMs
    }
  }

  #reportClocks(): void {
    const { options, meshClock } = this.#context
    for (const { server, ahead, isWrong } of meshClock.takeChanges()) {
      const event = isWrong ? 'clock-wrong' : 'clock-right'
      log(this.#context, { event, server, ahead, isOwn: server === options.id })
    }
  }

  #heartbeat(peer: Peer, payload: Heartbeat): void {
    const { now } = this.#context
    peer.forgetDeparted(now)
    if (peer.foreignMessages !== undefined)
      log(this.#context, { event: 'foreign-sender', peer: peer.id, ...peer.foreignMessages })
    peer.foreignMessages = undefined
    this.#outboundMessages.releaseExpired(peer)
    const { outbound, inbound } = peer
    if (outbound.state === 'open') {
      if (now - outbound.heardAt > LINK_TIMEOUT_MS) this.#links.close(outbound.link, TIMED_OUT)
      else this.#links.send(outbound.link, { event: 'beat', payload })
    }
    if (inbound !== undefined && now - inbound.heardAt > LINK_TIMEOUT_MS) this.#links.close(inbound.link, TIMED_OUT)
  }
}
