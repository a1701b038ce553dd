/** The gathering window, ms: at least this, … */
const WINDOW_MIN = 50
/** … and a ms more for every so many clients, up to the greatest. */
const CLIENTS_PER_MS = 200
const WINDOW_MAX = 1_000
/** When changes do not end, after so many versions in a row … */
const VERSIONS_AT_ONCE = 8
/** … each one more waits a ms for every client, up to the greatest window … */
const PACE_PER_CLIENT_MS = 1
/** … or, where that is longer, a ms for every so many clients: telling all of them takes some 20 µs of CPU for each … */
const CROWD_PER_MS = 5
/** … until nothing has changed for so long, ms: at least this, and a ms more for every so many clients. */
const CALM_MIN = 250
const CLIENTS_PER_CALM_MS = 10

/**
 * When the next version of the roster goes out. A version costs the same for every client that is told of it: where
 * changes do not end, a crowd is told of them in fewer, so that this takes a fifth of a core at most. A leaky bucket, like
 * the `TokenBucket`, whose rate is the crowd's.
 */
export class PublishSchedule {
  /** Versions that went out and were not yet paid for by time, when the last one went. */
  #versions = 0
  #wentAt = 0

  /** When a change of now is to go out; monotonic ms, as `now`. */
  due(now: number, clients: number): number {
    if (now - this.#wentAt >= CALM_MIN + clients / CLIENTS_PER_CALM_MS) this.#versions = 0
    const window = WINDOW_MIN + clients / CLIENTS_PER_MS
    const wait = (this.#versions + 1 - VERSIONS_AT_ONCE) * pace(clients)
    return now + Math.max(Math.min(WINDOW_MAX, window), Math.min(wait, pace(clients)))
  }

  /** A version has gone out to so many. */
  went(now: number, clients: number): void {
    this.#versions = Math.max(0, this.#versions - (now - this.#wentAt) / pace(clients)) + 1
    this.#wentAt = now
  }
}

/** ms that one more version waits. */
function pace(clients: number): number {
  return Math.max(clients / CROWD_PER_MS, Math.min(WINDOW_MAX, 1 + clients * PACE_PER_CLIENT_MS))
}
