import type { Claim } from '../protocol/credentials.ts'
import type { Entry } from '../protocol/frames.ts'
import type { Replica } from './replica.ts'

/** A connection of a user to this server, as far as presence cares. */
interface Connected {
  readonly user: string
}

const NOBODY: readonly never[] = []
/** Of so many names is remembered which peers hold them. */
const REMEMBERED = 10_000

/** Who is online, and where: this server's own users with their connections, and a replica of each peer. */
export class Directory<Connection extends Connected> {
  #rooms = new Map<string, Connection[]>()
  #replicas = new Map<string, Replica>()
  /** Which peers hold a name, as it was last looked up. */
  #remembered = new Map<string, readonly string[]>()
  /** Whose the names with rooms here are, where they are known by keys. */
  #claims = new Map<string, Claim>()

  /** A user's connections to this server. */
  room(name: string): readonly Connection[] {
    return this.#rooms.get(name) ?? NOBODY
  }

  /** How many users this server has. */
  get users(): number {
    return this.#rooms.size
  }

  /** This server's own users, each with the number of its connections. */
  *ownUsers(): Generator<Entry> {
    for (const [name, room] of this.#rooms) yield this.entry(name, room.length)
  }

  /** What peers are told of a user of this server. */
  entry(name: string, connections: number): Entry {
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
  enter(connection: Connection): number {
    const room = this.#rooms.get(connection.user)
    if (room === undefined) this.#rooms.set(connection.user, [connection])
    else room.push(connection)
    return room?.length ?? 1
  }

  /** Takes a connection out of its user's room; answers with how many are left. */
  leave(connection: Connection): number {
    const room = this.#rooms.get(connection.user)
    if (room === undefined) return 0
    const at = room.indexOf(connection)
    if (at >= 0) room.splice(at, 1)
    if (room.length === 0) {
      this.#rooms.delete(connection.user)
      this.#claims.delete(connection.user)
    }
    return room.length
  }

  addReplica(peer: string, replica: Replica): void {
    this.#replicas.set(peer, replica)
  }

  /** Forgets a peer that holds nobody. */
  removeReplica(peer: string): void {
    this.#replicas.delete(peer)
  }

  isOnline = (name: string): boolean => {
    if (this.#rooms.has(name)) return true
    for (const replica of this.#replicas.values()) if (replica.connections(name) > 0) return true
    return false
  }

  /** A user's connections in the whole mesh. */
  connections(name: string): number {
    let sum = this.room(name).length
    for (const replica of this.#replicas.values()) sum += replica.connections(name)
    return sum
  }

  holds(peer: string, name: string): boolean {
    return (this.#replicas.get(peer)?.connections(name) ?? 0) > 0
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
  moved(name: string): void {
    this.#remembered.delete(name)
  }

  /** Remembered, for it is asked with each message: so that it costs the same among 3 peers and among 200. */
  #holders(name: string): readonly string[] {
    const remembered = this.#remembered.get(name)
    if (remembered !== undefined) return remembered
    const peers: string[] = []
    for (const [peer, replica] of this.#replicas) if (replica.connections(name) > 0) peers.push(peer)
    if (this.#remembered.size >= REMEMBERED) this.#remembered.clear()
    this.#remembered.set(name, peers)
    return peers
  }
}
