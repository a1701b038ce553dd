/** The gathering window, ms: at least this, … */
const MIN_WINDOW_MS = 50
/** … and a ms more for every so many clients, up to the greatest. */
const CLIENTS_PER_WINDOW_MS = 200
const MAX_WINDOW_MS = 1_000
/** When changes do not end, after so many versions in a row … */
const BURST_VERSIONS = 8
/** … each one more waits a ms for every client, up to the greatest window … */
const INTERVAL_PER_CLIENT_MS = 1
/** … or, where that is longer, a ms for every so many clients: telling all of them takes some 20 µs of CPU for each … */
const CLIENTS_PER_INTERVAL_MS = 5
/** … until nothing has changed for so long, ms: at least this, and a ms more for every so many clients. */
const MIN_QUIET_MS = 250
const CLIENTS_PER_QUIET_MS = 10

/**
 * When the next version of the roster goes out. A version costs the same for every client that is told of it: where
 * changes do not end, a crowd is told of them in fewer, so that this takes a fifth of a core at most. A leaky bucket, like
 * the `TokenBucket`, whose rate is the crowd's.
 */
export class PublishSchedule {
  /** Versions that went out and were not yet paid for by time, when the last one went. */
  #backlog = 0
  #lastPublishAt = 0

  /** When a change of now is to go out; monotonic ms, as `now`. */
  nextPublishAt(now: number, clients: number): number {
    if (now - this.#lastPublishAt >= MIN_QUIET_MS + clients / CLIENTS_PER_QUIET_MS) this.#backlog = 0
    const window = MIN_WINDOW_MS + clients / CLIENTS_PER_WINDOW_MS
    const wait = (this.#backlog + 1 - BURST_VERSIONS) * publishInterval(clients)
    return now + Math.max(Math.min(MAX_WINDOW_MS, window), Math.min(wait, publishInterval(clients)))
  }

  /** A version has gone out to so many. */
  recordPublish(now: number, clients: number): void {
    this.#backlog = Math.max(0, this.#backlog - (now - this.#lastPublishAt) / publishInterval(clients)) + 1
    this.#lastPublishAt = now
  }
}

/** ms that one more version waits. */
function publishInterval(clients: number): number {
  return Math.max(clients / CLIENTS_PER_INTERVAL_MS, Math.min(MAX_WINDOW_MS, 1 + clients * INTERVAL_PER_CLIENT_MS))
}
