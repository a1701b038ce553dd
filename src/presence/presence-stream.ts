import {
  MAX_MEMBERSHIPS_PER_FRAME,
  MAX_NAMES_PER_FRAME,
  type PresenceEntry,
  type PresenceSnapshot,
  type RoomChanges,
  type RoomMembers,
  type StreamDelta,
  type StreamPosition,
} from '../protocol/frames.ts'

/** Changes kept in the log, to catch up a peer with deltas after a short disconnect; past that it gets a snapshot. */
const MAX_LOGGED_CHANGES = 4_096

/**
 * This server's own users as a stream for its peers: a snapshot, followed by numbered deltas. All links share one stream,
 * and get each delta in the same event-loop turn.
 */
export class PresenceStream {
  readonly incarnation: string
  #seq = 0
  /** Connections by user, for users who changed since the last delta. */
  #pendingChanges = new Map<string, number>()
  /** By room: whether each user who has joined or left since the last delta is in it. */
  #pendingRooms = new Map<string, Map<string, boolean>>()
  /** The latest deltas, oldest first. */
  #log: StreamDelta[] = []
  #loggedChanges = 0

  constructor(incarnation: string) {
    this.incarnation = incarnation
  }

  get seq(): number {
    return this.#seq
  }

  /** Records a user's current number of connections; 0 if the user left. */
  recordChange(name: string, connections: number): void {
    this.#pendingChanges.set(name, connections)
  }

  /** Records that a user has joined or left a room. */
  recordMembership(room: string, user: string, isMember: boolean): void {
    const users = this.#pendingRooms.get(room)
    if (users === undefined) this.#pendingRooms.set(room, new Map([[user, isMember]]))
    else users.set(user, isMember)
  }

  /**
   * Turns the recorded changes into the next deltas, almost always one.
   * @param entry returns a user's entry, with the claim on the name if there is one
   */
  takeDeltas(entry: (name: string, connections: number) => PresenceEntry): StreamDelta[] {
    const deltas: StreamDelta[] = []
    const changes = Array.from(this.#pendingChanges, ([name, connections]) => entry(name, connections))
    const rooms = this.#takeRoomChanges()
    this.#pendingChanges.clear()
    const userChunks = chunksOf(changes, MAX_NAMES_PER_FRAME)
    const roomChunks = chunksOf(rooms, MAX_MEMBERSHIPS_PER_FRAME)
    // Memberships apply after the users: a user must be known before.
    const firstWithRooms = mayShareFrame(userChunks[0], roomChunks[0]) ? 0 : userChunks.length
    for (let at = 0; at < Math.max(userChunks.length, firstWithRooms + roomChunks.length); at++) {
      const room = roomChunks[at - firstWithRooms]
      deltas.push({
        type: 'delta',
        incarnation: this.incarnation,
        seq: ++this.#seq,
        changes: userChunks[at] ?? [],
        ...(room === undefined ? {} : { rooms: groupChanges(room) }),
      })
    }
    for (const delta of deltas) {
      this.#log.push(delta)
      this.#loggedChanges += changeCount(delta)
    }
    while (this.#loggedChanges > MAX_LOGGED_CHANGES) this.#loggedChanges -= changeCount(this.#log.shift())
    return deltas
  }

  /** Takes the recorded memberships. A user without a connection has left all rooms: that needs no entry. */
  #takeRoomChanges(): MembershipChange[] {
    const changes: MembershipChange[] = []
    for (const [room, users] of this.#pendingRooms) {
      for (const [user, isMember] of users) {
        if (isMember || this.#pendingChanges.get(user) !== 0) changes.push({ room, user, isMember })
      }
    }
    this.#pendingRooms.clear()
    return changes
  }

  /** The frames that a peer at position `holds` is missing: none, deltas, or a snapshot of `users`. */
  catchUp(
    holds: StreamPosition,
    users: Iterable<PresenceEntry>,
    rooms: Iterable<[room: string, users: Iterable<string>]>,
  ): (PresenceSnapshot | StreamDelta)[] {
    if (holds.incarnation === this.incarnation && holds.seq <= this.#seq) {
      const missing = this.#log.filter(delta => delta.seq > holds.seq)
      if (missing.length === this.#seq - holds.seq) return missing
    }
    return this.snapshot(users, rooms)
  }

  /**
   * A snapshot of `users`, and of the rooms that they are in, in chunks. Without users, one empty chunk: it must replace
   * the peer's list, too.
   */
  snapshot(
    users: Iterable<PresenceEntry>,
    rooms: Iterable<[room: string, users: Iterable<string>]>,
  ): PresenceSnapshot[] {
    const userChunks = chunksOf([...users], MAX_NAMES_PER_FRAME)
    const memberships = [...rooms].flatMap(([room, members]) => Array.from(members, user => ({ room, user })))
    const roomChunks = chunksOf(memberships, MAX_MEMBERSHIPS_PER_FRAME)
    const firstWithRooms = mayShareFrame(userChunks[0], roomChunks[0]) ? 0 : userChunks.length
    const count = Math.max(1, userChunks.length, firstWithRooms + roomChunks.length)
    return Array.from({ length: count }, (_, at): PresenceSnapshot => {
      const room = roomChunks[at - firstWithRooms]
      return {
        type: 'snapshot',
        incarnation: this.incarnation,
        seq: this.#seq,
        users: userChunks[at] ?? [],
        ...(room === undefined ? {} : { rooms: groupMembers(room) }),
        ...(count > 1 ? { part: at } : {}),
        more: at < count - 1,
      }
    })
  }
}

interface MembershipChange {
  readonly room: string
  readonly user: string
  readonly isMember: boolean
}

/** Whether one frame can have both the users and the memberships, and fits a packet. */
function mayShareFrame(users: readonly unknown[] = [], memberships: readonly unknown[] = []): boolean {
  return users.length <= MAX_NAMES_PER_FRAME / 2 && memberships.length <= MAX_MEMBERSHIPS_PER_FRAME / 2
}

function changeCount(delta: StreamDelta | undefined): number {
  const inRooms = (delta?.rooms ?? []).reduce((sum, [, joined, left]) => sum + joined.length + left.length, 0)
  return (delta?.changes.length ?? 0) + inRooms
}

function chunksOf<T>(all: readonly T[], size: number): T[][] {
  const chunks: T[][] = []
  for (let at = 0; at < all.length; at += size) chunks.push(all.slice(at, at + size))
  return chunks
}

function groupChanges(changes: readonly MembershipChange[]): RoomChanges {
  const rooms = new Map<string, RoomChanges[number]>()
  for (const { room, user, isMember } of changes) {
    const entry = rooms.get(room) ?? [room, [], []]
    rooms.set(room, entry)
    entry[isMember ? 1 : 2].push(user)
  }
  return [...rooms.values()]
}

function groupMembers(memberships: readonly { room: string; user: string }[]): RoomMembers {
  const rooms = new Map<string, RoomMembers[number]>()
  for (const { room, user } of memberships) {
    const entry = rooms.get(room) ?? [room, []]
    rooms.set(room, entry)
    entry[1].push(user)
  }
  return [...rooms.values()]
}
