import { ConfusableNames } from '../../common/confusables.ts'
import { type Claim, type Credential, compareClaims } from '../../protocol/credentials.ts'
import type { Context } from '../context.ts'
import type { Denial } from '../types.ts'

/** Minimum time between two scans for expired tokens, ms. */
const EXPIRY_SCAN_INTERVAL_MS = 1_000

/** Decides which connections may use a user name, by the `auth` mode and the credential that they have proven. */
export class Admission {
  readonly #context: Context
  /** When the tokens of connections expire; monotonic ms. */
  #tokenExpiries = new Map<number, number>()
  #nextExpiryAt = Number.POSITIVE_INFINITY
  /** The names that are online; filled with `auth: key` only. */
  readonly #confusables = new ConfusableNames()

  constructor(context: Context) {
    this.#context = context
  }

  /** When to call `takeExpired`; monotonic ms, Infinity without tokens. */
  get deadline(): number {
    return this.#nextExpiryAt
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
    const claim = this.oldestClaim(name)
    const confusable = claim === undefined ? this.#confusables.find(name) : undefined
    if (confusable !== undefined) {
      return { code: 'look-alike', message: `${name} looks like ${confusable}, who is online; choose another name` }
    }
    if (claim === undefined || claim.key === credential.key) return undefined
    return { code: 'name-taken', message: `${name} is online with another key; choose another name` }
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
      const at = Math.min(this.oldestClaim(name)?.at ?? Number.POSITIVE_INFINITY, clock.tick(wall))
      if (directory.ownClaim(name) === undefined) directory.setClaim(name, { key: credential.key, at })
    }
  }

  release(connection: number): void {
    this.#tokenExpiries.delete(connection)
  }

  /** The oldest claim on a name, from this server and all peers: its key owns the name. */
  oldestClaim(name: string): Claim | undefined {
    let oldest: Claim | undefined
    for (const claim of this.#context.directory.claims(name)) {
      if (oldest === undefined || compareClaims(claim, oldest) < 0) oldest = claim
    }
    return oldest
  }

  /** The number of a user's connections changed, here or on a peer. */
  handlePresenceChange(name: string): void {
    const { options, directory } = this.#context
    if (options.auth !== 'key') return
    if (directory.isOnline(name)) this.#confusables.update([name], [])
    else this.#confusables.update([], [name])
  }

  /** Whether a peer has an older claim on a local user's name, with another key. */
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
