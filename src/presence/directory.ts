import type { Claim } from '../protocol/credentials.ts'
import type { PresenceEntry } from '../protocol/frames.ts'
import type { Replica } from './replica.ts'

/** A connection of a user to this server, as far as presence cares. */
interface UserConnection {
  readonly user: string
}

const NONE: readonly never[] = []
/** Of so many names is remembered which peers hold them. */
const MAX_CACHED_NAMES = 10_000

/** Who is online, and where: this server's own users with their connections, and a replica of each peer. */
export class Directory<Connection extends UserConnection> {
  #connectionsByUser = new Map<string, Connection[]>()
  #replicas = new Map<string, Replica>()
  /** Which peers hold a name, as it was last looked up. */
  #holdersCache = new Map<string, readonly string[]>()
  /** Whose the names with rooms here are, where they are known by keys. */
  #claims = new Map<string, Claim>()

  /** A user's connections to this server. */
  connectionsOf(name: string): readonly Connection[] {
    return this.#connectionsByUser.get(name) ?? NONE
  }

  /** How many users this server has. */
  get userCount(): number {
    return this.#connectionsByUser.size
  }

  /** This server's own users, each with the number of its connections. */
  *ownUsers(): Generator<PresenceEntry> {
    for (const [name, connections] of this.#connectionsByUser) yield this.entry(name, connections.length)
  }

  /** What peers are told of a user of this server. */
  entry(name: string, connections: number): PresenceEntry {
    const claim = connections > 0 ? this.#claims.get(name) : undefined
    return claim === undefined ? [name, connections] : [name, connections, claim.key, claim.at]
  }

  /** Whose a name is that has connections here. */
  ownClaim(name: string): Claim | undefined {
    return this.#claims.get(name)
  }

  /** Holds until the last connection of the name here is gone. */
  setClaim(name: string, claim: Claim): void {
    this.#claims.set(name, claim)
  }

  /** All claims on a name, here and on peers. */
  *claims(name: string): Generator<Claim> {
    const own = this.#claims.get(name)
    if (own !== undefined) yield own
    for (const replica of this.#replicas.values()) {
      const claim = replica.claim(name)
      if (claim !== undefined) yield claim
    }
  }

  /** Puts a connection into its user's room; answers with how many there are now. */
  addConnection(connection: Connection): number {
    const connections = this.#connectionsByUser.get(connection.user)
    if (connections === undefined) this.#connectionsByUser.set(connection.user, [connection])
    else connections.push(connection)
    return connections?.length ?? 1
  }

  /** Takes a connection out of its user's room; answers with how many are left. */
  removeConnection(connection: Connection): number {
    const connections = this.#connectionsByUser.get(connection.user)
    if (connections === undefined) return 0
    const at = connections.indexOf(connection)
    if (at >= 0) connections.splice(at, 1)
    if (connections.length === 0) {
      this.#connectionsByUser.delete(connection.user)
      this.#claims.delete(connection.user)
    }
    return connections.length
  }

  addReplica(peer: string, replica: Replica): void {
    this.#replicas.set(peer, replica)
  }

  /** Forgets a peer that holds nobody. */
  removeReplica(peer: string): void {
    this.#replicas.delete(peer)
  }

  isOnline = (name: string): boolean => {
    if (this.#connectionsByUser.has(name)) return true
    for (const replica of this.#replicas.values()) if (replica.connectionCount(name) > 0) return true
    return false
  }

  /** A user's connections in the whole mesh. */
  connectionCount(name: string): number {
    let sum = this.connectionsOf(name).length
    for (const replica of this.#replicas.values()) sum += replica.connectionCount(name)
    return sum
  }

  isUserOnPeer(peer: string, name: string): boolean {
    return (this.#replicas.get(peer)?.connectionCount(name) ?? 0) > 0
  }

  /** The peers that hold a connection of either user. */
  peersHolding(one: string, other: string): readonly string[] {
    const ones = this.#holders(one)
    if (one === other) return ones
    const others = this.#holders(other)
    if (others.length === 0) return ones
    return ones.length === 0 ? others : [...ones, ...others.filter(peer => !ones.includes(peer))]
  }

  /** A name's connections to some peer have changed. */
  invalidateHolders(name: string): void {
    this.#holdersCache.delete(name)
  }

  /** Remembered, for it is asked with each message: so that it costs the same among 3 peers and among 200. */
  #holders(name: string): readonly string[] {
    const remembered = this.#holdersCache.get(name)
    if (remembered !== undefined) return remembered
    const peers: string[] = []
    for (const [peer, replica] of this.#replicas) if (replica.connectionCount(name) > 0) peers.push(peer)
    if (this.#holdersCache.size >= MAX_CACHED_NAMES) this.#holdersCache.clear()
    this.#holdersCache.set(name, peers)
    return peers
  }
}
