import { TokenBucket } from '../../common/token-bucket.ts'
import type { Limits } from '../../protocol/limits.ts'
import type { Delivery } from '../delivery.ts'

/** Messages that an original client was sent lately: it knows no ids, so the server keeps a resent message from it. */
const MAX_RECENT_MESSAGES = 256

/** One identified connection of a user to this server. */
export class Connection {
  readonly id: number
  readonly user: string
  /** 1: an original client; 2: one that confirms what it received. */
  readonly protocol: 1 | 2
  /** Whether it asked to be told how many connections everybody has. */
  readonly wantsConnectionCounts: boolean
  readonly rateLimiter: TokenBucket
  /** Messages sent and not confirmed, oldest first; undefined where nobody waits for the confirmation. */
  #awaiting: (Delivery | undefined)[] = []
  #head = 0
  #confirmed = 0
  /** Made for original clients only. */
  #recent: Set<string> | undefined

  constructor(id: number, user: string, protocol: 1 | 2, wantsConnections: boolean, limits: Limits, now: number) {
    this.id = id
    this.user = user
    this.protocol = protocol
    this.wantsConnectionCounts = wantsConnections
    this.rateLimiter = new TokenBucket(limits.messagesPerSecond, limits.burst, now)
  }

  /** Messages sent to this connection that it has not confirmed. */
  get unconfirmedCount(): number {
    return this.#awaiting.length - this.#head
  }

  /** Notes that a message went out; `delivery` is told when it is confirmed. */
  trackSent(delivery: Delivery | undefined): void {
    this.#awaiting.push(delivery)
  }

  /** The client has received `count` messages in all: the deliveries confirmed by that. */
  confirm(count: number): Delivery[] {
    const deliveries: Delivery[] = []
    while (this.#confirmed < count && this.#head < this.#awaiting.length) {
      const delivery = this.#awaiting[this.#head]
      this.#awaiting[this.#head++] = undefined
      this.#confirmed++
      if (delivery !== undefined) deliveries.push(delivery)
    }
    if (this.#head === this.#awaiting.length) {
      this.#awaiting = []
      this.#head = 0
    } else if (this.#head > 1_024) {
      this.#awaiting = this.#awaiting.slice(this.#head)
      this.#head = 0
    }
    return deliveries
  }

  /** The connection is gone: the deliveries that it will never confirm. */
  takeUnconfirmed(): Delivery[] {
    const deliveries: Delivery[] = []
    for (const delivery of this.#awaiting.slice(this.#head)) if (delivery !== undefined) deliveries.push(delivery)
    this.#awaiting = []
    this.#head = 0
    return deliveries
  }

  /** Whether an original client was sent this message already, by its sender and id; notes that it is now. */
  isDuplicate(message: string): boolean {
    this.#recent ??= new Set()
    if (this.#recent.has(message)) return true
    this.#recent.add(message)
    if (this.#recent.size > MAX_RECENT_MESSAGES) for (const oldest of this.#recent) return !this.#recent.delete(oldest)
    return false
  }
}
