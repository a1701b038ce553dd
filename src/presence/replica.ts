import { MAX_NUMBER_JUMP, type PresenceEntry, type PresenceSnapshot, type StreamDelta } from '../protocol/frames.ts'
import type { Claim } from '../protocol/proofs/credentials.ts'
import { CompactNames } from './compact-names.ts'
import { Memberships } from './memberships.ts'

/** Changes of a replica, for what is derived from it. */
export interface ReplicaChanges {
  changes: UserChange[]
  memberships: MembershipChange[]
}

/** How many users and memberships of snapshots may be applied now. Shared by all replicas. */
export interface Allowance {
  left: number
}

/** The result of applying a presence frame. `replaced`: it was a snapshot, and more changes may follow (`takeOver`). */
export type ApplyResult =
  | ({ outcome: 'applied'; replaced: boolean } & ReplicaChanges)
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

/** The users of a snapshot, and the rooms that they are in. */
interface Snapshot {
  readonly users: Map<string, PresenceEntry>
  readonly rooms: Memberships
}

/** The chunks so far of an incomplete snapshot. */
interface PartialSnapshot extends Snapshot {
  readonly incarnation: string
  readonly seq: number
  parts: number
}

/** Names that are looked up at once to find those that a snapshot does not have. */
const NAMES_PER_LOOKUP = 256

/**
 * A copy of one peer's users, and of the rooms that they are in. Only the peer writes its stream, so a position in it is
 * (incarnation, seq), and there is nothing to merge.
 *
 * A snapshot of many users takes long to compare with what was there. It counts as soon as it is complete (its position, and which
 * users the peer has); it is then taken over in slices, which report the changes. `applied` state is what these
 * reports add up to.
 */
export class Replica {
  #incarnation: string | undefined
  #seq = 0
  /** The applied users. */
  #users = new CompactNames()
  /** Applied claims on the names, with `auth: key`. */
  #claims = new Map<string, Claim>()
  /** The applied memberships. */
  #rooms = new Memberships()
  #partial: PartialSnapshot | undefined
  /** The snapshot that is taken over, with the deltas since. */
  #next: Snapshot | undefined
  /** Takes over `#next`: each step is one user or membership. */
  #steps: Iterator<UserChange | MembershipChange | undefined> | undefined

  get incarnation(): string | undefined {
    return this.#incarnation
  }

  get seq(): number {
    return this.#seq
  }

