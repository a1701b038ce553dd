import { Backoff } from '../../common/backoff.ts'
import type { PeerIdentity } from '../../protocol/frames.ts'
import { exceeds } from '../../protocol/limits.ts'
import type { ServerAddress } from '../../protocol/messages.ts'
import { parseServerOrigin } from '../../protocol/proofs/mesh-identity.ts'
import { type Context, log } from '../context.ts'
import { Peer, type Schedule } from './peer.ts'

/** A learned peer that is idle for this long is forgotten, ms. */
const FORGET_AFTER_MS = 3_600_000

/** A peer known by hearsay that does not prove itself in this time is forgotten, ms. */
const FORGET_HEARSAY_AFTER_MS = 60_000
/** Peers known by hearsay, by the peer that announced them and in all: they are dialled, and nothing proves that they exist. */
const MAX_HEARSAY = { perPeer: 32, total: 128 }

/** A URL at which any server of the mesh may answer. */
export interface Seed {
  readonly url: string
  readonly backoff: Backoff
  /** Why the last dial failed; undefined after a successful one. */
  dialFailure: string | undefined
  /** The id of the server that answered there last; undefined: none yet. */
  server: string | undefined
  /** When to dial it, if `needsSeed`; monotonic ms, Infinity while it is dialled. */
  dialAt: number
}

/** The servers that this one knows: configured peers, peers learned from others, and seeds. */
export class Membership {
  readonly #context: Context
  readonly peers = new Map<string, Peer>()
  readonly seeds = new Map<string, Seed>()
  /** Peers that were removed from the config: other servers cannot bring them back. */
  #removedIds = new Set<string>()
  readonly #schedule: Schedule = { hasChanged: false }
  /** The earliest deadline of a peer, when the schedule was read last; monotonic ms. */
  #peerDeadline = Number.POSITIVE_INFINITY

  constructor(context: Context) {
    this.#context = context
  }

