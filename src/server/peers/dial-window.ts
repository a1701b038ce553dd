/** Dials under way at once. */
const DIALS = { initial: 8, min: 4, max: 64 }
/** A dial that takes less time, including its handshake, shows that more are possible; one that takes more, that fewer are, ms. */
const QUICK_MS = 1_000
const SLOW_MS = 2_000

/**
 * How many peers to dial at once: a congestion window that follows the time of handshakes, as TCP Vegas (Brakmo and Peterson,
 * 1995) follows the round-trip time. Without it, the servers of a large mesh that start together on busy machines dial each other
 * all at once. No handshake ends in time then, and all of them are repeated.
 */
export class DialWindow {
  #size = DIALS.initial
  /** Dials under way, by peer. */
  readonly #underWay = new Map<string, { since: number; isReachable: boolean }>()
  #reachable = 0

  /**
   * How many more dials may start. Peers that are known to be reachable have a window of their own: they never wait for the
   * time-outs of others.
   */
  room(isReachable: boolean): number {
    return Math.max(0, this.#size - (isReachable ? this.#reachable : this.#underWay.size - this.#reachable))
  }

  /** @param now monotonic time, ms */
  begin(peer: string, isReachable: boolean, now: number): void {
    this.#remove(peer)
    this.#underWay.set(peer, { since: now, isReachable })
    if (isReachable) this.#reachable++
  }

  /** A dial has ended. A failure says nothing about the time of handshakes: most hosts that do not answer are down. */
  end(peer: string, isLinked: boolean, now: number): void {
    const since = this.#remove(peer)
    if (since === undefined || !isLinked) return
    if (now - since < QUICK_MS) this.#size = Math.min(DIALS.max, this.#size + 1)
    else if (now - since > SLOW_MS) this.#size = Math.max(DIALS.min, this.#size - 1)
  }

  /** Returns when the dial was started; undefined: there is none. */
  #remove(peer: string): number | undefined {
    const dial = this.#underWay.get(peer)
    if (dial === undefined) return undefined
    this.#underWay.delete(peer)
    if (dial.isReachable) this.#reachable--
    return dial.since
  }
}
