/**
 * When to dial again: full jitter (Brooker, "Exponential Backoff and Jitter", AWS 2015), a random time between a floor
 * and a ceiling that doubles with each failure up to a cap. All in ms.
 */
export class Backoff {
  static readonly MIN_DELAY_MS = 100
  /** A connection that held this long was a success: counting starts anew. */
  static readonly STABLE_AFTER_MS = 10_000
  readonly #base: number
  readonly #cap: number
  readonly #random: () => number
  #failures = 0

  constructor(random: () => number, base = 250, cap = 5_000) {
    this.#random = random
    this.#base = base
    this.#cap = cap
  }

  /** Failures in a row so far. */
  get failures(): number {
    return this.#failures
  }

  /** Counts a failure; answers with the time to wait. */
  nextDelay(): number {
    // 2^20 is past any cap: the exponent is bounded so that no count of failures overflows it.
    const ceiling = Math.min(this.#cap, this.#base * 2 ** Math.min(this.#failures++, 20))
    return Backoff.MIN_DELAY_MS + this.#random() * Math.max(0, ceiling - Backoff.MIN_DELAY_MS)
  }

  /** Counts the failures anew if the connection that ended now had held long enough to be called a success. */
  connectionEnded(heldMs: number): void {
    if (heldMs >= Backoff.STABLE_AFTER_MS) this.#failures = 0
  }

  reset(): void {
    this.#failures = 0
  }
}
