import { TokenBucket } from '../../src/common/token-bucket.ts'
import type { Log } from './log.ts'

/** One connection is spoken of at most this often, ms. */
const MIN_LOG_INTERVAL_MS = 5_000
/** Lines about all connections together: a second, and at once. */
const LOG_RATE = { perSecond: 1, burst: 20 }

/** Counts what comes in that is not what it must be, and says so in the log, seldom. */
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

  /** The counter of one connection, which is called `who`. */
  counterFor(source: string): (event: string) => void {
    let count = 0
    let loggedAt = Number.NEGATIVE_INFINITY
    return event => {
      count++
      this.#total++
      const now = performance.now()
      if (now - loggedAt < MIN_LOG_INTERVAL_MS || this.#logRateLimiter.take(now) > 0) return
      loggedAt = now
      this.#log.write('warn', `Dropped a malformed ${event} from ${source} (${count} so far, ${this.#total} from all).`)
    }
  }
}
