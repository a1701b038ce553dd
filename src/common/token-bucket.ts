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
    this.#tokens = Math.min(this.#burst, this.#tokens + ((now - this.#filledAt) * this.#perSecond) / 1000)
    this.#filledAt = now
    if (this.#tokens >= 1) {
      this.#tokens--
      return 0
    }
    return Math.ceil(((1 - this.#tokens) * 1000) / this.#perSecond)
  }
}
