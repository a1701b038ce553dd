import { ConfusableNames } from '../../common/confusables.ts'
import type { RememberedClaims } from '../../protocol/frames.ts'
import { type Claim, type Credential, compareClaims } from '../../protocol/proofs/credentials.ts'
import type { Context } from '../context.ts'
import type { Denial } from '../types.ts'

/** Minimum time between two scans for expired tokens, ms. */
const EXPIRY_SCAN_INTERVAL_MS = 1_000
/** Accepted difference between the clocks of the server that signed a ticket and of this one, ms. */
const MAX_CLOCK_DIFFERENCE_MS = 5 * 60_000

/** The older one of two claims. */
function older(one: Claim | undefined, other: Claim | undefined): Claim | undefined {
  if (one === undefined || other === undefined) return one ?? other
  return compareClaims(one, other) < 0 ? one : other
}

/** Whether a claim is older than another one of a different key. */
function isOlder(claim: Claim, other: Claim): boolean {
  return claim.key !== other.key && compareClaims(claim, other) < 0
}

/** Decides which connections may use a user name, by the `auth` mode and the credential that they have proven. */
export class Admission {
  readonly #context: Context
  /** When the tokens of connections expire; monotonic ms. */
  #tokenExpiries = new Map<number, number>()
  #nextExpiryAt = Number.POSITIVE_INFINITY
  /** The names that are held: online, or remembered. Filled with `auth: key` only. */
  readonly #confusables = new ConfusableNames()

  constructor(context: Context) {
    this.#context = context
  }

