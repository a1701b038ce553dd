import { exceeds, type Limits } from '../protocol/limits.ts'
import { type Claim, compareClaims } from '../protocol/proofs/credentials.ts'

/** A name that was held for less than this, ms, is dropped first: names cost nothing to those who want to fill the memory. */
const BRIEF_MS = 10 * 60_000
/** Time between two scans for expired claims, ms. */
const SCAN_INTERVAL_MS = 60_000

/** A claim on a name whose user is offline. */
export interface RememberedClaim extends Claim {
  name: string
  /** When the claim ends; monotonic ms. */
  expiresAt: number
  /** When this server remembered it; monotonic ms. */
  rememberedAt: number
}

/**
 * Claims on names whose users are offline: a name stays with its key for `limits.claimMs`, so that no other key takes it
 * while its server restarts or its user is away. Every server of the mesh remembers the claims that it has seen.
 * Bounded by `limits.rememberedClaims`: the oldest are dropped, brief ones first.
 */
export class ClaimMemory {
  readonly #limits: Pick<Limits, 'claimMs' | 'rememberedClaims'>
  /** By name, oldest first. */
  readonly #claims = new Map<string, RememberedClaim>()
  readonly #briefClaims = new Map<string, RememberedClaim>()
  #scanAt = Number.POSITIVE_INFINITY

  constructor(limits: Pick<Limits, 'claimMs' | 'rememberedClaims'>) {
    this.#limits = limits
  }

  get size(): number {
    return this.#claims.size + this.#briefClaims.size
  }

  /** When `forgetExpired` is due; monotonic ms, Infinity while there are no claims. */
  get deadline(): number {
    return this.#scanAt
  }

  get(name: string, now: number): Claim | undefined {
    return this.#current(name, now)
  }

  /** The claims that were remembered at or after a time, each with the time that is left, ms. */
  *since(time: number, now: number): Generator<[claim: RememberedClaim, remainingMs: number]> {
    for (const claims of [this.#claims, this.#briefClaims]) {
      for (const claim of claims.values()) {
        if (claim.rememberedAt >= time && claim.expiresAt > now) yield [claim, claim.expiresAt - now]
      }
    }
  }

  /**
   * Remembers the claim of a user who has gone offline; of two claims with different keys, the older one.
   * @param heldMs how long the name was held
   * @returns the name of the claim that was dropped to make room
   */
  remember(name: string, { key, at }: Claim, now: number, heldMs: number): string | undefined {
    const known = this.#current(name, now)
    if (known !== undefined && known.key !== key && compareClaims(known, { key, at }) < 0) return undefined
    const oldestAt = known?.key === key ? Math.min(known.at, at) : at
    return this.#set({ name, key, at: oldestAt, expiresAt: now + this.#limits.claimMs, rememberedAt: now }, heldMs)
  }

  /**
   * Merges a claim that a peer remembers. Does not prolong a known one: servers would prolong it for each other.
   * @param remainingMs the time that is left, at most `limits.claimMs`
   * @returns the name of the claim that was dropped to make room
   */
  merge(name: string, { key, at }: Claim, remainingMs: number, now: number, heldMs: number): string | undefined {
    const known = this.#current(name, now)
    if (known?.key === key) {
      known.at = Math.min(known.at, at)
      return undefined
    }
    if (known !== undefined && compareClaims(known, { key, at }) < 0) return undefined
    const expiresAt = now + Math.min(remainingMs, this.#limits.claimMs)
    return this.#set({ name, key, at, expiresAt, rememberedAt: now }, heldMs)
  }

  forget(name: string): void {
    this.#claims.delete(name)
    this.#briefClaims.delete(name)
    if (this.size === 0) this.#scanAt = Number.POSITIVE_INFINITY
  }

  /** Forgets the claims that have ended. Returns their names. Scans at most once per minute. */
  forgetExpired(now: number): string[] {
    if (now < this.#scanAt) return []
    const names: string[] = []
    for (const claims of [this.#claims, this.#briefClaims]) {
      for (const { name, expiresAt } of claims.values()) if (expiresAt <= now) names.push(name)
    }
    this.#scanAt = now + SCAN_INTERVAL_MS
    for (const name of names) this.forget(name)
    return names
  }

  #current(name: string, now: number): RememberedClaim | undefined {
    const claim = this.#claims.get(name) ?? this.#briefClaims.get(name)
    return claim !== undefined && claim.expiresAt > now ? claim : undefined
  }

  #set(claim: RememberedClaim, heldMs: number): string | undefined {
    if (claim.expiresAt <= claim.rememberedAt) return undefined
    this.forget(claim.name)
    const claims = heldMs < BRIEF_MS ? this.#briefClaims : this.#claims
    claims.set(claim.name, claim)
    if (this.#scanAt === Number.POSITIVE_INFINITY) this.#scanAt = claim.rememberedAt + SCAN_INTERVAL_MS
    if (!exceeds(this.size, this.#limits.rememberedClaims)) return undefined
    const [oldest] = this.#briefClaims.size > 0 ? this.#briefClaims.keys() : this.#claims.keys()
    if (oldest !== undefined) this.forget(oldest)
    return oldest
  }
}