  /** Number of users; while a snapshot is incomplete, its number of users if that is larger. */
  get size(): number {
    return Math.max((this.#next?.users ?? this.#users).size, this.#partial?.users.size ?? 0)
  }

  /** Number of memberships of rooms; while a snapshot is incomplete, its number if that is larger. */
  get membershipCount(): number {
    return Math.max((this.#next?.rooms ?? this.#rooms).size, this.#partial?.rooms.size ?? 0)
  }

  /** Whether a snapshot is not taken over yet: call `takeOver`. */
  get isTakingOver(): boolean {
    return this.#next !== undefined
  }

  /** A user's number of connections to the peer. */
  connectionCount(name: string): number {
    return this.#next === undefined ? this.#users.get(name) : (this.#next.users.get(name)?.[1] ?? 0)
  }

  /** A user's number of connections to the peer, as applied. */
  appliedCount(name: string): number {
    return this.#users.get(name)
  }

  /** The applied users. */
  *names(): Generator<string> {
    for (const [name] of this.#users) yield name
  }

  /** Whether a user of the peer is in a room. */
  isInRoom(room: string, name: string): boolean {
    return (this.#next?.rooms ?? this.#rooms).has(room, name)
  }

  /** The peer's claim on a name, as applied. */
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

  /** @param allowance for a snapshot: call `takeOver` for what is beyond it; default: unlimited */
  apply(frame: PresenceSnapshot | StreamDelta, allowance = unlimited()): ApplyResult {
    return frame.type === 'snapshot' ? this.#applySnapshot(frame, allowance) : this.#applyDelta(frame)
  }

  /**
   * Forgets all users, and returns them as changes; beyond the allowance, `takeOver` does.
   * @param keepsClaims whether the changes have the claims on their names
   */
  clear(allowance = unlimited(), keepsClaims = true): ReplicaChanges {
    if (!keepsClaims) this.#claims.clear()
    this.#incarnation = undefined
    this.#seq = 0
    this.#partial = undefined
    this.#replaceWith({ users: new Map(), rooms: new Memberships() })
    return this.takeOver(allowance)
  }

  /** Takes over a further part of a snapshot. Returns what has changed. */
  takeOver(allowance: Allowance): ReplicaChanges {
    const changes: UserChange[] = []
    const memberships: MembershipChange[] = []
    while (this.#steps !== undefined && allowance.left > 0) {
      const { done, value } = this.#steps.next()
      if (done === true) {
        this.#steps = undefined
        this.#next = undefined
        break
      }
      allowance.left--
      if (value === undefined) continue
      if ('room' in value) memberships.push(value)
      else changes.push(value)
    }
    return { changes, memberships }
  }

  #replaceWith(next: Snapshot): void {
    this.#next = next
    this.#steps = this.#takeOverSteps(next)
  }

  /** Deltas may change both the applied state and the snapshot between two steps. */
  *#takeOverSteps({ users, rooms }: Snapshot): Generator<UserChange | MembershipChange | undefined> {
    // Nobody who is online may be missing meanwhile, so those who have left come last.
    for (const entry of users.values()) yield this.#setUser(entry)
    for (const [room, members] of rooms) for (const name of members) yield this.#setMember(room, name, true)
    for (const [room, members] of this.#rooms) {
      for (const name of members) if (!rooms.has(room, name)) yield this.#setMember(room, name, false)
    }
    let last = ''
    while (this.#users.size > users.size) {
      const names = this.#users.after(last, NAMES_PER_LOOKUP)
      for (const name of names) yield users.has(name) ? undefined : this.#setUser([name, 0])
      last = names.at(-1) ?? last
    }
  }

  #applySnapshot(frame: PresenceSnapshot, allowance: Allowance): ApplyResult {
    let partial = this.#partial
    if (partial?.incarnation !== frame.incarnation || partial.seq !== frame.seq || frame.part === 0) {
      const { incarnation, seq } = frame
      partial = { incarnation, seq, users: new Map(), rooms: new Memberships(), parts: 0 }
    }
    if (frame.part !== undefined && frame.part !== partial.parts) {
      // A chunk is missing.
      this.#partial = undefined
      return { outcome: 'gap' }
    }
    partial.parts++
    for (const entry of frame.users) partial.users.set(entry[0], entry)
    for (const [room, users] of frame.rooms ?? []) for (const user of users) partial.rooms.add(room, user)
    if (frame.more) {
      this.#partial = partial
      return { outcome: 'nothing-new' }
    }
    this.#partial = undefined
    this.#incarnation = frame.incarnation
    this.#seq = frame.seq
    this.#replaceWith(partial)
    return { outcome: 'applied', replaced: true, ...this.takeOver(allowance) }
  }

  #applyDelta(frame: StreamDelta): ApplyResult {
    if (frame.incarnation !== this.#incarnation) return { outcome: 'gap' }
    if (frame.seq <= this.#seq) return { outcome: 'nothing-new' }
    if (frame.seq > this.#seq + 1) return { outcome: 'gap' }
    this.#seq = frame.seq
    const next = this.#next
    const changes: UserChange[] = []
    const memberships: MembershipChange[] = []
    for (const entry of frame.changes) {
      const [name, now] = entry
      if (now === 0) {
        for (const room of this.#rooms.deleteUser(name)) memberships.push({ room, name, isMember: false })
        next?.rooms.deleteUser(name)
        next?.users.delete(name)
      } else next?.users.set(name, entry)
      const change = this.#setUser(entry)
      if (change !== undefined) changes.push(change)
    }
    const setMember = (room: string, name: string, isMember: boolean) => {
      if (isMember) next?.rooms.add(room, name)
      else next?.rooms.delete(room, name)
      const change = this.#setMember(room, name, isMember)
      if (change !== undefined) memberships.push(change)
    }
    for (const [room, joined, left] of frame.rooms ?? []) {
      for (const name of joined) setMember(room, name, true)
      for (const name of left) setMember(room, name, false)
    }
    return { outcome: 'applied', replaced: false, changes, memberships }
  }

  /** Applies an entry. Returns what has changed. */
  #setUser(entry: PresenceEntry): UserChange | undefined {
    const [name, now] = entry
    const before = this.#users.set(name, now)
    const oldClaim = this.#claims.get(name)
    if (entry.length > 2 && now > 0) this.#claims.set(name, claimOf(entry))
    else if (oldClaim !== undefined) this.#claims.delete(name)
    const newClaim = this.#claims.get(name)
    if (before === now && oldClaim?.key === newClaim?.key && oldClaim?.at === newClaim?.at) return undefined
    return { name, before, now, ...lost(oldClaim, newClaim) }
  }

  #setMember(room: string, name: string, isMember: boolean): MembershipChange | undefined {
    const hasChanged = isMember ? this.#rooms.add(room, name) : this.#rooms.delete(room, name)
    return hasChanged ? { room, name, isMember } : undefined
  }
}

function unlimited(): Allowance {
  return { left: Number.POSITIVE_INFINITY }
}

/** The field `lostClaim`, if a claim has ended: there is none now, or one of another key. */
function lost(before: Claim | undefined, now?: Claim): Pick<UserChange, 'lostClaim'> {
  return before === undefined || before.key === now?.key ? {} : { lostClaim: before }
}

function claimOf([, , key = '', at = 0]: PresenceEntry): Claim {
  return { key, at }
}
