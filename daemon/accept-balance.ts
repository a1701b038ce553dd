/** What a worker reports of its client port. */
export interface PortLoad {
  /** Open TCP connections. */
  connections: number
  /** Whether it has no descriptor for another connection. */
  isFull: boolean
}

/** How far a worker may be ahead of the average: by this share, and by this number of connections. */
const LEAD_SHARE = 0.02
const LEAD = 16
/** A worker without a report for this time is stuck, ms: the others accept for it. */
const STUCK_AFTER_MS = 2_000

interface Balanced extends PortLoad {
  reportedAt: number
}

/**
 * Decides which workers accept connections. They share a listening socket, and the kernel wakes some of them more often
 * than others; connections stay for days. So a worker that is ahead of the others pauses until they have caught up, and only
 * takes what they have no time for: see `SharedPort`.
 */
export class AcceptBalance {
  readonly #workers = new Map<number, Balanced>()

  /** Records the report of a worker; monotonic ms. */
  report(worker: number, load: PortLoad, now: number): void {
    this.#workers.set(worker, { ...load, reportedAt: now })
  }

  remove(worker: number): void {
    this.#workers.delete(worker)
  }

  /** The workers that must not accept connections now: never all that could. */
  paused(now: number): Set<number> {
    const live = [...this.#workers].filter(([, { reportedAt }]) => now - reportedAt < STUCK_AFTER_MS)
    const average = live.reduce((sum, [, { connections }]) => sum + connections, 0) / live.length
    const most = average * (1 + LEAD_SHARE) + LEAD
    const paused = live.filter(([, { connections, isFull }]) => isFull || connections > most)
    // When all are full, they accept to refuse: a client that is told so at once tries another server.
    return new Set(paused.length === live.length ? [] : paused.map(([worker]) => worker))
  }
}
