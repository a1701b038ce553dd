import type { StatusResponse } from '../protocol/frames.ts'
import type { Refusal } from '../protocol/messages.ts'
import { type ClusterStatus, MAX_CLUSTER_SERVERS, type ServerStatus } from '../protocol/status.ts'
import type { Clients } from './clients/clients.ts'
import type { Context, StatusExchange } from './context.ts'
import type { Membership } from './peers/membership.ts'
import { rateLimited } from './refusals.ts'
import { statusOf } from './server-status.ts'

/** How long to wait for peers, ms. */
const ANSWER_TIMEOUT_MS = 1_000
/** How long a cluster status, and the status that peers get, is reused, ms. */
const CACHE_MS = 500
/** Minimum time between two requests of one connection, ms. */
const MIN_REQUEST_INTERVAL_MS = 1_000
/** Most links in one cluster status: n servers have n(n−1). Servers past this limit are reported without links. */
const MAX_REPORTED_LINKS = 20_000
/** Most rooms in one cluster status. Servers past this limit are reported without rooms. */
const MAX_REPORTED_ROOMS = 1_000

interface PendingRequest {
  connection: number
  call: number
}

/** Collects the status of all servers of the mesh. Requests that arrive during a collection share its result. */
export class ClusterStatusCollector implements StatusExchange {
  readonly #context: Context
  readonly #clients: Clients
  readonly #membership: Membership
  /** Number and start of the last collection. */
  #number = 0
  #startedAt = Number.NEGATIVE_INFINITY
  #pendingRequests: PendingRequest[] = []
  #pendingPeers = new Set<string>()
  #peerStatuses = new Map<string, ServerStatus>()
  #lastResult: ClusterStatus | undefined
  /** Time of each connection's last request, oldest first. */
  #lastRequestAt = new Map<number, number>()
  #cachedOwnStatus: { at: number; status: ServerStatus } | undefined

  constructor(context: Context, clients: Clients, membership: Membership) {
    this.#context = context
    this.#clients = clients
    this.#membership = membership
  }

  /** When to answer without the peers that are missing; Infinity without pending requests. */
  get deadline(): number {
    return this.#pendingRequests.length > 0 ? this.#startedAt + ANSWER_TIMEOUT_MS : Number.POSITIVE_INFINITY
  }

  get ownStatus(): ServerStatus {
    const { now } = this.#context
    if (this.#cachedOwnStatus === undefined || now - this.#cachedOwnStatus.at >= CACHE_MS) {
      const status = statusOf(this.#context, this.#clients, this.#membership.distinctPeers)
      this.#cachedOwnStatus = { at: now, status }
    }
    return this.#cachedOwnStatus.status
  }

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

  /** Accepts one status per peer and collection, about the peer itself only. */
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
    const denied = this.#clients.requests.checkStatusAccess(connection)
    if (denied !== undefined) return { ok: false, ...denied }
    for (const [requester, at] of this.#lastRequestAt) {
      if (now - at < MIN_REQUEST_INTERVAL_MS) break
      this.#lastRequestAt.delete(requester)
    }
    const at = this.#lastRequestAt.get(connection)
    if (at === undefined) return undefined
    const retryAfter = Math.ceil(at + MIN_REQUEST_INTERVAL_MS - now)
    return rateLimited(retryAfter)
  }

  #start(): void {
    const { effects, now } = this.#context
    this.#startedAt = now
    this.#lastResult = undefined
    this.#peerStatuses.clear()
    const payload = { number: ++this.#number }
    for (const { id, outbound } of this.#membership.distinctPeers) {
      if (outbound.state !== 'open') continue
      this.#pendingPeers.add(id)
      effects.push({ type: 'send', link: outbound.link, frame: { event: 'survey', payload } })
    }
  }

  /** Answers all pending requests. */
  #finish(): void {
    this.#pendingPeers.clear()
    this.#lastResult ??= this.#buildResult()
    for (const request of this.#pendingRequests.splice(0)) {
      this.#context.effects.push({ type: 'answer', ...request, payload: this.#lastResult })
    }
  }

  #buildResult(): ClusterStatus {
    const { id, url, clients = url } = this.#context.options
    const servers: ClusterStatus['servers'] = [{ id, url: clients, status: this.ownStatus }]
    let links = this.ownStatus.links.length
    let rooms = this.ownStatus.topRooms?.length ?? 0
    for (const { id, url, clients = url } of this.#membership.distinctPeers.slice(0, MAX_CLUSTER_SERVERS - 1)) {
      const reported = this.#peerStatuses.get(id)
      links += reported?.links.length ?? 0
      rooms += reported?.topRooms?.length ?? 0
      const status = reported && {
        ...reported,
        ...(links > MAX_REPORTED_LINKS ? { links: [] } : {}),
        ...(rooms > MAX_REPORTED_ROOMS ? { topRooms: [] } : {}),
      }
      servers.push({
        id,
        ...(clients === undefined ? {} : { url: clients }),
        ...(status === undefined ? {} : { status }),
      })
    }
    return { ok: true, server: this.#context.options.id, servers }
  }
}
