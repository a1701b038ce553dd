/** The part of a connection that rooms need. */
interface RoomConnection {
  readonly id: number
  readonly user: string
}

/** A room with at least one member: this server's connections in it, and the members on each peer. */
export class Room<Connection extends RoomConnection> {
  readonly name: string
  /** This server's connections in the room. */
  readonly connections = new Set<Connection>()
  /** By member: this server's connections in the room, and 1 for each peer. */
  readonly #places = new Map<string, number>()
  /** This server's members, with their number of connections in the room. */
  readonly #localMembers = new Map<string, number>()
  readonly #peers = new Map<string, Set<string>>()
  #peerList: readonly string[] | undefined

  constructor(name: string) {
    this.name = name
  }

  get memberCount(): number {
    return this.#places.size
  }

  /** The members, in no order. */
  get members(): Iterable<string> {
    return this.#places.keys()
  }

  /** The members who are users of this server. */
  get localMembers(): Iterable<string> {
    return this.#localMembers.keys()
  }

  get localMemberCount(): number {
    return this.#localMembers.size
  }

  /** The peers with a member. */
  get peers(): readonly string[] {
    this.#peerList ??= [...this.#peers.keys()]
    return this.#peerList
  }

  has(user: string): boolean {
    return this.#places.has(user)
  }

  /** Whether a user of this server is in the room. */
  hasLocal(user: string): boolean {
    return this.#localMembers.has(user)
  }

  /** Number of a peer's users in the room. */
  countOn(peer: string): number {
    return this.#peers.get(peer)?.size ?? 0
  }

  /** Whether a member is in the room with several connections of this server, or on several servers. */
  isInSeveralPlaces(user: string): boolean {
    return (this.#places.get(user) ?? 0) > 1
  }

  /** Adds a connection. Returns whether it is the first of its user to this server. */
  add(connection: Connection): boolean {
    this.connections.add(connection)
    this.#changePlaces(connection.user, 1)
    const count = this.#localMembers.get(connection.user) ?? 0
    this.#localMembers.set(connection.user, count + 1)
    return count === 0
  }

  /** Removes a connection. Returns whether it was the last of its user to this server. */
  delete(connection: Connection): boolean {
    this.connections.delete(connection)
    this.#changePlaces(connection.user, -1)
    const count = this.#localMembers.get(connection.user) ?? 0
    if (count > 1) this.#localMembers.set(connection.user, count - 1)
    else this.#localMembers.delete(connection.user)
    return count === 1
  }

  addOnPeer(peer: string, user: string): void {
    let users = this.#peers.get(peer)
    if (users === undefined) {
      users = new Set()
      this.#peers.set(peer, users)
      this.#peerList = undefined
    }
    if (users.has(user)) return
    users.add(user)
    this.#changePlaces(user, 1)
  }

  deleteOnPeer(peer: string, user: string): void {
    const users = this.#peers.get(peer)
    if (users?.delete(user) !== true) return
    this.#changePlaces(user, -1)
    if (users.size > 0) return
    this.#peers.delete(peer)
    this.#peerList = undefined
  }

  #changePlaces(user: string, by: number): void {
    const places = (this.#places.get(user) ?? 0) + by
    if (places > 0) this.#places.set(user, places)
    else this.#places.delete(user)
  }
}

/** All rooms with a member in the mesh. */
export class RoomDirectory<Connection extends RoomConnection> {
  readonly #rooms = new Map<string, Room<Connection>>()

  get size(): number {
    return this.#rooms.size
  }

  get(name: string): Room<Connection> | undefined {
    return this.#rooms.get(name)
  }

  /** The room; a new one if nobody is in it. It goes when `deleteIfEmpty` finds it without members. */
  open(name: string): Room<Connection> {
    const known = this.#rooms.get(name)
    if (known !== undefined) return known
    const room = new Room<Connection>(name)
    this.#rooms.set(name, room)
    return room
  }

  deleteIfEmpty(room: Room<Connection>): void {
    if (room.memberCount === 0) this.#rooms.delete(room.name)
  }

  /** The rooms with users of this server, each with those users, as they are now, whatever changes later. */
  localMembers(): [room: string, users: string[]][] {
    const rooms: [string, string[]][] = []
    for (const room of this.#rooms.values()) {
      if (room.connections.size > 0) rooms.push([room.name, [...room.localMembers]])
    }
    return rooms
  }

  [Symbol.iterator](): Iterator<Room<Connection>> {
    return this.#rooms.values()
  }
}
