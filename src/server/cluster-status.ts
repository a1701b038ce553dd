import type { StatusResponse } from '../protocol/frames.ts'
import type { Refusal } from '../protocol/messages.ts'
import { type ClusterStatus, MAX_CLUSTER_SERVERS, type ServerStatus } from '../protocol/status.ts'
import type { Clients } from './clients/clients.ts'
import type { Context, StatusExchange } from './context.ts'
import type { Peers } from './peers/peers.ts'
import { statusOf } from './server-status.ts'

/** How long peers are waited for, ms. */
const ANSWER_TIMEOUT_MS = 1_000
/** Who asks so soon after a survey began, ms, is told the same; and so long is what a peer is told good. */
const CACHE_MS = 500
/** How often one connection may ask, ms. */
const MIN_REQUEST_INTERVAL_MS = 1_000
/** Most links that one survey tells of: n servers have n(n−1) of them. Past that, servers tell of none. */
const MAX_REPORTED_LINKS = 20_000

interface PendingRequest {
  connection: number
  call: number
}

/** How all servers of the mesh stand: asks the peers, and gathers what they tell. One survey at a time. */
export class ClusterStatusCollector implements StatusExchange {
  readonly #context: Context
  readonly #clients: Clients
  readonly #peers: Peers
  /** Number and beginning of the last survey. */
  #number = 0
  #startedAt = Number.NEGATIVE_INFINITY
  /** Who waits for it, and the peers that have not answered it. */
  #pendingRequests: PendingRequest[] = []
  #pendingPeers = new Set<string>()
  #peerStatuses = new Map<string, ServerStatus>()
  #lastResult: ClusterStatus | undefined
  /** When connections asked that did so lately; the first of them first. */
  #lastRequestAt = new Map<number, number>()
  #cachedOwnStatus: { at: number; status: ServerStatus } | undefined

  constructor(context: Context, clients: Clients, peers: Peers) {
    this.#context = context
    this.#clients = clients
    this.#peers = peers
  }

  /** When those who wait are answered, whoever is missing; Infinity when nobody waits. */
  get deadline(): number {
    return this.#pendingRequests.length > 0 ? this.#startedAt + ANSWER_TIMEOUT_MS : Number.POSITIVE_INFINITY
  }

  get ownStatus(): ServerStatus {
    const { now } = this.#context
    if (this.#cachedOwnStatus === undefined || now - this.#cachedOwnStatus.at >= CACHE_MS) {
      this.#cachedOwnStatus = { at: now, status: statusOf(this.#context, this.#clients, this.#peers.distinctPeers) }
    }
    return this.#cachedOwnStatus.status
  }

  /** A connection asks how the mesh stands. */
  handleRequest(connection: number, call: number): void {
    const { effects, now } = this.#context
    const refusal = this.#refusal(connection)
    if (refusal !== undefined) return void effects.push({ type: 'answer', connection, call, payload: refusal })
    this.#lastRequestAt.set(connection, now)
    if (this.#pendingRequests.push({ connection, call }) > 1) return
    const fresh = this.#lastResult !== undefined && now - this.#startedAt < CACHE_MS
    if (!fresh) this.#start()
    if (this.#pendingPeers.size === 0) this.#finish()
  }

  /** A peer speaks for itself only, and once. */
  handleStatus(peer: string, incarnation: string, { number, status }: StatusResponse): void {
    if (number !== this.#number || status.server !== peer || status.incarnation !== incarnation) return
    if (!this.#pendingPeers.delete(peer)) return
    this.#peerStatuses.set(peer, status)
    if (this.#pendingPeers.size === 0) this.#finish()
  }

  tick(): void {
    if (this.deadline <= this.#context.now) this.#finish()
  }

  #refusal(connection: number): Refusal | undefined {
    const { now } = this.#context
    const denied = this.#clients.checkStatusAccess(connection)
    if (denied !== undefined) return { ok: false, ...denied }
    for (const [asker, at] of this.#lastRequestAt) {
      if (now - at < MIN_REQUEST_INTERVAL_MS) break
      this.#lastRequestAt.delete(asker)
    }
    const at = this.#lastRequestAt.get(connection)
    if (at === undefined) return undefined
    const retryAfter = Math.ceil(at + MIN_REQUEST_INTERVAL_MS - now)
    return { ok: false, code: 'rate-limited', message: `asked too often; wait ${retryAfter} ms`, retryAfter }
  }

  #start(): void {
    const { effects, now } = this.#context
    this.#startedAt = now
    this.#lastResult = undefined
    this.#peerStatuses.clear()
    const payload = { number: ++this.#number }
    for (const { id, outbound } of this.#peers.distinctPeers) {
      if (outbound.state !== 'open') continue
      this.#pendingPeers.add(id)
      effects.push({ type: 'send', link: outbound.link, frame: { event: 'survey', payload } })
    }
  }

  /** Tells those who wait. */
  #finish(): void {
    this.#pendingPeers.clear()
    this.#lastResult ??= this.#buildResult()
    for (const asker of this.#pendingRequests.splice(0)) {
      this.#context.effects.push({ type: 'answer', ...asker, payload: this.#lastResult })
    }
  }

  #buildResult(): ClusterStatus {
    const { id, url, clients = url } = this.#context.options
    const servers: ClusterStatus['servers'] = [{ id, url: clients, status: this.ownStatus }]
    let links = this.ownStatus.links.length
    for (const { id, url, clients = url } of this.#peers.distinctPeers.slice(0, MAX_CLUSTER_SERVERS - 1)) {
      const told = this.#peerStatuses.get(id)
      links += told?.links.length ?? 0
      const status = told !== undefined && links > MAX_REPORTED_LINKS ? { ...told, links: [] } : told
      servers.push({
        id,
        ...(clients === undefined ? {} : { url: clients }),
        ...(status === undefined ? {} : { status }),
      })
    }
    return { ok: true, server: this.#context.options.id, servers }
  }
}
