/** Minimum time between two confirmations, ms, unless a batch is full. */
const CONFIRM_INTERVAL_MS = 100
/** Unconfirmed messages that are confirmed at once: half of a sender's window of messages in flight. */
const CONFIRM_BATCH_SIZE = 32
/** Longest delay of the confirmation of a sender's own copy, ms. No one waits for it. */
const OWN_COPY_DELAY_MS = 1_000

/**
 * Decides when a connection confirms the messages that it received. A confirmation is a count and covers all messages
 * up to it. Each costs the server a packet and the senders a delivery result each, so they are batched; those of own
 * copies wait for the next one. Measured with `npm run bench -- im` against a fixed delay of 20 ms: 25 % less CPU at
 * 2,000 messages/s.
 */
export class Confirmations {
  #received = 0
  #confirmed = 0
  #confirmedAt = Number.NEGATIVE_INFINITY
  #deadline = Number.POSITIVE_INFINITY

  /** When `takeDue` has a count, monotonic ms; Infinity: after the next message. */
  get deadline(): number {
    return this.#deadline
  }

  /**
   * Counts a message.
   * @param isOwnCopy whether it is the sender's own copy
   * @param now monotonic time, ms
   */
  receive(isOwnCopy: boolean, now: number): void {
    this.#received++
    const isBatchFull = this.#received - this.#confirmed >= CONFIRM_BATCH_SIZE
    const due = isBatchFull ? now : isOwnCopy ? now + OWN_COPY_DELAY_MS : this.#confirmedAt + CONFIRM_INTERVAL_MS
    this.#deadline = Math.min(this.#deadline, due)
  }

  /** The total number of messages received, if a confirmation is due; else undefined. */
  takeDue(now: number): number | undefined {
    if (this.#deadline > now) return undefined
    this.#deadline = Number.POSITIVE_INFINITY
    this.#confirmed = this.#received
    this.#confirmedAt = now
    return this.#received
  }
}
