/**
 * Delays between attempts to connect: exponential back-off with full jitter (Brooker, "Exponential Backoff and Jitter",
 * AWS 2015). Each delay is random, between a minimum and a ceiling that doubles with each failure up to a cap. All in ms.
 */
export class Backoff {
  static readonly MIN_DELAY_MS = 100
  /** A connection that lasted this long counts as a success. */
  static readonly STABLE_AFTER_MS = 10_000
  readonly #base: number
  readonly #cap: number
  readonly #random: () => number
  #failures = 0

  /** @param random random numbers in [0, 1) */
  constructor(random: () => number, base = 250, cap = 5_000) {
    this.#random = random
    this.#base = base
    this.#cap = cap
  }

  /** Consecutive failures. */
  get failures(): number {
    return this.#failures
  }

  /** Counts a failure. Returns the delay before the next attempt. */
  nextDelay(): number {
    // 2^20 exceeds any cap: limit the exponent so that the power never overflows.
    const ceiling = Math.min(this.#cap, this.#base * 2 ** Math.min(this.#failures++, 20))
    return Backoff.MIN_DELAY_MS + this.#random() * Math.max(0, ceiling - Backoff.MIN_DELAY_MS)
  }

  /** Resets the failures if the connection that ended was stable. */
  connectionEnded(lastedMs: number): void {
    if (lastedMs >= Backoff.STABLE_AFTER_MS) this.#failures = 0
  }

  reset(): void {
    this.#failures = 0
  }
}