  /** Whether no further peer may be learned. */
  get isFull(): boolean {
    return exceeds(this.peers.size + 1, this.#context.options.limits.peers)
  }

  /** Whether this server has no outbound link. */
  get isIsolated(): boolean {
    for (const { outbound } of this.peers.values()) if (outbound.state === 'open') return false
    return true
  }

  /**
   * Whether to dial a seed: while this server is isolated, and while it does not know the server there. It may belong to
   * another group of servers, which knows nothing of this one.
   */
  needsSeed({ server }: Seed): boolean {
    if (server === undefined || (server !== this.#context.options.id && !this.peers.has(server))) return true
    return this.isIsolated
  }

  /** Whether every known peer has sent what it knows about users: one that has just started knows nothing itself. */
  get hasSynced(): boolean {
    for (const peer of this.peers.values()) {
      if ((!peer.hasSynced || peer.replica.isTakingOver) && !(peer.isSharedAddress && this.hasWorkers(peer.id)))
        return false
    }
    return true
  }

  /** Whether there are other servers that this one could reach. */
  get hasOthers(): boolean {
    if (this.seeds.size > 0) return true
    for (const { url, announcedBy } of this.peers.values())
      if (url !== undefined && announcedBy === undefined) return true
    return false
  }

  /** When a peer or a seed is due; monotonic ms. Read after every step. */
  get deadline(): number {
    if (this.#schedule.hasChanged) {
      this.#schedule.hasChanged = false
      this.#peerDeadline = Number.POSITIVE_INFINITY
      for (const peer of this.peers.values()) this.#peerDeadline = Math.min(this.#peerDeadline, peer.deadline)
    }
    let deadline = this.#peerDeadline
    for (const seed of this.seeds.values()) if (this.needsSeed(seed)) deadline = Math.min(deadline, seed.dialAt)
    return deadline
  }

  /** All peers, without hearsay, and without shared addresses whose workers are peers themselves. */
  get distinctPeers(): Peer[] {
    return [...this.peers.values()].filter(
      peer => peer.announcedBy === undefined && !(peer.isSharedAddress && this.hasWorkers(peer.id)),
    )
  }

  /** Whether there is a link to a worker of the machine with this id. */
  hasWorkers(id: string): boolean {
    for (const peer of this.peers.values()) {
      if (peer.outbound.state === 'open' && peer.id.startsWith(`${id}/`)) return true
    }
    return false
  }

  /** The servers to announce to clients, with their URLs for clients: this server, and the peers that are not hearsay. */
  servers = (): ServerAddress[] => {
    const { id, url, clients = url } = this.#context.options
    const servers: ServerAddress[] = [{ id, url: clients }]
    for (const peer of this.peers.values()) {
      const { id, url, clients = url } = peer
      if (peer.isAnnounceable && clients !== undefined) servers.push({ id, url: clients })
    }
    return servers
  }

  /**
   * The members to announce to peers: this server, and the peers to which it has a link at the URL that it announces. So
   * a server that one peer has forgotten does not come back from another, and no address is passed on unseen.
   */
  members(): ServerAddress[] {
    const { id, url, clients } = this.#context.options
    const members: ServerAddress[] = [{ id, url, ...(clients === undefined ? {} : { clients }) }]
    for (const { id, url, clients, outbound, provenUrl } of this.peers.values()) {
      if (url === undefined || outbound.state !== 'open' || provenUrl !== url) continue
      members.push({ id, url, ...(clients === undefined ? {} : { clients }) })
    }
    return members
  }

  /** Replaces the configured peers. Returns the peers that are no longer configured. */
  configure(configured: readonly ServerAddress[]): Peer[] {
    const ids = new Set(configured.map(({ id }) => id))
    const removed = [...this.peers.values()].filter(peer => peer.configured && !ids.has(peer.id))
    for (const { id } of removed) this.#removedIds.add(id)
    for (const { id, url } of configured) {
      this.#removedIds.delete(id)
      const peer = this.peers.get(id) ?? this.#add(id, url)
      peer.configured = true
      peer.announcedBy = undefined
      this.#updateUrl(peer, url)
    }
    return removed
  }

  addSeed(url: string): void {
    const { now, options } = this.#context
    if (this.seeds.has(url)) return
    const backoff = new Backoff(options.random)
    this.seeds.set(url, { url, backoff, dialFailure: undefined, server: undefined, dialAt: now })
  }

  /** Whether a peer was removed from the config. */
  isRemoved(id: string): boolean {
    return this.#removedIds.has(id)
  }

  /** Whether a peer may use this URL: with TLS on this server, only https. */
  isAllowedUrl(url: string): boolean {
    return url.startsWith('https:') || !this.#context.options.url.startsWith('https:')
  }

  /** Learns a server that has introduced itself to the edge, and may have moved. */
  learn(address: ServerAddress): void {
    this.#learn(address, undefined)
  }

  /**
   * A peer announces servers. They are hearsay until they prove themselves: only a few are dialled at a time, and none is
   * announced to others.
   */
  hear(announcer: Peer, members: readonly ServerAddress[]): void {
    announcer.announced = members.filter(({ id }) => id !== announcer.id && id !== this.#context.options.id)
    this.learnAnnounced()
  }

  /** Learns announced servers, as far as the quotas of hearsay allow; the others wait. */
  learnAnnounced(): void {
    const announcers = [...this.peers.values()].filter(({ announced }) => announced.length > 0)
    if (announcers.length === 0) return
    const counts = this.#countHearsay()
    for (const announcer of announcers) {
      const { id, announced } = announcer
      let next = 0
      for (const address of announced) {
        const own = counts.perPeer.get(id) ?? 0
        const isKnown = this.peers.has(address.id)
        if (!isKnown && (own >= MAX_HEARSAY.perPeer || counts.total >= MAX_HEARSAY.total)) break
        this.#learn(address, id)
        next++
        if (isKnown || !this.peers.has(address.id)) continue
        counts.perPeer.set(id, own + 1)
        counts.total++
      }
      announcer.announced = announced.slice(next)
    }
  }

  /** Registers an authenticated server. Returns undefined if there is no room for another peer. */
  register({ id, url: announcedUrl, clients }: PeerIdentity): Peer | undefined {
    const url = announcedUrl === undefined ? undefined : parseServerOrigin(announcedUrl)
    let peer = this.peers.get(id)
    if (peer === undefined) {
      if (this.isFull && !this.#evictOldest()) return undefined
      peer = this.#add(id, url)
      if (url !== undefined) log(this.#context, { event: 'peer-learned', peer: id, url })
    }
    peer.announcedBy = undefined
    peer.clients = clients === undefined ? undefined : parseServerOrigin(clients)
    if (url !== undefined && !peer.configured) this.#updateUrl(peer, url)
    return peer
  }

  /** A peer has answered a dial of this URL and proven itself. */
  recordProven(peer: Peer, url: string | undefined): void {
    peer.announcedBy = undefined
    peer.provenUrl = url
  }

  forget(peer: Peer): void {
    this.#context.meshClock.forget(peer.id)
    this.#context.directory.removeReplica(peer.id)
    this.peers.delete(peer.id)
    this.#schedule.hasChanged = true
  }

  /** Forgets learned peers that have been idle for too long. */
  forgetExpired(): void {
    const { now } = this.#context
    for (const peer of [...this.peers.values()]) {
      const forgetAfter = peer.announcedBy === undefined ? FORGET_AFTER_MS : FORGET_HEARSAY_AFTER_MS
      if (!peer.isIdle || now - peer.outboundLostAt < forgetAfter) continue
      this.forget(peer)
      log(this.#context, { event: 'peer-forgotten', peer: peer.id })
    }
  }

  #countHearsay(): { total: number; perPeer: Map<string, number> } {
    const perPeer = new Map<string, number>()
    let total = 0
    for (const { announcedBy } of this.peers.values()) {
      if (announcedBy === undefined) continue
      total++
      perPeer.set(announcedBy, (perPeer.get(announcedBy) ?? 0) + 1)
    }
    return { total, perPeer }
  }

  /** @param announcedBy the peer that announced it; undefined: it has introduced itself */
  #learn({ id, ...given }: ServerAddress, announcedBy: string | undefined): void {
    const url = parseServerOrigin(given.url)
    const clients = given.clients === undefined ? undefined : parseServerOrigin(given.clients)
    if (url === undefined || (given.clients !== undefined && clients === undefined)) return
    if (id === this.#context.options.id || this.#removedIds.has(id)) return
    if (!this.isAllowedUrl(url) || !this.isAllowedUrl(clients ?? url)) return
    const known = this.peers.get(id)
    if (known === undefined) {
      if (this.isFull) return
      const peer = this.#add(id, url)
      peer.clients = clients
      peer.announcedBy = announcedBy
      log(this.#context, { event: 'peer-learned', peer: id, url })
      return
    }
    if (known.configured || known.inbound !== undefined || known.outbound.state === 'open') return
    if (announcedBy === undefined) {
      known.announcedBy = undefined
      known.clients = clients
      this.#updateUrl(known, url)
    } else if (known.announcedBy !== undefined) {
      // Hearsay replaces hearsay, and does not hurry the next dial.
      known.clients = clients
      known.url = url
    }
  }

  #updateUrl(peer: Peer, url: string): void {
    if (peer.url === url) return
    peer.url = url
    if (peer.outbound.state === 'waiting') peer.outbound = { state: 'waiting', retryAt: this.#context.now }
  }

  #add(id: string, url: string | undefined): Peer {
    const { now, options, directory } = this.#context
    const peer = new Peer(id, url, new Backoff(options.random), now, this.#schedule)
    this.peers.set(id, peer)
    this.#schedule.hasChanged = true
    directory.addReplica(id, peer.replica)
    return peer
  }

  /** Makes room for a live server: forgets the idle peer that has been unreachable longest. False if there is none. */
  #evictOldest(): boolean {
    let oldest: Peer | undefined
    for (const peer of this.peers.values()) {
      if (peer.isIdle && peer.outboundLostAt < (oldest?.outboundLostAt ?? Number.POSITIVE_INFINITY)) oldest = peer
    }
    if (oldest !== undefined) this.forget(oldest)
    return oldest !== undefined
  }
}
