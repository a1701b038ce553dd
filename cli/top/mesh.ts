/** What one reading after another tells of the mesh. */
import type { ClusterStatus, LinkStatus, ServerStatus } from '../../src/protocol/status.ts'
import { type Rates, ratesBetween, Series } from './rates.ts'

/** A link as both ends tell of it; `half`: only one of them holds it for open. */
export type LinkState = 'open' | 'half' | 'dialling' | 'waiting' | 'unknown'

export interface Link {
  state: LinkState
  /** Round trip, ms; only of an open link. */
  rtt: number | undefined
  held: number
}

/** One server, over all readings so far. */
export class MonitoredServer {
  readonly id: string
  url: string | undefined
  /** Absent while it does not answer. */
  status: ServerStatus | undefined
  links: ReadonlyMap<string, LinkStatus> = new Map()
  /** When it answered last. */
  answeredAt: number | undefined
  /** Absent until two readings of one life of it are there. */
  rates: Rates | undefined
  /** Messages a second that came to it, from clients and from peers. */
  readonly history = new Series()
  #last: ServerStatus | undefined

  constructor(id: string) {
    this.id = id
  }

  update(status: ServerStatus | undefined, now: number): void {
    this.status = status
    this.links = new Map(status?.links.map(link => [link.peer, link]))
    if (status === undefined) this.rates = undefined
    else {
      const rates = this.#last === undefined ? undefined : ratesBetween(this.#last, status)
      if (rates !== 'same') this.rates = rates
      this.#last = status
      this.answeredAt = now
    }
    this.history.push(this.rate)
  }

  /** Messages a second that come to it. */
  get rate(): number | undefined {
    return this.rates === undefined ? undefined : this.rates.accepted + this.rates.forwarded
  }

  /** The slowest round trip of its open links, ms. */
  get worstRtt(): number | undefined {
    let worst: number | undefined
    for (const { outbound, rtt } of this.links.values()) {
      if (outbound === 'open' && rtt !== undefined) worst = Math.max(worst ?? 0, rtt)
    }
    return worst
  }

  get held(): number {
    let held = 0
    for (const link of this.links.values()) held += link.held
    return held
  }
}

/** Sums over the servers that answer. */
export interface Totals {
  answering: number
  connections: number
  slow: number
  held: number
  /** Links that are open, of all that there should be. */
  open: number
  links: number
  refused: number
}

export class Mesh {
  /** Which server was asked last, and when. */
  askedServer: string | undefined
  updatedAt: number | undefined
  /** Messages a second, each counted once; and handed to connections. */
  readonly accepted = new Series()
  readonly delivered = new Series()
  #servers = new Map<string, MonitoredServer>()

  get servers(): ReadonlyMap<string, MonitoredServer> {
    return this.#servers
  }

  update(clusterStatus: ClusterStatus, now: number): void {
    const servers = new Map<string, MonitoredServer>()
    for (const { id, url, status } of clusterStatus.servers) {
      if (servers.has(id)) continue
      const server = this.#servers.get(id) ?? new MonitoredServer(id)
      server.url = url
      server.update(status?.server === id ? status : undefined, now)
      servers.set(id, server)
    }
    this.#servers = servers
    this.askedServer = clusterStatus.server
    this.updatedAt = now
    this.accepted.push(this.#sum('accepted'))
    this.delivered.push(this.#sum('delivered'))
  }

  /** There was no reading when one was due. */
  recordGap(): void {
    if (this.updatedAt === undefined) return
    this.accepted.push(undefined)
    this.delivered.push(undefined)
    for (const { history } of this.#servers.values()) history.push(undefined)
  }

  #sum(kind: keyof Rates): number | undefined {
    let sum: number | undefined
    for (const { rates } of this.#servers.values()) if (rates !== undefined) sum = (sum ?? 0) + rates[kind]
    return sum
  }

  /** The link that one server dials to another, by what both say; where one is silent, by what the other says. */
  link(from: string, to: string): Link {
    const dialler = this.#servers.get(from)?.links.get(to)
    const acceptor = this.#servers.get(to)?.links.get(from)
    const state = linkState(dialler?.outbound, acceptor?.inbound)
    return { state, rtt: state === 'open' ? dialler?.rtt : undefined, held: dialler?.held ?? 0 }
  }

  /** To whom a server has no open link. */
  unreachablePeers(from: string): string[] {
    return [...this.#servers.keys()].filter(to => to !== from && this.link(from, to).state !== 'open')
  }

  /** How many of its links are open. */
  openLinkCount(from: string): number {
    let open = 0
    for (const to of this.#servers.keys()) if (to !== from && this.link(from, to).state === 'open') open++
    return open
  }

  /** Users online, as the server that was asked sees it. */
  get online(): number | undefined {
    const asked = this.askedServer === undefined ? undefined : this.#servers.get(this.askedServer)
    return asked?.status?.online
  }

  totals(): Totals {
    const size = this.#servers.size
    const totals = { answering: 0, connections: 0, slow: 0, held: 0, open: 0, links: size * (size - 1), refused: 0 }
    for (const { id, status, links, held, rates } of this.#servers.values()) {
      totals.refused += rates?.refused ?? 0
      if (status === undefined) continue
      totals.answering++
      totals.connections += status.connections
      totals.slow += status.slow
      totals.held += held
      // Both links of a pair where this one can tell: a silent server's are told by its peers.
      for (const peer of links.keys()) {
        const other = this.#servers.get(peer)
        if (other === undefined || peer === id) continue
        if (this.link(id, peer).state === 'open') totals.open++
        if (!other.links.has(id) && this.link(peer, id).state === 'open') totals.open++
      }
    }
    return totals
  }
}

function linkState(outbound: LinkStatus['outbound'] | undefined, inbound: boolean | undefined): LinkState {
  if (outbound === undefined) return inbound === undefined ? 'unknown' : inbound ? 'open' : 'waiting'
  if (inbound === undefined) return outbound
  return inbound === (outbound === 'open') ? outbound : 'half'
}
