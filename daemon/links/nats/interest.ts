import type { Delta, Snapshot } from '../../../src/protocol/frames.ts'

/** Messages to a user who has left are still listened for so long, ms: some are on their way. */
const LINGER_MS = 10_000

interface Subscription {
  unsubscribe(): void
}

/**
 * For which users this server listens: those whom its presence stream tells of, and, a while longer, those whom it told
 * to be gone. So whoever has heard that a user is here can reach them.
 */
export class Interest {
  readonly #subscriptions = new Map<string, Subscription>()
  /** Users who left, and when listening for them ends; the earliest first. */
  readonly #leaving = new Map<string, number>()
  /** Names of a snapshot of which more is to come. */
  #partial = new Set<string>()
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
  told(frame: Snapshot | Delta): void {
    if (frame.type === 'delta') {
      for (const [user, connections] of frame.changes) {
        if (connections > 0) this.#come(user)
        else this.#leave(user)
      }
      return
    }
    for (const [user] of frame.users) {
      this.#come(user)
      this.#partial.add(user)
    }
    if (frame.more) return
    for (const user of this.#subscriptions.keys()) if (!this.#partial.has(user)) this.#leave(user)
    this.#partial = new Set()
  }

  close(): void {
    clearTimeout(this.#timer)
  }

  #come(user: string): void {
    this.#leaving.delete(user)
    if (this.#subscriptions.has(user)) return
    // Without a backbone it is a place to fill later.
    this.#subscriptions.set(user, this.#subscribe?.(user) ?? { unsubscribe: () => {} })
  }

  #leave(user: string): void {
    if (!this.#subscriptions.has(user) || this.#leaving.has(user)) return
    this.#leaving.set(user, performance.now() + LINGER_MS)
    this.#timer ??= setTimeout(() => this.#lapse(), LINGER_MS).unref()
  }

  #lapse(): void {
    this.#timer = undefined
    const now = performance.now()
    for (const [user, until] of this.#leaving) {
      if (until > now) {
        this.#timer = setTimeout(() => this.#lapse(), until - now + 1).unref()
        return
      }
      this.#leaving.delete(user)
      if (this.#subscribe !== undefined) this.#subscriptions.get(user)?.unsubscribe()
      this.#subscriptions.delete(user)
    }
  }
}
