/** Received messages are confirmed at most so often, ms: one that comes by itself at once, … */
const CONFIRM_MS = 100
/** … and many as soon as they are so many, half of what a sender has under way. */
const CONFIRM_COUNT = 32
/** The sender's own copy of a message, whose confirmation nobody waits for, at the latest after this long, ms. */
const COPY_MS = 1_000

/**
 * When a connection confirms what it received, by count. Each confirmation costs the server a packet read, and to the
 * senders a fate each; so those of a stream are gathered, and those of one's own copies ride along. Measured with
 * `npm run bench -- im` against 20 ms for all: 25 % less CPU at 2,000/s.
 */
export class Confirmations {
  #received = 0
  #confirmed = 0
  #confirmedAt = Number.NEGATIVE_INFINITY
  #due = Number.POSITIVE_INFINITY

  /** When `take` has something; Infinity: when more was received. */
  get due(): number {
    return this.#due
  }

  /**
   * Counts a message.
   * @param copy whether it is the sender's own copy
   * @param now monotonic time, ms
   */
  receive(copy: boolean, now: number): void {
    this.#received++
    const many = this.#received - this.#confirmed >= CONFIRM_COUNT
    const due = many ? now : copy ? now + COPY_MS : this.#confirmedAt + CONFIRM_MS
    this.#due = Math.min(this.#due, due)
  }

  /** How many messages were received in all, when that is to be said now. */
  take(now: number): number | undefined {
    if (this.#due > now) return undefined
    this.#due = Number.POSITIVE_INFINITY
    this.#confirmed = this.#received
    this.#confirmedAt = now
    return this.#received
  }
}
