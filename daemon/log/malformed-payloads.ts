import { TokenBucket } from '../../src/common/token-bucket.ts'
import type { Log } from './log.ts'

/** One connection is spoken of at most this often, ms. */
const QUIET_MS = 5_000
/** Lines about all connections together: a second, and at once. */
const LINES = { perSecond: 1, atOnce: 20 }

/** Counts what comes in that is not what it must be, and says so in the log, seldom. */
export class Malformed {
  readonly #log: Log
  readonly #lines = new TokenBucket(LINES.perSecond, LINES.atOnce, performance.now())
  #total = 0

  constructor(log: Log) {
    this.#log = log
  }

  get total(): number {
    return this.#total
  }

  /** The counter of one connection, which is called `who`. */
  counter(who: string): (event: string) => void {
    let count = 0
    let saidAt = Number.NEGATIVE_INFINITY
    return event => {
      count++
      this.#total++
      const now = performance.now()
      if (now - saidAt < QUIET_MS || this.#lines.take(now) > 0) return
      saidAt = now
      this.#log.say('warn', `Dropped a malformed ${event} from ${who} (${count} so far, ${this.#total} from all).`)
    }
  }
}
