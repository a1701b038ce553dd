/** The state of the mesh, built from successive cluster status readings. */
import { ConfusableNames } from '../../src/common/confusables.ts'
import type { ClusterStatus, LinkStatus, ServerStatus } from '../../src/protocol/status.ts'
import { type Rates, type ReadonlySeries, ratesBetween, Series } from './rates.ts'

/** The state of a link, from the reports of both ends. `half`: open at one end only. */
export type LinkState = 'open' | 'half' | 'dialling' | 'waiting' | 'unknown'

export interface Link {
  state: LinkState
  /** Round trip of an open link, ms. */
  rtt: number | undefined
  /** Messages held for the peer. */
  held: number
}

/** What a server says of its link to a peer. */
interface ReportedLink {
  outbound: LinkStatus['outbound']
  inbound: boolean
  rtt: number | undefined
  held: number
  /** The number of the reading that has it. */
  reading: number
}

/** One server, over all readings. */
export class MonitoredServer {
  readonly id: string
  url: string | undefined
  /** Undefined while the server does not answer. */
  status: Omit<ServerStatus, 'links'> | undefined
  /**
   * By peer. A mesh of 100 servers has 10,000 of them in each reading: they are changed in place, because objects that
   * live from one reading to the next made the garbage collector pause longer than a frame takes.
   */
  readonly #links = new Map<string, ReportedLink>()
  #reading = 0
  /** Time of the last answer, ms. */
  answeredAt: number | undefined
  /** Undefined until there are two readings of the same incarnation. */
  rates: Rates | undefined
  /** Messages per second received from clients and peers, one value per reading. */
  readonly history = new Series()
  #lastStatus: Omit<ServerStatus, 'links'> | undefined

  constructor(id: string) {
    this.id = id
  }

  update(reported: ServerStatus | undefined, now: number): void {
    this.#updateLinks(reported?.links ?? [])
    const status = reported === undefined ? undefined : withoutLinks(reported)
    this.status = status
    if (status === undefined) this.rates = undefined
    else {
      const rates = this.#lastStatus === undefined ? undefined : ratesBetween(this.#lastStatus, status)
      if (rates !== 'same') this.rates = rates
      this.#lastStatus = status
      this.answeredAt = now
    }
    this.history.push(this.rate)
  }

