import type { Fate } from '../protocol/messages.ts'

/** Where the fate of a message is told: the acknowledgement of a client, or the peer that forwarded it. */
export type DeliveryOrigin =
  | { kind: 'client'; connection: number; call: number | undefined }
  | { kind: 'peer'; peer: string; incarnation: string; number: number }

/** One message on its way: counts who confirmed it until nobody is waited for. */
export class Delivery {
  readonly origin: DeliveryOrigin
  /** When waiting ends, on the monotonic clock, ms. */
  readonly deadline: number
  delivered = 0
  unconfirmed = false
  /** Whether its fate was told. */
  isSettled = false
  #pendingAnswers = 0

  constructor(origin: DeliveryOrigin, deadline: number) {
    this.origin = origin
    this.deadline = deadline
  }

  get isDone(): boolean {
    return this.#pendingAnswers === 0
  }

  /** One more connection or peer is to answer. */
  expectAnswer(): void {
    this.#pendingAnswers++
  }

  /** A connection, or a peer for so many of its connections, has answered. */
  recordAnswer(delivered: number, unconfirmed = false): void {
    this.#pendingAnswers--
    this.delivered += delivered
    this.unconfirmed ||= unconfirmed
  }

  get fate(): Fate {
    return this.unconfirmed || this.#pendingAnswers > 0
      ? { ok: true, delivered: this.delivered, unconfirmed: true }
      : { ok: true, delivered: this.delivered }
  }
}

/** Deliveries that wait, in the order of their deadlines, which all lie the same time ahead. */
export class DeadlineQueue {
  #queue: Delivery[] = []
  #head = 0

  push(delivery: Delivery): void {
    this.#queue.push(delivery)
  }

  /** The next deadline; Infinity when nothing waits. */
  get deadline(): number {
    this.#skipSettled()
    return this.#queue[this.#head]?.deadline ?? Number.POSITIVE_INFINITY
  }

  /** Takes out a delivery that is due. */
  takeDue(now: number): Delivery | undefined {
    this.#skipSettled()
    const first = this.#queue[this.#head]
    if (first === undefined || first.deadline > now) return undefined
    this.#head++
    return first
  }

  #skipSettled(): void {
    while (this.#queue[this.#head]?.isSettled) this.#head++
    if (this.#head > 1_024 && this.#head * 2 > this.#queue.length) {
      this.#queue = this.#queue.slice(this.#head)
      this.#head = 0
    }
  }
}
