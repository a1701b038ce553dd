import { ConfusableNames } from '../../common/confusables.ts'
import { type Claim, type Credential, compareClaims } from '../../protocol/credentials.ts'
import type { ErrorCode } from '../../protocol/messages.ts'
import type { Context } from '../context.ts'

/** Why a name is not given to a connection. */
export interface Denial {
  code: ErrorCode
  message: string
}

/** Decides who may have a name, by what was proven: `auth` in the config. */
export class Admission {
  readonly #context: Context
  /** When connections that came with a token have to go, in the order in which they came; monotonic ms. */
  #tokenExpiries = new Map<number, number>()
  #nextExpiryAt = Number.POSITIVE_INFINITY
  /** Of the names that are online, where they are known by keys. */
  readonly #confusables = new ConfusableNames()

  constructor(context: Context) {
    this.#context = context
  }

  /** When the next token expires, monotonic ms. */
  get deadline(): number {
    return this.#nextExpiryAt
  }

  /** Whether a connection may have the name, by what it has shown; undefined: it may. */
  check(name: string, credential: Credential | undefined): Denial | undefined {
    const { auth } = this.#context.options
    if (auth === 'open') return undefined
    if (credential?.kind === 'invalid') return { code: 'unauthorized', message: credential.reason }
    if (credential?.kind !== auth) {
      const requirement = auth === 'key' ? 'a key, which mesh-chat makes by itself' : 'a token from its operator'
      return { code: 'unauthorized', message: `this mesh knows its users by ${requirement}` }
    }
    if (credential.kind === 'token') {
      if (credential.user === name) return undefined
      return { code: 'unauthorized', message: `the token is of ${credential.user}, not of ${name}` }
    }
    const claim = this.oldestClaim(name)
    const confusable = claim === undefined ? this.#confusables.find(name) : undefined
    if (confusable !== undefined)
      return { code: 'look-alike', message: `${name} looks like ${confusable}, who is online; choose another name` }
    if (claim === undefined || claim.key === credential.key) return undefined
    return { code: 'name-taken', message: `${name} is online with another key; choose another name` }
  }

  /** A connection has been given the name. */
  admit(connection: number, name: string, credential: Credential | undefined): void {
    const { directory, now, wall, clock } = this.#context
    if (credential?.kind === 'token') {
      const until = now + credential.expires - wall
      this.#tokenExpiries.set(connection, until)
      this.#nextExpiryAt = Math.min(this.#nextExpiryAt, until)
    } else if (credential?.kind === 'key') {
      // Whoever adds a connection to a name holds it as long as it was held before; from a peer's future, since now.
      const at = Math.min(this.oldestClaim(name)?.at ?? Number.POSITIVE_INFINITY, clock.tick(wall))
      if (directory.ownClaim(name) === undefined) directory.setClaim(name, { key: credential.key, at })
    }
  }

  release(connection: number): void {
    this.#tokenExpiries.delete(connection)
  }

  /** Whose the name is: of the claims that this server and its peers hold, the oldest. */
  oldestClaim(name: string): Claim | undefined {
    let oldest: Claim | undefined
    for (const claim of this.#context.directory.claims(name)) {
      if (oldest === undefined || compareClaims(claim, oldest) < 0) oldest = claim
    }
    return oldest
  }

  /** A name's connections changed, here or on a peer. */
  handlePresenceChange(name: string): void {
    const { options, directory } = this.#context
    if (options.auth !== 'key') return
    if (directory.isOnline(name)) this.#confusables.update([name], [])
    else this.#confusables.update([], [name])
  }

  /** Whether this server's own connections of a name have to go, for an older claim of another key has shown up. */
  hasLostName(name: string): boolean {
    const own = this.#context.directory.ownClaim(name)
    return own !== undefined && this.oldestClaim(name)?.key !== own.key
  }

  /** The connections whose tokens have expired. */
  takeExpired(): number[] {
    const { now } = this.#context
    if (now < this.#nextExpiryAt) return []
    const expired: number[] = []
    let next = Number.POSITIVE_INFINITY
    for (const [connection, until] of this.#tokenExpiries) {
      if (until <= now) expired.push(connection)
      else next = Math.min(next, until)
    }
    // Looked through once a second at most, however many expire one after another.
    this.#nextExpiryAt = Math.max(next, now + 1_000)
    if (next === Number.POSITIVE_INFINITY) this.#nextExpiryAt = next
    for (const connection of expired) this.#tokenExpiries.delete(connection)
    return expired
  }
}
