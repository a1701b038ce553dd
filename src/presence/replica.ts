import type { Claim } from '../protocol/credentials.ts'
import { MAX_NUMBER_JUMP, type PresenceDelta, type PresenceEntry, type PresenceSnapshot } from '../protocol/frames.ts'
import { CompactNames } from './compact-names.ts'

/** The result of applying a presence frame. `replaced`: it was a snapshot. */
export type ApplyResult =
  | { outcome: 'applied'; replaced: boolean; changes: UserChange[] }
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

/**
 * A copy of one peer's users. Only the peer writes its stream, so a position in it is (incarnation, seq), and there is
 * nothing to merge.
 */
export class Replica {
  #incarnation: string | undefined
  #seq = 0
  #users = new CompactNames()
  /** Claims on the names, with `auth: key`. */
  #claims = new Map<string, Claim>()
  /** The chunks so far of an incomplete snapshot. */
  #partial: { incarnation: string; seq: number; users: CompactNames; claims: Map<string, Claim> } | undefined

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

  /** A user's number of connections to the peer. */
  connectionCount(name: string): number {
    return this.#users.get(name)
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

  apply(frame: PresenceSnapshot | PresenceDelta): ApplyResult {
    return frame.type === 'snapshot' ? this.#applySnapshot(frame) : this.#applyDelta(frame)
  }

  /** Forgets all users. Returns them as changes. */
  clear(): UserChange[] {
    const changes: UserChange[] = []
    for (const [name, before] of this.#users) changes.push({ name, before, now: 0, ...lost(this.#claims.get(name)) })
    this.#users = new CompactNames()
    this.#claims.clear()
    this.#incarnation = undefined
    this.#seq = 0
    this.#partial = undefined
    return changes
  }

  #applySnapshot(frame: PresenceSnapshot): ApplyResult {
    let partial = this.#partial
    if (partial?.incarnation !== frame.incarnation || partial.seq !== frame.seq) {
      partial = { incarnation: frame.incarnation, seq: frame.seq, users: new CompactNames(), claims: new Map() }
    }
    for (const entry of frame.users) {
      partial.users.set(entry[0], entry[1])
      if (entry.length > 2) partial.claims.set(entry[0], claimOf(entry))
    }
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
    return { outcome: 'applied', replaced: true, changes }
  }

  #applyDelta(frame: PresenceDelta): ApplyResult {
    if (frame.incarnation !== this.#incarnation) return { outcome: 'gap' }
    if (frame.seq <= this.#seq) return { outcome: 'nothing-new' }
    if (frame.seq > this.#seq + 1) return { outcome: 'gap' }
    this.#seq = frame.seq
    const changes: UserChange[] = []
    for (const entry of frame.changes) {
      const [name, now] = entry
      const before = this.#users.set(name, now)
      const oldClaim = this.#claims.get(name)
      const claimed = this.#updateClaim(entry)
      if (before === now && !claimed) continue
      changes.push({ name, before, now, ...lost(oldClaim, this.#claims.get(name)) })
    }
    return { outcome: 'applied', replaced: false, changes }
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

/** The field `lostClaim`, if a claim has ended: there is none now, or one of another key. */
function lost(before: Claim | undefined, now?: Claim): Pick<UserChange, 'lostClaim'> {
  return before === undefined || before.key === now?.key ? {} : { lostClaim: before }
}

function claimOf([, , key = '', at = 0]: PresenceEntry): Claim {
  return { key, at }
}
