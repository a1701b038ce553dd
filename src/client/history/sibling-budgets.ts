import { TokenBucket } from '../../common/token-bucket.ts'
import type { Message } from '../../protocol/messages.ts'

/** What one sender may cost in the long run, per second, and at once, and all senders together. */
interface Budgets {
  readonly share: { readonly perSecond: number; readonly burst: number }
  readonly total: { readonly perSecond: number; readonly burst: number }
}

/**
 * Of siblings. A server passes on 100 frames per second of a connection, 500 at once, so the frames of an honest sibling are
 * all handled.
 */
export const OF_SIBLINGS: Budgets = {
  share: { perSecond: 10_000, burst: 50_000 },
  total: { perSecond: 15_000, burst: 75_000 },
}
/** Of members of rooms: anyone may join an open room. A newcomer's catch-up fits the burst. */
export const OF_MEMBERS: Budgets = {
  share: { perSecond: 100, burst: 30_000 },
  total: { perSecond: 300, burst: 60_000 },
}
/** Siblings whose use is remembered, the latest ones: a server could name any number. */
const MAX_SIBLINGS = 200

/** What a frame costs by itself, a range, and a read mark. */
export const FRAME_COST = 1
export const RANGE_COST = 0.1
export const MARK_COST = 0.1
/** UTF-16 units of text that cost as much as a message. */
const UNITS_PER_COST = 1_000

/** What it costs to receive or to read messages. */
export function costOf(messages: readonly Message[]): number {
  return messages.reduce((cost, { text }) => cost + 1 + text.length / UNITS_PER_COST, 0)
}

/**
 * What the frames of siblings may cost: about 1 for each frame, and each message that is received, or read to answer. In
 * open mode anyone with the user's name is a sibling. A cost is known only after the work, so a budget may be overdrawn.
 */
export class SiblingBudgets {
  readonly #budgets: Budgets
  #total: TokenBucket | undefined
  readonly #shares = new Map<string, TokenBucket>()

  constructor(budgets: Budgets) {
    this.#budgets = budgets
  }

  /** Whether a frame of a sibling may be handled. @param now monotonic ms */
  allows(from: string, now: number): boolean {
    const { share: each, total } = this.#budgets
    this.#total ??= new TokenBucket(total.perSecond, total.burst, now)
    const share = this.#shares.get(from) ?? new TokenBucket(each.perSecond, each.burst, now)
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
