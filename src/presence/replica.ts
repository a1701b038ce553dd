import type { Claim } from '../protocol/credentials.ts'
import { MAX_NUMBER_JUMP, type PresenceEntry, type PresenceSnapshot, type StreamDelta } from '../protocol/frames.ts'
import { CompactNames } from './compact-names.ts'
import { Memberships } from './memberships.ts'

/** The result of applying a presence frame. `replaced`: it was a snapshot. */
export type ApplyResult =
  | { outcome: 'applied'; replaced: boolean; changes: UserChange[]; memberships: MembershipChange[] }
  /** An earlier frame is missing: request a snapshot. */
  | { outcome: 'gap' }
  /** A repeated frame, or a chunk of an incomplete snapshot. */
  | { outcome: 'nothing-new' }

/** A user's number of connections `before` and `now`. */
export interface UserChange {
  name: string
  before: number
  now: number
  /** The claim on the name that has ended, because the user left or another key holds the name. */
  lostClaim?: Claim
}

/** A user of the peer is in a room now, or is not any more. */
export interface MembershipChange {
  room: string
  name: string
  isMember: boolean
}

/**
 * A copy of one peer's users, and of the rooms that they are in. Only the peer writes its stream, so a position in it is (incarnation, seq), and there is
 * nothing to merge.
 */
export class Replica {
  #incarnation: string | undefined
  #seq = 0
  #users = new CompactNames()
  /** Claims on the names, with `auth: key`. */
  #claims = new Map<string, Claim>()
  /** The chunks so far of an incomplete snapshot. */
  #partial:
    | {
        incarnation: string
        seq: number
        users: CompactNames
        claims: Map<string, Claim>
        rooms: Memberships
        parts: number
      }
    | undefined
  #rooms = new Memberships()

  get incarnation(): string | undefined {
    return this.#incarnation
  }

  get seq(): number {
    return this.#seq
  }

