import { TokenBucket } from '../../common/token-bucket.ts'

/** Messages to a room in a burst, in seconds of the average rate. */
const BURST_SECONDS = 5
/** Most rooms whose rate is remembered. */
const MAX_ROOMS = 10_000

/** Limits the messages to each room from the clients of this server. Leaving a room and joining it again changes nothing. */
export class RoomRates {
  readonly #perSecond: number
  /** By room, the one that was written to last at the end. */
  readonly #buckets = new Map<string, TokenBucket>()

  /** @param perSecond 0: no limit */
  constructor(perSecond: number) {
    this.#perSecond = perSecond
  }

  /** Counts a message. Returns how long it has to wait, ms; 0: it may be sent. */
  take(room: string, now: number): number {
    if (this.#perSecond === 0) return 0
    const burst = this.#perSecond * BURST_SECONDS
    const bucket = this.#buckets.get(room) ?? new TokenBucket(this.#perSecond, burst, now)
    this.#buckets.delete(room)
    this.#buckets.set(room, bucket)
    const [oldest] = this.#buckets.keys()
    if (this.#buckets.size > MAX_ROOMS && oldest !== undefined) this.#buckets.delete(oldest)
    return bucket.take(now)
  }
}
