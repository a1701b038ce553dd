/** How long the subscription to a name that is gone stays, ms: messages may be in flight. */
const UNSUBSCRIBE_DELAY_MS = 10_000
/** Names that are subscribed to, or compared, in one turn of the event loop. A subscription takes some 15 µs. */
const NAMES_PER_TURN = 250

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

  /**
   * The backbone is connected, or another subject is needed: subscribes for all names, a part in each turn. Resolves when
   * that is done, or the backbone is disconnected.
   */
  async attach(subscribe: (name: string) => Subscription): Promise<void> {
    const subscribers = this.#subscribers
    subscribers.push(subscribe)
    let count = 0
    // Also visits the names that are added meanwhile, which have all subscriptions.
    for (const [name, subscriptions] of this.#subscriptions) {
      subscribeToMissing(name, subscriptions, subscribers)
      if (++count % NAMES_PER_TURN > 0) continue
      await new Promise(setImmediate)
      if (this.#subscribers !== subscribers) return
    }
  }

  /** The backbone is disconnected, and all subscriptions are gone. */
  detach(): void {
    this.#subscribers = []
    for (const name of this.#subscriptions.keys()) this.#subscriptions.set(name, [])
  }

  /** Adds names. Yields where the rest can wait for the next turn. */
  *addAll(names: Iterable<string>): Generator<void> {
    let count = 0
    for (const name of names) if (this.add(name) && ++count % NAMES_PER_TURN === 0) yield
  }

  /** Returns whether the name is new. */
  add(name: string): boolean {
    this.#expiring.delete(name)
    if (this.#subscriptions.has(name)) return false
    const subscriptions: Subscription[] = []
    this.#subscriptions.set(name, subscriptions)
    // While the backbone is disconnected, `attach` will subscribe later.
    subscribeToMissing(name, subscriptions, this.#subscribers)
    return true
  }

  remove(name: string): void {
    if (!this.#subscriptions.has(name) || this.#expiring.has(name)) return
    this.#expiring.set(name, performance.now() + UNSUBSCRIBE_DELAY_MS)
    this.#timer ??= setTimeout(() => this.#removeExpired(), UNSUBSCRIBE_DELAY_MS).unref()
  }

  /** Removes all names but those that pass. Yields where the rest can wait for the next turn. */
  *retain(isKept: (name: string) => boolean): Generator<void> {
    let count = 0
    for (const name of this.#subscriptions.keys()) {
      if (!isKept(name)) this.remove(name)
      if (++count % (20 * NAMES_PER_TURN) === 0) yield
    }
  }

  close(): void {
    clearTimeout(this.#timer)
    this.#subscribers = []
  }

  #removeExpired(): void {
    this.#timer = undefined
    const now = performance.now()
    let count = 0
    for (const [name, until] of this.#expiring) {
      if (until > now) {
        this.#timer = setTimeout(() => this.#removeExpired(), until - now + 1).unref()
        return
      }
      if (count++ === NAMES_PER_TURN) {
        this.#timer = setTimeout(() => this.#removeExpired(), 1).unref()
        return
      }
      this.#expiring.delete(name)
      for (const subscription of this.#subscriptions.get(name) ?? []) subscription.unsubscribe()
      this.#subscriptions.delete(name)
    }
  }
}

/** A name has one subscription for each subscriber, in their order. */
function subscribeToMissing(
  name: string,
  subscriptions: Subscription[],
  subscribers: readonly ((name: string) => Subscription)[],
): void {
  for (let at = subscriptions.length; at < subscribers.length; at++) {
    const subscription = subscribers[at]?.(name)
    if (subscription !== undefined) subscriptions.push(subscription)
  }
}