  /** Number of users; while a snapshot is incomplete, its number of users if that is larger. */
  get size(): number {
    return Math.max(this.#users.size, this.#partial?.users.size ?? 0)
  }

  /** Number of memberships of rooms; while a snapshot is incomplete, its number if that is larger. */
  get membershipCount(): number {
    return Math.max(this.#rooms.size, this.#partial?.rooms.size ?? 0)
  }

  /** A user's number of connections to the peer. */
  connectionCount(name: string): number {
    return this.#users.get(name)
  }

  /** The peer's users. */
  *names(): Generator<string> {
    for (const [name] of this.#users) yield name
  }

  /** Whether a user of the peer is in a room. */
  isInRoom(room: string, name: string): boolean {
    return this.#rooms.has(room, name)
  }

  /** The peer's claim on a name. */
  claim(name: string): Claim | undefined {
    return this.#claims.get(name)
  }

  /** Whether the replica misses frames up to this position, as a heartbeat reports it. */
  isBehind(incarnation: string, seq: number): boolean {
    return incarnation !== this.#incarnation || seq > this.#seq
  }

  /** Whether a position does not jump too far: the peer could not get past it. */
  isPlausible(incarnation: string, seq: number): boolean {
    return seq <= (incarnation === this.#incarnation ? this.#seq : 0) + MAX_NUMBER_JUMP
  }

  apply(frame: PresenceSnapshot | StreamDelta): ApplyResult {
    return frame.type === 'snapshot' ? this.#applySnapshot(frame) : this.#applyDelta(frame)
  }

  /** Forgets all users. Returns them as changes. */
  clear(): { changes: UserChange[]; memberships: MembershipChange[] } {
    const memberships = changesBetween(this.#rooms, new Memberships())
    this.#rooms = new Memberships()
    const changes: UserChange[] = []
    for (const [name, before] of this.#users) changes.push({ name, before, now: 0, ...lost(this.#claims.get(name)) })
    this.#users = new CompactNames()
    this.#claims.clear()
    this.#incarnation = undefined
    this.#seq = 0
    this.#partial = undefined
    return { changes, memberships }
  }

  #applySnapshot(frame: PresenceSnapshot): ApplyResult {
    let partial = this.#partial
    if (partial?.incarnation !== frame.incarnation || partial.seq !== frame.seq || frame.part === 0) {
      const { incarnation, seq } = frame
      partial = { incarnation, seq, users: new CompactNames(), claims: new Map(), rooms: new Memberships(), parts: 0 }
    }
    if (frame.part !== undefined && frame.part !== partial.parts) {
      // A chunk is missing.
      this.#partial = undefined
      return { outcome: 'gap' }
    }
    partial.parts++
    for (const entry of frame.users) {
      partial.users.set(entry[0], entry[1])
      if (entry.length > 2) partial.claims.set(entry[0], claimOf(entry))
    }
    for (const [room, users] of frame.rooms ?? []) for (const user of users) partial.rooms.add(room, user)
    if (frame.more) {
      this.#partial = partial
      return { outcome: 'nothing-new' }
    }
    const before = this.#users
    const claims = this.#claims
    this.#claims = partial.claims
    this.#partial = undefined
    this.#incarnation = frame.incarnation
    this.#seq = frame.seq
    this.#users = partial.users
    const changes: UserChange[] = []
    for (const [name, connections] of before) {
      if (partial.users.get(name) === 0) {
        changes.push({ name, before: connections, now: 0, ...lost(claims.get(name)) })
      }
    }
    for (const [name, now] of partial.users) {
      const connections = before.get(name)
      const [oldClaim, newClaim] = [claims.get(name), partial.claims.get(name)]
      if (connections !== now || oldClaim?.key !== newClaim?.key || oldClaim?.at !== newClaim?.at) {
        changes.push({ name, before: connections, now, ...lost(oldClaim, newClaim) })
      }
    }
    const memberships = changesBetween(this.#rooms, partial.rooms)
    this.#rooms = partial.rooms
    return { outcome: 'applied', replaced: true, changes, memberships }
  }

  #applyDelta(frame: StreamDelta): ApplyResult {
    if (frame.incarnation !== this.#incarnation) return { outcome: 'gap' }
    if (frame.seq <= this.#seq) return { outcome: 'nothing-new' }
    if (frame.seq > this.#seq + 1) return { outcome: 'gap' }
    this.#seq = frame.seq
    const changes: UserChange[] = []
    const memberships: MembershipChange[] = []
    for (const entry of frame.changes) {
      const [name, now] = entry
      if (now === 0) for (const room of this.#rooms.deleteUser(name)) memberships.push({ room, name, isMember: false })
      const before = this.#users.set(name, now)
      const oldClaim = this.#claims.get(name)
      const claimed = this.#updateClaim(entry)
      if (before === now && !claimed) continue
      changes.push({ name, before, now, ...lost(oldClaim, this.#claims.get(name)) })
    }
    for (const [room, joined, left] of frame.rooms ?? []) {
      for (const name of joined) if (this.#rooms.add(room, name)) memberships.push({ room, name, isMember: true })
      for (const name of left) if (this.#rooms.delete(room, name)) memberships.push({ room, name, isMember: false })
    }
    return { outcome: 'applied', replaced: false, changes, memberships }
  }

  /** Updates the claim on a name. Returns whether it changed. */
  #updateClaim(entry: PresenceEntry): boolean {
    const before = this.#claims.get(entry[0])
    if (entry.length > 2 && entry[1] > 0) this.#claims.set(entry[0], claimOf(entry))
    else if (before !== undefined) this.#claims.delete(entry[0])
    const now = this.#claims.get(entry[0])
    return before?.key !== now?.key || before?.at !== now?.at
  }
}

/** The difference between two sets of memberships. */
function changesBetween(before: Memberships, after: Memberships): MembershipChange[] {
  const changes: MembershipChange[] = []
  for (const [room, users] of before) {
    for (const name of users) if (!after.has(room, name)) changes.push({ room, name, isMember: false })
  }
  for (const [room, users] of after) {
    for (const name of users) if (!before.has(room, name)) changes.push({ room, name, isMember: true })
  }
  return changes
}

/** The field `lostClaim`, if a claim has ended: there is none now, or one of another key. */
function lost(before: Claim | undefined, now?: Claim): Pick<UserChange, 'lostClaim'> {
  return before === undefined || before.key === now?.key ? {} : { lostClaim: before }
}

function claimOf([, , key = '', at = 0]: PresenceEntry): Claim {
  return { key, at }
}
