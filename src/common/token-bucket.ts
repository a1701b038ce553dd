/** A token bucket: allows `burst` events at once, then `perSecond` on average. 0 in either turns the limit off. */
export class TokenBucket {
  readonly #perSecond: number
  readonly #burst: number
  #tokens: number
  #filledAt: number

  constructor(perSecond: number, burst: number, now: number) {
    this.#perSecond = perSecond
    this.#burst = burst
    this.#tokens = this.#burst
    this.#filledAt = now
  }

  /** Takes a token. Returns 0, or the time until one is available, ms, if there is none. `now`: monotonic ms. */
  take(now: number): number {
    if (this.#perSecond <= 0 || this.#burst <= 0) return 0
    const tokens = this.available(now)
    if (tokens < 1) return Math.ceil(((1 - tokens) * 1000) / this.#perSecond)
    this.spend(1)
    return 0
  }

  /** The tokens that are left; negative if more were spent. `now`: monotonic ms. */
  available(now: number): number {
    this.#tokens = Math.min(this.#burst, this.#tokens + ((now - this.#filledAt) * this.#perSecond) / 1000)
    this.#filledAt = now
    return this.#tokens
  }

  /** Takes tokens even if there are fewer: for work whose cost is known only afterwards. */
  spend(tokens: number): void {
    this.#tokens -= tokens
  }
}
