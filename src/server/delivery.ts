import type { Fate } from '../protocol/messages.ts'

/** Who gets the delivery result: the client that sent the message, or the peer that forwarded it. */
export type DeliveryOrigin =
  | { kind: 'client'; connection: number; call: number | undefined }
  | { kind: 'peer'; peer: string; incarnation: string; number: number }

/** One message in delivery: collects the answers of its receivers, and reports the result once. */
export class Delivery {
  readonly origin: DeliveryOrigin
  /** When to stop waiting for answers; monotonic ms. */
  readonly deadline: number
  readonly #onSettled: (delivery: Delivery) => void
  #delivered = 0
  #isUnconfirmed = false
  #pendingAnswers = 0
  #isSettled = false

  /** @param onSettled called once, with the final result */
  constructor(origin: DeliveryOrigin, deadline: number, onSettled: (delivery: Delivery) => void) {
    this.origin = origin
    this.deadline = deadline
    this.#onSettled = onSettled
  }

  /** Whether the result was reported. */
  get isSettled(): boolean {
    return this.#isSettled
  }

  /** Connections of the recipient that have the message. */
  get delivered(): number {
    return this.#delivered
  }

  /** Whether some receiver has not confirmed the message. */
  get isUnconfirmed(): boolean {
    return this.#isUnconfirmed || this.#pendingAnswers > 0
  }

  get result(): Fate {
    return this.isUnconfirmed
      ? { ok: true, delivered: this.#delivered, unconfirmed: true }
      : { ok: true, delivered: this.#delivered }
  }

  /** Adds a connection or peer that will answer. */
  expectAnswer(): void {
    this.#pendingAnswers++
  }

  /** Counts a connection that never confirms: a written message counts as delivered. */
  countDelivered(): void {
    this.#delivered++
  }

  /** A receiver is unreachable and will not answer. */
  markUnconfirmed(): void {
    this.#isUnconfirmed = true
  }

  /** Records the answer of a connection, or of a peer for `delivered` connections. Settles after the last one. */
  recordAnswer(delivered: number, unconfirmed = false): void {
    this.#pendingAnswers--
    this.#delivered += delivered
    this.#isUnconfirmed ||= unconfirmed
    this.settleIfComplete()
  }

  /** Reports the result unless answers are pending. */
  settleIfComplete(): void {
    if (this.#pendingAnswers > 0) return
    this.settle()
  }

  /** Reports the result now; pending answers count as unconfirmed. */
  settle(): void {
    if (this.#isSettled) return
    this.#isSettled = true
    this.#onSettled(this)
  }
}

/** Pending deliveries, ordered by deadline. All deliveries in one queue have the same timeout. */
export class DeadlineQueue {
  #queue: Delivery[] = []
  #head = 0

  /** Deliveries in the queue; settled ones are dropped when they reach its head. */
  get size(): number {
    return this.#queue.length - this.#head
  }

  /** The next deadline; Infinity if no delivery is pending. */
  get deadline(): number {
    this.#dropSettled()
    return this.#queue[this.#head]?.deadline ?? Number.POSITIVE_INFINITY
  }

  push(delivery: Delivery): void {
    this.#queue.push(delivery)
  }

  /** Removes and returns the first delivery that is due. */
  takeDue(now: number): Delivery | undefined {
    this.#dropSettled()
    const first = this.#queue[this.#head]
    if (first === undefined || first.deadline > now) return undefined
    this.#head++
    return first
  }

  #dropSettled(): void {
    while (this.#queue[this.#head]?.isSettled) this.#head++
    if (this.#head === this.#queue.length) {
      this.#queue.length = 0
      this.#head = 0
    } else if (this.#head > 1_024 && this.#head * 2 > this.#queue.length) {
      this.#queue = this.#queue.slice(this.#head)
      this.#head = 0
    }
  }
}
