import { Backoff } from '../../common/backoff.ts'
import type { PeerIdentity } from '../../protocol/frames.ts'
import { exceeds } from '../../protocol/limits.ts'
import type { ServerAddress } from '../../protocol/messages.ts'
import { type Context, log } from '../context.ts'
import { Peer } from './peer.ts'

/** A learned peer that is idle for this long is forgotten, ms. */
const FORGET_AFTER_MS = 3_600_000

/** A URL at which any server of the mesh may answer. */
export interface Seed {
  readonly url: string
  readonly backoff: Backoff
  /** Why the last dial failed; undefined after a successful one. */
  dialFailure: string | undefined
  /** When to dial it if this server is isolated; monotonic ms, Infinity while it is dialled. */
  dialAt: number
}

/** The servers that this one knows: configured peers, peers learned from others, and seeds. */
export class Membership {
  readonly #context: Context
  readonly peers = new Map<string, Peer>()
  readonly seeds = new Map<string, Seed>()
  /** Peers that were removed from the config: other servers cannot bring them back. */
  #removedIds = new Set<string>()

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

  /** When a peer is due, or a seed while this server is isolated; monotonic ms. Read after every step. */
  get deadline(): number {
    let deadline = Number.POSITIVE_INFINITY
    for (const peer of this.peers.values()) deadline = Math.min(deadline, peer.deadline)
    if (this.seeds.size > 0 && this.isIsolated)
      for (const { dialAt } of this.seeds.values()) deadline = Math.min(deadline, dialAt)
    return deadline
  }

  /** All peers, without shared addresses whose workers are peers themselves. */
  get distinctPeers(): Peer[] {
    return [...this.peers.values()].filter(peer => !(peer.isSharedAddress && this.hasWorkers(peer.id)))
  }

  /** Whether there is a link to a worker of the machine with this id. */
  hasWorkers(id: string): boolean {
    for (const peer of this.peers.values()) {
      if (peer.outbound.state === 'open' && peer.id.startsWith(`${id}/`)) return true
    }
    return false
  }

  /** This server and all known servers, with their URLs for clients. */
  servers = (): ServerAddress[] => {
    const { id, url, clients = url } = this.#context.options
    const servers: ServerAddress[] = [{ id, url: clients }]
    for (const { id, url, clients = url } of this.peers.values()) {
      if (clients !== undefined) servers.push({ id, url: clients })
    }
    return servers
  }

  /**
   * The members to announce to peers: this server, and the peers that it has a link to. Servers without a link are not
   * announced, so that a server that one peer has forgotten does not come back from another.
   */
  members(): ServerAddress[] {
    const { id, url, clients } = this.#context.options
    const members: ServerAddress[] = [{ id, url, ...(clients === undefined ? {} : { clients }) }]
    for (const { id, url, clients, outbound, inbound } of this.peers.values()) {
      if (url === undefined || (outbound.state !== 'open' && inbound === undefined)) continue
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
      this.#updateUrl(peer, url)
    }
    return removed
  }

  addSeed(url: string): void {
    const { now, options } = this.#context
    if (this.seeds.has(url)) return
    this.seeds.set(url, { url, backoff: new Backoff(options.random), dialFailure: undefined, dialAt: now })
  }

  /** Whether a peer was removed from the config. */
  isRemoved(id: string): boolean {
    return this.#removedIds.has(id)
  }

  /** Whether a peer may use this URL: with TLS on this server, only https. */
  isAllowedUrl(url: string | undefined): boolean {
    return url === undefined || url.startsWith('https:') || !this.#context.options.url.startsWith('https:')
  }

  /** Learns a server that a peer or the edge has announced. */
  learn({ id, url, clients }: ServerAddress): void {
    if (id === this.#context.options.id || this.#removedIds.has(id) || !this.isAllowedUrl(url)) return
    const known = this.peers.get(id)
    if (known === undefined && this.isFull) return
    const peer = known ?? this.#add(id, url)
    // A server that was replaced may have moved. A connected server announces its URLs itself.
    if (peer.configured || peer.inbound !== undefined || peer.outbound.state === 'open') return
    peer.clients = clients
    if (known !== undefined) return this.#updateUrl(peer, url)
    log(this.#context, { event: 'peer-learned', peer: id, url })
  }

  /** Registers an authenticated server. Returns undefined if there is no room for another peer. */
  register({ id, url, clients }: PeerIdentity): Peer | undefined {
    let peer = this.peers.get(id)
    if (peer === undefined) {
      if (this.isFull && !this.#evictOldest()) return undefined
      peer = this.#add(id, url)
      if (url !== undefined) log(this.#context, { event: 'peer-learned', peer: id, url })
    }
    peer.clients = clients
    if (url !== undefined && !peer.configured) this.#updateUrl(peer, url)
    return peer
  }

  forget(peer: Peer): void {
    this.#context.directory.removeReplica(peer.id)
    this.peers.delete(peer.id)
  }

  /** Forgets learned peers that have been idle for too long. */
  forgetExpired(): void {
    const { now } = this.#context
    for (const peer of [...this.peers.values()]) {
      if (!peer.isIdle || now - peer.outboundLostAt < FORGET_AFTER_MS) continue
      this.forget(peer)
      log(this.#context, { event: 'peer-forgotten', peer: peer.id })
    }
  }

  #updateUrl(peer: Peer, url: string): void {
    if (peer.url === url) return
    peer.url = url
    if (peer.outbound.state === 'waiting') peer.outbound.retryAt = this.#context.now
  }

  #add(id: string, url: string | undefined): Peer {
    const { now, options, directory } = this.#context
    const peer = new Peer(id, url, new Backoff(options.random), now)
    this.peers.set(id, peer)
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
