/** Dials under way at once. */
const DIALS = { initial: 4, max: 64 }
/** A handshake that takes less time shows that more are possible at once; a dial that takes more, that fewer are, ms. */
const QUICK_MS = 1_000
const SLOW_MS = 2_000

/**
 * How many peers to dial at once: a congestion window that follows the time of handshakes, as TCP Vegas (Brakmo and Peterson,
 * 1995) follows the round-trip time. Without it, the servers of a large mesh that start together on busy machines dial each other
 * all at once. No handshake ends in time then, and all of them are repeated.
 */
export class DialWindow {
  readonly #min: number
  #size = DIALS.initial
  /** When each dial under way was started, by peer; monotonic ms. */
  readonly #underWay = new Map<string, number>()

  /** @param min dials that are possible even if all are slow */
  constructor(min: number) {
    this.#min = min
  }

  /** How many more dials may start. */
  get room(): number {
    return Math.max(0, this.#size - this.#underWay.size)
  }

  /** @param now monotonic time, ms */
  begin(peer: string, now: number): void {
    this.#underWay.set(peer, now)
  }

  /** A dial has ended, if it was one of these. */
  end(peer: string, isLinked: boolean, now: number): void {
    const since = this.#underWay.get(peer)
    if (since === undefined) return
    this.#underWay.delete(peer)
    if (now - since > SLOW_MS) this.#size = Math.max(this.#min, this.#size - 1)
    else if (isLinked && now - since < QUICK_MS) this.#size = Math.min(DIALS.max, this.#size + 1)
  }
}
