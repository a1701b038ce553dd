/** A change is published after this time, ms, … */
const MIN_WINDOW_MS = 50
/** … plus 1 ms per 200 clients, up to the maximum: changes in this window share one version. */
const CLIENTS_PER_WINDOW_MS = 200
const MAX_WINDOW_MS = 1_000
/** After this number of versions in a burst, … */
const BURST_VERSIONS = 8
/** … each further version waits 1 ms per client, up to `MAX_WINDOW_MS`, … */
const INTERVAL_PER_CLIENT_MS = 1
/** … or this time per client if that is longer. Sending one version costs about 20 µs of CPU per client. */
const MIN_INTERVAL_PER_CLIENT_MS = 0.8
/** A burst ends after this time without a version, ms, plus 1 ms per 10 clients. */
const MIN_QUIET_MS = 250
const CLIENTS_PER_QUIET_MS = 10

/**
 * Decides when to publish the next version of the roster. The cost of a version grows with the number of clients, so
 * under constant change a large server publishes less often: publishing takes at most a fortieth of a core. A leaky bucket
 * whose rate depends on the number of clients.
 */
export class PublishSchedule {
  /** Published versions that have not drained from the bucket, as of the last one. */
  #backlog = 0
  #lastPublishAt = 0

  /** When to publish a change that happened at `now`; monotonic ms. */
  nextPublishAt(now: number, clients: number): number {
    if (now - this.#lastPublishAt >= MIN_QUIET_MS + clients / CLIENTS_PER_QUIET_MS) this.#backlog = 0
    const window = MIN_WINDOW_MS + clients / CLIENTS_PER_WINDOW_MS
    const wait = (this.#backlog + 1 - BURST_VERSIONS) * publishInterval(clients)
    return now + Math.max(Math.min(MAX_WINDOW_MS, window), Math.min(wait, publishInterval(clients)))
  }

  /** Records that a version was sent to this number of clients. */
  recordPublish(now: number, clients: number): void {
    this.#backlog = Math.max(0, this.#backlog - (now - this.#lastPublishAt) / publishInterval(clients)) + 1
    this.#lastPublishAt = now
  }
}

/** Time between versions under constant change, ms. */
function publishInterval(clients: number): number {
  return Math.max(clients * MIN_INTERVAL_PER_CLIENT_MS, Math.min(MAX_WINDOW_MS, 1 + clients * INTERVAL_PER_CLIENT_MS))
}
