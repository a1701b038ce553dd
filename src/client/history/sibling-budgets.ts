/**
 * What a sibling may cost in the long run, per second, and at once, and all siblings together. A server passes on 100 frames
 * per second of a connection, 500 at once, so the frames of an honest sibling are all handled.
 */
const SHARE = { perSecond: 10_000, burst: 50_000 }
const TOTAL = { perSecond: 15_000, burst: 75_000 }
/** Siblings whose use is remembered, the latest ones: a server could name any number. */
const MAX_SIBLINGS = 200

/**
 * What the frames of siblings may cost: about 1 for each frame, and each message that is received, or read to answer. In
 * open mode anyone with the user's name is a sibling. A cost is known only after the work, so a budget may be overdrawn.
 */
export class SiblingBudgets {
  #total: Budget | undefined
  readonly #shares = new Map<string, Budget>()

  /** Whether a frame of a sibling may be handled. @param now monotonic ms */
  allows(from: string, now: number): boolean {
    this.#total ??= new Budget(TOTAL, now)
    const share = this.#shares.get(from) ?? new Budget(SHARE, now)
    this.#shares.delete(from)
    this.#shares.set(from, share)
    const [oldest] = this.#shares.keys()
    if (this.#shares.size > MAX_SIBLINGS && oldest !== undefined) this.#shares.delete(oldest)
    return share.refill(now) > 0 && this.#total.refill(now) > 0
  }

  spend(from: string, cost: number): void {
    this.#total?.spend(cost)
    this.#shares.get(from)?.spend(cost)
  }
}

class Budget {
  readonly #limit: { perSecond: number; burst: number }
  #left: number
  #refilledAt: number

  constructor(limit: { perSecond: number; burst: number }, now: number) {
    this.#limit = limit
    this.#left = limit.burst
    this.#refilledAt = now
  }

  /** Returns what is left. */
  refill(now: number): number {
    const { perSecond, burst } = this.#limit
    this.#left = Math.min(burst, this.#left + ((now - this.#refilledAt) * perSecond) / 1000)
    this.#refilledAt = now
    return this.#left
  }

  spend(cost: number): void {
    this.#left -= cost
  }
}
