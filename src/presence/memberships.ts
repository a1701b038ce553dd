/** Which users are in which rooms. The memory is in proportion to the memberships. */
export class Memberships {
  /** By room. */
  readonly #users = new Map<string, Set<string>>()
  /** By user. */
  readonly #rooms = new Map<string, Set<string>>()
  #size = 0

  /** Number of memberships. */
  get size(): number {
    return this.#size
  }

  has(room: string, user: string): boolean {
    return this.#users.get(room)?.has(user) === true
  }

  /** Whether any user is in the room. */
  hasRoom(room: string): boolean {
    return this.#users.has(room)
  }

  /** Returns false if the user is in the room already. */
  add(room: string, user: string): boolean {
    if (this.has(room, user)) return false
    addTo(this.#users, room, user)
    addTo(this.#rooms, user, room)
    this.#size++
    return true
  }

  /** Returns false if the user is not in the room. */
  delete(room: string, user: string): boolean {
    if (!this.has(room, user)) return false
    deleteFrom(this.#users, room, user)
    deleteFrom(this.#rooms, user, room)
    this.#size--
    return true
  }

  /** Removes a user from all rooms. Returns those rooms. */
  deleteUser(user: string): string[] {
    const rooms = [...this.roomsOf(user)]
    for (const room of rooms) this.delete(room, user)
    return rooms
  }

  roomsOf(user: string): Iterable<string> {
    return this.#rooms.get(user) ?? []
  }

  /** The rooms, each with its users. */
  *[Symbol.iterator](): Generator<[room: string, users: ReadonlySet<string>]> {
    yield* this.#users
  }
}

function addTo(sets: Map<string, Set<string>>, key: string, value: string): void {
  const set = sets.get(key)
  if (set === undefined) sets.set(key, new Set([value]))
  else set.add(value)
}

function deleteFrom(sets: Map<string, Set<string>>, key: string, value: string): void {
  const set = sets.get(key)
  set?.delete(value)
  if (set?.size === 0) sets.delete(key)
}
