/** What a worker reports of its client port. */
export interface PortLoad {
  /** Open TCP connections. */
  connections: number
  /** Connections accepted so far. */
  accepted: number
  /** Whether it has no descriptor for another connection. */
  isFull: boolean
}

/** Connections that a worker may have more than the average of all, in addition to the share below. */
const LEAD = 16
/** How far a worker may be ahead of the average. Many clients at once are served by every worker that has time. */
const LEAD_SHARE = { usual: 0.02, rush: 0.5 }
/** Connections that are accepted per second, by all workers, from which on it is a rush. One worker alone could take more. */
const RUSH_PER_SECOND = 200
/** The rate is the average of about this time, ms. */
const RATE_WINDOW_MS = 1_000
/** A worker without a report for this time is stuck, ms: the others accept for it. */
const STUCK_AFTER_MS = 2_000

interface Balanced extends PortLoad {
  reportedAt: number
}

/**
 * Decides which workers accept connections. They share a listening socket, and the kernel wakes some of them more often
 * than others; connections stay for days. So a worker that is ahead of the others pauses until they have caught up.
 */
export class AcceptBalance {
  readonly #workers = new Map<number, Balanced>()
  #perSecond = 0
  #rateAt = 0

  /** Records the report of a worker; monotonic ms. */
  report(worker: number, load: PortLoad, now: number): void {
    const before = this.#workers.get(worker)?.accepted ?? 0
    this.#decay(now)
    this.#perSecond += (Math.max(0, load.accepted - before) * 1_000) / RATE_WINDOW_MS
    this.#workers.set(worker, { ...load, reportedAt: now })
  }

  remove(worker: number): void {
    this.#workers.delete(worker)
  }

  /** The workers that must not accept connections now: never all that could. */
  paused(now: number): Set<number> {
    this.#decay(now)
    const live = [...this.#workers].filter(([, { reportedAt }]) => now - reportedAt < STUCK_AFTER_MS)
    const average = live.reduce((sum, [, { connections }]) => sum + connections, 0) / live.length
    const share = this.#perSecond >= RUSH_PER_SECOND ? LEAD_SHARE.rush : LEAD_SHARE.usual
    const most = average * (1 + share) + LEAD
    const paused = live.filter(([, { connections, isFull }]) => isFull || connections > most)
    // When all are full, they accept to refuse: a client that is told so at once tries another server.
    return new Set(paused.length === live.length ? [] : paused.map(([worker]) => worker))
  }

  /** Lets the measured rate decay to the present. */
  #decay(now: number): void {
    this.#perSecond *= Math.exp((this.#rateAt - now) / RATE_WINDOW_MS)
    this.#rateAt = now
  }
}
