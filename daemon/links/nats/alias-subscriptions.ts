/** How long the subscription to a name that is gone stays, ms: messages may be in flight. */
const UNSUBSCRIBE_DELAY_MS = 10_000

interface Subscription {
  unsubscribe(): void
}

/** Subscriptions to the messages of names, of users or of rooms. A name that is removed stays subscribed for a while. */
export class AliasSubscriptions {
  readonly #subscriptions = new Map<string, Subscription[]>()
  /** Removed names, and when their subscription ends, earliest first. */
  readonly #expiring = new Map<string, number>()
  #timer: NodeJS.Timeout | undefined
  /** Empty while the backbone is disconnected. */
  #subscribers: ((name: string) => Subscription)[] = []

  /** The backbone is connected, or another subject is needed: subscribes for all names. */
  attach(subscribe: (name: string) => Subscription): void {
    this.#subscribers.push(subscribe)
    for (const [name, subscriptions] of this.#subscriptions) subscriptions.push(subscribe(name))
  }

  /** The backbone is disconnected, and all subscriptions are gone. */
  detach(): void {
    this.#subscribers = []
    for (const name of this.#subscriptions.keys()) this.#subscriptions.set(name, [])
  }

  add(name: string): void {
    this.#expiring.delete(name)
    if (this.#subscriptions.has(name)) return
    // While the backbone is disconnected, `attach` fills this in later.
    this.#subscriptions.set(
      name,
      this.#subscribers.map(subscribe => subscribe(name)),
    )
  }

  remove(name: string): void {
    if (!this.#subscriptions.has(name) || this.#expiring.has(name)) return
    this.#expiring.set(name, performance.now() + UNSUBSCRIBE_DELAY_MS)
    this.#timer ??= setTimeout(() => this.#removeExpired(), UNSUBSCRIBE_DELAY_MS).unref()
  }

  /** Removes all names but those that pass. */
  retain(isKept: (name: string) => boolean): void {
    for (const name of this.#subscriptions.keys()) if (!isKept(name)) this.remove(name)
  }

  close(): void {
    clearTimeout(this.#timer)
  }

  #removeExpired(): void {
    this.#timer = undefined
    const now = performance.now()
    for (const [name, until] of this.#expiring) {
      if (until > now) {
        this.#timer = setTimeout(() => this.#removeExpired(), until - now + 1).unref()
        return
      }
      this.#expiring.delete(name)
      for (const subscription of this.#subscriptions.get(name) ?? []) subscription.unsubscribe()
      this.#subscriptions.delete(name)
    }
  }
}
