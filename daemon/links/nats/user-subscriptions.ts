import type { PresenceDelta, PresenceSnapshot } from '../../../src/protocol/frames.ts'

/** Messages to a user who has left are still listened for so long, ms: some are on their way. */
const UNSUBSCRIBE_DELAY_MS = 10_000

interface Subscription {
  unsubscribe(): void
}

/**
 * For which users this server listens: those whom its presence stream tells of, and, a while longer, those whom it told
 * to be gone. So whoever has heard that a user is here can reach them.
 */
export class UserSubscriptions {
  readonly #subscriptions = new Map<string, Subscription>()
  /** Users who left, and when listening for them ends; the earliest first. */
  readonly #expiring = new Map<string, number>()
  /** Names of a snapshot of which more is to come. */
  #snapshotUsers = new Set<string>()
  #timer: NodeJS.Timeout | undefined
  /** Absent while there is no backbone. */
  #subscribe: ((user: string) => Subscription) | undefined

  /** The backbone is there: listens for all users anew. */
  attach(subscribe: (user: string) => Subscription): void {
    this.#subscribe = subscribe
    for (const user of this.#subscriptions.keys()) this.#subscriptions.set(user, subscribe(user))
  }

  /** The backbone is gone, and all subscriptions with it. */
  detach(): void {
    this.#subscribe = undefined
  }

  /** Takes what this server is about to tell of its users. */
  handlePresence(frame: PresenceSnapshot | PresenceDelta): void {
    if (frame.type === 'delta') {
      for (const [user, connections] of frame.changes) {
        if (connections > 0) this.#addUser(user)
        else this.#expireUser(user)
      }
      return
    }
    for (const [user] of frame.users) {
      this.#addUser(user)
      this.#snapshotUsers.add(user)
    }
    if (frame.more) return
    for (const user of this.#subscriptions.keys()) if (!this.#snapshotUsers.has(user)) this.#expireUser(user)
    this.#snapshotUsers = new Set()
  }

  close(): void {
    clearTimeout(this.#timer)
  }

  #addUser(user: string): void {
    this.#expiring.delete(user)
    if (this.#subscriptions.has(user)) return
    // Without a backbone it is a place to fill later.
    this.#subscriptions.set(user, this.#subscribe?.(user) ?? { unsubscribe: () => {} })
  }

  #expireUser(user: string): void {
    if (!this.#subscriptions.has(user) || this.#expiring.has(user)) return
    this.#expiring.set(user, performance.now() + UNSUBSCRIBE_DELAY_MS)
    this.#timer ??= setTimeout(() => this.#removeExpired(), UNSUBSCRIBE_DELAY_MS).unref()
  }

  #removeExpired(): void {
    this.#timer = undefined
    const now = performance.now()
    for (const [user, until] of this.#expiring) {
      if (until > now) {
        this.#timer = setTimeout(() => this.#removeExpired(), until - now + 1).unref()
        return
      }
      this.#expiring.delete(user)
      if (this.#subscribe !== undefined) this.#subscriptions.get(user)?.unsubscribe()
      this.#subscriptions.delete(user)
    }
  }
}
