/** The gathering window, ms: at least this, … */
const WINDOW_MIN = 50
/** … and a ms more for every so many clients, up to the greatest. */
const CLIENTS_PER_MS = 200
const WINDOW_MAX = 1_000
/** When changes do not end, after so many versions in a row … */
const VERSIONS_AT_ONCE = 8
/** … each one more waits a ms for every client, up to the greatest window … */
const PACE_PER_CLIENT_MS = 1
/** … until nothing has changed for so long, ms. */
const CALM_MS = 250

/**
 * When the next version of the roster goes out. A version costs the same for every client that is told of it: a crowd
 * that keeps coming is told of in fewer. A leaky bucket, like the `TokenBucket`, whose rate is the crowd's.
 */
export class RosterPace {
  /** Versions that went out and were not yet paid for by time, when the last one went. */
  #versions = 0
  #wentAt = 0

  /** When a change of now is to go out; monotonic ms, as `now`. */
  due(now: number, clients: number): number {
    if (now - this.#wentAt >= CALM_MS) this.#versions = 0
    const window = WINDOW_MIN + clients / CLIENTS_PER_MS
    const wait = (this.#versions + 1 - VERSIONS_AT_ONCE) * pace(clients)
    return now + Math.min(WINDOW_MAX, Math.max(window, wait))
  }

  /** A version has gone out to so many. */
  went(now: number, clients: number): void {
    this.#versions = Math.max(0, this.#versions - (now - this.#wentAt) / pace(clients)) + 1
    this.#wentAt = now
  }
}

/** ms that one more version waits. */
function pace(clients: number): number {
  return Math.min(WINDOW_MAX, 1 + clients * PACE_PER_CLIENT_MS)
}
