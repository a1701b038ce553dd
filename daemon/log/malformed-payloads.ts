import { TokenBucket } from '../../src/common/token-bucket.ts'
import type { Log } from './log.ts'

/** Minimum time between log lines about one connection, ms. */
const MIN_LOG_INTERVAL_MS = 5_000
/** Log lines about all connections together: lines per second, and burst. */
const LOG_RATE = { perSecond: 1, burst: 20 }

/** Counts invalid payloads and logs them, rate-limited. */
export class MalformedPayloads {
  readonly #log: Log
  readonly #logRateLimiter = new TokenBucket(LOG_RATE.perSecond, LOG_RATE.burst, performance.now())
  #total = 0

  constructor(log: Log) {
    this.#log = log
  }

  get total(): number {
    return this.#total
  }

  /** Returns the counter of one connection, which the log calls `source`. */
  counterFor(source: string): (event: string) => void {
    let count = 0
    let loggedAt = Number.NEGATIVE_INFINITY
    return event => {
      count++
      this.#total++
      const now = performance.now()
      if (now - loggedAt < MIN_LOG_INTERVAL_MS || this.#logRateLimiter.take(now) > 0) return
      loggedAt = now
      this.#log.write(
        'warn',
        `Dropped a malformed ${event} from ${source} (${count} from it, ${this.#total} in total).`,
      )
    }
  }
}
