import type { PresenceDelta, PresenceSnapshot } from '../../../src/protocol/frames.ts'

/** How long the subscription of a user who has left stays, ms: messages may be in flight. */
const UNSUBSCRIBE_DELAY_MS = 10_000

interface Subscription {
  unsubscribe(): void
}

/**
 * Subscriptions to the messages of this server's users: every user that its presence stream has announced, and for a
 * while those that it has announced as gone. So a peer can reach each user it has been told of.
 */
export class UserSubscriptions {
  readonly #subscriptions = new Map<string, Subscription[]>()
  /** Users who left, and when their subscription ends, earliest first. */
  readonly #expiring = new Map<string, number>()
  /** Users in the parts of an incomplete snapshot. */
  #snapshotUsers = new Set<string>()
  #timer: NodeJS.Timeout | undefined
  /** Empty while the backbone is disconnected. */
  #subscribers: ((user: string) => Subscription)[] = []

  /** The backbone is connected, or another subject is needed: subscribes for all users. */
  attach(subscribe: (user: string) => Subscription): void {
    this.#subscribers.push(subscribe)
    for (const [user, subscriptions] of this.#subscriptions) subscriptions.push(subscribe(user))
  }

  /** The backbone is disconnected, and all subscriptions are gone. */
  detach(): void {
    this.#subscribers = []
    for (const user of this.#subscriptions.keys()) this.#subscriptions.set(user, [])
  }

  /** Call with each presence frame before it is published. */
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
    // While the backbone is disconnected, `attach` fills this in later.
    this.#subscriptions.set(
      user,
      this.#subscribers.map(subscribe => subscribe(user)),
    )
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
      for (const subscription of this.#subscriptions.get(user) ?? []) subscription.unsubscribe()
      this.#subscriptions.delete(user)
    }
  }
}