  /** When to call `takeExpired` and `forgetClaims`; monotonic ms, Infinity without tokens. */
  get deadline(): number {
    return Math.min(this.#nextExpiryAt, this.#context.rememberedClaims.deadline)
  }

  /** Returns why a connection may not use a name, or undefined if it may. */
  check(name: string, credential: Credential | undefined): Denial | undefined {
    const { auth } = this.#context.options
    if (auth === 'open') return undefined
    if (credential?.kind === 'invalid') return { code: 'unauthorized', message: credential.reason }
    if (credential?.kind !== auth) {
      const requirement = auth === 'key' ? 'a key, which mesh-chat creates by itself' : 'a token from its operator'
      return { code: 'unauthorized', message: `this mesh requires ${requirement}` }
    }
    if (credential.kind === 'token') {
      if (credential.user === name) return undefined
      return { code: 'unauthorized', message: `the token is for ${credential.user}, not for ${name}` }
    }
    const claim = this.#claimWithTicket(name, credential)
    const confusable = claim === undefined ? this.#confusables.find(name) : undefined
    if (confusable !== undefined) {
      return {
        code: 'look-alike',
        message: `${name} looks like ${confusable}, which is ${this.#use(confusable)}; choose another name`,
      }
    }
    if (claim === undefined || claim.key === credential.key) return undefined
    return { code: 'name-taken', message: `${name} is ${this.#use(name)} with another key; choose another name` }
  }

  /** Records that a connection uses the name. */
  admit(connection: number, name: string, credential: Credential | undefined): void {
    const { directory, now, wall, clock } = this.#context
    if (credential?.kind === 'token') {
      const expiresAt = now + credential.expires - wall
      this.#tokenExpiries.set(connection, expiresAt)
      this.#nextExpiryAt = Math.min(this.#nextExpiryAt, expiresAt)
    } else if (credential?.kind === 'key') {
      // A further connection inherits the time of the oldest claim, unless a peer's clock put that into the future.
      const at = Math.min(this.#claimWithTicket(name, credential)?.at ?? Number.POSITIVE_INFINITY, clock.tick(wall))
      const own = directory.ownClaim(name)
      if (own === undefined || at < own.at) directory.setClaim(name, { key: credential.key, at })
    }
  }

  release(connection: number): void {
    this.#tokenExpiries.delete(connection)
  }

  /** The oldest claim on a name, from this server and all peers, online or remembered: its key owns the name. */
  oldestClaim(name: string): Claim | undefined {
    const { rememberedClaims, now } = this.#context
    return older(rememberedClaims.get(name, now), this.#oldestOnlineClaim(name))
  }

  /** Whether a name is held, or would be with the ticket of a credential. */
  isHeld(name: string, credential: Credential | undefined): boolean {
    return this.#claimWithTicket(name, credential) !== undefined
  }

  /** Whether connections of another key have to be closed first, although the credential may use the name. */
  mustDisplace(name: string, credential: Credential | undefined): boolean {
    const own = this.#context.directory.ownClaim(name)
    return own !== undefined && credential?.kind === 'key' && own.key !== credential.key
  }

  /**
   * The oldest claim on a name, that of a credential's ticket included. A ticket is valid as long as the claim would be
   * remembered if the user had gone offline when it was signed.
   */
  #claimWithTicket(name: string, credential: Credential | undefined): Claim | undefined {
    const known = this.oldestClaim(name)
    if (credential?.kind !== 'key' || credential.ticket === undefined) return known
    const { wall, options } = this.#context
    const { at, issued } = credential.ticket
    const isValid = issued <= wall + MAX_CLOCK_DIFFERENCE_MS && issued + options.limits.claimMs > wall
    return isValid ? older({ key: credential.key, at }, known) : known
  }

  /**
   * The number of a user's connections changed, here or on a peer.
   * @param lostClaim the claim on the name that has ended with it
   */
  handlePresenceChange(name: string, lostClaim: Claim | undefined): void {
    const { options, rememberedClaims, now, wall } = this.#context
    if (options.auth !== 'key') return
    const online = this.#oldestOnlineClaim(name)
    if (lostClaim !== undefined && (online === undefined || isOlder(lostClaim, online))) {
      this.#updateHeld(rememberedClaims.remember(name, lostClaim, now, wall - lostClaim.at))
    }
    const remembered = rememberedClaims.get(name, now)
    if (online !== undefined && remembered !== undefined && !isOlder(remembered, online)) rememberedClaims.forget(name)
    this.#updateHeld(name)
  }

  /** A peer remembers claims. Returns the names on which this server knew no claim, or a younger one. */
  mergeClaims(claims: RememberedClaims): string[] {
    const { options, rememberedClaims, now, wall, clock } = this.#context
    if (options.auth !== 'key') return []
    return claims.flatMap(([name, key, at, remainingMs]) => {
      const online = this.#oldestOnlineClaim(name)
      if (online !== undefined && !isOlder({ key, at }, online)) return []
      clock.observe(at, wall)
      this.#updateHeld(rememberedClaims.merge(name, { key, at }, remainingMs, now, wall - at))
      this.#updateHeld(name)
      return [name]
    })
  }

  /** Forgets the remembered claims that have ended. */
  forgetClaims(): void {
    for (const name of this.#context.rememberedClaims.forgetExpired(this.#context.now)) this.#updateHeld(name)
  }

  #oldestOnlineClaim(name: string): Claim | undefined {
    let oldest: Claim | undefined
    for (const claim of this.#context.directory.claims(name)) {
      if (oldest === undefined || compareClaims(claim, oldest) < 0) oldest = claim
    }
    return oldest
  }

  /** Updates whether a name is compared with new ones. */
  #updateHeld(name: string | undefined): void {
    const { directory, rememberedClaims, now } = this.#context
    if (name === undefined) return
    const isHeld = directory.isOnline(name) || rememberedClaims.get(name, now) !== undefined
    if (isHeld) this.#confusables.update([name], [])
    else this.#confusables.update([], [name])
  }

  /** How a held name is used, for messages. */
  #use(name: string): string {
    return this.#context.directory.isOnline(name) ? 'online' : 'held for a user who was online recently'
  }

  /** Whether there is an older claim on a local user's name with another key, of a peer or remembered. */
  hasLostName(name: string): boolean {
    const own = this.#context.directory.ownClaim(name)
    return own !== undefined && this.oldestClaim(name)?.key !== own.key
  }

  /** Removes and returns the connections whose tokens have expired. Scans at most once per second. */
  takeExpired(): number[] {
    const { now } = this.#context
    if (now < this.#nextExpiryAt) return []
    const expired: number[] = []
    let next = Number.POSITIVE_INFINITY
    for (const [connection, expiresAt] of this.#tokenExpiries) {
      if (expiresAt <= now) expired.push(connection)
      else next = Math.min(next, expiresAt)
    }
    this.#nextExpiryAt = Math.max(next, now + EXPIRY_SCAN_INTERVAL_MS)
    if (next === Number.POSITIVE_INFINITY) this.#nextExpiryAt = next
    for (const connection of expired) this.#tokenExpiries.delete(connection)
    return expired
  }
}
