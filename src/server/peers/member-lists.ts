import { FNV_SEEDS, fnv1a } from '../../common/fnv1a.ts'
import { MAX_MEMBERS } from '../../protocol/frames.ts'
import type { ServerAddress } from '../../protocol/messages.ts'
import type { Context } from '../context.ts'
import type { Links } from './links.ts'
import type { Membership } from './membership.ts'
import type { InboundLink, Peer } from './peer.ts'

/** A digest that has changed less than two heartbeats ago is not settled: the mesh is starting, or servers come or go, ms. */
const SETTLED_AFTER_MS = 1_900
/** A list is read at the latest this long after it differs, even if it changes all the time, ms. */
const MAX_UNSETTLED_MS = 5_000
/** Time between two requests: after a list with an unknown server, and at most, after lists without one, ms. */
const REQUEST_INTERVAL_MS = { min: 1_000, max: 16_000 }
/** Minimum time between two requests to one peer, ms. */
const MIN_PEER_REQUEST_INTERVAL_MS = 10_000
/** Minimum time between two lists to one peer, ms. */
const MIN_LIST_INTERVAL_MS = 5_000
/** A list that still differs is read again after this time, ms: a server that was forgotten may have become reachable. */
const READ_AGAIN_AFTER_MS = 120_000

/** What is known of the list of a peer, on the link that it dialled. */
export interface AnnouncedList {
  /** From its last heartbeat. */
  digest: string
  /** Since when the digest is this one, and since when the list differs from those that were read; monotonic ms. */
  digestSince: number
  differsSince: number
  /** The digest of the list that was read last, and when; monotonic ms. */
  read: string | undefined
  readAt: number
}

/**
 * Finds out which servers the peers know. Each heartbeat has a digest of the sender's list; only a list that differs from this
 * server's own is requested, one at a time: while a mesh starts, the lists differ everywhere, and grow equal by themselves.
 */
export class MemberLists {
  readonly #context: Context
  readonly #links: Links
  readonly #membership: Membership
  #ownDigest = ''
  #ownDigestSince = Number.NEGATIVE_INFINITY
  /** Whether it has read a list, or one was equal to its own. */
  #hasReadOne = false
  #nextRequestAt = Number.NEGATIVE_INFINITY
  #requestIntervalMs = REQUEST_INTERVAL_MS.min

  constructor(context: Context, links: Links, membership: Membership) {
    this.#context = context
    this.#links = links
    this.#membership = membership
  }

  /** The list for peers. */
  get own(): ServerAddress[] {
    return this.#membership.members().slice(0, MAX_MEMBERS)
  }

  /** The digest of this server's own list, for heartbeats. The lists of peers are compared with the last one. */
  updateDigest(): string {
    const digest = digestOf(this.own)
    if (digest !== this.#ownDigest) this.#ownDigestSince = this.#context.now
    this.#ownDigest = digest
    return digest
  }

  /** A heartbeat of a peer has a digest. */
  handleDigest(peer: Peer, inbound: InboundLink, digest: string): void {
    const { now } = this.#context
    const known = inbound.list
    const list = known ?? { digest, digestSince: now, differsSince: now, read: undefined, readAt: now }
    inbound.list = list
    if (list.digest !== digest) list.digestSince = now
    // It was equal to a list that was read: it differs since now.
    if (this.#isRead(list)) list.differsSince = now
    list.digest = digest
    if (this.#isRead(list)) this.#hasReadOne = true
    // A server that knows only the address of one other needs its list at once.
    else if (!this.#hasReadOne && this.#nextRequestAt <= now) this.#request(peer, inbound)
  }

  /** A peer sends its list. */
  handleList(peer: Peer, inbound: InboundLink, members: readonly ServerAddress[]): void {
    // The first frame of a link has none: the digests say whether the list is needed.
    if (members.length === 0) return
    const { list } = inbound
    if (list !== undefined) {
      list.read = list.digest
      list.readAt = this.#context.now
    }
    const { id } = this.#context.options
    const isNew = members.some(member => member.id !== id && !this.#membership.peers.has(member.id))
    this.#hasReadOne = true
    if (isNew) {
      this.#requestIntervalMs = REQUEST_INTERVAL_MS.min
      this.#nextRequestAt = Math.min(this.#nextRequestAt, this.#context.now + REQUEST_INTERVAL_MS.min)
    }
    this.#membership.hear(peer, members)
  }

  /** A peer requests the list. */
  answer(peer: Peer, link: number): void {
    const { now } = this.#context
    if (now - peer.listSentAt < MIN_LIST_INTERVAL_MS) return
    peer.listSentAt = now
    this.#links.send(link, { event: 'members', payload: this.own })
  }

  /** Requests one of the lists that differ, that of the peer that was asked longest ago. */
  tick(): void {
    const { now } = this.#context
    if (this.#nextRequestAt > now) return
    let chosen: { peer: Peer; inbound: InboundLink } | undefined
    for (const peer of this.#membership.peers.values()) {
      const { inbound, listRequestedAt } = peer
      if (inbound?.list === undefined || !this.#isDue(peer, inbound.list)) continue
      if (chosen === undefined || listRequestedAt < chosen.peer.listRequestedAt) chosen = { peer, inbound }
    }
    if (chosen === undefined) this.#requestIntervalMs = REQUEST_INTERVAL_MS.min
    else this.#request(chosen.peer, chosen.inbound)
  }

  #request(peer: Peer, { link }: InboundLink): void {
    const { now } = this.#context
    peer.listRequestedAt = now
    this.#nextRequestAt = now + this.#requestIntervalMs
    this.#requestIntervalMs = Math.min(2 * this.#requestIntervalMs, REQUEST_INTERVAL_MS.max)
    this.#links.send(link, { event: 'request-members', payload: null })
  }

  #isDue(peer: Peer, list: AnnouncedList): boolean {
    const { now } = this.#context
    if (this.#isRead(list) || now - peer.listRequestedAt < MIN_PEER_REQUEST_INTERVAL_MS) return false
    const changedAt = Math.max(list.digestSince, this.#ownDigestSince)
    return now - changedAt >= SETTLED_AFTER_MS || now - list.differsSince >= MAX_UNSETTLED_MS
  }

  /** Whether the list has no server that this one has not heard of. */
  #isRead({ digest, read, readAt }: AnnouncedList): boolean {
    if (digest === this.#ownDigest) return true
    return digest === read && this.#context.now - readAt < READ_AGAIN_AFTER_MS
  }
}

/** A digest of the ids in a list, in any order. Not cryptographic: a server that lies about its own list deceives nobody else. */
function digestOf(members: readonly ServerAddress[]): string {
  const text = members
    .map(({ id }) => id)
    .sort()
    .join('\n')
  return FNV_SEEDS.map(seed => (fnv1a(text, seed) >>> 0).toString(16).padStart(8, '0')).join('')
}