  #updateLinks(links: readonly LinkStatus[]): void {
    const reading = ++this.#reading
    let peers = 0
    for (const { peer, outbound, inbound, rtt, held } of links) {
      const known = this.#links.get(peer)
      if (known?.reading !== reading) peers++
      if (known === undefined) {
        this.#links.set(peer, { outbound, inbound, rtt, held, reading })
        continue
      }
      known.outbound = outbound
      known.inbound = inbound
      known.rtt = rtt
      known.held = held
      known.reading = reading
    }
    if (this.#links.size === peers) return
    for (const [peer, link] of this.#links) if (link.reading !== reading) this.#links.delete(peer)
  }

  /** What the server says of its link to a peer. */
  linkTo(peer: string): Readonly<ReportedLink> | undefined {
    return this.#links.get(peer)
  }

  /** Messages per second received from clients and peers. */
  get rate(): number | undefined {
    return this.rates === undefined ? undefined : this.rates.accepted + this.rates.forwarded
  }

  /** The slowest round trip of the server's open links, ms. */
  get worstRtt(): number | undefined {
    let worst: number | undefined
    for (const { outbound, rtt } of this.#links.values()) {
      if (outbound === 'open' && rtt !== undefined) worst = Math.max(worst ?? 0, rtt)
    }
    return worst
  }

  /** Messages held for all peers. */
  get held(): number {
    let held = 0
    for (const link of this.#links.values()) held += link.held
    return held
  }
}

export type ReadonlyServer = Readonly<Omit<MonitoredServer, 'update' | 'history'>> & {
  readonly history: ReadonlySeries
}

/** A room, from the reports of all servers. */
export interface MonitoredRoom {
  readonly name: string
  /** Members in the whole mesh. */
  members: number
  /** Members by server, of those that list the room. */
  readonly byServer: Map<string, number>
}

type ReadonlyRoom = Readonly<Omit<MonitoredRoom, 'byServer'>> & {
  readonly byServer: ReadonlyMap<string, number>
}

/** Sums over the servers that answer. */
export interface Totals {
  answering: number
  connections: number
  /** Connections that hold a view of the roster. */
  views: number
  slow: number
  held: number
  /** Open links. */
  open: number
  /** Links of a complete full mesh. */
  links: number
  refused: number
}

export class Mesh {
  /** Id of the server that gave the last reading. */
  askedServer: string | undefined
  /** Time of the last reading, ms. */
  updatedAt: number | undefined
  /** Messages per second accepted from clients in the whole mesh. */
  readonly accepted = new Series()
  /** Messages per second sent to connections in the whole mesh. */
  readonly delivered = new Series()
  #servers = new Map<string, MonitoredServer>()
  /** What the last reading says of all links; undefined: not asked for yet. Frames between two readings need it again. */
  #openLinks: ReadonlyMap<string, number> | undefined
  #totals: Totals | undefined
  /** The ids of the servers; undefined: not asked for since they changed. */
  #confusables: ConfusableNames | undefined

  get servers(): ReadonlyMap<string, MonitoredServer> {
    return this.#servers
  }

  /** @param now time of the reading, ms */
  update(clusterStatus: ClusterStatus, now: number): void {
    const servers = new Map<string, MonitoredServer>()
    for (const { id, url, status } of clusterStatus.servers) {
      if (servers.has(id)) continue
      const server = this.#servers.get(id) ?? new MonitoredServer(id)
      server.url = url
      server.update(status?.server === id ? status : undefined, now)
      servers.set(id, server)
    }
    if (servers.size !== this.#servers.size || [...servers.keys()].some(id => !this.#servers.has(id)))
      this.#confusables = undefined
    this.#servers = servers
    this.#openLinks = undefined
    this.#totals = undefined
    this.askedServer = clusterStatus.server
    this.updatedAt = now
    this.accepted.push(this.#sum('accepted'))
    this.delivered.push(this.#sum('delivered'))
  }

  /** Records a missed reading in all series. */
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

  /** The link that `from` dials to `to`, from the reports of both ends, or of one if the other does not answer. */
  link(from: string, to: string): Link {
    const dialler = this.#servers.get(from)?.linkTo(to)
    const acceptor = this.#servers.get(to)?.linkTo(from)
    const state = linkState(dialler?.outbound, acceptor?.inbound)
    return { state, rtt: state === 'open' ? dialler?.rtt : undefined, held: dialler?.held ?? 0 }
  }

  /** Ids of servers to which `from` has no open link. */
  unreachablePeers(from: string): string[] {
    const dialler = this.#servers.get(from)
    if (dialler === undefined || this.openLinkCount(from) === this.#servers.size - 1) return []
    return [...this.#servers.values()].filter(to => to !== dialler && !isOpen(dialler, to)).map(({ id }) => id)
  }

  /** Whether an id is hard to tell from that of another server. */
  isConfusable(id: string): boolean {
    if (this.#confusables === undefined) {
      this.#confusables = new ConfusableNames()
      this.#confusables.keep(this.#servers.keys())
    }
    return this.#confusables.find(id) !== undefined
  }

  /** Number of open links dialled by a server. */
  openLinkCount(from: string): number {
    this.#openLinks ??= this.#countOpenLinks()
    return this.#openLinks.get(from) ?? 0
  }

  #countOpenLinks(): ReadonlyMap<string, number> {
    const counts = new Map<string, number>()
    for (const from of this.#servers.values()) {
      let open = 0
      for (const to of this.#servers.values()) if (to !== from && isOpen(from, to)) open++
      counts.set(from.id, open)
    }
    return counts
  }

  /** Users online, according to the server that gave the last reading. */
  get online(): number | undefined {
    const asked = this.askedServer === undefined ? undefined : this.#servers.get(this.askedServer)
    return asked?.status?.online
  }

  /** The rooms that any server lists, those with the most members first. */
  rooms(): MonitoredRoom[] {
    const rooms = new Map<string, MonitoredRoom>()
    for (const { id, status } of this.#servers.values()) {
      for (const { room: name, members, local } of status?.topRooms ?? []) {
        const room = rooms.get(name) ?? { name, members: 0, byServer: new Map<string, number>() }
        rooms.set(name, room)
        // Servers may hear of a change one after the other.
        room.members = Math.max(room.members, members)
        room.byServer.set(id, local)
      }
    }
    return [...rooms.values()].sort((one, other) => other.members - one.members || (one.name < other.name ? -1 : 1))
  }

  totals(): Totals {
    this.#totals ??= this.#sumUp()
    return this.#totals
  }

  #sumUp(): Totals {
    const size = this.#servers.size
    const links = size * (size - 1)
    const totals = { answering: 0, connections: 0, views: 0, slow: 0, held: 0, open: 0, links, refused: 0 }
    for (const { id, status, held, rates } of this.#servers.values()) {
      // Includes the links of a peer that does not answer, from the report of the other end.
      totals.open += this.openLinkCount(id)
      totals.refused += rates?.refused ?? 0
      if (status === undefined) continue
      totals.answering++
      totals.connections += status.connections
      totals.views += status.views ?? 0
      totals.slow += status.slow
      totals.held += held
    }
    return totals
  }
}

export type ReadonlyMesh = Readonly<
  Pick<
    Mesh,
    'askedServer' | 'updatedAt' | 'link' | 'unreachablePeers' | 'isConfusable' | 'openLinkCount' | 'online' | 'totals'
  >
> & {
  rooms(): readonly ReadonlyRoom[]
  readonly servers: ReadonlyMap<string, ReadonlyServer>
  readonly accepted: ReadonlySeries
  readonly delivered: ReadonlySeries
}

function withoutLinks({ links: _, ...status }: ServerStatus): Omit<ServerStatus, 'links'> {
  return status
}

/** Whether a server's link to another one is open. */
function isOpen(from: MonitoredServer, to: MonitoredServer): boolean {
  return linkState(from.linkTo(to.id)?.outbound, to.linkTo(from.id)?.inbound) === 'open'
}

function linkState(outbound: LinkStatus['outbound'] | undefined, inbound: boolean | undefined): LinkState {
  if (outbound === undefined) return inbound === undefined ? 'unknown' : inbound ? 'open' : 'waiting'
  if (inbound === undefined) return outbound
  return inbound === (outbound === 'open') ? outbound : 'half'
}
