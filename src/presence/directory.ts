import type { PresenceEntry, PresenceSnapshot, StreamDelta } from '../protocol/frames.ts'
import type { Claim } from '../protocol/proofs/credentials.ts'
import { Holders } from './holders.ts'
import type { Allowance, ApplyResult, Replica, ReplicaChanges, UserChange } from './replica.ts'

/** The part of a connection that presence needs. */
interface UserConnection {
  readonly user: string
}

/** An own user. Replaced by each change, so that a list of users does not change. */
interface OwnUser<Connection> {
  readonly connections: readonly Connection[]
  /** The claim on the name, with `auth: key`. */
  readonly claim: Claim | undefined
}

/** Presence entries, which are made when they are read. */
export interface EntryList {
  readonly length: number
  slice(start: number, end: number): PresenceEntry[]
}

const NONE: readonly never[] = []

/** Who is online, and on which server: this server's own users with their connections, and a replica of each peer. */
export class Directory<Connection extends UserConnection> {
  #users = new Map<string, OwnUser<Connection>>()
  #replicas = new Map<string, Replica>()
  readonly #holders = new Holders()
  /** Claims on names whose first connection is about to be added. */
  #pendingClaims = new Map<string, Claim>()

  /** A user's connections to this server. */
  connectionsOf(name: string): readonly Connection[] {
    return this.#users.get(name)?.connections ?? NONE
  }

  /** Number of this server's own users. */
  get userCount(): number {
    return this.#users.size
  }

  /**
   * This server's own users as they are now, whatever changes later. With 100,000 users this takes 2 ms, and to make their
   * entries much longer.
   */
  ownUsers(): EntryList {
    const names = [...this.#users.keys()]
    const users = [...this.#users.values()]
    return {
      length: names.length,
      slice: (start, end) =>
        names.slice(start, end).map((name, n) => {
          const { connections = NONE, claim } = users[start + n] ?? {}
          return entryOf(name, connections.length, claim)
        }),
    }
  }

  /** The presence entry of an own user. */
  entry(name: string, connections: number): PresenceEntry {
    return entryOf(name, connections, connections > 0 ? this.ownClaim(name) : undefined)
  }

  /** The claim on an own user's name. */
  ownClaim(name: string): Claim | undefined {
    return this.#users.get(name)?.claim ?? this.#pendingClaims.get(name)
  }

  /** Sets the claim on a name, until the user's last connection to this server closes. */
  setClaim(name: string, claim: Claim): void {
    const user = this.#users.get(name)
    if (user === undefined) this.#pendingClaims.set(name, claim)
    else this.#users.set(name, { connections: user.connections, claim })
  }

  /** All claims on a name, from this server and its peers. */
  *claims(name: string): Generator<Claim> {
    const own = this.ownClaim(name)
    if (own !== undefined) yield own
    for (const peer of this.#holders.of(name)) {
      const claim = this.#replicas.get(peer)?.claim(name)
      if (claim !== undefined) yield claim
    }
  }

  /** Adds a connection. Returns the user's number of connections to this server. */
  addConnection(connection: Connection): number {
    const { user: name } = connection
    const connections = [...this.connectionsOf(name), connection]
    this.#users.set(name, { connections, claim: this.ownClaim(name) })
    this.#pendingClaims.delete(name)
    return connections.length
  }

  /** Removes a connection. Returns how many the user still has to this server. */
  removeConnection(connection: Connection): number {
    const { user: name } = connection
    const connections = this.connectionsOf(name).filter(one => one !== connection)
    if (connections.length > 0) this.#users.set(name, { connections, claim: this.ownClaim(name) })
    else this.#users.delete(name)
    return connections.length
  }

  addReplica(peer: string, replica: Replica): void {
    this.removeReplica(peer)
    this.#replicas.set(peer, replica)
    for (const name of replica.names()) this.#holders.add(name, peer)
  }

  /** Removes the replica of a peer. It must not change after that. */
  removeReplica(peer: string): void {
    for (const name of this.#replicas.get(peer)?.names() ?? []) this.#holders.delete(name, peer)
    this.#holders.forget(peer)
    this.#replicas.delete(peer)
  }

  /**
   * Applies a presence frame of a peer to its replica.
   * @param allowance for a snapshot: call `takeOver` for what is beyond it; default: unlimited
   */
  apply(peer: string, frame: PresenceSnapshot | StreamDelta, allowance?: Allowance): ApplyResult {
    const result = this.#replicas.get(peer)?.apply(frame, allowance) ?? { outcome: 'nothing-new' }
    if (result.outcome === 'applied') this.#updateHolders(peer, result.changes)
    return result
  }

  /** Applies a further part of a peer's snapshot. Returns what has changed. */
  takeOver(peer: string, allowance: Allowance): ReplicaChanges {
    const result = this.#replicas.get(peer)?.takeOver(allowance) ?? { changes: [], memberships: [] }
    this.#updateHolders(peer, result.changes)
    return result
  }

  /** Removes all users of a peer. Returns them as changes; those beyond the allowance come from `takeOver`. */
  clear(peer: string, allowance?: Allowance, keepsClaims?: boolean): ReplicaChanges {
    const result = this.#replicas.get(peer)?.clear(allowance, keepsClaims) ?? { changes: [], memberships: [] }
    this.#updateHolders(peer, result.changes)
    return result
  }

  isOnline = (name: string): boolean => this.#users.has(name) || this.#holders.has(name)

  /** A user's number of connections in the whole mesh. */
  connectionCount(name: string): number {
    let sum = this.connectionsOf(name).length
    for (const peer of this.#holders.of(name)) sum += this.#replicas.get(peer)?.appliedCount(name) ?? 0
    return sum
  }

  isUserOnPeer(peer: string, name: string): boolean {
    return (this.#replicas.get(peer)?.connectionCount(name) ?? 0) > 0
  }

  /** The peers that one of two users is connected to. */
  peersHolding(one: string, other: string): readonly string[] {
    const ones = this.#holders.ofCached(one)
    if (one === other) return ones
    const others = this.#holders.ofCached(other)
    if (others.length === 0) return ones
    return ones.length === 0 ? others : [...ones, ...others.filter(peer => !ones.includes(peer))]
  }

  #updateHolders(peer: string, changes: readonly UserChange[]): void {
    for (const { name, before, now } of changes) {
      if (now === 0) this.#holders.delete(name, peer)
      else if (before === 0) this.#holders.add(name, peer)
    }
  }
}

function entryOf(name: string, connections: number, claim: Claim | undefined): PresenceEntry {
  return claim === undefined ? [name, connections] : [name, connections, claim.key, claim.at]
}
