import type { Claim } from '../protocol/credentials.ts'
import type { PresenceEntry } from '../protocol/frames.ts'
import type { Replica } from './replica.ts'

/** The part of a connection that presence needs. */
interface UserConnection {
  readonly user: string
}

const NONE: readonly never[] = []
/** Users whose holders are cached. */
const MAX_CACHED_NAMES = 10_000

/** Who is online, and on which server: this server's own users with their connections, and a replica of each peer. */
export class Directory<Connection extends UserConnection> {
  #connectionsByUser = new Map<string, Connection[]>()
  #replicas = new Map<string, Replica>()
  /** The peers that a user is connected to, from the last look-up. */
  #holdersCache = new Map<string, readonly string[]>()
  /** Claims on the names of own users, with `auth: key`. */
  #claims = new Map<string, Claim>()

  /** A user's connections to this server. */
  connectionsOf(name: string): readonly Connection[] {
    return this.#connectionsByUser.get(name) ?? NONE
  }

  /** Number of this server's own users. */
  get userCount(): number {
    return this.#connectionsByUser.size
  }

  /** This server's own users as presence entries. */
  *ownUsers(): Generator<PresenceEntry> {
    for (const [name, connections] of this.#connectionsByUser) yield this.entry(name, connections.length)
  }

  /** The presence entry of an own user. */
  entry(name: string, connections: number): PresenceEntry {
    const claim = connections > 0 ? this.#claims.get(name) : undefined
    return claim === undefined ? [name, connections] : [name, connections, claim.key, claim.at]
  }

  /** The claim on an own user's name. */
  ownClaim(name: string): Claim | undefined {
    return this.#claims.get(name)
  }

  /** Sets the claim on a name, until the user's last connection to this server closes. */
  setClaim(name: string, claim: Claim): void {
    this.#claims.set(name, claim)
  }

  /** All claims on a name, from this server and its peers. */
  *claims(name: string): Generator<Claim> {
    const own = this.#claims.get(name)
    if (own !== undefined) yield own
    for (const replica of this.#replicas.values()) {
      const claim = replica.claim(name)
      if (claim !== undefined) yield claim
    }
  }

  /** Adds a connection. Returns the user's number of connections to this server. */
  addConnection(connection: Connection): number {
    const connections = this.#connectionsByUser.get(connection.user)
    if (connections === undefined) this.#connectionsByUser.set(connection.user, [connection])
    else connections.push(connection)
    return connections?.length ?? 1
  }

  /** Removes a connection. Returns how many the user still has to this server. */
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

  /** Removes the replica of a peer. It must be empty. */
  removeReplica(peer: string): void {
    this.#replicas.delete(peer)
  }

  isOnline = (name: string): boolean => {
    if (this.#connectionsByUser.has(name)) return true
    for (const replica of this.#replicas.values()) if (replica.connectionCount(name) > 0) return true
    return false
  }

  /** A user's number of connections in the whole mesh. */
  connectionCount(name: string): number {
    let sum = this.connectionsOf(name).length
    for (const replica of this.#replicas.values()) sum += replica.connectionCount(name)
    return sum
  }

  isUserOnPeer(peer: string, name: string): boolean {
    return (this.#replicas.get(peer)?.connectionCount(name) ?? 0) > 0
  }

  /** The peers that one of two users is connected to. */
  peersHolding(one: string, other: string): readonly string[] {
    const ones = this.#holders(one)
    if (one === other) return ones
    const others = this.#holders(other)
    if (others.length === 0) return ones
    return ones.length === 0 ? others : [...ones, ...others.filter(peer => !ones.includes(peer))]
  }

  /** Drops the cached holders of a user whose connections to peers changed. */
  invalidateHolders(name: string): void {
    this.#holdersCache.delete(name)
  }

  /** Cached because it is read for each message: the cost is the same with 3 peers as with 200. */
  #holders(name: string): readonly string[] {
    const cached = this.#holdersCache.get(name)
    if (cached !== undefined) return cached
    const peers: string[] = []
    for (const [peer, replica] of this.#replicas) if (replica.connectionCount(name) > 0) peers.push(peer)
    if (this.#holdersCache.size >= MAX_CACHED_NAMES) this.#holdersCache.clear()
    this.#holdersCache.set(name, peers)
    return peers
  }
}
