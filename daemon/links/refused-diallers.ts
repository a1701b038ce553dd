import { TokenBucket } from '../../src/common/token-bucket.ts'
import type { LinkRefusal } from '../../src/protocol/frames.ts'
import type { Log } from '../log/log.ts'

/** Time until the same refusal of the same server is logged again, ms. */
const REPEAT_INTERVAL_MS = 60_000
/** Log lines about all diallers together: they have proven nothing. */
const LOG_RATE = { perSecond: 0.2, burst: 20 }
/** Most refusals that are remembered. */
const MAX_REMEMBERED = 100

/** Logs why this server refused peers that did not prove the secret: the other side may be too old to say it. */
export class RefusedDiallers {
  readonly #log: Log
  readonly #rateLimiter = new TokenBucket(LOG_RATE.perSecond, LOG_RATE.burst, performance.now())
  /** When refusals were logged, by server and code; oldest first. */
  readonly #loggedAt = new Map<string, number>()

  constructor(log: Log) {
    this.#log = log
  }

  /** @param id the server that the dialler claims to be */
  note(id: string, code: LinkRefusal, message: string): void {
    const now = performance.now()
    const key = `${code} ${id}`
    const loggedAt = this.#loggedAt.get(key) ?? Number.NEGATIVE_INFINITY
    if (now - loggedAt < REPEAT_INTERVAL_MS || this.#rateLimiter.take(now) > 0) return
    this.#loggedAt.delete(key)
    this.#loggedAt.set(key, now)
    if (this.#loggedAt.size > MAX_REMEMBERED) {
      for (const oldest of this.#loggedAt.keys()) {
        this.#loggedAt.delete(oldest)
        break
      }
    }
    this.#log.write('warn', `Refused a connection from peer: ${id}: ${code}: ${message}.`)
  }
}
