import { TokenBucket } from '../../common/token-bucket.ts'

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
  #total: TokenBucket | undefined
  readonly #shares = new Map<string, TokenBucket>()

  /** Whether a frame of a sibling may be handled. @param now monotonic ms */
  allows(from: string, now: number): boolean {
    this.#total ??= new TokenBucket(TOTAL.perSecond, TOTAL.burst, now)
    const share = this.#shares.get(from) ?? new TokenBucket(SHARE.perSecond, SHARE.burst, now)
    this.#shares.delete(from)
    this.#shares.set(from, share)
    const [oldest] = this.#shares.keys()
    if (this.#shares.size > MAX_SIBLINGS && oldest !== undefined) this.#shares.delete(oldest)
    return share.available(now) > 0 && this.#total.available(now) > 0
  }

  spend(from: string, cost: number): void {
    this.#total?.spend(cost)
    this.#shares.get(from)?.spend(cost)
  }
}
