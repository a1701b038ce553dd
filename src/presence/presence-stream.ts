import type {
  PresenceEntry,
  PresenceSnapshot,
  RoomChanges,
  RoomMembers,
  StreamDelta,
  StreamPosition,
} from '../protocol/frames.ts'
import type { EntryList } from './directory.ts'

/** Changes kept in the log, to catch up a peer with deltas after a short disconnect; past that it gets a snapshot. */
const MAX_LOGGED_CHANGES = 4_096

/**
 * Users, and memberships, in one frame that this server sends; it may get frames with more (`MAX_NAMES_PER_FRAME`). Changes of
 * 1,000 users, or their keys, take a receiver 10 to 20 ms in one turn of the event loop.
 */
export const ENTRIES_PER_FRAME = 1_000

/** Rooms with members of this server, and those members. */
type LocalMembers = readonly (readonly [room: string, users: readonly string[]])[]

/** Makes a chunk of a snapshot: to make all chunks of 100,000 users at once takes longer than a turn of the event loop may. */
export type SnapshotChunk = () => PresenceSnapshot

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
  readonly #maxEntries: number

  /** @param maxEntries users, and memberships, in a frame */
  constructor(incarnation: string, maxEntries = ENTRIES_PER_FRAME) {
    this.incarnation = incarnation
    this.#maxEntries = maxEntries
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
    const userChunks = chunksOf(changes, this.#maxEntries)
    const roomChunks = chunksOf(rooms, this.#maxEntries)
    // Memberships apply after the users: a user must be known before.
    const firstWithRooms = this.#mayShareFrame(changes.length, rooms.length) ? 0 : userChunks.length
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

  /** The deltas that a peer at position `holds` is missing; undefined: it needs a snapshot. */
  deltasAfter(holds: StreamPosition): StreamDelta[] | undefined {
    if (holds.incarnation !== this.incarnation || holds.seq > this.#seq) return undefined
    const missing = this.#log.filter(delta => delta.seq > holds.seq)
    return missing.length === this.#seq - holds.seq ? missing : undefined
  }

  /**
   * A snapshot of `users`, and of the rooms that they are in, in chunks. Without users, one empty chunk: it must replace
   * the peer's list, too. The chunks are of this moment, whenever they are made; the deltas from now on follow them.
   */
  snapshot(users: EntryList, rooms: LocalMembers): SnapshotChunk[] {
    const { incarnation } = this
    const seq = this.#seq
    const maxEntries = this.#maxEntries
    const memberships = rooms.reduce((sum, [, members]) => sum + members.length, 0)
    const userChunks = Math.ceil(users.length / maxEntries)
    const roomChunks = Math.ceil(memberships / maxEntries)
    const firstWithRooms = this.#mayShareFrame(users.length, memberships) ? 0 : userChunks
    const count = Math.max(1, userChunks, firstWithRooms + roomChunks)
    return Array.from({ length: count }, (_, part) => () => {
      const start = (part - firstWithRooms) * maxEntries
      const hasRooms = start >= 0 && start < memberships
      return {
        type: 'snapshot',
        incarnation,
        seq,
        users: users.slice(part * maxEntries, (part + 1) * maxEntries),
        ...(hasRooms ? { rooms: sliceMembers(rooms, start, start + maxEntries) } : {}),
        ...(count > 1 ? { part } : {}),
        more: part < count - 1,
      }
    })
  }

  /** Whether one frame can have both the users and the memberships, and fits a packet. */
  #mayShareFrame(users: number, memberships: number): boolean {
    return users <= this.#maxEntries / 2 && memberships <= this.#maxEntries / 2
  }
}

interface MembershipChange {
  readonly room: string
  readonly user: string
  readonly isMember: boolean
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

/** The memberships from index `start` up to, not including, `end`, by room. */
function sliceMembers(rooms: LocalMembers, start: number, end: number): RoomMembers {
  const slice: RoomMembers = []
  let first = 0
  for (const [room, members] of rooms) {
    if (first >= end) break
    const users = members.slice(Math.max(0, start - first), end - first)
    if (users.length > 0) slice.push([room, users])
    first += members.length
  }
  return slice
}
